"""The shipped model sees: its example pictures, in English and Chinese, and partial LoRA at work."""
import json
import unittest

from program import TINY_VL, ProgramTest

EXAMPLES = TINY_VL / "examples"


def truth():
    lines = (EXAMPLES / "truth.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


class TinyVl(ProgramTest):
    def test_describes_its_examples(self):
        captions = truth()
        out = self.folder / "answers.json"
        self.ok("describe", *[EXAMPLES / name for name in captions], "--output", out)
        answers = {answer["image"].rsplit("/", 1)[-1]: answer["answer"]
                   for answer in json.loads(out.read_text(encoding="utf-8"))}
        self.assertEqual(answers, captions)

    def test_answers_in_chinese(self):
        text = self.ok("describe", EXAMPLES / "shapes_1.png", "--prompt", "请详细描述这张图片。")
        self.assertIn("蓝色", text)
        self.assertIn("圆", text)

    def test_every_instruction_set_says_the_same(self):
        texts = {self.ok("describe", EXAMPLES / "shapes_2.png", env={"IXC_ISA": isa})
                 for isa in ("scalar", "")}
        self.assertEqual(len(texts), 1)

    def test_integer_weights_say_nearly_the_same(self):
        captions = truth()
        for scheme, fewest in ((("w8a8d",), len(captions)), (("w4", "--group", "32"), len(captions) - 1)):
            lines = self.ok("describe", *[EXAMPLES / name for name in captions], "--json",
                            "--scheme", *scheme).splitlines()
            answers = [json.loads(line)["answer"] for line in lines]
            unchanged = sum(a == b for a, b in zip(answers, captions.values()))
            self.assertGreaterEqual(unchanged, fewest, (scheme, answers))

    def test_integer_weights_are_the_same_on_every_instruction_set(self):
        texts = {self.ok("describe", EXAMPLES / "shapes_1.png", "--scheme", "w4", env={"IXC_ISA": isa})
                 for isa in ("scalar", "")}
        self.assertEqual(len(texts), 1)
        self.fails(2, "describe", EXAMPLES / "shapes_1.png", "--scheme", "w8a8")
        self.fails(2, "describe", EXAMPLES / "shapes_1.png", "--scheme", "w4", "--group", "48")

    def test_fits_in_the_repository(self):
        size = sum(path.stat().st_size for path in TINY_VL.rglob("*") if path.is_file())
        self.assertLess(size, 8_000_000)


if __name__ == "__main__":
    unittest.main()
