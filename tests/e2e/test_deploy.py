"""What deploy/ says of the program holds: its options, and the packages that it needs to run."""
import pathlib
import re
import shutil
import subprocess
import unittest

from program import IXC, SOURCE_DIR, ProgramTest

DEPLOY = SOURCE_DIR / "deploy"
# In every Debian image, if only below others.
ALWAYS_THERE = {"libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libbsd0", "libmd0", "libtinfo6",
                "libgssapi-krb5-2", "liblzma5", "libzstd1"}


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


class Deploy(ProgramTest):
    def test_container_has_the_libraries(self):
        # Those that the program itself names; what they stand on comes with their packages.
        needed = re.findall(r"NEEDED\s+(\S+)", output_of("objdump", "-p", IXC))
        places = dict(re.findall(r"(\S+) => (\S+)", output_of("ldd", IXC)))
        text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
        for library in needed:
            path = pathlib.Path(places.get(library, "/")).resolve()
            if library.startswith(("ld-linux", "libasan", "libubsan", "libtsan")):
                continue
            # By name: the same folder is /lib to one package and /usr/lib to another.
            package = output_of("dpkg", "-S", f"*-linux-gnu/{path.name}").split(":")[0]
            if package not in ALWAYS_THERE:
                self.assertRegex(text, rf"\b{re.escape(package)}(?![\w.+-])", library)

    def test_options_are_those_of_the_program(self):
        known = set(re.findall(r"--[a-z-]+", self.ok("serve", "--help")))
        unit = (DEPLOY / "ixc.service").read_text(encoding="utf-8").replace("\\\n", " ")
        container = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
        commands = (re.search(r"^ExecStart=.* serve (.*)$", unit, re.M).group(1),
                    re.search(r'^CMD \["serve", (.*)\]$', container, re.M).group(1))
        for command in commands:
            used = set(re.findall(r"--[a-z-]+", command))
            self.assertGreaterEqual(len(used), 3)
            self.assertLessEqual(used, known)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_unit_is_understood(self):
        unit = self.folder / "ixc.service"
        unit.write_text((DEPLOY / "ixc.service").read_text(encoding="utf-8")
                        .replace("/usr/local/bin/ixc", "/bin/true"), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", unit], check=False, capture_output=True,
                              encoding="utf-8")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
