"""An `ixc serve` for as long as a test wants one."""
import subprocess
import time
import urllib.error
import urllib.request

from program import IXC


class RunningServer:
    """Answers at `url` from construction on; ends, and has to end well, with close()."""

    def __init__(self, model, *options):
        # The program chooses a free port and says which.
        self.process = subprocess.Popen(
            [IXC, "serve", "--model", str(model), "--port", "0", *map(str, options)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
        line = self.process.stderr.readline()
        if "http://" not in line:
            self.process.kill()
            raise AssertionError(f"ixc serve said: {line}{self.process.stderr.read()}")
        self.url = "http://" + line.split("http://")[1].strip()
        end = time.monotonic() + 120
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.url} does not get ready")
            time.sleep(0.02)

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/health") as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def close(self):
        self.process.terminate()
        _, errors = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise AssertionError(f"ixc serve ended with {self.process.returncode}: {errors}")
