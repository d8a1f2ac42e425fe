"""ixc performance: the original's tables byte for byte in form, and what it measures."""
import csv
import json
import re
import unittest
import xml.etree.ElementTree

from program import IMAGES, MODELS, TINY_VL, ProgramTest

PICTURE = TINY_VL / "examples" / "shapes_1.png"
HEADER = ("batch, input_len, output_len, embedding_len, fisrt_token_time(ms), " + 16 * " "
          + "non_first_token_time(ms), ResponseTime(ms),E2E Throughput Average(Tokens/s)")
NUMBER = r"\d+\.\d+(?:e-\d+)?"
ROW = re.compile(rf"(\d+), (\d+), (\d+),(\d+), {16 * ' '}({NUMBER}),({NUMBER}), ({NUMBER}), "
                 rf"{16 * ' '}({NUMBER})")
COLUMNS = ["batch_size", "input_seq_len", "output_seq_len", "e2e_time(ms)", "prefill_time(ms)",
           "decoder_token_time(ms)", "prefill_count", "prefill_token_times", "decode_token_times",
           "prefill_average_time(ms)"]


class Performance(ProgramTest):
    def measure(self, *arguments, **options):
        table = self.folder / "out.csv"
        return table, self.ok("performance", "--image", PICTURE, "--csv", table, *arguments,
                              **options)

    def test_table_is_appended_with_the_bytes_of_the_original(self):
        table, text = self.measure("--max-new-tokens", 9)
        self.assertIn("GB/s", text)
        self.measure("--max-new-tokens", 5, "--batch", "1,2")
        lines = table.read_text().split("\n")
        self.assertEqual(lines[0], HEADER)
        self.assertEqual(lines[-1], "")
        rows = [ROW.fullmatch(line).groups() for line in lines[1:-1]]
        self.assertEqual([(row[0], row[2]) for row in rows], [("1", "9"), ("1", "5"), ("2", "5")])
        for row in rows:
            batch, query, new, prompt = map(int, row[:4])
            first, following, response, speed = map(float, row[4:])
            self.assertEqual((query, prompt), (14, 93))
            self.assertAlmostEqual(speed, batch * new / (response / 1000 + 1e-12), delta=1e-6 * speed)
            self.assertLess(first + following * (new - 1), response + 0.1)
        self.assertEqual(table.stat().st_mode & 0o777, 0o600)

    def test_samples_and_plot(self):
        table, text = self.measure("--max-new-tokens", 6, "--repeats", 2, "--json")
        report = json.loads(table.with_suffix(".json").read_text())
        self.assertEqual(json.loads(text), report)
        self.assertEqual(len(report["runs"]), 2)
        run = report["runs"][0]
        self.assertEqual(len(run["requests"][0]["decode_seconds"]), 5)
        self.assertEqual(run["new_tokens"], 6)
        self.assertEqual(run["prompt_tokens"], 93)
        self.assertEqual(run["image_tokens"], 64)
        self.assertGreater(report["peak_memory_bytes"], 4_000_000)
        self.assertGreater(run["decode_gigabytes_per_second"], 0)
        plot = xml.etree.ElementTree.parse(table.with_suffix(".svg")).getroot()
        lines = plot.findall(".//{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [5, 5])

    def test_goes_on_behind_the_end_of_the_answer_unless_told(self):
        counts = []
        for option in ((), ("--stop-at-end",)):
            _, text = self.measure("--max-new-tokens", 80, "--json", *option)
            counts.append(json.loads(text)["runs"][0]["new_tokens"])
        self.assertEqual(counts[0], 80)
        self.assertLess(counts[1], 80)

    def test_benchmark_table_only_when_switched_on(self):
        bench = self.folder / "results" / "bench.csv"
        env = {"ATB_LLM_BENCHMARK_ENABLE": "0", "ATB_LLM_BENCHMARK_FILEPATH": str(bench)}
        self.measure("--max-new-tokens", 4, env=env)
        self.assertFalse(bench.exists())
        env["ATB_LLM_BENCHMARK_ENABLE"] = "1"
        table, _ = self.measure("--max-new-tokens", 4, "--batch", 2, env=env)
        with open(bench, newline="") as file:
            header, row = csv.reader(file)
        self.assertEqual(header, COLUMNS)
        self.assertEqual(row[:3], ["2", "93", "4"])
        self.assertEqual(row[6], "2")
        prefill = [float(part) for part in row[7].split(",")]
        decode = [float(part) for part in row[8].split(",")]
        self.assertEqual((len(prefill), len(decode)), (2, 3))
        for column, value in ((3, sum(prefill) + sum(decode)), (4, sum(prefill)),
                              (5, sum(decode) / 3), (9, sum(prefill) / 2)):
            self.assertRegex(row[column], r"^ \d+\.\d\d$")
            self.assertAlmostEqual(float(row[column]), 1000 * value, delta=0.006)
        # The performance table takes its token times from here, as the original does.
        fields = table.read_text().split("\n")[-2].split(",")
        self.assertEqual(float(fields[4]), float(row[4]))
        self.assertEqual(float(fields[5]), float(row[5]))
        self.assertEqual(bench.stat().st_mode & 0o777, 0o640)

    def test_a_folder_with_one_picture_and_other_models(self):
        for model in ("vl-a", "4khd-a"):
            line = self.ok("performance", "--image", IMAGES / "cat.png", "--model", MODELS / model,
                           "--hd-num", 1, "-n", 3, "--csv", self.folder / "x.csv", "--json")
            self.assertEqual(json.loads(line)["runs"][0]["new_tokens"], 3)
        folder = self.folder / "pictures"
        folder.mkdir()
        self.assertIn("no picture", self.fails(1, "performance", "--image", folder, "--csv",
                                               self.folder / "y.csv"))
        (folder / "one.png").write_bytes(PICTURE.read_bytes())
        self.ok("performance", "--image", folder, "-n", 2, "--csv", self.folder / "y.csv")

    def test_wrong_usage(self):
        self.fails(2, "performance")
        self.assertIn("nowhere", self.fails(1, "performance", "--image", "nowhere.png"))
        self.assertIn("Example", self.ok("performance", "--help"))


if __name__ == "__main__":
    unittest.main()
