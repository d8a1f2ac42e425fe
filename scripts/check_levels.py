#!/usr/bin/env python3
"""Checks the #include lines of src/ against the level table of docs/architecture.md.

A file includes from its own folder and from lower levels only. Intrinsics appear only in kernels/
and cpu/, sockets only in server/, and exit, abort and std::cerr only in cli/.
"""
import pathlib
import re
import sys

LEVELS = [
    ["base"], ["cpu"], ["tensor"], ["kernels", "formats"], ["image", "text"],
    ["quant", "parallel"], ["model", "cache"], ["engine"], ["eval", "server"], ["cli"],
]
LEVEL_OF = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CALLS_FOR_CLI_ONLY = re.compile(r"\bstd::(cerr|exit|abort|terminate|_Exit)\b|(?<![\w.:>])(exit|abort|_exit)\s*\(")


def check_file(path, folder, problems):
    level = LEVEL_OF[folder]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}"
        code = line.split("//")[0]
        if folder != "cli" and CALLS_FOR_CLI_ONLY.search(code):
            problems.append(f"{where}: exit, abort and std::cerr belong to src/cli only")
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if name.endswith("intrin.h") and folder not in ("kernels", "cpu"):
            problems.append(f"{where}: intrinsics belong to src/kernels and src/cpu only")
        if name in ("sys/socket.h", "netinet/in.h") and folder != "server":
            problems.append(f"{where}: sockets belong to src/server only")
        other = name.split("/")[0]
        if kind == "<" or other in ("ixc", folder) or "/" not in name:
            continue
        if other not in LEVEL_OF:
            problems.append(f"{where}: {name}: unknown folder; add it to the level table")
        elif LEVEL_OF[other] >= level:
            problems.append(f"{where}: src/{folder} may not include {name} (same or higher level)")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "src"
    problems = []
    files = [p for p in sorted(root.rglob("*")) if p.suffix in (".cc", ".h", ".inc")]
    for path in files:
        folder = path.relative_to(root).parts[0]
        if folder not in LEVEL_OF:
            problems.append(f"{path}: unknown folder; add it to the level table")
        else:
            check_file(path, folder, problems)
    for problem in problems:
        print(problem)
    print(f"{len(files)} files checked, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
