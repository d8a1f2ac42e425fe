"""The official `openai` client against ixc serve. It comes from PyPI into a folder of the build;
without a way to PyPI the test is skipped, and says so."""
import os
import pathlib
import subprocess
import sys
import unittest

from program import IXC

VERSION = "3.57.0"
HERE = pathlib.Path(__file__).resolve().parent


def client_python():
    """Python with the client installed, or None and the reason why not."""
    folder = pathlib.Path(IXC).resolve().parent / "openai-client"
    python = folder / "bin" / "python"
    done = folder / f"installed-{VERSION}"
    if done.exists():
        return python, ""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install",
         f"openai=={VERSION}"],
        stderr=subprocess.PIPE, encoding="utf-8", check=False)
    if install.returncode != 0:
        return None, install.stderr.strip().splitlines()[-1]
    done.touch()
    return python, ""


class OpenaiClient(unittest.TestCase):
    def test_runs_its_file_against_the_server(self):
        python, reason = client_python()
        if python is None:
            self.skipTest("openai cannot be installed from PyPI: " + reason)
        done = subprocess.run([python, "-B", HERE / "openai_client.py"], env=os.environ,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
