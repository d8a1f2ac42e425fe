"""What the twins of the original's Python tools share: options in its words, and finding ixc."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRUST_HELP = """accepted and changes nothing: the original runs Python files that lie in the weight
directory; ixc has the model's code built in and never runs anything that came with weights"""


class Parser(argparse.ArgumentParser):
    """Wrong usage is one line and exit code 2. No abbreviations: the original's longer options
    would be mistaken for shorter ones of ours."""

    def __init__(self, description):
        super().__init__(description=description, allow_abbrev=False)
        self.add_argument("--trust_remote_code", action="store_true", help=TRUST_HELP)

    def error(self, message):
        fail(f"{message}; see {self.prog} --help", 2)


def fail(message, code=1):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def true_or_false(text):
    """The original takes these two spellings and no other."""
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither True nor False")
    return text == "True"


def program():
    built = ROOT / "build" / "release" / "ixc"
    found = os.environ.get("IXC_PROGRAM") or (built if built.exists() else shutil.which("ixc"))
    return str(found or fail("ixc is not built: run ./demo first, or set IXC_PROGRAM"))


def run(*arguments):
    """Becomes an ixc of these arguments: its output, its exit code."""
    try:
        sys.exit(subprocess.call([program(), *map(str, arguments)]))
    except KeyboardInterrupt:  # ixc has had the signal too and has said so
        sys.exit(130)
    except OSError as error:
        fail(f"{program()}: {error.strerror}")


def need_directory(option, path):
    if not path or not os.path.isdir(path):
        fail(f"{option}: '{path}' is not a directory")
