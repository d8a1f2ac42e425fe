"""The original's command lines, by their own words, file names and bytes: scripts/run_pa.sh and
scripts/mindie."""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from program import IXC, MODELS, SOURCE_DIR, TINY_VL, ProgramTest

LLM_PATH = SOURCE_DIR / "scripts" / "mindie"  # ${llm_path} of the original's README
SCRIPT_PATH = "examples/models/internlmxcomposer2"  # ${script_path}, below it
JUDGE = SOURCE_DIR / "tests" / "data" / "openclip"
HEADER = ("batch, input_len, output_len, embedding_len, fisrt_token_time(ms), " + 16 * " "
          + "non_first_token_time(ms), ResponseTime(ms),E2E Throughput Average(Tokens/s)\n")


class Twins(ProgramTest):
    def setUp(self):
        super().setUp()
        self.images = self.folder / "images"
        self.images.mkdir()
        for number in (2, 1):
            shutil.copyfile(TINY_VL / "examples" / f"shapes_{number}.png",
                            self.images / f"{number}.png")

    def start(self, *words, cwd=LLM_PATH, **env):
        return subprocess.run(
            list(map(str, words)), cwd=cwd, check=False, capture_output=True, encoding="utf-8",
            env={**os.environ, "IXC_PROGRAM": IXC, "OUTPUT_DIR": str(self.folder),
                 "PYTHONDONTWRITEBYTECODE": "1", **env})

    def old(self, *words, **options):
        done = self.start(*words, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, code, *words, **options):
        """One line of error, and that code."""
        done = self.start(*words, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"\Aerror: [^\n]+\n\Z")
        return done.stderr


