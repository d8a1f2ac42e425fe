#!/usr/bin/env python3
"""Kills ixc precision by SIGKILL at random moments and resumes it, again and again, on both routes: at
any moment the file of answers is whole and right as far as it goes, and the last run ends with the
file of an undisturbed one. A few minutes.

    tests/long/precision_kills.py [--kills 200] [--seed 1]        IXC_PROGRAM=build/release/ixc
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from program import IXC, SOURCE_DIR  # noqa: E402

PICTURES = SOURCE_DIR / "examples" / "evaluation" / "pictures"


class Kills:
    """Runs of one route, whose answers are known from an undisturbed run."""

    def __init__(self, folder, route):
        self.folder, self.output = folder, folder / "killed.json"
        self.command = [IXC, "precision", "--images", str(PICTURES), "--route", route,
                        "--max-new-tokens", "80", "--threads", "1", "--resume", "--output"]
        begin = time.monotonic()
        subprocess.run([*self.command, folder / "whole.json"], check=True, capture_output=True)
        self.seconds = time.monotonic() - begin
        self.expected = (folder / "whole.json").read_bytes()
        self.kills = self.partial = 0

    def killed_run(self, rng):
        """Returns whether the run ended by itself before the kill."""
        run = subprocess.Popen([*self.command, str(self.output)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
        try:
            run.wait(timeout=rng.uniform(0, 0.4 * self.seconds))
        except subprocess.TimeoutExpired:
            run.kill()
        _, errors = run.communicate()
        if run.returncode not in (0, -9):
            raise AssertionError(f"{self.command} failed: {errors.decode()}")
        self.kills += run.returncode == -9
        return run.returncode == 0

    def check(self):
        if not self.output.exists():
            return
        answers, expected = json.loads(self.output.read_text()), json.loads(self.expected)
        if not answers.items() <= expected.items():
            raise AssertionError(f"{self.output} has answers that an undisturbed run does not give")
        self.partial += 0 < len(answers) < len(expected)

    def one(self, rng):
        """From nothing to the end, with as many kills as it takes."""
        self.output.unlink(missing_ok=True)
        while not self.killed_run(rng):
            self.check()
        if self.output.read_bytes() != self.expected:
            raise AssertionError(f"{self.output} differs from the undisturbed file")
        left = {path.name for path in self.folder.iterdir()} - {"killed.json", "whole.json"}
        if left:
            raise AssertionError(f"left behind: {left}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="on each route (default 200)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    for route in ("fast", "reference"):
        with tempfile.TemporaryDirectory() as folder:
            kills = Kills(pathlib.Path(folder), route)
            runs = 0
            while kills.kills < options.kills:
                kills.one(rng)
                runs += 1
            print(f"{route}: {kills.seconds:.2f} s undisturbed; {runs} runs with {kills.kills} kills, "
                  f"{kills.partial} of them with some answers written; every file equal to the "
                  "undisturbed one", flush=True)


if __name__ == "__main__":
    main()
