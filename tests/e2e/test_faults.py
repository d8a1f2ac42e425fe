"""Faults of the machine: full disks, files that shrink, kills, too little memory. Each is one line of
error, and what was there before is still there."""
import os
import random
import re
import resource
import shutil
import subprocess
import time
import unittest

from program import IMAGES, IXC, MODELS, ProgramTest, run

VL = MODELS / "vl-a"
SHORT = ("--max-new-tokens", 8)
SANITIZED = b"__asan_init" in open(IXC, "rb").read()


def run_limited(limit, value, *arguments):
    """Runs ixc under a resource limit; the finished process."""
    def apply():
        resource.setrlimit(limit, (value, value))
    return subprocess.run([IXC, *map(str, arguments)], preexec_fn=apply, capture_output=True,
                          timeout=300, check=False, encoding="utf-8")


def error_lines(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


class FullDisk(ProgramTest):
    def trace(self, out):
        return ("trace", "--model", VL, "--prompt", "Hello", "--logits", "all", "--out", out, *SHORT)

    def test_of_an_output_file(self):
        out = self.folder / "out.safetensors"
        out.write_text("what was there before")
        done = run_limited(resource.RLIMIT_FSIZE, 4096, *self.trace(out))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"^error: {re.escape(str(out))}: cannot be written after \d+ "
                                      r"bytes: File too large\n$")
        self.assertEqual(out.read_text(), "what was there before")
        self.assertEqual(os.listdir(self.folder), [out.name])  # no temporary file

    def test_of_a_file_system(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("mounting a file system needs root")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        line = self.fails(1, *self.trace(disk / "out.safetensors"))
        self.assertIn("No space left on device", line)
        self.assertEqual(os.listdir(disk), [])
        line = self.fails(1, "describe", IMAGES / "cat.png", "--model", VL, *SHORT, "--output",
                          disk / "no" / "answers.json")
        self.assertIn("cannot be created", line)

    def test_of_the_standard_output(self):
        for command in (("describe", IMAGES / "cat.png", "--model", VL, *SHORT),
                        ("describe", IMAGES / "cat.png", "--model", VL, "--json", *SHORT),
                        ("inspect", VL), ("inspect", VL, "--json"), ("tokenize", VL)):
            with open("/dev/full", "w") as full:
                done = subprocess.run([IXC, *map(str, command)], input=b'"text"\n', stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1, command)
            self.assertEqual(len(error_lines(done.stderr.decode())), 1, done.stderr)


class ShrinkingFile(ProgramTest):
    def test_ends_in_a_line_that_names_it(self):
        model = self.folder / "model"
        shutil.copytree(VL, model, copy_function=shutil.copyfile)
        weights = model / "model.safetensors"
        with subprocess.Popen([IXC, "chat", "--model", model, *map(str, SHORT)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8") as process:
            process.stdin.write("Hello\n/stats\n")
            process.stdin.flush()
            while "tokens/s" not in process.stdout.readline():
                self.assertIsNone(process.poll())
            os.truncate(weights, 0)
            _, errors = process.communicate("And the others?\n", timeout=120)
        self.assertEqual(process.returncode, 1, errors)
        self.assertRegex(errors, rf"^error: {re.escape(str(weights))}: byte \d+ of "
                                 rf"{(VL / 'model.safetensors').stat().st_size} can no longer be "
                                 r"read: [^\n]*\n$")


class Killed(ProgramTest):
    def test_at_any_moment_leaves_the_old_file_or_the_new_one(self):
        out = self.folder / "out.safetensors"
        command = [IXC, *map(str, ("trace", "--model", VL, "--prompt", "Hello", "--out", out,
                                   *SHORT))]
        begin = time.monotonic()
        subprocess.run(command, check=True)
        whole = time.monotonic() - begin
        new = out.read_bytes()
        moments = random.Random(7)
        for _ in range(12):
            out.write_text("old")
            process = subprocess.Popen(command)
            time.sleep(moments.uniform(0, whole * 1.1))
            process.kill()
            process.wait()
            self.assertIn(out.read_bytes(), (b"old", new))


class Memory(ProgramTest):
    QUESTION = ("describe", IMAGES / "cat.png", "--model", VL)

    def test_a_plan_and_then_the_answer(self):
        done = run(*self.QUESTION, "--max-memory", "2GB", *SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"^memory plan: weights .* in all; 2\.00 GB allowed\n")

    def test_weights_that_are_too_large_are_refused_before_they_are_loaded(self):
        done = run(*self.QUESTION, "--max-memory", "41MB", *SHORT)
        self.assertEqual(done.returncode, 1)
        plan, error, rest = done.stderr.split("\n")
        self.assertTrue(plan.startswith("memory plan: "), plan)
        self.assertRegex(error, r"^error: .*vl-a: the weights need 4\d\.\d MB, --max-memory "
                                r"allows 41\.0 MB")
        self.assertEqual(rest, "")

    def test_a_request_that_is_too_large_is_refused_before_it_is_run(self):
        for options in (("--max-new-tokens", 1 << 20), ("--beams", 64, "--max-new-tokens", 16384)):
            line = self.fails(1, *self.QUESTION, "--max-memory", "200MB", *options)
            self.assertRegex(line, r"^error: this needs .*keys and values of \d+ positions.*"
                                   r"--max-memory allows 200\.0 MB")
        line = self.fails(1, "trace", "--model", VL, "--prompt", "Hello", "--out",
                          self.folder / "out", "--max-memory", "200MB", "--max-new-tokens", 1 << 20)
        self.assertIn("this needs", line)
        self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_sizes_are_wrong_usage(self):
        for size in ("much", "-1", "0", "12XB"):
            self.fails(2, *self.QUESTION, "--max-memory", size)

    @unittest.skipIf(SANITIZED, "a sanitizer's own memory is no matter here")
    def test_the_plan_is_kept(self):
        answer = (*self.QUESTION, "--max-memory", "150MB", *SHORT)
        process = subprocess.Popen([IXC, *map(str, answer)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertLess(usage.ru_maxrss * 1024, 150_000_000)

    @unittest.skipIf(SANITIZED, "sanitizers need the address space")
    def test_none_left_is_an_error_line(self):
        failed = 0
        for megabytes in range(20, 320, 20):
            done = run_limited(resource.RLIMIT_AS, megabytes << 20, *self.QUESTION, "--threads", 1,
                               *SHORT)
            if done.returncode == 127:  # not even the libraries could be loaded
                continue
            self.assertIn(done.returncode, (0, 1), (megabytes, done.stderr))
            self.assertEqual(len(error_lines(done.stderr)), done.returncode, done.stderr)
            failed += done.returncode
        self.assertGreater(failed, 0)


if __name__ == "__main__":
    unittest.main()
