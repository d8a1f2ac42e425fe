#!/usr/bin/env python3
"""What each way of computing costs in CLIP score: every picture of a folder is described in float32 and
by each quantized route, with the same settings of decoding; a judge scores the answers.

    scripts/compare_routes.py                                   the shipped model and evaluation set
    scripts/compare_routes.py --model WEIGHTS --images PHOTOS --judge CLIP-ViT-H-14

Prints a Markdown table: the mean score, its difference from float32 with the 95 % interval (paired,
Student's t), and how many answers stayed word for word. Without a judge the scores are left out.
"""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
IXC = os.environ.get("IXC_PROGRAM", str(ROOT / "build" / "release" / "ixc"))
SCHEMES = {
    "w8a8d": ("w8a8d",),
    "w4, group 32": ("w4", "--group", "32"),
    "w4, group 128": ("w4", "--group", "128"),
    "w8a8": ("w8a8", "--calib"),
    "w8a8s": ("w8a8s", "--calib"),
}


def ixc(*arguments):
    done = subprocess.run([IXC, *map(str, arguments)], check=False, encoding="utf-8",
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(done.returncode)  # ixc has said why
    return done.stdout


def prompt_of(options, scratch):
    """The text that the model is given for the question of the runs."""
    picture = sorted(options.calibration_images.glob("*.png"))[0]
    ixc("trace", "--model", options.model, "--image", picture, "--prompt",
        "<ImageHere>Please describe this image in detail.", "-n", 1, "--out", scratch / "trace")
    data = (scratch / "trace").read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    return json.loads(data[8:8 + size])["__metadata__"]["prompt"]


def write_calibration(options, scratch):
    """Whole conversations, as docs/quantization.md advises: the prompt and float32 answers to pictures
    that are not those of the comparison."""
    answers = scratch / "calibration.json"
    ixc("precision", "--route", "reference", "--model", options.model, "--images",
        options.calibration_images, "--output", answers)
    prompt = prompt_of(options, scratch).replace("<ImageHere>", "")
    path = scratch / "calibration.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for answer in json.loads(answers.read_text()).values():
            file.write(json.dumps({"inputs_pretokenized": prompt + answer}) + "\n")
    return path


def describe(options, scratch, name, *arguments):
    output = scratch / f"{name}.json"
    ixc("precision", "--images", options.images, "--output", output, "--keys", "name",
        "--max-new-tokens", options.max_new_tokens, *arguments)
    return output


def rows(options, scratch):
    """(name, file of answers) of every route, float32 first."""
    model = ("--model", options.model)
    yield "float32", describe(options, scratch, "float32", *model, "--route", "reference")
    yield "as stored", describe(options, scratch, "native", *model, "--same-settings")
    calibration = write_calibration(options, scratch)
    for name, scheme in SCHEMES.items():
        directory = scratch / name
        ixc("quantize", options.model, directory, "--scheme", *scheme,
            *([calibration] if scheme[-1] == "--calib" else []))
        yield name, describe(options, scratch, f"answers {name}", "--model", directory,
                             "--same-settings")


def unchanged(options, first, second):
    report = json.loads(ixc("precision", "--model", options.model, "--compare", first, second,
                            "--json"))
    return f"{report['identical']} of {report['pictures']}"


def scores(options, first, second):
    report = json.loads(ixc("clip-score", "--compare", second, first, "--images", options.images,
                            "--judge", options.judge, "--json"))
    difference = report["difference"]
    low, high = difference["interval_95"]
    return (f"{report['a']['mean']:.6f} | "
            + ("–" if first == second else f"{difference['mean']:+.6f} ({low:+.6f} to {high:+.6f})"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models" / "tiny-vl")
    parser.add_argument("--images", type=pathlib.Path,
                        default=ROOT / "examples" / "evaluation" / "pictures")
    parser.add_argument("--judge", type=pathlib.Path, default=ROOT / "models" / "tiny-clip")
    parser.add_argument("--calibration-images", type=pathlib.Path,
                        default=ROOT / "models" / "tiny-vl" / "examples",
                        help="of w8a8 and w8a8s; other pictures than --images (PNG)")
    parser.add_argument("--max-new-tokens", type=int, default=1024)
    options = parser.parse_args()
    has_judge = options.judge.is_dir()
    if not has_judge:
        print(f"note: {options.judge} is not there, so nothing is scored", file=sys.stderr)
    columns = ["route", *(["mean score", "difference from float32"] if has_judge else []),
               "answers unchanged"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        first = None
        for name, answers in rows(options, pathlib.Path(scratch)):
            first = first or answers
            score = [scores(options, first, answers)] if has_judge else []
            print("| " + " | ".join([name, *score, unchanged(options, first, answers)]) + " |",
                  flush=True)


if __name__ == "__main__":
    main()
