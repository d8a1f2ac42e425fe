"""Copies a model folder with some of its weights changed, to show what they are good for.

    python edit_checkpoint.py --zero-plora SRC DST
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil

import safetensors.torch
import torch


def zero(folder: pathlib.Path, part: str) -> None:
    """Sets the tensors that have `part` in their names to zero."""
    for path in folder.glob("*.safetensors"):
        tensors = safetensors.torch.load_file(path)
        for name in tensors:
            if part in name:
                tensors[name] = torch.zeros_like(tensors[name])
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def wqkv_scale_one(folder: pathlib.Path) -> None:
    """4KHD's partial LoRA of wqkv has scale alpha / r = 2; a reader that forgets it takes 1."""
    path = folder / "adapter_config.json"
    fields = json.loads(path.read_text())
    fields["alpha_pattern"]["attention.wqkv"] = fields["rank_pattern"]["attention.wqkv"]
    path.write_text(json.dumps(fields, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("destination", type=pathlib.Path)
    change = parser.add_mutually_exclusive_group(required=True)
    change.add_argument("--zero-plora", action="store_true", help="partial LoRA without effect")
    change.add_argument("--zero-separators", action="store_true", help="4KHD: the GN vectors are zero")
    change.add_argument("--wqkv-scale-one", action="store_true", help="4KHD: scale 1 instead of 2")
    options = parser.parse_args()
    options.destination.mkdir(parents=True, exist_ok=True)
    for path in options.source.iterdir():
        if path.is_file():
            shutil.copyfile(path, options.destination / path.name)
    if options.zero_plora:
        zero(options.destination, ".Plora_B.")
    elif options.zero_separators:
        zero(options.destination, "_GN")
    else:
        wqkv_scale_one(options.destination)


if __name__ == "__main__":
    main()
