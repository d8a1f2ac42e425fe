"""cmake --install, and a program that embeds the installed library."""
import os
import pathlib
import subprocess
import unittest

from program import IMAGES, IXC, MODELS, SOURCE_DIR, ProgramTest


def build_dir():
    return pathlib.Path(IXC).parent


def sanitizers():
    """Linker flags of a sanitized build: a program that links its library needs them too."""
    for line in (build_dir() / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("IXC_SANITIZE:") and not line.endswith("="):
            return "-fsanitize=" + line.split("=", 1)[1]
    return ""


class Install(ProgramTest):
    def call(self, *command):
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_embedding_program(self):
        prefix = self.folder / "prefix"
        self.call("cmake", "--install", build_dir(), "--prefix", prefix)
        self.call("cmake", "-S", SOURCE_DIR / "examples", "-B", self.folder / "build", "-G", "Ninja",
                  f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
                  f"-DCMAKE_EXE_LINKER_FLAGS={sanitizers()}")
        self.call("cmake", "--build", self.folder / "build")
        arguments = (MODELS / "vl-b", IMAGES / "cat.png", "What?")
        embedded = self.call(self.folder / "build" / "embed", *arguments)
        described = self.ok("describe", arguments[1], "--model", arguments[0], "--prompt", "What?")
        self.assertEqual(embedded, described)
        # The installed program runs by itself.
        self.call(prefix / "bin" / "ixc", "--version")

    def test_any_build_folder_finds_the_shipped_model(self):
        out = self.ok("inspect")
        self.assertIn("InternLM-XComposer2-VL", out)
        self.assertIn(os.path.join("models", "tiny-vl"), out)


if __name__ == "__main__":
    unittest.main()
