"""The hostile corpus (hostile_files.py): every file ends in its error line, fast and in little memory.

`test_hostile.py --show` prints what each case does: name, exit code, processor seconds, MB, line."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from hostile_files import CASES, IMAGES, VL
from program import IXC, ProgramTest

HERE = pathlib.Path(__file__).parent
# Sanitizers multiply both. Time is that of the processor: a busy machine does not change it much.
SANITIZED = b"__asan_init" in pathlib.Path(IXC).read_bytes()
MAX_SECONDS = 30 if SANITIZED else 2
MAX_MEGABYTES = None if SANITIZED else 100


def write_corpus(folder):
    """In a process of its own: what the parent of a process takes counts as the process's peak."""
    subprocess.run([sys.executable, "-B", HERE / "hostile_files.py", folder], check=True)


def attack(root, case):
    """Runs a case; (exit code, stderr, processor seconds, peak MB)."""
    name, _, arguments = case
    folder = root / name
    feed = folder / "stdin"
    with open(feed if feed.exists() else os.devnull, "rb") as stdin, \
            open(root / "stderr", "w+b") as errors:
        process = subprocess.Popen(
            [IXC, *map(str, arguments)], stdin=stdin, stdout=subprocess.DEVNULL, stderr=errors,
            cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        # Surrogates keep bytes that are no UTF-8, so that the comparison sees them.
        text = errors.read().decode("utf-8", "surrogateescape")
    return process.returncode, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


class Hostile(ProgramTest):
    def test_every_file_ends_in_its_error(self):
        rows = (HERE / "hostile_errors.tsv").read_text("utf-8").splitlines()
        wanted = dict(row.split("\t") for row in rows)
        self.assertEqual(list(wanted), [case[0] for case in CASES])
        self.assertGreaterEqual(len(wanted), 60)
        write_corpus(self.folder)
        for case in CASES:
            with self.subTest(case[0]):
                code, text, seconds, megabytes = attack(self.folder, case)
                self.assertEqual(text, f"error: {wanted[case[0]]}\n")
                self.assertEqual(code, 1)
                self.assertLess(seconds, MAX_SECONDS)
                if MAX_MEGABYTES:
                    self.assertLess(megabytes, MAX_MEGABYTES)
        self.assertEqual(list(self.folder.rglob("executed")), [])


class UnusualButGood(ProgramTest):
    """What looks odd and is right is read."""

    QUESTION = ("describe", IMAGES / "cat.png", "--max-new-tokens", 8, "--model")

    def test_a_directory_of_links_as_the_hub_cache_has_it(self):
        blobs, snapshot = self.folder / "blobs", self.folder / "snapshots" / "main"
        blobs.mkdir()
        snapshot.mkdir(parents=True)
        for number, source in enumerate(sorted(VL.iterdir())):
            shutil.copyfile(source, blobs / str(number))
            (snapshot / source.name).symlink_to(f"../../blobs/{number}")
        self.assertEqual(self.ok(*self.QUESTION, snapshot), self.ok(*self.QUESTION, VL))

    def test_a_picture_whose_name_is_not_utf_8(self):
        picture = self.folder / os.fsdecode(b"caf\xe9.png")
        shutil.copyfile(IMAGES / "cat.png", picture)
        answer = json.loads(self.ok("describe", picture, "--model", VL, "--json",
                                    "--max-new-tokens", 8))
        self.assertEqual(answer["image"], f"{self.folder}/caf\ufffd.png")

    def test_weights_at_odd_addresses(self):
        model = self.folder / "model"
        shutil.copytree(VL, model, copy_function=shutil.copyfile)
        data = (VL / "model.safetensors").read_bytes()
        size = int.from_bytes(data[:8], "little")
        (model / "model.safetensors").write_bytes(
            (size + 1).to_bytes(8, "little") + data[8 : 8 + size] + b" " + data[8 + size :])
        self.assertEqual(self.ok(*self.QUESTION, model), self.ok(*self.QUESTION, VL))


def show():
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(folder)
        for case in CASES:
            code, text, seconds, megabytes = attack(pathlib.Path(folder), case)
            print(f"{case[0]}\t{code}\t{seconds:.2f}\t{megabytes:.0f}\t{text!r}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--show"]:
        show()
    else:
        unittest.main()
