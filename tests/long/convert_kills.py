#!/usr/bin/env python3
"""Kills ixc convert by SIGKILL at random moments, 50 times in each of three settings unless told
otherwise, and holds every result against an undisturbed one. A few minutes; needs 1 GB of disk.

    tests/long/convert_kills.py [--kills 50] [--seed 1]        IXC_PROGRAM=build/release/ixc
"""
import argparse
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from convert_kills import Kills, write_source  # noqa: E402
from program import MODELS  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="in each setting (default 50)")
    parser.add_argument("--megabytes", type=int, default=120, help="of the made-up source")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        write_source(scratch / "source", options.megabytes)
        settings = {
            "copy, many files": Kills(scratch / "source", scratch, ("--shard-size", "1MB")),
            "to float32": Kills(scratch / "source", scratch, ("--dtype", "f32")),
            ".bin in place": Kills(MODELS / "vl-b", scratch, in_place=True),
        }
        for name, kills in settings.items():
            while kills.counts["kills"] < options.kills:
                kills.one(rng)
            print(f"{name}: {kills.seconds:.2f} s undisturbed; {kills.counts['kills']} kills, "
                  f"{kills.counts['while moving']} of them while files were moved into place; "
                  "every result equal to the undisturbed one", flush=True)


if __name__ == "__main__":
    main()
