"""ixc inspect and ixc convert on real directories and broken ones."""
import hashlib
import json
import random
import shutil
import struct
import unittest

from convert_kills import Kills, write_source
from program import IMAGES, MODELS, ProgramTest, read_safetensors, run

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
        done = run("inspect", model, "--verify", "--json")
        self.assertEqual(done.returncode, 1)
        report = json.loads(done.stdout)
        self.assertEqual(report["kind"], "VL")
        self.assertEqual([finding["severity"] for finding in report["verify"]["findings"]],
                         ["error"])
        self.assertEqual(report["verify"]["findings"][0]["where"], str(weights))
        self.assertFalse(report["verify"]["ok"])

    def test_verify_reports_on_what_does_not_open(self):
        model = self.folder / "model"
        shutil.copytree(MODELS / "4khd-a", model, copy_function=shutil.copyfile)
        (model / "model-00002-of-00003.safetensors").unlink()
        error = self.fails(1, "inspect", model)
        self.assertIn("the download is incomplete", error)
        done = run("inspect", model, "--verify", "--json")
        self.assertEqual(done.returncode, 1)
        findings = json.loads(done.stdout)["verify"]["findings"]
        self.assertEqual(len(findings), 1)
        self.assertIn("fetch this file", findings[0]["advice"])

    def test_checksums(self):
        sums = self.folder / "SHA256SUMS"
        digest = hashlib.sha256((MODELS / "vl-a" / "model.safetensors").read_bytes()).hexdigest()
        sums.write_text(f"{digest}  model.safetensors\n")
        arguments = ("inspect", MODELS / "vl-a", "--verify", "--json", "--sha256", sums)
        self.assertEqual(json.loads(self.ok(*arguments))["verify"]["checksums"], 1)
        sums.write_text(f"{digest[::-1]}  model.safetensors\n")
        self.assertEqual(run(*arguments).returncode, 1)


class Convert(ProgramTest):
    def test_bin_to_safetensors_says_the_same(self):
        converted = self.folder / "converted"
        self.ok("convert", MODELS / "vl-b", converted)
        self.assertTrue(list(converted.glob("*.safetensors")))
        answers = {self.ok("describe", IMAGES / "cat.png", "--model", model, *SHORT)
                   for model in (MODELS / "vl-b", converted)}
        self.assertEqual(len(answers), 1)
        self.fails(1, "convert", MODELS / "vl-b", converted)  # nothing is overwritten unasked

    def test_shard_size(self):
        converted = self.folder / "converted"
        report = json.loads(self.ok("convert", MODELS / "vl-a", converted, "--shard-size", "1MB",
                                    "--json"))
        self.assertGreater(len(report["files"]), 3)
        tensors = {}
        for name in report["files"]:
            tensors.update(read_safetensors(converted / name)[0])
        self.assertEqual(tensors, read_safetensors(MODELS / "vl-a" / "model.safetensors")[0])
        index = json.loads((converted / "model.safetensors.index.json").read_text())
        self.assertEqual(set(index["weight_map"]), set(tensors))

    def test_killed_runs_are_finished_by_the_next(self):
        write_source(self.folder / "source", 24)
        rng = random.Random(3)
        for kills in (Kills(self.folder / "source", self.folder, ("--dtype", "f32")),
                      Kills(MODELS / "vl-b", self.folder, in_place=True)):
            while kills.counts["kills"] < 4:
                kills.one(rng)

    def test_widening_changes_no_number(self):
        converted = self.folder / "converted"
        self.ok("convert", MODELS / "vl-a", converted, "--dtype", "f32")
        answers = {self.ok("describe", IMAGES / "cat.png", "--model", model, "--compute", "fp32",
                           *SHORT) for model in (MODELS / "vl-a", converted)}
        self.assertEqual(len(answers), 1)


def write_safetensors(path, tensors):
    """{name: (dtype, shape, bytes)}"""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


class PartsFromElsewhere(ProgramTest):
    def test_a_clip_tower_stands_in_and_is_resized(self):
        """A VL model whose tower lies in a CLIP directory with CLIP's own 24 x 24 positions gives
        what it gives with the same tower inside."""
        tower = "vit.vision_tower.vision_model."
        table = tower + "embeddings.position_embedding.weight"
        tensors, _ = read_safetensors(MODELS / "vl-a" / "model.safetensors")
        dtype, (_, width), data = tensors[table]
        tensors[table] = (dtype, [577, width], data[: 577 * width * 2])
        inside, outside, clip = (self.folder / name for name in ("inside", "outside", "clip"))
        for folder in (inside, outside):
            shutil.copytree(MODELS / "vl-a", folder, copy_function=shutil.copyfile)
        clip.mkdir()
        write_safetensors(inside / "model.safetensors", tensors)
        write_safetensors(outside / "model.safetensors",
                          {name: t for name, t in tensors.items() if not name.startswith(tower)})
        write_safetensors(clip / "model.safetensors",
                          {"vision_model." + name[len(tower):]: t
                           for name, t in tensors.items() if name.startswith(tower)})
        self.assertIn("--vit-path", self.fails(1, "inspect", outside))
        self.ok("inspect", outside, "--vit-path", clip, "--verify")
        traces = []
        for name, arguments in (("a", (inside,)), ("b", (outside, "--vit-path", clip))):
            out = self.folder / f"{name}.safetensors"
            self.ok("trace", "--image", IMAGES / "cat.png", "--prompt", "<ImageHere>What?",
                    "--max-new-tokens", 1, "--out", out, "--model", *arguments)
            traces.append(read_safetensors(out)[0])
        self.assertEqual(traces[0]["vision_features"], traces[1]["vision_features"])
        self.assertEqual(traces[0]["logits"], traces[1]["logits"])

    def test_wrong_options_are_named(self):
        picture = IMAGES / "cat.png"
        error = self.fails(1, "describe", picture, "--model", MODELS / "vl-a", "--lora",
                           MODELS / "vl-b")
        self.assertIn("wanted a LoRA directory", error)
        done = run("describe", picture, "--model", MODELS / "vl-a", "--vit-path", MODELS, *SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: ", done.stderr)
        self.assertIn("--vit-path is not used", done.stderr)
        done = run("describe", picture, "--merge-lora")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
