"""ixc quantize and ixc compress on the shipped model, the directories they write, and their errors."""
import json
import resource
import shutil
import signal
import subprocess
import time
import unittest

from program import IXC, MODELS, ProgramTest, TINY_VL, read_safetensors

EXAMPLES = TINY_VL / "examples"
TEXTS = ["How many objects are there?", "What color is the circle?", "请详细描述这张图片。",
         "The picture shows a small red triangle on the left and a large blue circle on the right."]


class Quantize(ProgramTest):
    def calibration(self, lines=None):
        path = self.folder / "calibration.jsonl"
        lines = lines or [json.dumps({"inputs_pretokenized": text}, ensure_ascii=False)
                          for text in TEXTS]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def answers(self, model):
        out = self.ok("describe", *sorted(EXAMPLES.glob("*.png")), "--model", model, "--json")
        return [json.loads(line)["answer"] for line in out.splitlines()]

    def test_directories_run_and_say_nearly_the_same(self):
        truth = self.answers(TINY_VL)
        calibration = self.calibration()
        for scheme, fewest in ((("w8a8d",), len(truth)), (("w4", "--group", "32"), len(truth) - 1),
                               (("w8a8", "--calib", calibration), len(truth) - 2)):
            directory = self.folder / scheme[0]
            report = json.loads(self.ok("quantize", TINY_VL, directory, "--json",
                                        "--scheme", *scheme))
            self.assertEqual(report["scheme"], scheme[0])
            unchanged = sum(a == b for a, b in zip(self.answers(directory), truth))
            self.assertGreaterEqual(unchanged, fewest, scheme)
            error = self.fails(1, "quantize", directory, self.folder / "again", "--scheme", "w8a8d")
            self.assertIn("quantized already", error)

    def test_files_and_loading_agree(self):
        # Rounded while loading or read from a file: the same bits, so the same words.
        for scheme in (("w8a8d",), ("w4", "--group", "64")):
            directory = self.folder / scheme[0]
            self.ok("quantize", TINY_VL, directory, "--scheme", *scheme)
            picture = EXAMPLES / "shapes_4.png"
            self.assertEqual(self.ok("describe", picture, "--model", directory),
                             self.ok("describe", picture, "--model", TINY_VL, "--scheme", *scheme))
            description = json.loads((directory / "quant_model_description.json").read_text())
            self.assertEqual(description["metadata"], {"format": "ixc", "format_version": 1})
            self.assertEqual(description["output.weight"], "W8A8D")

    def test_4khd(self):
        directory = self.folder / "4khd"
        self.ok("quantize", MODELS / "4khd-a", directory, "--scheme", "w4", "--group", "32",
                "--search")
        self.ok("describe", EXAMPLES / "shapes_1.png", "--model", directory, "--hd-num", 4,
                "--max-new-tokens", 4)

    def test_compress(self):
        sparse, compressed = self.folder / "w8a8s", self.folder / "w8a8sc"
        self.ok("quantize", TINY_VL, sparse, "--scheme", "w8a8s", "--calib", self.calibration())
        report = json.loads(self.ok("compress", sparse, compressed, "--json"))
        self.assertLess(report["bits_per_weight"], 4.8)  # rows of 128 carry eight bytes of index
        self.assertEqual(self.answers(sparse), self.answers(compressed))
        tensors, _ = read_safetensors(
            compressed / "part0-of-1" / "quant_model_weight_w8a8sc.safetensors")
        prefix = "language_model.model.layers.0.feed_forward.w1_w3"
        self.assertEqual(tensors[prefix + ".info"][:2], ("I64", [5]))
        self.ok("compress", sparse, self.folder / "two", "--tp", 2)
        self.assertIn("split for 2 ranks", self.fails(1, "inspect", self.folder / "two"))
        self.assertIn("cannot be divided",
                      self.fails(1, "compress", sparse, self.folder / "many", "--tp", 7))

    def test_report(self):
        pictures = self.folder / "pictures"
        pictures.mkdir()
        for name in ("shapes_1.png", "shapes_2.png"):
            shutil.copyfile(EXAMPLES / name, pictures / name)
        calibration = self.calibration()
        path = self.folder / "report.json"
        self.ok("quantize", TINY_VL, self.folder / "out", "--scheme", "w8a8", "--calib",
                calibration, "--report", path, "--report-texts", calibration, "--report-images",
                pictures)
        report = json.loads(path.read_text())
        self.assertEqual(report["calibration"], report["texts"])
        self.assertEqual(report["pictures"]["pictures"], 2)
        for part in ("texts", "pictures"):
            self.assertGreater(report[part]["kl"], 0)
            self.assertLess(report[part]["kl"], 0.5)
            self.assertGreater(report[part]["top1"], 0.7)
        self.assertGreater(report["bits_per_weight"], 8)
        self.assertLess(report["bytes"], report["source_bytes"])


class Errors(ProgramTest):
    def quantize(self, *arguments, code=1):
        return self.fails(code, "quantize", TINY_VL, self.folder / "out", *arguments)

    def test_words(self):
        self.quantize("--scheme", "w3", code=2)
        self.quantize("--scheme", "w4", "--group", 48, code=2)
        self.assertIn("needs calibration", self.quantize("--scheme", "w8a8"))

    def test_bad_lines_are_numbered(self):
        path = self.folder / "bad.jsonl"
        for line, wanted in (("{", "line 2"), ("[]", "line 2"),
                             ('{"inputs_pretokenized": 7}', "line 2")):
            path.write_text('{"inputs_pretokenized": "fine"}\n' + line + "\n")
            self.assertIn(wanted, self.quantize("--scheme", "w8a8", "--calib", path))
        path.write_text("\n")
        self.assertIn("no calibration text", self.quantize("--scheme", "w8a8", "--calib", path))
        self.assertFalse((self.folder / "out").exists())

    def test_an_existing_directory_stays(self):
        target = self.folder / "out"
        target.mkdir()
        (target / "mine").write_text("x")
        self.assertIn("exists", self.quantize("--scheme", "w8a8d"))
        self.assertEqual([path.name for path in target.iterdir()], ["mine"])

    def test_a_full_disk_leaves_nothing(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        done = subprocess.run([IXC, "quantize", TINY_VL, self.folder / "out", "--scheme", "w8a8d"],
                              capture_output=True, text=True, check=False, preexec_fn=limit)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def stopped_by(self, signal_number):
        """Exit code and what is in the folder after a signal that comes once the work has begun."""
        calibration = self.folder / "calibration.jsonl"
        calibration.write_text("".join(json.dumps({"inputs_pretokenized": text * 20}) + "\n"
                                       for text in TEXTS * 500))
        process = subprocess.Popen(
            [IXC, "quantize", TINY_VL, self.folder / "out", "--scheme", "w8a8", "--calib", calibration],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 60
            while not list(self.folder.glob("out.tmp-*")) and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal_number)
            process.communicate(timeout=60)
        finally:
            process.kill()
        return process.returncode, {path.name for path in self.folder.iterdir()} - {calibration.name}

    def test_ctrl_c_leaves_nothing(self):
        self.assertEqual(self.stopped_by(signal.SIGINT), (130, set()))

    def test_a_kill_leaves_nothing_under_the_name(self):
        code, left = self.stopped_by(signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)
        self.assertNotIn("out", left)


if __name__ == "__main__":
    unittest.main()
