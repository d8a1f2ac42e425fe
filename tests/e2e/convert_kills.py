"""ixc convert killed by SIGKILL at random moments, and run again: used by test_files.py with a few
kills and by tests/long/convert_kills.py with many.

After every kill the destination must not look finished unless it is, and the last run must give
what an undisturbed one gives, to the byte."""
import json
import random
import shutil
import struct
import subprocess
import time

from program import IXC


def write_source(folder, megabytes, files=3):
    """A directory of float16 shards with random bits (finite ones) and an index."""
    folder.mkdir()
    rng = random.Random(1)
    weight_map = {}
    for part in range(1, files + 1):
        name = f"model-{part:05}-of-{files:05}.safetensors"
        size = megabytes * 1000 * 1000 // files // 4
        header, body = {}, []
        for i in range(4):
            tensor = f"layers.{part}.{i}.weight"
            header[tensor] = {"dtype": "F16", "shape": [size // 2],
                              "data_offsets": [i * size, (i + 1) * size]}
            # Exponents of 15 at most in the high byte's upper bits: no infinities, no NaN.
            body.append(rng.randbytes(size).translate(bytes(b & 0xBF for b in range(256))))
            weight_map[tensor] = name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(body))
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"torch_dtype": "float16"}')
    (folder / "tokenizer.model").write_bytes(rng.randbytes(20000))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def looks_finished(folder):
    """Whether any program would take the directory for a converted model."""
    index = folder / "model.safetensors.index.json"
    if not (folder / "config.json").exists() or not index.exists():
        return False
    names = set(json.loads(index.read_text())["weight_map"].values())
    return all((folder / name).exists() for name in names)


class Kills:
    """Conversions of `source` into fresh directories under `scratch`. `in_place`: each time a copy of
    the source is converted into itself."""

    def __init__(self, source, scratch, options=(), in_place=False):
        self.source, self.scratch = source, scratch
        self.options, self.in_place = list(options), in_place
        self.counts = {"kills": 0, "while moving": 0}
        begin = time.monotonic()
        folder, command = self.fresh("undisturbed")
        self.whole_run(command)
        self.seconds = time.monotonic() - begin
        self.expected = contents(folder)

    def fresh(self, name):
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        if self.in_place:
            shutil.copytree(self.source, folder, copy_function=shutil.copyfile)
        source = folder if self.in_place else self.source
        return folder, [IXC, "convert", str(source), str(folder), *self.options]

    def check(self, folder):
        """A directory that looks finished must be."""
        if not looks_finished(folder):
            return False
        visible = {name: data for name, data in contents(folder).items()
                   if not name.startswith(".ixc-convert")}
        if visible != self.expected:
            raise AssertionError(f"{folder} looks finished and differs from an undisturbed result")
        return True

    @staticmethod
    def whole_run(command):
        done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
        if done.returncode != 0:
            raise AssertionError(f"{command} failed: {done.stderr}")

    def killed_run(self, folder, command, rng):
        """Returns whether the run was killed before it ended by itself. The moment is any, or, one
        time in four, when files begin to be moved into place, which takes no time to speak of."""
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if rng.random() < 0.25:
            journal = folder / ".ixc-convert" / "publish.json"
            while run.poll() is None and not journal.exists():
                pass
            run.kill()
        else:
            try:
                run.wait(timeout=rng.uniform(0, 1.1 * self.seconds))
            except subprocess.TimeoutExpired:
                run.kill()
        _, errors = run.communicate()
        if run.returncode not in (0, -9):
            raise AssertionError(f"{command} failed: {errors.decode()}")
        return run.returncode == -9

    def one(self, rng):
        """Kills one conversion once or a few times, finishes it, and checks everything."""
        folder, command = self.fresh("killed")
        for _ in range(rng.choice((1, 1, 2, 3))):
            if not self.killed_run(folder, command, rng):
                break  # it was done before
            self.counts["kills"] += 1
            if (folder / ".ixc-convert" / "publish.json").exists():
                self.counts["while moving"] += 1
            if self.check(folder) and contents(folder) == self.expected:
                break  # killed after its last step
        if contents(folder) != self.expected:
            self.whole_run(command)
        if contents(folder) != self.expected:
            raise AssertionError(f"{folder} differs from an undisturbed conversion")
