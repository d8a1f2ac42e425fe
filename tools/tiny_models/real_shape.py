"""Writes a folder with the real shapes and random weights (float16), to measure on whole files.

    python real_shape.py 4khd --layers 2 --tokenizer tokenizer.model FOLDER

Speed and memory depend on shapes alone; what such a model says means nothing. 32 layers are 16 GB.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
from collections.abc import Iterator

import safetensors.torch
import torch

from export import side_files
from model import Config, TinyComposer

SHARD_BYTES = 2 << 30


def real_config(kind: str, layers: int) -> Config:
    high_resolution = kind == "4khd"
    return Config(
        vocab_size=92544,
        hidden_size=4096,
        layers=layers,
        heads=32,
        kv_heads=8,
        intermediate_size=14336,
        lora_rank=256,
        wqkv_lora_rank=8 if high_resolution else 256,
        wqkv_lora_scale=2.0 if high_resolution else 1.0,
        high_resolution=high_resolution,
        image_side=336 if high_resolution else 490,
        vision_hidden=1024,
        vision_layers=24,
        vision_heads=16,
        vision_intermediate=4096,
    )


def shapes_of(config: Config) -> dict[str, torch.Size]:
    with torch.device("meta"):
        model = TinyComposer(config)
    return {
        name: tensor.shape
        for name, tensor in model.state_dict().items()
        if not name.startswith("head.")
    }


def random_tensor(name: str, shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    if name.endswith(".bias"):
        return torch.zeros(shape, dtype=torch.float16)
    if len(shape) == 1 and "norm" in name:
        return torch.ones(shape, dtype=torch.float16)
    return (torch.randn(shape, generator=random) * 0.02).to(torch.float16)


def shards(config: Config) -> Iterator[dict[str, torch.Tensor]]:
    """Tensors by name, in pieces of about SHARD_BYTES."""
    random = torch.Generator().manual_seed(1)
    shard: dict[str, torch.Tensor] = {}
    size = 0
    for name, shape in shapes_of(config).items():
        shard[name] = random_tensor(name, shape, random)
        size += shard[name].nbytes
        if size > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
    yield shard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["vl", "4khd"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="a tokenizer.model")
    options = parser.parse_args()
    config = real_config(options.kind, options.layers)
    options.folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    size = 0
    for number, shard in enumerate(shards(config), 1):
        path = options.folder / f"model-{number:05}.safetensors"
        safetensors.torch.save_file(shard, path, metadata={"format": "pt"})
        names |= dict.fromkeys(shard, path.name)
        size += sum(tensor.nbytes for tensor in shard.values())
        print(f"{size / 1e9:.1f} GB", flush=True)
    index = {"metadata": {"total_size": size}, "weight_map": names}
    (options.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    for name, fields in side_files(config).items():
        (options.folder / name).write_text(json.dumps(fields, indent=2) + "\n")
    shutil.copyfile(options.tokenizer, options.folder / "tokenizer.model")


if __name__ == "__main__":
    main()
