"""The small evaluation set: described by both routes, judged, and the routes compared."""
import json
import shutil
import subprocess
import unittest

from program import IXC, SOURCE_DIR, ProgramTest

EVALUATION = SOURCE_DIR / "examples" / "evaluation"
PICTURES = EVALUATION / "pictures"
JUDGE = SOURCE_DIR / "models" / "tiny-clip"


class Evaluation(ProgramTest):
    def describe(self, route):
        output = self.folder / f"{route}.json"
        self.ok("precision", "--route", route, "--images", PICTURES, "--output", output, "--keys",
                "name", "--max-new-tokens", 120)
        return output

    def test_the_set_is_whole(self):
        references = json.loads((EVALUATION / "references.json").read_text(encoding="utf-8"))
        self.assertEqual(sorted(references), sorted(path.name for path in PICTURES.iterdir()))
        self.assertGreaterEqual(len(references), 30)
        licences = (EVALUATION / "README.md").read_text(encoding="utf-8")
        for name in references:
            self.assertTrue(name.startswith("scene_") or f"`{name}`" in licences, name)
        size = sum(path.stat().st_size for path in EVALUATION.rglob("*") if path.is_file())
        self.assertLess(size, 3_000_000)

    def test_described_by_both_routes_and_judged(self):
        references = json.loads((EVALUATION / "references.json").read_text(encoding="utf-8"))
        scenes = {name: text for name, text in references.items() if name.startswith("scene_")}
        fast, reference = self.describe("fast"), self.describe("reference")
        for path in (fast, reference):
            answers = json.loads(path.read_text())
            self.assertEqual(sorted(answers), sorted(references))
            right = sum(answers[name] == text for name, text in scenes.items())
            self.assertGreaterEqual(right, 20, path)  # of 24, right in every word
        report = json.loads(self.ok("clip-score", "--compare", fast, reference, "--images", PICTURES,
                                    "--judge", JUDGE, "--json"))
        self.assertEqual(report["count"], len(references))
        low, high = report["difference"]["interval_95"]
        self.assertLessEqual(low, report["difference"]["mean"])
        self.assertGreaterEqual(high, report["difference"]["mean"])
        # Where both routes say the same the judge must too.
        answers_fast, answers_reference = (json.loads(path.read_text())
                                           for path in (fast, reference))
        same = [name for name in references if answers_fast[name] == answers_reference[name]]
        self.assertGreaterEqual(len(same), 20)
        for name in same:
            self.assertEqual(report["a"]["scores"][name], report["b"]["scores"][name])

    def test_the_shipped_judge_prefers_true_captions(self):
        references = json.loads((EVALUATION / "references.json").read_text(encoding="utf-8"))
        names = [name for name in references if name.startswith("scene_")]
        paths = []
        for shift in (0, 1):  # each scene's own caption, and the next scene's
            texts = {name: references[names[(place + shift) % len(names)]]
                     for place, name in enumerate(names)}
            paths.append(self.folder / f"{shift}.json")
            paths[-1].write_text(json.dumps(texts))
        report = json.loads(self.ok("clip-score", "--compare", *paths, "--images", PICTURES,
                                    "--json"))
        self.assertGreater(report["difference"]["interval_95"][0], 0)
        better = sum(report["a"]["scores"][name] > report["b"]["scores"][name] for name in names)
        self.assertGreaterEqual(better, len(names) - 2)

    def test_table_of_routes(self):
        few = self.folder / "few"
        few.mkdir()
        for number in (1, 4, 9):
            shutil.copyfile(PICTURES / f"scene_{number:02}.png", few / f"{number}.png")
        done = subprocess.run(
            ["python3", "-B", SOURCE_DIR / "scripts" / "compare_routes.py", "--images", few,
             "--judge", JUDGE, "--max-new-tokens", "80"],
            check=False, capture_output=True, encoding="utf-8", env={"IXC_PROGRAM": IXC})
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in done.stdout.splitlines()]
        self.assertEqual([row[0] for row in rows[2:]],
                         ["float32", "as stored", "w8a8d", "w4, group 32", "w4, group 128", "w8a8",
                          "w8a8s"])
        self.assertEqual(rows[2][2:], ["–", "3 of 3"])
        self.assertEqual(rows[4][3], "3 of 3")  # w8a8d
        for row in rows[3:]:
            self.assertRegex(row[2], r"^[+-]\d\.\d{6} \([+-]\d\.\d{6} to [+-]\d\.\d{6}\)$")


if __name__ == "__main__":
    unittest.main()
