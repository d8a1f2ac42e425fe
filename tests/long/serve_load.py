#!/usr/bin/env python3
"""A server under load: what it must not lose.

Part one: many clients with pictures, some of which leave in the midst of an answer. There is no
failure but status 429, memory does not grow after the first fifth of the time, and in the end no block
is held. Part two: many connections that send a byte a second, while /health is asked.

usage: serve_load.py [--clients 200] [--seconds 300] [--slow 2000] [--slow-seconds 30] [--growth-mb 64]
Prints one JSON object; exit code 1 when something is not as it must be."""
import argparse
import json
import pathlib
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from program import IXC, TINY_VL  # noqa: E402
from server_process import Server  # noqa: E402


def resident_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def bench(server, clients, seconds, seed):
    done = subprocess.run(
        [IXC, "bench", "serve", "--url", f"http://127.0.0.1:{server.port}", "--clients", str(clients),
         "--seconds", str(seconds), "--leave", "0.3", "--vary", "--seed", str(seed), "--json",
         "--image", str(TINY_VL / "examples" / f"shapes_{1 + seed % 6}.png")],
        stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return json.loads(done.stdout)


def load(arguments, problems):
    # Small caches: they are full after the first fifth, what grows then is a leak.
    with Server("--kv-memory", "32MB", "--picture-cache", "8MB") as server:
        bench(server, arguments.clients, arguments.seconds / 5, 0)
        before = resident_mb(server.process)
        rounds = [bench(server, arguments.clients, arguments.seconds / 5, seed)
                  for seed in range(1, 5)]
        while server.metric("ixc_num_requests_running") or server.metric("ixc_num_requests_waiting"):
            time.sleep(0.1)
        after = resident_mb(server.process)
        failed = {}
        for one in rounds:
            for status, count in one["failed"].items():
                failed[status] = failed.get(status, 0) + count
        held = server.metric("ixc_kv_blocks_used") - server.metric("ixc_kv_blocks_cached")
        if set(failed) - {"429"}:
            problems.append(f"failures other than 429: {failed}")
        if after - before > arguments.growth_mb:
            problems.append(f"memory grew by {after - before:.0f} MB after warm-up")
        if held:
            problems.append(f"{held:.0f} blocks are held by nobody")
        if server.terminate() != 0:
            problems.append("the exit code is not 0")
        return {"answers": sum(one["answers"] for one in rounds),
                "left": sum(one["left"] for one in rounds), "failed": failed,
                "resident_mb": {"warm": round(before), "end": round(after)}, "blocks_held": held}


def drip(connections, stop):
    """Sends a byte of an endless header on every connection once a second, and notes who was cut."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nX: " + b"x" * 1_000_000
    at = 0
    while not stop.is_set():
        for connection in connections:
            try:
                connection.send(head[at:at + 1])
            except OSError:
                pass
        at += 1
        stop.wait(1)


def slow(arguments, problems):
    with Server("--head-seconds", 3600, "--max-connections", arguments.slow + 200) as server:
        connections = []
        for _ in range(arguments.slow):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.setblocking(False)
            connections.append(connection)
        stop = threading.Event()
        sender = threading.Thread(target=drip, args=(connections, stop))
        sender.start()
        times = []
        end = time.monotonic() + arguments.slow_seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            if server.request("GET", "/health")[0] != 200:
                problems.append("/health is not 200")
            times.append(time.monotonic() - begin)
            time.sleep(0.01)
        stop.set()
        sender.join()
        with selectors.DefaultSelector() as selector:
            for connection in connections:
                selector.register(connection, selectors.EVENT_READ)
            closed = len(selector.select(0))
        for connection in connections:
            connection.close()
        times.sort()
        p99 = times[int(0.99 * (len(times) - 1))]
        if p99 > 0.05:
            problems.append(f"/health p99 is {p99 * 1000:.1f} ms")
        if closed:
            problems.append(f"{closed} slow connections were closed")
        return {"connections": len(connections), "health_asked": len(times),
                "health_p99_ms": round(p99 * 1000, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--slow", type=int, default=2000)
    parser.add_argument("--slow-seconds", type=float, default=30)
    parser.add_argument("--growth-mb", type=float, default=64)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    problems = []
    report = {"load": load(arguments, problems), "slow": slow(arguments, problems),
              "problems": problems}
    print(json.dumps(report))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
