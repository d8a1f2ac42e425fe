"""Headless Chromium by its driver, over the W3C WebDriver protocol. Only the standard library is used.
Debian packages: chromium, chromium-driver (scripts/install_deps.sh --browser)."""
import base64
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of references to elements


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=60):
    """Until the condition is true; returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.03)


class Browser:
    """One session with a window of the given size, in CSS pixels. `language` is what pages see."""

    def __init__(self, width=1000, height=800, language="en-US", scale=1):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.port = free_port()
        self.driver = subprocess.Popen(
            [os.environ.get("CHROMEDRIVER", "chromedriver"), f"--port={self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = None
        wait_for("chromedriver", self.is_ready, 30)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", f"--user-data-dir={self.profile.name}",
                     f"--lang={language}", f"--accept-lang={language}"]
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments}}}})
        self.session = answer["sessionId"]
        self.resize(width, height, scale)

    def is_ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def close(self):
        try:
            if self.session:
                self.do("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}") from error

    def do(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def resize(self, width, height, scale=1):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=scale, mobile=False)

    def command(self, name, **parameters):
        """Of the DevTools protocol."""
        return self.do("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def open(self, url):
        self.do("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.do("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.do("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys, held=()):
        """Keys of the keyboard, wherever the focus is; `held` are down meanwhile."""
        actions = [{"type": "keyDown", "value": key} for key in held]
        for key in keys:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        actions += [{"type": "keyUp", "value": key} for key in reversed(held)]
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)",
                        selector)

    def is_shown(self, selector):
        return self.run("const e = document.querySelector(arguments[0]);"
                        "return Boolean(e && e.getClientRects().length)", selector)

    def give_files(self, event, paths):
        """A drop or a paste of files, as the page sees one."""
        files = [[pathlib.Path(path).name, base64.b64encode(pathlib.Path(path).read_bytes()).decode()]
                 for path in paths]
        self.run("""
            const [kind, files] = arguments, carried = new DataTransfer();
            const types = {jpg: "image/jpeg", png: "image/png"};
            for (const [name, text] of files) {
              const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
              carried.items.add(new File([bytes], name, {type: types[name.split(".").pop()] || ""}));
            }
            const options = {bubbles: true, cancelable: true};
            document.body.dispatchEvent(kind === "paste"
              ? new ClipboardEvent("paste", {...options, clipboardData: carried})
              : new DragEvent(kind, {...options, dataTransfer: carried}));""", event, files)

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.do("GET", "/screenshot")))

    def log(self):
        """Warnings and errors of the console since the last look, those of the content policy included."""
        return [f"{entry['level']}: {entry['message']}"
                for entry in self.do("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("WARNING", "SEVERE")]
