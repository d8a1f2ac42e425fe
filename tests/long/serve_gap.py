#!/usr/bin/env python3
"""How long streams stand still while the server reads somebody's large picture.

A few clients stream long answers. Their ordinary step is the median time between two tokens. Then one
more client asks about a new picture, and the longest gap of any stream until that client has its first
token is held against three ordinary steps plus the time of one chunk of the picture's prompt, taken
from a picture that was read with nobody else there.

usage: serve_gap.py --model DIR [--streams 3] [--hd-num 25] [--] [options of ixc serve]
tools/tiny_models/real_shape.py makes a directory of the real shape. Prints one JSON object; exit code 1
when a gap is too long."""
import argparse
import base64
import json
import pathlib
import random
import statistics
import struct
import sys
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from server_process import Server, text  # noqa: E402

CHUNK_ROWS = 64  # SchedulerLimits::chunk_rows_beside_streams


def noise(side, seed):
    """A picture that nobody has seen, as a part of a message."""
    generator = random.Random(seed)
    row = generator.randbytes(3 * side)
    rows = b"".join(b"\0" + row[i % side * 3:] + row[:i % side * 3] for i in range(side))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
    return {"type": "image_url",
            "image_url": {"url": "data:image/png;base64," + base64.b64encode(data).decode()}}


class Stream(threading.Thread):
    """One streamed answer; `times` has the moments at which its tokens came."""

    def __init__(self, server, content, max_tokens, **fields):
        super().__init__(daemon=True)
        self.body = json.dumps({
            "model": "m", "stream": True, "max_tokens": max_tokens,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": content}], **fields})
        self.server = server
        self.stop = threading.Event()
        self.times = []
        self.usage = None
        self.start()

    def run(self):
        connection = self.server.connect(timeout=3600)
        connection.request("POST", "/v1/chat/completions", self.body,
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(response.read())
        for line in response:
            if self.stop.is_set():
                break
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            self.usage = event.get("usage") or self.usage
            if event["choices"]:
                self.times.append(time.monotonic())
        connection.close()

    def gaps(self, begin, end):
        times = [t for t in list(self.times) if begin <= t <= end]
        return [b - a for a, b in zip(times, times[1:])]


def read_picture(server, hd_num, seed):
    """Asks about a new picture for one token; (begin, end, prompt tokens, seconds of the tower)."""
    tower = server.metric("ixc_tower_seconds_total")
    begin = time.monotonic()
    asked = Stream(server, [noise(1024, seed), text("What is this?")], 1, hd_num=hd_num)
    asked.join()
    end = time.monotonic()
    return begin, end, asked.usage["prompt_tokens"], server.metric("ixc_tower_seconds_total") - tower


def measure(server, arguments):
    begin, end, tokens, tower = read_picture(server, arguments.hd_num, 1)
    chunk = (end - begin - tower) * CHUNK_ROWS / tokens
    # Random weights choose any token: the one that ends an answer is kept away.
    streams = [Stream(server, [text(f"Tell me story number {i}.")], arguments.max_tokens,
                      logit_bias={"2": -100, "92542": -100})
               for i in range(arguments.streams)]
    while any(len(stream.times) < 30 for stream in streams):
        time.sleep(0.05)
    step = statistics.median(gap for stream in streams for gap in stream.gaps(0, time.monotonic())[5:])
    busy_begin, busy_end, _, busy_tower = read_picture(server, arguments.hd_num, 2)
    gaps = sorted(gap for stream in streams for gap in stream.gaps(busy_begin, busy_end))
    alive = sum(stream.is_alive() for stream in streams)
    for stream in streams:
        stream.stop.set()
    return {"streams": arguments.streams, "streams_to_the_end": alive, "prompt_tokens": tokens,
            "alone": {"first_token_s": end - begin, "tower_s": tower},
            "beside_streams": {"first_token_s": busy_end - busy_begin, "tower_s": busy_tower},
            "step_ms": 1e3 * step, "chunk_ms": 1e3 * chunk, "bar_ms": 1e3 * (3 * step + chunk),
            "gap_ms": {"p50": 1e3 * statistics.median(gaps),
                       "p99": 1e3 * gaps[int(0.99 * (len(gaps) - 1))], "longest": 1e3 * gaps[-1]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--hd-num", type=int, default=25)
    parser.add_argument("--max-tokens", type=int, default=4000, help="of the streams")
    parser.add_argument("serve", nargs="*", help="options of ixc serve, behind --")
    arguments = parser.parse_args()
    with Server(*arguments.serve, model=arguments.model) as server:
        report = measure(server, arguments)
    print(json.dumps(report, indent=1))
    if report["streams_to_the_end"] < report["streams"]:
        print("a stream ended before the picture was read: ask for more tokens", file=sys.stderr)
        return 1
    return 0 if report["gap_ms"]["longest"] <= report["bar_ms"] else 1


if __name__ == "__main__":
    sys.exit(main())
