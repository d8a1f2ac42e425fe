"""ixc bench: figures, their fields, made-up models, Ctrl-C."""
import csv
import json
import signal
import subprocess
import unittest

from program import IXC, MODELS, ProgramTest

VL = MODELS / "vl-a"
HD = MODELS / "4khd-a"
FIELDS = {"figure", "value", "best", "unit", "limit", "share", "threads", "isa", "kernel", "shape",
          "repeats"}


class Bench(ProgramTest):
    def bench(self, *arguments):
        """Returns {figure: line}; checks what every line has."""
        lines = self.ok("bench", *arguments, "--json", timeout=850).splitlines()
        figures = {}
        for line in map(json.loads, lines):
            if line["figure"] == "explain":
                continue
            self.assertLessEqual(FIELDS, line.keys())
            self.assertGreater(line["value"], 0, line)
            self.assertGreater(line["repeats"], 0, line)
            if line["limit"] is not None:
                self.assertAlmostEqual(line["share"], line["value"] / line["limit"], places=9)
            self.assertNotIn(line["figure"], figures)
            figures[line["figure"]] = line
        return figures

    def test_limits(self):
        figures = self.bench("limits")
        self.assertEqual(figures["limit.read"]["unit"], "GB/s")
        self.assertEqual(figures["limit.fp32"]["unit"], "GFLOP/s")
        for figure in figures.values():
            self.assertEqual(figure["limit"], figure["best"])
            self.assertLessEqual(figure["value"], figure["best"])

    def test_csv_holds_the_same_fields(self):
        lines = self.ok("bench", "limits", "--csv", "--explain", timeout=300).splitlines()
        rows = list(csv.DictReader(line for line in lines if not line.startswith("# ")))
        self.assertLess(len(rows), len(lines) - 1)
        self.assertLessEqual(FIELDS, rows[0].keys())
        read = next(row for row in rows if row["figure"] == "limit.read")
        self.assertGreater(float(read["best"]), 0)
        self.assertEqual(read["unit"], "GB/s")
        self.fails(2, "bench", "limits", "--csv", "--json")

    def test_every_job_of_a_model(self):
        figures = self.bench("prefill", "--model", VL, "--repeats", 1)
        self.assertEqual(set(figures), {"prefill.f16", "memory.f16"})
        self.assertIn("1376 tokens, 1225 of a picture", figures["prefill.f16"]["shape"])
        self.assertNotIn("layer_seconds", figures["prefill.f16"])
        figures = self.bench("decode", "--model", HD, "--hd-num", 4, "--repeats", 1)
        self.assertEqual(set(figures), {"decode.bf16", "memory.bf16"})
        figures = self.bench("vision", "--model", HD, "--hd-num", 4, "--repeats", 1)
        self.assertIn("5 views of 336 pixels", figures["vision"]["shape"])
        figures = self.bench("load", "--model", VL, "--repeats", 2)
        self.assertEqual(figures["load.f16"]["unit"], "GB/s")

    def test_short_prompts_have_no_picture(self):
        figures = self.bench("prefill", "--model", VL, "--repeats", 1, "--prompt-tokens", 20)
        self.assertIn("20 tokens, 0 of a picture", figures["prefill.f16"]["shape"])

    def test_kernels(self):
        figures = self.bench("kernels", "--isa", "scalar", "--repeats", 1, "--explain")
        for scheme in ("fp32", "f16", "bf16"):
            self.assertEqual(figures["gemm." + scheme]["unit"], "GFLOP/s")
            self.assertEqual(figures["gemv." + scheme]["unit"], "GB/s")
        self.assertEqual(figures["attention.decode"]["kernel"], "attention_scalar")
        self.assertLess(figures["gemm.fp32"]["share"], 1.5)

    def test_made_up_model(self):
        figures = self.bench("decode", "--synthetic", "vl-7b", "--layers", 1, "--prompt-tokens", 8,
                             "--repeats", 1, "--dtype", "bf16")
        decode = figures["decode.bf16"]
        self.assertEqual((decode["layers"], decode["extrapolated_layers"]), (1, 32))
        self.assertGreater(decode["extrapolated_seconds"], decode["seconds"])
        self.assertGreater(figures["memory.bf16"]["value"], 1)

    def test_several_clients(self):
        figures = self.bench("decode", "--model", VL, "--prompt-tokens", 70, "--repeats", 1,
                             "--clients", "1,3")
        self.assertEqual(set(figures), {"decode.f16", "decode.f16.3", "memory.f16"})
        three = figures["decode.f16.3"]
        self.assertIn("3 tokens behind 70", three["shape"])
        self.assertAlmostEqual(three["value"] * three["seconds"], 3, places=1)

    def test_made_up_integers(self):
        figures = self.bench("decode", "--synthetic", "vl-7b", "--layers", 1, "--prompt-tokens", 8,
                             "--repeats", 1, "--scheme", "w4", "--group", 128)
        self.assertEqual(set(figures), {"decode.w4", "memory.w4"})
        self.assertIn("w4", figures["decode.w4"]["kernel"])
        figures = self.bench("decode", "--model", VL, "--prompt-tokens", 8, "--repeats", 1,
                             "--scheme", "w8a8d")
        self.assertEqual(set(figures), {"decode.w8a8d", "memory.w8a8d"})
        self.assertIn("statistics of activations", self.fails(
            1, "bench", "decode", "--model", VL, "--scheme", "w8a8"))

    def test_wrong_usage(self):
        self.fails(2, "bench", "everything")
        self.fails(2, "bench", "--layers", 4)
        self.fails(2, "bench", "--synthetic", "vl-7b", "--model", VL)
        self.assertIn("5000 tokens", self.fails(
            1, "bench", "prefill", "--model", VL, "--prompt-tokens", 5000, "--repeats", 1))

    def test_ctrl_c_stops_cleanly(self):
        program = subprocess.Popen([IXC, "bench", "kernels", "--explain"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        program.stdout.readline()  # it has begun
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=300)
        self.assertEqual(program.returncode, 130, errors)


if __name__ == "__main__":
    unittest.main()
