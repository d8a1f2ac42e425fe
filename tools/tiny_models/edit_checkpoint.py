"""Copies a model folder with some of its weights changed, to show what they are good for.

    python edit_checkpoint.py --zero-plora SRC DST
"""

from __future__ import annotations

import argparse
import pathlib
import shutil

import safetensors.torch
import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("destination", type=pathlib.Path)
    parser.add_argument(
        "--zero-plora", action="store_true", required=True, help="partial LoRA without effect"
    )
    options = parser.parse_args()
    options.destination.mkdir(parents=True, exist_ok=True)
    for path in options.source.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copyfile(path, options.destination / path.name)
    for path in options.source.glob("*.safetensors"):
        tensors = safetensors.torch.load_file(path)
        for name in tensors:
            if ".Plora_B." in name:
                tensors[name] = torch.zeros_like(tensors[name])
        safetensors.torch.save_file(
            tensors, options.destination / path.name, metadata={"format": "pt"}
        )


if __name__ == "__main__":
    main()
