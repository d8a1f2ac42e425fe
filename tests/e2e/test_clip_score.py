"""ixc clip-score: OpenCLIP scores of answers, one file or two."""
import csv
import json
import shutil
import unittest

from program import IMAGES, SOURCE_DIR, ProgramTest

JUDGE = SOURCE_DIR / "tests" / "data" / "openclip"
GOLDEN = json.loads((JUDGE / "clip_score.json").read_text(encoding="utf-8"))
# Pictures whose decoding is exact: no JPEG.
PAIRS = {pair["image"]: pair for pair in GOLDEN["pairs"]
         if pair["pil_mode"] == "RGB" and pair["image"].endswith(".png")}


class ClipScore(ProgramTest):
    def setUp(self):
        super().setUp()
        self.answers = self.folder / "a.json"
        self.answers.write_text(json.dumps({name: pair["text"] for name, pair in PAIRS.items()}))

    def score(self, *arguments):
        return self.ok("clip-score", "--images", IMAGES, "--judge", JUDGE, *arguments)

    def test_scores_are_those_of_open_clip(self):
        report = json.loads(self.score("--predictions", self.answers, "--json"))
        self.assertEqual(report["count"], len(PAIRS))
        for name, pair in PAIRS.items():
            self.assertAlmostEqual(report["scores"][name], pair["clip_score"], delta=1e-5)
        mean = sum(pair["clip_score"] for pair in PAIRS.values()) / len(PAIRS)
        self.assertAlmostEqual(report["mean"], mean, delta=1e-5)
        text = self.score("--predictions", self.answers)
        self.assertIn(f"mean {report['mean']:.6f} over {len(PAIRS)} pictures", text)
        self.assertIn(f"{report['scores']['cat.png']:.6f}  cat.png", text)

    def test_files(self):
        paths = [self.folder / name for name in ("s.csv", "s.json", "s.html")]
        self.score("--predictions", self.answers, "--csv", paths[0], "--output", paths[1], "--html",
                   paths[2], "--threads", 1)
        with open(paths[0], newline="") as file:
            rows = list(csv.DictReader(file))
        report = json.loads(paths[1].read_text())
        self.assertEqual([row["image"] for row in rows], sorted(PAIRS))
        for row in rows:
            self.assertAlmostEqual(float(row["score"]), report["scores"][row["image"]], delta=1e-9)
        page = paths[2].read_text(encoding="utf-8")
        self.assertEqual(page.count("data:image/png;base64,"), len(PAIRS))
        self.assertIn(PAIRS["text.png"]["text"], page)
        self.assertNotIn("http://", page.replace("http://www.w3.org/2000/svg", ""))

    def test_keys_are_paths_or_names(self):
        gone = self.folder / "gone" / "cat.png"
        self.answers.write_text(json.dumps({
            str(IMAGES / "coffee.png"): "x", "text.png": "x", str(gone): "x"}))
        report = json.loads(self.score("--predictions", self.answers, "--json"))
        self.assertEqual(report["count"], 3)
        self.answers.write_text(json.dumps({"nowhere.png": "x"}))
        self.assertIn("nowhere.png", self.fails(1, "clip-score", "--predictions", self.answers,
                                                "--images", IMAGES, "--judge", JUDGE))

    def test_two_files_and_their_difference(self):
        other = self.folder / "b.json"
        texts = {str(IMAGES / name): pair["text"] for name, pair in PAIRS.items()}
        texts[str(IMAGES / "cat.png")] = "something else"
        other.write_text(json.dumps({**texts, "only.png": "x"}))
        report = json.loads(self.score("--compare", self.answers, other, "--json"))
        self.assertEqual(report["count"], len(PAIRS))
        self.assertEqual(report["unpaired"], ["only.png"])
        differences = [report["a"]["scores"][name] - report["b"]["scores"][name] for name in PAIRS]
        mean = sum(differences) / len(PAIRS)
        self.assertNotEqual(mean, 0)
        self.assertAlmostEqual(report["difference"]["mean"], mean, delta=1e-12)
        low, high = report["difference"]["interval_95"]
        self.assertAlmostEqual((low + high) / 2, mean, delta=1e-12)
        text = self.score("--compare", self.answers, other, "--html", self.folder / "r.html")
        self.assertIn("95 % interval", text)
        lines = [line for line in text.splitlines() if line.endswith("cat.png")]
        self.assertEqual(len(lines), 1)  # the others score the same twice
        self.assertIn("something else", (self.folder / "r.html").read_text(encoding="utf-8"))

    def test_errors(self):
        self.assertIn("predictions", self.fails(1, "clip-score"))
        judge = self.folder / "judge"
        shutil.copytree(JUDGE, judge, copy_function=shutil.copyfile)
        config = json.loads((judge / "open_clip_config.json").read_text())
        config["model_cfg"]["text_cfg"]["layers"] = 4
        (judge / "open_clip_config.json").write_text(json.dumps(config))
        line = self.fails(1, "clip-score", "--predictions", self.answers, "--images", IMAGES,
                          "--judge", judge)
        self.assertIn("transformer.resblocks.3", line)
        self.assertIn("no-judge", self.fails(1, "clip-score", "--predictions", self.answers,
                                             "--images", IMAGES, "--judge", "no-judge"))
        self.assertIn("Example", self.ok("clip-score", "--help"))

    def test_own_merges_come_first(self):
        judge = self.folder / "judge"
        shutil.copytree(JUDGE, judge, copy_function=shutil.copyfile)
        (judge / "merges.txt").write_text("#version\na b\n")
        self.assertIn("merges.txt", self.fails(1, "clip-score", "--predictions", self.answers,
                                               "--images", IMAGES, "--judge", judge))


if __name__ == "__main__":
    unittest.main()
