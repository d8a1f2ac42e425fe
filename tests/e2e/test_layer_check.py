"""tools/layer_check.py: that it finds differences (numpy), and a whole run against a stand-in (torch)."""
import contextlib
import importlib.util
import io
import subprocess
import sys
import unittest

from program import IMAGES, IXC, MODELS, SOURCE_DIR, TINY_VL, ProgramTest

TOOL = SOURCE_DIR / "tools" / "layer_check.py"
STAND_IN = SOURCE_DIR / "tests" / "reference" / "remote_code.py"


def has(module):
    return importlib.util.find_spec(module) is not None


@unittest.skipUnless(has("numpy"), "needs numpy")
class Comparison(ProgramTest):
    def setUp(self):
        super().setUp()
        specification = importlib.util.spec_from_file_location("layer_check", TOOL)
        self.tool = importlib.util.module_from_spec(specification)
        sys.modules["layer_check"] = self.tool
        specification.loader.exec_module(self.tool)
        import numpy
        self.numpy = numpy
        out = self.folder / "trace.safetensors"
        self.ok("trace", "--model", TINY_VL, "--image", IMAGES / "coffee.png", "--prompt",
                "<ImageHere>What?", "--hidden", "--compute", "fp32", "--max-new-tokens", 1, "--out", out)
        self.trace = self.tool.read_trace(out)

    def verdict(self, ours, theirs, tolerance=1e-4):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            good = self.tool.report(self.tool.compare_runs(ours, theirs), tolerance)
        return good, printed.getvalue()

    def reference(self):
        return {name: self.trace[name].copy() for name in ("inputs_embeds", "hidden.0", "hidden.1")}

    def test_a_run_equals_itself(self):
        good, text = self.verdict(self.trace, self.reference())
        self.assertTrue(good, text)
        self.assertIn("all 3 stages", text)

    def test_the_first_stage_that_differs_is_named_with_its_row(self):
        theirs = self.reference()
        theirs["hidden.0"][7] *= 1.02
        theirs["hidden.1"][9] *= 1.5
        good, text = self.verdict(self.trace, theirs)
        self.assertFalse(good)
        self.assertIn("first stage beyond 0.0001: hidden.0", text)
        row = next(line for line in text.splitlines() if line.startswith("hidden.0"))
        self.assertEqual(row.split()[3], "7")

    def test_shapes_gaps_and_numbers_that_are_none_count_as_differences(self):
        theirs = self.reference()
        theirs["hidden.9"] = theirs["hidden.1"]
        self.assertIn("hidden.9: not in the trace", self.verdict(self.trace, theirs)[1])
        theirs = self.reference()
        theirs["hidden.1"] = theirs["hidden.1"][:-1]
        self.assertFalse(self.verdict(self.trace, theirs)[0])
        theirs = self.reference()
        theirs["hidden.1"][3, 3] = self.numpy.nan
        good, text = self.verdict(self.trace, theirs)
        self.assertFalse(good)
        self.assertIn("not finite", text)


@unittest.skipUnless(has("torch") and has("sentencepiece"), "needs tools/tiny_models/requirements.txt")
class WholeRun(ProgramTest):
    def check(self, model, *options):
        return subprocess.run(
            [sys.executable, TOOL, model, "--image", IMAGES / "coffee.png", "--hd-num", "4", "--ixc", IXC,
             "--remote-code", STAND_IN, *options],
            capture_output=True, encoding="utf-8", check=False)

    def test_both_models_agree_with_the_stand_in(self):
        for model in (MODELS / "vl-a", MODELS / "4khd-a", TINY_VL):
            done = self.check(model)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_wrong_answer_is_seen(self):
        done = self.check(MODELS / "vl-a", "--tolerance", "1e-9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("first stage beyond", done.stdout)


if __name__ == "__main__":
    unittest.main()
