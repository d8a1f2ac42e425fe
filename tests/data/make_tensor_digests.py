#!/usr/bin/env python3
"""Writes tensor_digests.json: dtype, shape and 64-bit FNV-1a hash of every tensor of tests/data/models, as
torch and the safetensors package read them. Run with both installed; the tests need neither."""
import json
import pathlib

import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def load(path):
    if path.suffix == ".bin":
        return torch.load(path, map_location="cpu", weights_only=True)
    return safetensors.torch.load_file(path)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def digest(tensor):
    data = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return [NAMES[tensor.dtype], list(tensor.shape), fnv1a(data)]


def main():
    digests = {}
    for model in sorted((HERE / "models").iterdir()):
        files = sorted(model.glob("*.safetensors")) + sorted(model.glob("*.bin"))
        tensors = {}
        for file in files:
            tensors.update({name: digest(tensor) for name, tensor in load(file).items()})
        digests[model.name] = dict(sorted(tensors.items()))
    lines = []
    for model, tensors in digests.items():
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in tensors.items())
        lines.append(f" {json.dumps(model)}: {{\n{rows}}}")
    (HERE / "tensor_digests.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
