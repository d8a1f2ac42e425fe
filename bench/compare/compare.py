#!/usr/bin/env python3
"""ixc and its peers on the same layers in alternating turns: tables and plots of docs/performance.md.

  bench/compare/setup.sh env
  bench/compare/compare.py --peers env/bin/python --work scratch --update-docs

Every turn is one process that loads, warms up and measures once; the median over the turns counts.
Between two turns the machine's limits are measured. Only ratios of one run say something: on shared
hosts the same program's speed changes by the hour, and memory's by the second.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path.insert(0, str(HERE))
import shapes  # noqa: E402

# A picture of 1,225 tokens and 30 of text: what `ixc bench` makes of so long a prompt.
PICTURE_PROMPT = 1255

# (bits, name in the tables, script, type); ixc first, it is what the others are compared with.
RUNS = [
    ("16", "ixc f16", None, []),
    ("16", "ixc f16, with a picture", None, []),
    ("16", "llama.cpp f16", "peer_llamacpp.py", "f16"),
    ("16", "PyTorch bf16", "peer_torch.py", "bf16"),
    ("32", "PyTorch fp32", "peer_torch.py", "fp32"),
    ("16", "OpenVINO f16", "peer_openvino.py", "f16"),
    ("8", "ixc w8a8d", None, ["--scheme", "w8a8d"]),
    ("8", "ixc w8a8d, with a picture", None, ["--scheme", "w8a8d"]),
    ("8", "llama.cpp q8_0", "peer_llamacpp.py", "q8_0"),
    ("8", "OpenVINO int8", "peer_openvino.py", "int8"),
    ("8", "PyTorch int8 (7-bit activations)", "peer_torch.py", "int8"),
    ("4", "ixc w4", None, ["--scheme", "w4"]),
    ("4", "ixc w4, with a picture", None, ["--scheme", "w4"]),
    ("4", "llama.cpp q4_0", "peer_llamacpp.py", "q4_0"),
    ("4", "OpenVINO int4", "peer_openvino.py", "int4"),
]


def json_lines(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {last}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run_ixc(options, extra, tokens):
    """Seconds a layer without the head, as the peers have none."""
    common = ["--json", "--synthetic", "vl-7b", "--layers", options.layers, "--threads",
              options.threads, "--prompt-tokens", tokens, *extra]
    result = {"version": subprocess.run([options.ixc, "--version"], stdout=subprocess.PIPE,
                                        text=True).stdout.strip()}
    for figure, repeats in (("prefill", 1), ("decode", shapes.DECODE_STEPS)):
        lines = json_lines([options.ixc, "bench", figure, "--repeats", repeats, *common])
        for line in lines:
            if line["figure"].startswith(figure + "."):
                result[figure] = line["layer_seconds"]
    return result


def run_peer(options, script, kind):
    python = options.torch_python if script == "peer_torch.py" else options.peers
    if python is None:
        raise RuntimeError("no environment given")
    (line,) = json_lines([python, HERE / script, "--type", kind, "--layers", options.layers,
                          "--tokens", options.tokens, "--threads", options.threads, "--work",
                          options.work])
    return line


def measure(options):
    limits = {}
    results = {}
    for turn in range(options.turns):
        for bits, name, script, kind in RUNS:
            if options.only not in name or results.get(name, {}).get("failed"):
                continue
            print(f"turn {turn + 1} of {options.turns}: {name}", file=sys.stderr, flush=True)
            tokens = PICTURE_PROMPT if name.endswith("picture") else options.tokens
            entry = results.setdefault(
                name, {"bits": bits, "tokens": tokens, "prefill": [], "decode": []})
            try:
                line = (run_ixc(options, kind, tokens) if script is None
                        else run_peer(options, script, kind))
            except (RuntimeError, ValueError) as error:
                print(f"  left out: {error}", file=sys.stderr)
                entry["failed"] = str(error)
                continue
            entry["version"] = line["version"]
            for figure in ("prefill", "decode"):
                entry[figure].append(line[figure])
        for line in json_lines([options.ixc, "bench", "limits", "--json", "--threads",
                                options.threads]):
            limits[line["figure"]] = max(limits.get(line["figure"], 0), line["best"])
    return {"limits": limits, "results": results, "layers": options.layers,
            "tokens": options.tokens, "threads": options.threads, "turns": options.turns,
            "machine": processor(), "date": datetime.date.today().isoformat()}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def rates(entry):
    """Operations of a prefill and bytes of weights of a decode step, a second."""
    work = 2e-9 * shapes.WEIGHTS_PER_LAYER * entry["tokens"]
    size = 1e-9 * shapes.WEIGHTS_PER_LAYER * {"32": 4, "16": 2, "8": 1, "4": 0.5}[entry["bits"]]
    return (work / statistics.median(entry["prefill"]), size / statistics.median(entry["decode"]))


def table(run):
    limits = ", ".join(f"{name[6:]} {value:.0f}" for name, value in run["limits"].items())
    lines = [
        f"{run['machine']}, {run['threads']} threads, {run['date']}; {run['layers']} layers without "
        f"the vocabulary's head, {run['tokens']} tokens, or {PICTURE_PROMPT} with a picture (1,225 of them "
        f"with partial LoRA, whose work is not counted in GOP/s); medians of "
        f"{run['turns']} turns. Best limits between the turns, GB/s and GFLOP/s or GOP/s: {limits}. "
        "GB/s counts the weights at their nominal bits.", "",
        "| bits | program | prefill, ms a layer | GOP/s | decode, ms a layer | GB/s |",
        "|---|---|---|---|---|---|"]
    for name, entry in run["results"].items():
        if not entry["prefill"]:
            continue
        operations, read = rates(entry)
        lines.append(
            f"| {entry['bits']} | {name} | {statistics.median(entry['prefill']) * 1e3:.0f} | "
            f"{operations:.0f} | {statistics.median(entry['decode']) * 1e3:.2f} | {read:.1f} |")
    versions = sorted({entry["version"] for entry in run["results"].values() if "version" in entry})
    lines += ["", "Versions: " + ", ".join(versions) + "."]
    return "\n".join(lines) + "\n"


def plot(run, figure, unit, column):
    """Horizontal bars as SVG, one a program."""
    bars = [(name, rates(entry)[column]) for name, entry in run["results"].items()
            if entry["prefill"]]
    longest = max(value for _, value in bars)
    height = 26 * len(bars) + 44
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" '
           'font-family="sans-serif" font-size="13">',
           f'<rect width="720" height="{height}" fill="white"/>',
           f'<text x="10" y="22" font-weight="bold">{figure}, {unit}</text>']
    for i, (name, value) in enumerate(bars):
        y = 36 + 26 * i
        color = "#2b6cb0" if name.startswith("ixc") else "#a0aec0"
        svg.append(f'<text x="230" y="{y + 14}" text-anchor="end">{name}</text>')
        svg.append(f'<rect x="240" y="{y}" width="{400 * value / longest:.1f}" height="18" '
                   f'fill="{color}"/>')
        svg.append(f'<text x="{246 + 400 * value / longest:.1f}" y="{y + 14}">{value:.4g}</text>')
    return "\n".join(svg) + "\n</svg>\n"


def update_docs(run):
    page = SOURCE / "docs" / "performance.md"
    begin, end = "<!-- compare.py begins -->\n", "<!-- compare.py ends -->\n"
    text = page.read_text()
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    pictures = ("\n![prefill](plots/prefill.svg)\n\n![decode](plots/decode.svg)\n")
    page.write_text(head + begin + table(run) + pictures + end + tail)
    plots = SOURCE / "docs" / "plots"
    plots.mkdir(exist_ok=True)
    (plots / "prefill.svg").write_text(plot(run, "Prefill", "billions of operations a second", 0))
    (plots / "decode.svg").write_text(plot(run, "Decode", "GB of weights a second", 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ixc", default=str(SOURCE / "build" / "release" / "ixc"))
    parser.add_argument("--peers", help="Python of the environment that setup.sh made")
    parser.add_argument("--torch-python", help="Python that has PyTorch (default: --peers)")
    parser.add_argument("--work", default="compare-work", help="folder for the peers' model files")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=1200, help="of the prompt, below a picture's")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", help="programs with this in their names")
    parser.add_argument("--results", help="write (or, without --peers, read) the figures as JSON")
    parser.add_argument("--update-docs", action="store_true")
    options = parser.parse_args()
    options.torch_python = options.torch_python or options.peers
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    if options.results and not options.peers:
        run = json.loads(pathlib.Path(options.results).read_text())
    else:
        run = measure(options)
        if options.results:
            pathlib.Path(options.results).write_text(json.dumps(run, indent=1))
    print(table(run))
    if options.update_docs:
        update_docs(run)


if __name__ == "__main__":
    main()
