"""Pictures of every shape: ixc inspect --image tells what becomes of them, ixc describe answers."""
import json
import struct
import unittest
import zlib

from program import IMAGES, MODELS, TINY_VL, ProgramTest

VL = MODELS / "vl-a"
HD = MODELS / "4khd-a"


def write_png(path, width, height):
    """A grey gradient, without any library."""
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body
                + struct.pack(">I", zlib.crc32(kind + body)))

    row = b"\0" + bytes(x * 255 // width for x in range(width))
    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(row * height, 1)) + chunk(b"IEND", b""))
    return path


class ExtremeShapes(ProgramTest):
    SHAPES = (1, 1), (1, 300), (300, 1), (2000, 100), (100, 2000), (16384, 40), (40, 16384)

    def test_get_an_answer_of_the_forecast_length(self):
        for width, height in self.SHAPES:
            picture = write_png(self.folder / f"{width}x{height}.png", width, height)
            for model in (VL, HD):
                with self.subTest(width=width, height=height, model=model.name):
                    forecast = json.loads(self.ok(
                        "inspect", model, "--image", picture, "--hd-num", 4, "--json"))["picture"]
                    answer = json.loads(self.ok(
                        "describe", picture, "--model", model, "--hd-num", 4, "--json",
                        "--max-new-tokens", 2))
                    self.assertEqual((forecast["width"], forecast["height"]), (width, height))
                    self.assertEqual(forecast["image_tokens"], answer["image_tokens"])
                    self.assertEqual(forecast["prompt_tokens"], answer["prompt_tokens"])
                    self.assertIn(answer["new_tokens"], (1, 2))

    def test_or_an_error_that_names_the_limit(self):
        line = write_png(self.folder / "line.png", 16384, 1)
        self.ok("describe", line, "--model", VL, "--max-new-tokens", 2)  # squashed to a square
        for command in (("describe", line, "--model", HD), ("inspect", HD, "--image", line)):
            error = self.fails(1, *command, "--hd-num", 4)
            self.assertIn("16384 x 1", error)
            self.assertIn("hd_num 4", error)
        wide = write_png(self.folder / "wide.png", 16385, 2)
        for command in (("describe", wide, "--model", VL), ("inspect", HD, "--image", wide)):
            self.assertIn("16384", self.fails(1, *command))
        many = write_png(self.folder / "square.png", 64, 64)
        error = self.fails(1, "describe", many, "--model", HD, "--hd-num", 400)
        self.assertIn("16384", error)  # tokens
        self.assertIn("--hd-num", error)


class Forecast(ProgramTest):
    def test_needs_no_weights_in_memory_and_says_everything(self):
        text = self.ok("inspect", HD, "--image", IMAGES / "coffee.png", "--hd-num", 6)
        for words in ("600 x 400 pixels", "2 x 3 of 336 pixels", "= 1045", "keys and values",
                      "tokens/s", "GFLOP/s"):
            self.assertIn(words, text)
        estimate = json.loads(self.ok("inspect", HD, "--image", IMAGES / "coffee.png",
                                      "--json"))["picture"]["estimate"]
        for seconds in estimate.values():
            self.assertGreater(seconds, 0)

    def test_says_when_the_prompt_is_too_long(self):
        text = self.ok("inspect", HD, "--image", IMAGES / "coffee.png", "--hd-num", 400)
        self.assertIn("TOO LONG", text)

    def test_draws_what_the_model_sees(self):
        out = self.folder / "views.png"
        self.ok("inspect", HD, "--image", IMAGES / "coffee.png", "--hd-num", 6, "--draw", out)
        width, height = struct.unpack(">II", out.read_bytes()[16:24])
        self.assertGreater(width, 3 * 336)
        self.assertGreater(height, (1 + 2) * 336)
        self.ok("inspect", TINY_VL, "--image", IMAGES / "coffee.png", "--draw", out)
        self.fails(1, "inspect", HD, "--image", IMAGES / "coffee.png", "--draw",
                   self.folder / "no" / "views.png")
        self.fails(2, "inspect", HD, "--draw", out)


if __name__ == "__main__":
    unittest.main()
