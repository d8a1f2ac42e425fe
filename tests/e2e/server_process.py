"""Running `ixc serve` in tests, and talking to it. Only the standard library is used."""
import base64
import http.client
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from program import IXC, TINY_VL

LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


class Server:
    """A server on a free port, from `with` until the end of it."""

    def __init__(self, *arguments, model=TINY_VL, name="m"):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen(
            [IXC, "serve", "--port", "0", "--model", str(model), "--served-name", name,
             *map(str, arguments)],
            stdout=self.log, stderr=subprocess.STDOUT)
        self.port = 0

    def __enter__(self):
        self.port = int(self.wait_for(LISTENING).group(1))
        self.wait_for(re.compile(r"^ready$", re.M))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def read_log(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def wait_for(self, pattern):
        """Waits for a line of the log; the test's own time limit is the limit."""
        while True:
            found = pattern.search(self.read_log())
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError("ixc serve ended: " + self.read_log())
            time.sleep(0.02)

    def connect(self, timeout=120):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """Returns (status, headers, body); JSON bodies are parsed."""
        connection = self.connect()
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body,
                           {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if "json" in response.headers["Content-Type"]:
            data = json.loads(data)
        return response.status, response.headers, data

    def chat(self, content, headers=None, **fields):
        """(status, headers, body) of a chat with one message."""
        body = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
        return self.request("POST", "/v1/chat/completions", body, headers)

    def metric(self, name):
        _, _, text = self.request("GET", "/metrics")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text.decode(), re.M)
        return float(found.group(1)) if found else None

    def wait_until_metric(self, name, value):
        while self.metric(name) != value:
            time.sleep(0.02)

    def terminate(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)


def picture(path):
    """A picture as a part of a message."""
    data = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def text(content):
    return {"type": "text", "text": content}
