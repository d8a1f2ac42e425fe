"""ixc inspect and ixc convert on real directories and broken ones."""
import json
import shutil
import unittest

from program import IMAGES, MODELS, ProgramTest

SHORT = ("--max-new-tokens", 8)


class Inspect(ProgramTest):
    def test_kind_and_parts(self):
        for model, kind in (("vl-a", "VL"), ("vl-b", "VL"), ("4khd-a", "4KHD")):
            report = json.loads(self.ok("inspect", MODELS / model, "--json"))
            self.assertEqual(report["kind"], kind)
            self.assertEqual(report["unknown_tensors"], [])
            self.assertGreater(report["memory"]["weights"], 0)

    def test_verify_finds_nothing_in_good_weights(self):
        self.ok("inspect", MODELS / "vl-b", "--verify")

    def test_verify_finds_a_flipped_byte(self):
        model = self.folder / "model"
        shutil.copytree(MODELS / "vl-b", model, copy_function=shutil.copyfile)
        weights = model / "pytorch_model-00002-of-00002.bin"
        data = bytearray(weights.read_bytes())
        data[len(data) // 2] ^= 0x40
        weights.write_bytes(data)
        self.fails(1, "inspect", model, "--verify")


class Convert(ProgramTest):
    def test_bin_to_safetensors_says_the_same(self):
        converted = self.folder / "converted"
        self.ok("convert", MODELS / "vl-b", converted)
        self.assertTrue(list(converted.glob("*.safetensors")))
        answers = {self.ok("describe", IMAGES / "cat.png", "--model", model, *SHORT)
                   for model in (MODELS / "vl-b", converted)}
        self.assertEqual(len(answers), 1)
        self.fails(1, "convert", MODELS / "vl-b", converted)  # nothing is overwritten unasked

    def test_widening_changes_no_number(self):
        converted = self.folder / "converted"
        self.ok("convert", MODELS / "vl-a", converted, "--dtype", "f32")
        answers = {self.ok("describe", IMAGES / "cat.png", "--model", model, "--compute", "fp32",
                           *SHORT) for model in (MODELS / "vl-a", converted)}
        self.assertEqual(len(answers), 1)


if __name__ == "__main__":
    unittest.main()
