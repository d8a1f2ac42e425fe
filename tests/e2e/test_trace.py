"""ixc trace and ixc tokenize: names, shapes and options."""
import json
import unittest

from program import IMAGES, MODELS, ProgramTest, read_safetensors

VL = MODELS / "vl-a"
HD = MODELS / "4khd-a"


class Trace(ProgramTest):
    def trace(self, *arguments):
        out = self.folder / "out.safetensors"
        self.ok("trace", "--out", out, *arguments)
        return read_safetensors(out)

    def test_names_and_shapes_of_vl(self):
        tensors, metadata = self.trace(
            "--model", VL, "--image", IMAGES / "cat.png", "--prompt", "<ImageHere>What?",
            "--system", "", "--max-new-tokens", 3, "--greedy", "--hidden", "--logits", "all")
        tokens = tensors["input_ids"][1][0]
        self.assertEqual(tensors["pixel_values"][:2], ("F32", [1, 3, 490, 490]))
        self.assertEqual(tensors["vision_features"][:2], ("F32", [1, 1225, 128]))
        self.assertEqual(tensors["image_embeds"][:2], ("F32", [1225, 128]))
        self.assertEqual(tensors["inputs_embeds"][:2], ("F32", [tokens, 128]))
        self.assertEqual(tensors["im_mask"][:2], ("U8", [tokens]))
        self.assertEqual(sum(tensors["im_mask"][2]), 1225)
        for layer in range(3):
            self.assertEqual(tensors[f"hidden.{layer}"][:2], ("F32", [tokens, 128]))
        self.assertEqual(tensors["logits"][:2], ("F32", [tokens, 1024]))
        self.assertEqual(tensors["decode_logits"][:2], ("F32", [3, 1024]))
        self.assertEqual(tensors["generated_ids"][:2], ("I64", [3]))
        self.assertEqual(metadata["model_kind"], "vl")
        self.assertTrue(metadata["prompt"].startswith("[UNUSED_TOKEN_146]user\n<ImageHere>What?"))

    def test_views_of_4khd(self):
        tensors, metadata = self.trace(
            "--model", HD, "--image", IMAGES / "cat.png", "--hd-num", 4, "--prompt",
            "<ImageHere>What?", "--max-new-tokens", 2, "--beams", 3)
        views = tensors["pixel_values"][1][0]
        self.assertEqual(tensors["pixel_values"][1], [views, 3, 336, 336])
        self.assertEqual(tensors["vision_features"][1][:2], [views, 576])
        self.assertEqual(tensors["logits"][1], [1, 1024])
        self.assertNotIn("decode_logits", tensors)
        self.assertEqual(metadata["model_kind"], "4khd")

    def test_forced_ids(self):
        tensors, _ = self.trace("--model", VL, "--prompt", "Hello", "--force-ids", "5,6,7")
        self.assertEqual(tensors["decode_logits"][1], [3, 1024])
        self.assertEqual(list(memoryview(tensors["generated_ids"][2]).cast("q")), [5, 6, 7])
        self.assertNotIn("pixel_values", tensors)

    def test_history(self):
        history = self.folder / "history.json"
        history.write_text(json.dumps([["Hi", "Hello"]]))
        _, metadata = self.trace("--model", VL, "--prompt", "And?", "--history", history,
                                 "--max-new-tokens", 1)
        self.assertIn("assistant\nHello[UNUSED_TOKEN_145]", metadata["prompt"])


class Tokenize(ProgramTest):
    def test_round_trip(self):
        ids = self.ok("tokenize", VL, stdin='"Hello world"\n""\n')
        rows = [json.loads(line) for line in ids.splitlines()]
        self.assertEqual(rows[1], [])
        text = self.ok("tokenize", VL, "--decode", stdin=ids)
        self.assertEqual([json.loads(line) for line in text.splitlines()], ["Hello world", ""])

    def test_bad_line_is_named(self):
        self.assertIn("2", self.fails(1, "tokenize", VL, stdin='"a"\n{bad\n'))


if __name__ == "__main__":
    unittest.main()
