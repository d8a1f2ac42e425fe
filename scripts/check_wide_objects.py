#!/usr/bin/env python3
"""Checks that objects compiled for wide instructions define no weak symbols.

An inline function or template that a *_avx2.cc, *_avx512.cc, *_avx512vnni.cc or *_amx.cc file emits as a weak symbol may become
the one copy that the linker keeps, and the program would then crash on a processor without those
instructions, far from any kernel.

usage: check_wide_objects.py BUILD_DIR
"""
import pathlib
import subprocess
import sys


def weak_symbols(path):
    listing = subprocess.run(["nm", "--demangle", "--defined-only", str(path)], check=True,
                             capture_output=True, text=True).stdout
    for line in listing.splitlines():
        fields = line.split(maxsplit=2)
        if len(fields) == 3 and fields[1] in "WwVvu":
            yield fields[2]


def main():
    objects = [p for p in pathlib.Path(sys.argv[1]).rglob("*.o")
               if p.name.endswith(("_avx2.cc.o", "_avx512.cc.o", "_avx512vnni.cc.o", "_amx.cc.o"))]
    problems = [f"{path}: weak symbol {name}" for path in objects for name in weak_symbols(path)]
    for problem in problems:
        print(problem)
    print(f"{len(objects)} objects checked, {len(problems)} problems")
    return 1 if problems or not objects else 0


if __name__ == "__main__":
    sys.exit(main())
