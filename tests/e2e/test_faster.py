"""Options that make ixc faster or smaller: pack files, guessed tokens, keys and values of one byte."""
import json
import math
import os
import shutil
import struct
import unittest

from program import IMAGES, MODELS, ProgramTest, read_safetensors, run

VL = MODELS / "vl-a"
QUESTION = ("--image", IMAGES / "text.png", "--prompt", "<ImageHere>What is this?",
            "--max-new-tokens", 6)


def floats(tensor):
    return struct.unpack(f"<{len(tensor[2]) // 4}f", tensor[2])


class PackCache(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        shutil.copytree(VL, self.model)
        self.cache = self.folder / "cache"

    def trace(self, *options):
        """Runs a question; returns its tensors and what was said about the pack file."""
        out = self.folder / "trace.safetensors"
        done = run("trace", "--model", self.model, *QUESTION, "--out", out, "--log-level", "info",
                   *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return read_safetensors(out)[0], done.stderr

    def pack_file(self):
        (path,) = self.cache.iterdir()
        return path

    def test_second_start_maps_what_the_first_wrote(self):
        for scheme in ((), ("--scheme", "w4", "--group", 32), ("--scheme", "w8a8d")):
            shutil.rmtree(self.cache, ignore_errors=True)
            plain, notes = self.trace(*scheme)
            self.assertNotIn("pack", notes)
            options = ("--pack-cache", self.cache, *scheme)
            first, notes = self.trace(*options)
            self.assertIn("packed weights are written", notes)
            before = self.pack_file().stat()
            second, notes = self.trace(*options, "--verify-pack")
            self.assertIn("packed weights are mapped", notes)
            self.assertEqual(self.pack_file().stat().st_mtime_ns, before.st_mtime_ns)
            self.assertEqual(first, plain)
            self.assertEqual(second, plain)

    def test_other_options_have_another_file(self):
        self.trace("--pack-cache", self.cache)
        self.trace("--pack-cache", self.cache, "--scheme", "w4")
        self.assertEqual(len(list(self.cache.iterdir())), 2)

    def test_stale_files_are_replaced(self):
        plain, _ = self.trace("--pack-cache", self.cache)
        weights = next(self.model.glob("*.safetensors"))
        config = self.model / "config.json"
        for change in (lambda: os.utime(weights, ns=(1, 1)),
                       lambda: config.write_text(config.read_text() + "\n")):
            change()
            again, notes = self.trace("--pack-cache", self.cache)
            self.assertIn("packed anew", notes)
            self.assertEqual(again, plain)
            _, notes = self.trace("--pack-cache", self.cache)
            self.assertIn("are mapped", notes)
        self.pack_file()

    def test_broken_files_are_replaced(self):
        plain, _ = self.trace("--pack-cache", self.cache)
        whole = self.pack_file().read_bytes()
        (header,) = struct.unpack_from("<Q", whole)
        flipped = bytearray(whole)
        flipped[-1000] ^= 0x40
        text = whole[8:8 + header]
        wide = whole[:8] + text.replace(rb'\"k\":128', rb'\"k\":129', 1) + whole[8 + header:]
        self.assertNotEqual(wide, whole)
        # With another k the kernels would read behind the bytes that are there.
        for broken in (whole[:-64], whole[:100], b"", bytes(flipped), wide):
            self.pack_file().write_bytes(broken)
            again, notes = self.trace("--pack-cache", self.cache, "--verify-pack")
            self.assertIn("packed anew", notes)
            self.assertEqual(again, plain)
            self.assertEqual(self.pack_file().read_bytes(), whole)

    def test_places_where_nothing_can_be_written(self):
        taken = self.folder / "file"
        taken.write_text("x")
        self.assertIn("directory for pack files", self.fails(
            1, "trace", "--model", self.model, *QUESTION, "--pack-cache", taken, "--out",
            self.folder / "x.safetensors"))
        self.fails(2, "describe", "--verify-pack", IMAGES / "text.png")


class Speculation(ProgramTest):
    def test_the_answer_is_the_same(self):
        question = ("describe", IMAGES / "text.png", "--model", VL, "--json", "--max-new-tokens",
                    80, "--repetition-penalty", 1, "--prompt",
                    "one two three one two three one two")
        plain = json.loads(self.ok(*question))
        done = run(*question, "--speculate")
        ahead = json.loads(done.stdout)
        self.assertEqual(ahead["answer"], plain["answer"])
        self.assertEqual(ahead["new_tokens"], plain["new_tokens"])
        self.assertGreater(ahead["accepted_tokens"], 0)
        self.assertIn(f"{ahead['accepted_tokens']} of {ahead['guessed_tokens']} guessed tokens "
                      "accepted", done.stderr)
        self.assertNotIn("guessed_tokens", plain)
        self.fails(2, *question, "--speculate", "--beams", 2)


class SmallKeysAndValues(ProgramTest):
    def logits(self, *options):
        out = self.folder / "trace.safetensors"
        self.ok("trace", "--model", VL, *QUESTION, "--out", out, *options)
        return floats(read_safetensors(out)[0]["logits"])

    def test_one_byte_is_near_two(self):
        half, byte = self.logits("--kv", "f16"), self.logits("--kv", "int8")
        self.assertNotEqual(half, byte)
        self.assertEqual(half, self.logits())
        error = math.sqrt(sum((a - b) ** 2 for a, b in zip(half, byte)))
        self.assertLess(error / math.sqrt(sum(a * a for a in half)), 0.05)  # measured: 0.018
        self.fails(2, "describe", IMAGES / "text.png", "--kv", "int4")


if __name__ == "__main__":
    unittest.main()
