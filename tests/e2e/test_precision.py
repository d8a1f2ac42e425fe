"""ixc precision: a folder of pictures into the original's file of answers, by two routes."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from program import IMAGES, IXC, MODELS, TINY_4KHD, TINY_VL, ProgramTest, run

EXAMPLES = TINY_VL / "examples"


class Precision(ProgramTest):
    def setUp(self):
        super().setUp()
        self.images = self.folder / "images"
        self.images.mkdir()
        for number in (3, 1, 2):
            shutil.copyfile(EXAMPLES / f"shapes_{number}.png", self.images / f"{number}.png")
        self.out = self.folder / "out.json"

    def describe(self, *arguments, out=None):
        return self.ok("precision", "--images", self.images, "--output", out or self.out, *arguments)

    def test_keys_and_bytes_of_both_routes(self):
        self.describe("--prompt", "请详细描述这张图片。")
        fast = json.loads(self.out.read_text())
        real = self.images.resolve()
        self.assertEqual(list(fast), [f"{real}/{number}.png" for number in (1, 2, 3)])
        self.assertIn("个物体", fast[f"{real}/1.png"])
        # As Python's json module writes it: this is what the original's readers expect.
        self.assertEqual(self.out.read_text(), json.dumps(fast, sort_keys=True))
        reference = self.folder / "reference.json"
        self.describe("--route", "reference", out=reference)
        self.assertEqual(list(json.loads(reference.read_text())), ["1.png", "2.png", "3.png"])
        self.describe("--keys", "name", out=self.folder / "named.json")
        self.assertIn("1.png", json.loads((self.folder / "named.json").read_text()))

    def test_names_that_are_not_utf8(self):
        name = os.fsencode(self.images) + b"/caf\xe9.png"
        shutil.copyfile(self.images / "1.png", name)
        self.describe("--keys", "name", "--max-new-tokens", 4)
        answers = json.loads(self.out.read_text())
        self.assertEqual(list(answers), ["1.png", "2.png", "3.png", "caf\\xe9.png"])
        again = json.loads(self.describe("--keys", "name", "--resume", "--json"))
        self.assertEqual((again["answered"], again["kept"]), (0, 4))

    def test_what_is_no_picture_is_skipped_with_a_warning(self):
        (self.images / "notes.png").write_text("not a picture")
        (self.images / "folder").mkdir()
        done = run("precision", "--images", self.images, "--output", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("warning: "), 2)
        self.assertIn("notes.png", done.stderr)
        self.assertEqual(len(json.loads(self.out.read_text())), 3)

    def test_a_broken_picture_fails_alone(self):
        data = (self.images / "2.png").read_bytes()
        (self.images / "2.png").write_bytes(data[: len(data) // 2])
        self.assertIn("2.png", self.fails(1, "precision", "--images", self.images, "--output",
                                          self.out, "--keys", "name"))
        self.assertEqual(list(json.loads(self.out.read_text())), ["1.png", "3.png"])

    def test_answers_to_other_pictures_stay(self):
        self.out.write_text(json.dumps({"zebra.png": "A zebra.", "1.png": "stale"}))
        self.describe("--keys", "name", "--resume")
        answers = json.loads(self.out.read_text())
        self.assertEqual(answers["1.png"], "stale")
        self.assertEqual(list(answers), ["1.png", "2.png", "3.png", "zebra.png"])
        self.describe("--keys", "name")
        answers = json.loads(self.out.read_text())
        self.assertNotEqual(answers["1.png"], "stale")
        self.assertEqual(answers["zebra.png"], "A zebra.")

    def test_killed_again_and_again_and_resumed(self):
        for copy in range(4, 16):
            shutil.copyfile(self.images / f"{copy % 3 + 1}.png", self.images / f"{copy}.png")
        whole = self.folder / "whole.json"
        self.describe("--threads", 1, out=whole)
        command = [IXC, "precision", "--images", self.images, "--output", self.out, "--threads",
                   "1", "--resume"]
        kills = 0
        for wait in (0.0, 0.02, 0.05, 0.08, 0.11, 0.15, 0.2):
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            if self.out.exists():
                json.loads(self.out.read_text())  # whole at any time
        self.assertGreater(kills, 0)
        self.describe("--threads", 1, "--resume")
        self.assertEqual(self.out.read_bytes(), whole.read_bytes())
        self.assertEqual([name for name in os.listdir(self.folder) if ".tmp-" in name], [])

    def test_batches_change_no_byte(self):
        for copy in range(4, 10):
            shutil.copyfile(EXAMPLES / f"shapes_{copy % 6 + 1}.png", self.images / f"{copy}.png")
        data = (self.images / "2.png").read_bytes()
        (self.images / "broken.png").write_bytes(data[: len(data) // 2])
        together = self.folder / "together.json"
        for model in (TINY_VL, TINY_4KHD):
            for route in (["--same-settings"], ["--route", "reference"], ["--scheme", "w8a8d"]):
                with self.subTest(model=model.name, route=route):
                    words = ["precision", "--images", self.images, "--model", model, "--hd-num", 4,
                             *route]
                    self.out.unlink(missing_ok=True)
                    self.fails(1, *words, "--output", self.out)
                    alone = self.out.read_bytes()
                    self.assertEqual(len(json.loads(alone)), 9)
                    for batch in (3, 16):
                        together.unlink(missing_ok=True)
                        message = self.fails(1, *words, "--output", together, "--batch", batch)
                        self.assertIn("broken.png", message)
                        self.assertEqual(together.read_bytes(), alone)

    def test_a_batch_killed_and_resumed(self):
        for copy in range(4, 16):
            shutil.copyfile(self.images / f"{copy % 3 + 1}.png", self.images / f"{copy}.png")
        whole = self.folder / "whole.json"
        self.describe("--threads", 1, out=whole)
        command = [IXC, "precision", "--images", self.images, "--output", self.out, "--threads",
                   "1", "--resume", "--batch", "4"]
        for wait in (0.03, 0.08, 0.12):
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if self.out.exists():
                json.loads(self.out.read_text())  # whole at any time
        self.describe("--threads", 1, "--resume", "--batch", 4)
        self.assertEqual(self.out.read_bytes(), whole.read_bytes())

    def test_interrupted_with_what_is_answered(self):
        for batch in ([], ["--batch", "3"]):
            self.out.unlink(missing_ok=True)
            self.interrupt(batch)

    def interrupt(self, batch):
        process = subprocess.Popen(
            [IXC, "precision", "--images", str(IMAGES), "--output", str(self.out), "--model",
             str(MODELS / "vl-a"), "--max-new-tokens", "100000", "--same-settings", *batch],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not self.out.exists():
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, errors)
        json.loads(self.out.read_text())

    def test_settings_of_the_routes(self):
        # Whatever the routes' types of weights: with the same settings tiny-vl says the same.
        reference = self.folder / "reference.json"
        self.describe("--route", "reference", out=reference)
        self.describe("--same-settings", "--batch", 2)
        report = json.loads(self.ok("precision", "--compare", self.out, reference, "--json"))
        self.assertEqual((report["pictures"], report["identical"]), (3, 3))
        self.assertIn("3 of 3", self.ok("precision", "--compare", self.out, reference))
        self.describe("--max-new-tokens", 4)
        report = json.loads(self.ok("precision", "--compare", self.out, reference, "--json"))
        self.assertEqual(report["identical"], 0)
        # Where the shorter answer ends.
        self.assertEqual([row["first_token"] for row in report["different"]], [4, 4, 4])
        self.assertIn("reference", self.fails(1, "precision", "--images", self.images, "--route",
                                              "reference", "--scheme", "w8a8d"))

    def test_compare_counts_and_places(self):
        a, b = self.folder / "a.json", self.folder / "b.json"
        a.write_text(json.dumps({"/x/1.png": "a small red circle", "2.png": "same", "3.png": "x"}))
        b.write_text(json.dumps({"1.png": "a small blue circle", "2.png": "same", "4.png": "x"}))
        report = json.loads(self.ok("precision", "--compare", a, b, "--json"))
        self.assertEqual((report["pictures"], report["identical"]), (2, 1))
        self.assertEqual(report["different"][0]["first_byte"], 8)
        self.assertEqual(report["different"][0]["first_token"], 2)
        self.assertEqual((report["only_a"], report["only_b"]), (["3.png"], ["4.png"]))
        text = self.ok("precision", "--compare", a, b)
        self.assertIn("1 of 2", text)
        self.assertIn("a small blue circle", text)
        b.write_text(json.dumps({"9.png": "same"}))
        self.assertIn("common", self.fails(1, "precision", "--compare", a, b))

    def test_wrong_usage(self):
        self.assertIn("--images", self.fails(1, "precision"))
        self.assertIn("nowhere", self.fails(1, "precision", "--images", self.folder / "nowhere"))
        (self.folder / "empty").mkdir()
        self.assertIn("no picture", self.fails(1, "precision", "--images", self.folder / "empty"))
        self.out.write_text("[1, 2]")
        self.assertIn("out.json", self.fails(1, "precision", "--images", self.images, "--output",
                                             self.out))
        self.assertIn("Example", self.ok("precision", "--help"))


if __name__ == "__main__":
    unittest.main()
