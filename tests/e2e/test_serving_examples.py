"""The programs in examples/serving against a running server."""
import json
import os
import shutil
import subprocess
import sys
import unittest

from program import SOURCE_DIR, TINY_VL, ProgramTest
from running_server import RunningServer

EXAMPLES = SOURCE_DIR / "examples" / "serving"
PICTURES = SOURCE_DIR / "examples" / "evaluation" / "pictures"
SHAPES = TINY_VL / "examples" / "shapes_2.png"
TRUTH = ("The image shows two objects on a dark background: a large teal rectangle in the middle right "
         "and a small green ring in the bottom right.")
KEY = "a-key-for-the-tests-of-examples"


class Examples(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.server = RunningServer(TINY_VL)
        cls.addClassCleanup(cls.server.close)

    def start(self, *words, **env):
        return subprocess.run(
            list(map(str, words)), check=False, capture_output=True, encoding="utf-8",
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env})

    def captions(self, *options, code=0, **env):
        done = self.start(sys.executable, EXAMPLES / "caption_folder.py", self.images, self.out,
                          *options, **env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def setUp(self):
        super().setUp()
        self.images, self.out = self.folder / "images", self.folder / "captions.jsonl"
        self.images.mkdir()
        for number in range(1, 13):
            name = f"scene_{number:02}.png"
            shutil.copyfile(PICTURES / name, self.images / name)

    def lines(self):
        return [json.loads(line) for line in self.out.read_text(encoding="utf-8").splitlines()]

    @unittest.skipUnless(shutil.which("curl"), "no curl")
    def test_curl(self):
        done = self.start("bash", EXAMPLES / "curl.sh", SHAPES, self.server.url)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        whole, *events = [line for line in done.stdout.splitlines() if line]
        self.assertEqual(json.loads(whole)["choices"][0]["message"]["content"], TRUTH)
        self.assertEqual(events[-1], "data: [DONE]")
        pieces = [json.loads(event.removeprefix("data: "))["choices"] for event in events[:-1]]
        self.assertEqual("".join(choices[0]["delta"].get("content") or "" for choices in pieces
                                 if choices), TRUTH)

    def test_captions_by_two_servers_of_which_one_is_gone(self):
        predictions = self.folder / "predictions.json"
        self.captions("--server", self.server.url, "--server", "http://127.0.0.1:9", "--at-once", 2,
                      "--predictions", predictions)
        answers = {line["image"]: line["answer"] for line in self.lines()}
        self.assertEqual(len(self.lines()), 12)
        self.assertEqual(answers, json.loads(predictions.read_text()))
        references = json.loads((PICTURES.parent / "references.json").read_text(encoding="utf-8"))
        right = sum(references[name] == answer for name, answer in answers.items())
        self.assertGreaterEqual(right, 11)

    def test_captions_go_on_where_they_were(self):
        whole = {"image": "scene_01.png", "answer": "mine"}
        self.out.write_text(json.dumps(whole) + "\n" + '{"image": "scene_02.png", "ans')
        (self.images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot one")
        done = self.captions("--server", self.server.url, code=1)
        self.assertIn("error: broken.png: 400", done.stderr)
        self.assertIn("13 pictures: 12 answered, 1 refused, 0 left", done.stdout)
        self.assertEqual(self.lines()[0], whole)
        self.assertEqual(len({line["image"] for line in self.lines()}), 12)

    def test_captions_with_a_key_and_a_short_queue(self):
        keys = self.folder / "keys"
        keys.write_text(KEY + "\n")
        server = RunningServer(TINY_VL, "--api-keys", keys, "--max-running", 1, "--max-waiting", 1)
        self.addCleanup(server.close)
        done = self.captions("--server", server.url, code=1)
        self.assertIn("401", done.stderr)
        self.assertEqual(self.out.exists() and self.lines(), False)
        self.captions("--server", server.url, "--at-once", 6, IXC_API_KEY=KEY)
        self.assertEqual(len(self.lines()), 12)

    def test_openai_client(self):
        if self.start(sys.executable, "-c", "import openai").returncode != 0:
            self.skipTest("the openai package is not installed")
        done = self.start(sys.executable, EXAMPLES / "openai_client.py", SHAPES, "--server",
                          self.server.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(TRUTH, done.stdout)
        self.assertRegex(done.stdout, r"two\.?\n  \[\d+ prompt tokens, [1-9]\d+ of them cached")


if __name__ == "__main__":
    unittest.main()
