#!/usr/bin/env python3
"""Captions a folder of pictures with several `ixc serve` at once. Only the standard library is used.

    caption_folder.py PICTURES captions.jsonl --server http://one:8000 --server http://two:8000

Each server works at its own speed. Answers are appended as JSON lines as they come; run again, the
same command goes on with the pictures that have none. A full server (429) is asked again when it
says so, one that is gone or restarts gets its pictures back to be done by others meanwhile.
--predictions FILE also writes {picture: answer}, what `ixc clip-score --predictions` reads.
"""
import argparse
import base64
import http.client
import json
import mimetypes
import os
import pathlib
import queue
import sys
import threading
import time
import urllib.error
import urllib.request

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
PATIENCE = 8  # times in a row that a server may fail; waits double from 1 s to 30 s


class Refused(Exception):
    """The picture cannot be read, or the server says that it is wrong: asking again would not help."""


class Again(Exception):
    """The same request may go well later or elsewhere. Being told to wait does not count as failure."""

    def __init__(self, message, seconds=None):
        super().__init__(message)
        self.seconds, self.counts = seconds, 0 if seconds else 1


class Server:
    def __init__(self, url, options):
        self.url, self.options = url.rstrip("/"), options
        self.headers = {"Content-Type": "application/json"}
        if options.key:
            self.headers["Authorization"] = f"Bearer {options.key}"
        self.model = None

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers)
        with urllib.request.urlopen(request, timeout=self.options.timeout) as answer:
            return json.load(answer)

    def caption(self, name, data):
        self.model = self.model or self.call("/v1/models")["data"][0]["id"]
        kind = mimetypes.guess_type(name)[0] or "image/jpeg"
        data = base64.b64encode(data).decode()
        answer = self.call("/v1/chat/completions", {
            "model": self.model, "max_tokens": self.options.max_tokens,
            "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}},
                {"type": "text", "text": self.options.prompt}]}]})
        return answer["choices"][0]["message"]["content"]


class Run:
    def __init__(self, options):
        self.options, self.lock = options, threading.Lock()
        self.answers = read_answers(options.output)
        self.pictures = sorted(path for path in options.pictures.iterdir()
                               if path.suffix.lower() in SUFFIXES)
        self.open = queue.Queue()
        for path in self.pictures:
            if path.name not in self.answers:
                self.open.put(path)
        self.left = self.open.qsize()  # neither answered nor refused
        self.refused = 0

    def finish(self, path, answer, note=""):
        with self.lock:
            self.left -= 1
            if answer is None:
                self.refused += 1
                print(f"error: {path.name}: {note}", file=sys.stderr)
                return
            self.answers[path.name] = answer
            line = json.dumps({"image": path.name, "answer": answer}, ensure_ascii=False)
            with open(self.options.output, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def work(self, server):
        """One request after the other, until nothing is left or the server has failed too often."""
        failures = 0
        while self.left > 0 and failures < PATIENCE:
            try:
                path = self.open.get(timeout=0.2)
            except queue.Empty:
                continue  # others are at work on the last ones, and may give them back
            try:
                self.finish(path, attempt(server, path))
                failures = 0
            except Refused as reason:
                self.finish(path, None, str(reason))
            except Again as again:
                self.open.put(path)
                failures += again.counts
                print(f"note: {server.url}: {again}", file=sys.stderr)
                time.sleep(again.seconds or min(2 ** (failures - 1), 30))


def attempt(server, path):
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(error.strerror) from error
    try:
        return server.caption(path.name, data)
    except urllib.error.HTTPError as error:
        message = message_of(error)
        if error.code == 429:
            raise Again(message, float(error.headers.get("Retry-After") or 1)) from error
        if error.code >= 500:
            raise Again(message) from error
        raise Refused(message) from error
    except (OSError, http.client.HTTPException) as error:  # no connection, or it broke
        raise Again(str(error)) from error


def message_of(error):
    try:
        return f"{error.code}: {json.load(error)['error']['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def read_answers(path):
    """Of an earlier run; a last line that was cut off counts as none, and is removed."""
    if not path.exists():
        return {}
    whole = path.read_bytes()
    whole = whole[:whole.rfind(b"\n") + 1]
    os.truncate(path, len(whole))
    return {entry["image"]: entry["answer"] for entry in map(json.loads, whole.splitlines())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=pathlib.Path, help="folder")
    parser.add_argument("output", type=pathlib.Path, help="JSON lines to append to")
    parser.add_argument("--server", action="append", required=True, help="once a server")
    parser.add_argument("--at-once", type=int, default=4, help="requests a server (default 4)")
    parser.add_argument("--prompt", default="Please describe this image in detail.")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--key", default=os.environ.get("IXC_API_KEY"), help="or IXC_API_KEY")
    parser.add_argument("--timeout", type=float, default=600, help="of a request, in seconds")
    parser.add_argument("--predictions", type=pathlib.Path, help="also {picture: answer} as JSON")
    options = parser.parse_args()
    run = Run(options)
    threads = [threading.Thread(target=run.work, args=(Server(url, options),))
               for url in options.server for _ in range(options.at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if options.predictions:
        options.predictions.write_text(json.dumps(run.answers, sort_keys=True))
    print(f"{len(run.pictures)} pictures: {len(run.answers)} answered, {run.refused} refused, "
          f"{run.left} left")
    sys.exit(1 if run.refused or run.left else 0)


if __name__ == "__main__":
    main()
