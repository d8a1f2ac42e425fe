"""Compares ixc with the original model, layer by layer, on one picture and one question.

    python tools/layer_check.py MODEL_DIR --image photo.jpg --prompt "What is this?" --ixc build/release/ixc

Runs `ixc trace --hidden --compute fp32`, then the Hugging Face model of the same directory (its own Python
code, so only for directories that you trust; needs torch and transformers 4.33, and 35 GB for a 7B model in
float32), and prints for each stage the largest difference and the relative rms. Exit code 1 when a stage is
beyond --tolerance (of the relative rms).

The original runs through its public chat(), watched by hooks: nothing of it is called in another way than its
users do. --remote-code FILE.py takes another implementation in its place: a file with load(directory), which
returns (model, tokenizer) with the same chat(), model.layers and output.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import inspect
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

TYPES = {"F32": np.float32, "I64": np.int64, "U8": np.uint8}
DEFAULT_TOLERANCE = 1e-4


@dataclasses.dataclass
class Stage:
    name: str
    worst: float  # largest absolute difference
    relative: float  # rms of the difference by rms of the reference
    place: int  # row of the largest difference

    def within(self, tolerance: float) -> bool:
        return self.relative <= tolerance  # false for NaN


def read_trace(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file, by name."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(data[8 + size + begin : 8 + size + end], TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def compare(name: str, ours: np.ndarray, theirs: np.ndarray) -> Stage:
    """Both [rows, width]. Other shapes, or anything that is not finite, is an infinite difference."""
    if ours.shape != theirs.shape:
        return Stage(f"{name}: shapes {ours.shape} and {theirs.shape}", math.inf, math.inf, 0)
    difference = ours.astype(np.float64) - theirs
    if not np.isfinite(difference).all():
        row = int(np.argwhere(~np.isfinite(difference))[0][0])
        return Stage(f"{name}: not finite", math.inf, math.inf, row)
    scale = float(np.sqrt(np.mean(np.square(theirs.astype(np.float64)))))
    relative = float(np.sqrt(np.mean(np.square(difference)))) / max(scale, 1e-30)
    place = np.unravel_index(np.abs(difference).argmax(), difference.shape)
    return Stage(name, float(np.abs(difference).max()), relative, int(place[0]))


def compare_runs(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> list[Stage]:
    """Every stage of the reference, in its order; one that the trace lacks is a difference."""
    stages = []
    for name, reference in theirs.items():
        if name in ours:
            stages.append(compare(name, ours[name], reference))
        else:
            stages.append(Stage(f"{name}: not in the trace", math.inf, math.inf, 0))
    return stages


def report(stages: list[Stage], tolerance: float) -> bool:
    """Prints the table; true when every stage is within the tolerance."""
    print(f"{'stage':<28}{'largest':>12}{'relative rms':>14}{'in row':>8}")
    for stage in stages:
        mark = "" if stage.within(tolerance) else "  <-- beyond the tolerance"
        print(f"{stage.name:<28}{stage.worst:>12.3g}{stage.relative:>14.3g}{stage.place:>8}{mark}")
    beyond = [stage.name for stage in stages if not stage.within(tolerance)]
    if beyond:
        print(f"first stage beyond {tolerance:g}: {beyond[0]}")
    else:
        print(f"all {len(stages)} stages within {tolerance:g}")
    return not beyond


def run_ixc(options: argparse.Namespace) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "trace.safetensors"
        command = [options.ixc, "trace", "--model", options.model, "--image", options.image]
        command += ["--prompt", "<ImageHere>" + options.prompt, "--out", out, "--hidden"]
        command += ["--logits", "all", "--compute", "fp32", "--max-new-tokens", "1"]
        command += ["--hd-num", str(options.hd_num)]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        return read_trace(out)


class Hooks:
    """What passes through the modules of a running model: of each, the first call only (the prefill)."""

    def __init__(self, model):
        self.seen: dict[str, np.ndarray] = {}
        layers = list(model.model.layers)
        layers[0].register_forward_pre_hook(self.before("inputs_embeds"), with_kwargs=True)
        for number, layer in enumerate(layers):
            layer.register_forward_hook(self.after(f"hidden.{number}"))
        model.output.register_forward_hook(self.after("logits"))

    def keep(self, name: str, tensor) -> None:
        if name not in self.seen:
            self.seen[name] = tensor.detach().float().cpu().numpy()[0]

    def before(self, name: str):
        def hook(_module, inputs, keywords):
            self.keep(name, inputs[0] if inputs else keywords["hidden_states"])

        return hook

    def after(self, name: str):
        def hook(_module, _inputs, output):
            self.keep(name, output[0] if isinstance(output, tuple) else output)

        return hook


def load_original(directory: pathlib.Path, dtype: str):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, trust_remote_code=True, torch_dtype=getattr(torch, dtype)
    )
    return model.eval(), tokenizer


def load_other(file: pathlib.Path, directory: pathlib.Path):
    specification = importlib.util.spec_from_file_location("remote_code", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.load(directory)


def run_reference(options: argparse.Namespace) -> dict[str, np.ndarray]:
    import torch

    if options.remote_code:
        model, tokenizer = load_other(options.remote_code, options.model)
    else:
        model, tokenizer = load_original(options.model, options.dtype)
    hooks = Hooks(model)
    arguments = {"query": "<ImageHere>" + options.prompt, "image": str(options.image), "history": []}
    if "hd_num" in inspect.signature(model.chat).parameters:
        arguments["hd_num"] = options.hd_num
    with torch.no_grad():
        model.chat(tokenizer, **arguments, do_sample=False, max_new_tokens=1)
    return hooks.seen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=pathlib.Path, help="weight directory")
    parser.add_argument("--image", type=pathlib.Path, required=True)
    parser.add_argument("--prompt", default="Please describe this image in detail.")
    parser.add_argument("--hd-num", type=int, default=25, help="4KHD only")
    parser.add_argument("--ixc", default="ixc", help="the program")
    parser.add_argument("--dtype", default="float32", help="of the original's weights")
    parser.add_argument("--tolerance", type=float, default=DEFAULT_TOLERANCE, help="relative rms")
    parser.add_argument("--remote-code", type=pathlib.Path, help="another implementation, see above")
    options = parser.parse_args()
    ours, theirs = run_ixc(options), run_reference(options)
    if "logits" not in theirs or len(theirs["logits"]) == 1:
        ours["logits"] = ours["logits"][-1:]  # some versions compute the last row only
    sys.exit(0 if report(compare_runs(ours, theirs), options.tolerance) else 1)


if __name__ == "__main__":
    main()
