#!/usr/bin/env python3
"""Writes tests/fuzz/seeds: small valid inputs of each format. Needs torch and safetensors; the
seeds are kept in the repository, so that fuzzing needs neither."""
import pathlib
import shutil
import zipfile

import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent
SEEDS = HERE / "seeds"
MODELS = HERE.parent / "data" / "models"


def folder(name):
    path = SEEDS / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def tensors():
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return {
        "contiguous": base,
        "transposed": base.t(),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "bytes": torch.tensor([1, 2], dtype=torch.uint8),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
    }


def main():
    safe = folder("safetensors")
    whole = {name: tensor.contiguous() for name, tensor in tensors().items()}
    safetensors.torch.save_file(whole, safe / "all.safetensors", {"format": "pt"})
    safetensors.torch.save_file({}, safe / "none.safetensors")

    torch_bin, pickles = folder("torch_bin"), folder("torch_pickle")
    module = torch.nn.Linear(3, 2)
    files = {
        "tensors": tensors(),
        "module": module.state_dict(),
        "parameters": dict(module.named_parameters()),
        "nested": {"state_dict": module.state_dict(), "epoch": 3, "loss": 0.5, "tags": ["a", None]},
    }
    for name, content in files.items():
        path = torch_bin / f"{name}.bin"
        torch.save(content, path)
        with zipfile.ZipFile(path) as archive:
            (pickles / f"{name}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))

    config = folder("config")
    for source in sorted(MODELS.glob("*/*config.json")) + sorted(MODELS.glob("*/*.index.json")):
        if source.name != "tokenizer_config.json":
            shutil.copyfile(source, config / f"{source.parent.name}-{source.name}")


if __name__ == "__main__":
    main()
