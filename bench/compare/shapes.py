"""What every peer runs: decoder layers of the 7B models with made-up weights, without partial LoRA
and without the vocabulary's head, because the peers have no such thing or another one."""
import argparse
import json
import statistics
import time

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM = 4096, 14336, 32, 8, 128
WEIGHTS_PER_LAYER = HIDDEN * (HEADS + 2 * KV_HEADS) * HEAD_DIM + HIDDEN * HIDDEN + 3 * HIDDEN * INNER
VOCABULARY = 256
DECODE_STEPS = 6


def arguments(types):
    parser = argparse.ArgumentParser()
    parser.add_argument("--type", choices=types, required=True)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=1255)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", default=".", help="folder for model files")
    return parser.parse_args()


def report(options, version, prefill, decode):
    """prefill() reads the prompt, decode() adds one token; prints seconds a layer."""
    prefill()  # warms up
    begin = time.perf_counter()
    prefill()
    prefill_seconds = time.perf_counter() - begin
    steps = []
    for _ in range(DECODE_STEPS + 1):
        begin = time.perf_counter()
        decode()
        steps.append(time.perf_counter() - begin)
    print(json.dumps({"version": version, "prefill": prefill_seconds / options.layers,
                      "decode": statistics.median(steps[1:]) / options.layers}))
