"""Running the ixc program in tests. Only the standard library is used."""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
IXC = os.environ.get("IXC_PROGRAM", str(SOURCE_DIR / "build" / "release" / "ixc"))
MODELS = SOURCE_DIR / "tests" / "data" / "models"
IMAGES = SOURCE_DIR / "tests" / "data" / "images"
TINY_VL = SOURCE_DIR / "models" / "tiny-vl"
TINY_4KHD = SOURCE_DIR / "models" / "tiny-4khd"


def run(*arguments, stdin=None, env=None, timeout=300):
    """Runs ixc and returns the finished process; output as text."""
    return subprocess.run(
        [IXC, *map(str, arguments)],
        input=stdin,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=timeout,
        check=False,
        encoding="utf-8",
    )


def read_safetensors(path):
    """Returns ({name: (dtype, shape, bytes)}, metadata)."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    body = data[8 + size :]
    tensors = {
        name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }
    return tensors, metadata


class ProgramTest(unittest.TestCase):
    """A test with a scratch folder and checks of how a run ended."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def ok(self, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def fails(self, code, *arguments, **options):
        """Checks the exit code and that there is exactly one line of error; returns it."""
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]