class RunPa(Twins):
    SCRIPT = SCRIPT_PATH + "/run_pa.sh"

    def test_precision_is_what_the_original_reads_and_writes(self):
        for trust in ((), ("--trust_remote_code",)):
            done = self.old("bash", self.SCRIPT, "--precision", *trust, TINY_VL, self.images)
            for line in ("run option: --precision", f"model path: {TINY_VL}",
                         f"image path: {self.images}"):
                self.assertIn(line, done.stdout)
        path = self.folder / "predict_result.json"
        text = path.read_text(encoding="ascii")
        answers = json.loads(text)
        self.assertEqual(text, json.dumps(dict(sorted(answers.items()))))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        # The judge's rule: the key joined to the folder is a picture's file.
        pictures = [os.path.join("./cocoTest/", key) for key in answers]
        self.assertEqual(pictures, [f"{self.images.resolve()}/{n}.png" for n in (1, 2)])
        self.assertIn("blue circle", answers[pictures[0]])
        self.assertNotIn("[UNUSED_TOKEN_145]", text)
        self.assertNotIn("</s>", text)

    def test_performance_is_read_as_the_original_does(self):
        (self.images / "2.png").unlink()
        bench = self.folder / "results" / "bench.csv"
        env = {"ATB_LLM_BENCHMARK_ENABLE": "1", "ATB_LLM_BENCHMARK_FILEPATH": str(bench)}
        for _ in range(2):
            self.old("bash", self.SCRIPT, "--performance", TINY_VL, self.images, **env)
        path = self.folder / "internlmxcomposer2_performance.csv"
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
        self.assertEqual(lines[0], HEADER)
        self.assertEqual(len(lines), 3)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        # The table of the switch, by column number, is where the original has its times from.
        with open(bench, newline="", encoding="ascii") as file:
            _, row = csv.reader(file)
        batch, _, output, embedding, first, following, *rest = lines[2].split(",")
        self.assertEqual((batch, output, embedding), ("1", " 256", row[1]))
        self.assertEqual(first, " " + 16 * " " + str(float(row[4])))
        self.assertEqual(following, str(float(row[5])))
        self.assertEqual(len(rest), 2)
        self.assertEqual(lines[2], lines[2].rstrip() + "\n")

    def test_wrong_words(self):
        script = ("bash", self.SCRIPT)
        self.refused(1, *script)
        self.assertIn("--fast", self.refused(2, *script, "--fast", TINY_VL, self.images))
        self.assertIn("--batch", self.refused(2, *script, "--precision", "--batch", TINY_VL))
        self.refused(2, *script, "--precision", TINY_VL)
        self.assertIn("nowhere", self.refused(1, *script, "--precision", "nowhere", self.images))
        self.assertIn("nowhere", self.refused(1, *script, "--performance", TINY_VL, "nowhere"))
        self.assertIn("never runs anything", self.old(*script, "--help").stdout)

    def test_editable_block(self):
        # As the original's users do: a copy with other settings, writing beside itself.
        text = (SOURCE_DIR / "scripts" / "run_pa.sh").read_text(encoding="utf-8")
        for old, new in (("MAX_BATCH_SIZE=1 ", "MAX_BATCH_SIZE=2 "), ("LENGTH=256", "LENGTH=3"),
                         ("IXC_OPTIONS=()", "IXC_OPTIONS=(--threads 1)")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        copy = self.folder / "mine" / "run_pa.sh"
        copy.parent.mkdir()
        copy.write_text(text, encoding="utf-8")
        self.old("bash", copy, "--performance", TINY_VL, self.images / "1.png", OUTPUT_DIR="")
        lines = (copy.parent / "internlmxcomposer2_performance.csv").read_text().splitlines()
        self.assertEqual([line.split(",")[0:3:2] for line in lines[1:]], [["1", " 3"], ["2", " 3"]])


class PythonTwins(Twins):
    def test_run_coco_and_the_judge(self):
        script = SCRIPT_PATH + "/precision/run_coco.py"
        done = self.old("python3", LLM_PATH / script, "--model_path", TINY_VL, "--image_path",
                        self.images, "--trust_remote_code", cwd=self.folder)
        self.assertIn("2 answered", done.stdout)
        path = self.folder / "torch_npu_coco_predict.json"
        answers = json.loads(path.read_text(encoding="ascii"))
        self.assertEqual(list(answers), ["1.png", "2.png"])
        self.assertEqual(path.read_text(), json.dumps(answers, sort_keys=True))
        self.old("python3", script, "--model_path", TINY_VL, "--image_path", self.images,
                 "--output_file", self.folder / "other.json")
        self.assertEqual((self.folder / "other.json").read_bytes(), path.read_bytes())

        judge = SCRIPT_PATH + "/precision/clip_score_internlmxcomposer2.py"
        scored = self.old("python3", judge, "--model_weights_path",
                          JUDGE / "open_clip_model.safetensors", "--image_info", path,
                          "--dataset_path", self.images, "--device", "0").stdout
        self.assertRegex(scored, r"mean -?\d\.\d{6} over 2 pictures")
        self.assertIn("must be called", self.refused(
            1, "python3", judge, "--model_weights_path", path))

    def test_convert_weights(self):
        weights = self.folder / "weights"
        shutil.copytree(MODELS / "vl-b", weights, copy_function=shutil.copyfile)
        self.old("python3", "examples/convert/convert_weights.py", "--model_path", weights)
        # The original's rule of names: letters of "pytorch_" are taken off the front.
        expected = [path.stem.lstrip("pytorch_") + ".safetensors"
                    for path in sorted(weights.glob("*.bin"))]
        self.assertEqual(sorted(path.name for path in weights.glob("*.safetensors")), expected)
        picture = self.images / "1.png"
        converted, original = (
            self.ok("describe", picture, "--model", model, "-n", 4)
            for model in (weights, MODELS / "vl-b"))
        self.assertEqual(converted, original)

    def test_quantize_and_compress(self):
        texts = self.folder / "texts.jsonl"
        texts.write_text("".join(json.dumps({"inputs_pretokenized": text}) + "\n" for text in (
            "How many objects are there?", "The image shows one object: a small red ring.")))
        script = ("python3", SCRIPT_PATH + "/convert_quant_weights.py", "--model_path", TINY_VL)
        sparse, full = self.folder / "w8a8s", self.folder / "w8a8"
        self.old(*script, "--save_directory", sparse, "--w_bit", 4, "--a_bit", 8, "--calib_file",
                 texts, "--fraction", 0.011, "--co_sparse", "True", "--trust_remote_code")
        self.old(*script, "--save_directory", full, "--w_bit", 8, "--a_bit", 8, "--calib_file",
                 texts, "--device_type", "npu")
        for directory, scheme in ((sparse, "w8a8s"), (full, "w8a8")):
            self.assertTrue((directory / f"quant_model_weight_{scheme}.safetensors").is_file())
            self.assertTrue((directory / "quant_model_description.json").is_file())
            self.ok("describe", self.images / "1.png", "--model", directory)
        path = str(LLM_PATH) + os.pathsep + os.environ["PATH"]
        command = ("torchrun", "--nproc_per_node", 1, "-m",
                   "examples.convert.model_slim.sparse_compressor", "--model_path", sparse,
                   "--save_directory", self.folder / "w8a8sc", "--trust_remote_code")
        self.old(*command, PATH=path)
        part = self.folder / "w8a8sc" / "part0-of-1"
        self.assertTrue((part / "quant_model_weight_w8a8sc.safetensors").is_file())
        self.ok("describe", self.images / "1.png", "--model", self.folder / "w8a8sc")

    def test_wrong_words(self):
        script = ("python3", SCRIPT_PATH + "/convert_quant_weights.py", "--model_path", TINY_VL,
                  "--save_directory", self.folder / "out")
        for words, wanted in ((("--w_bits", "4"), "--w_bits"), (("--co_sparse", "yes"), "yes"),
                              (("--is_lowbit", "True"), "is_lowbit"), (("--w_bit", "4"), "--w_bit 4"),
                              (("--anti_method", "m2"), "m2"), (("--fraction", "0.5"), "0.5")):
            self.assertIn(wanted, self.refused(2, *script, *words))
        self.assertIn("teacher_qualification", self.refused(1, *script))
        self.assertFalse((self.folder / "out").exists())
        wanted = ("--model_path", "x", "--save_directory", "y")
        for name, words in (("run_coco", ()), ("convert_weights", wanted[:2]),
                            ("sparse_compressor", wanted), ("convert_quant_weights", wanted),
                            ("clip_score_internlmxcomposer2", ())):
            script = ("python3", f"{name}.py")
            self.assertIn("--nonsense", self.refused(2, *script, "--nonsense", *words))
            shown = self.old(*script, "--help").stdout
            self.assertIn("--trust_remote_code", shown)
            self.assertIn("never runs anything", " ".join(shown.split()))
        self.assertIn("nowhere", self.refused(1, "python3", "run_coco.py", "--model_path", "nowhere"))

    def test_links_point_into_the_repository(self):
        for link in LLM_PATH.rglob("*"):
            if link.is_symlink():
                self.assertTrue(link.is_file(), link)
                self.assertFalse(pathlib.Path(os.readlink(link)).is_absolute(), link)


if __name__ == "__main__":
    unittest.main()
