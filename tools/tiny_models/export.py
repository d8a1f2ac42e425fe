"""Writes a training checkpoint as a Hugging Face folder in XComposer2's layout (float16).

    python export.py RUN/joint.pt RUN/tokenizer.model ../../models/tiny-vl
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil

import safetensors.torch
import torch

from checkpoint import load_model
from model import Config

CLASSES = {
    "AutoConfig": "configuration_internlm_xcomposer2.InternLMXcomposer2Config",
    "AutoModel": "modeling_internlm_xcomposer2.InternLMXComposer2ForCausalLM",
    "AutoModelForCausalLM": "modeling_internlm_xcomposer2.InternLMXComposer2ForCausalLM",
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
TRANSFORMERS = "4.33.1"


def model_config(config: Config) -> dict:
    fields = {
        "architectures": ["InternLMXComposer2ForCausalLM"],
        "attn_implementation": "eager",
        "auto_map": CLASSES,
        "bias": False,
        **IDS,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "img_size": config.image_side,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_length": 16384 if config.high_resolution else 4096,
        "max_position_embeddings": 32768,
        "model_type": "internlmxcomposer2",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_scaling": {"type": "dynamic", "factor": 1.0},
        "rope_theta": int(config.rope_theta),
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": TRANSFORMERS,
        "use_cache": False,
        "vision_config": {
            "hidden_act": "quick_gelu",
            "hidden_size": config.vision_hidden,
            "image_size": config.image_side,
            "intermediate_size": config.vision_intermediate,
            "layer_norm_eps": config.layer_norm_eps,
            "num_attention_heads": config.vision_heads,
            "num_channels": 3,
            "num_hidden_layers": config.vision_layers,
            "patch_size": config.patch,
            "projection_dim": 32,
        },
        "vocab_size": config.vocab_size,
    }
    if config.high_resolution:
        del fields["img_size"]  # VL's; views have the tower's own size
    return fields


def adapter_config(config: Config) -> dict:
    fields: dict = {"lora_alpha": config.lora_rank, "r": config.lora_rank}
    if config.wqkv_lora_rank != config.lora_rank:
        alpha = int(config.wqkv_lora_scale * config.wqkv_lora_rank)
        fields["rank_pattern"] = {"attention.wqkv": config.wqkv_lora_rank}
        fields["alpha_pattern"] = {"attention.wqkv": alpha}
    return fields


def side_files(config: Config) -> dict[str, dict]:
    return {
        "config.json": model_config(config),
        "generation_config.json": {
            **IDS,
            # The reference's tool set tells VL from 4KHD by this very number.
            "max_length": 4480 if config.high_resolution else 1600,
            "transformers_version": TRANSFORMERS,
        },
        "adapter_config.json": adapter_config(config),
        "special_tokens_map.json": TOKENS,
        "tokenizer_config.json": {
            "add_bos_token": True,
            "add_eos_token": False,
            "auto_map": {
                "AutoTokenizer": [
                    "tokenization_internlm_xcomposer2.InternLMXComposer2Tokenizer",
                    None,
                ]
            },
            **TOKENS,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1000000000000000019884624838656,
            "padding_side": "right",
            "tokenizer_class": "InternLMXComposer2Tokenizer",
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    model = load_model(options.checkpoint)
    tensors = {
        name: tensor.to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("head.")
    }
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    safetensors.torch.save_file(
        tensors, options.folder / "model.safetensors", metadata={"format": "pt"}
    )
    (options.folder / "model.safetensors").chmod(0o644)  # written as 0600
    for name, fields in side_files(model.config).items():
        (options.folder / name).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n")
    shutil.copyfile(options.tokenizer, options.folder / "tokenizer.model")


if __name__ == "__main__":
    main()
