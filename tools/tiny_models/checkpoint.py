"""Reading checkpoints: of the trainer (.pt), and exported Hugging Face folders."""

from __future__ import annotations

import json
import pathlib

import safetensors.torch
import torch

from model import Config, TinyComposer


def load_model(path: pathlib.Path) -> TinyComposer:
    if path.is_dir():
        return load_folder(path)
    stored = torch.load(path, weights_only=True)
    model = TinyComposer(Config(**stored["config"]))
    model.load_state_dict(stored["model"])
    return model.eval()


def load_folder(folder: pathlib.Path) -> TinyComposer:
    fields = json.loads((folder / "config.json").read_text())
    vision = fields["vision_config"]
    adapter = json.loads((folder / "adapter_config.json").read_text())
    rank = adapter.get("rank_pattern", {}).get("attention.wqkv", adapter["r"])
    alpha = adapter.get("alpha_pattern", {}).get("attention.wqkv", adapter["lora_alpha"])
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= safetensors.torch.load_file(path)
    high_resolution = "plora_glb_GN" in tensors
    config = Config(
        vocab_size=fields["vocab_size"],
        hidden_size=fields["hidden_size"],
        layers=fields["num_hidden_layers"],
        heads=fields["num_attention_heads"],
        kv_heads=fields["num_key_value_heads"],
        intermediate_size=fields["intermediate_size"],
        lora_rank=adapter["r"],
        wqkv_lora_rank=rank,
        wqkv_lora_scale=alpha / rank,
        high_resolution=high_resolution,
        image_side=vision["image_size"] if high_resolution else fields["img_size"],
        patch=vision["patch_size"],
        vision_hidden=vision["hidden_size"],
        vision_layers=vision["num_hidden_layers"],
        vision_heads=vision["num_attention_heads"],
        vision_intermediate=vision["intermediate_size"],
    )
    model = TinyComposer(config)
    missing, unknown = model.load_state_dict(
        {name: tensor.float() for name, tensor in tensors.items()}, strict=False
    )
    assert not unknown and all(name.startswith("head.") for name in missing), (missing, unknown)
    return model.eval()
