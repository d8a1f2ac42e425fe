"""A small model of the OpenCLIP ViT-H-14 family: exact GELU, layer norms before and after the stack.

`state_dict()` has OpenCLIP's tensor names; only `head.*` (training labels on patches) is not shipped.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import TinyComposer, sinusoidal_grid


@dataclasses.dataclass
class JudgeConfig:
    vocab_size: int
    embed_dim: int = 64
    image_size: int = 112
    patch: int = 14
    image_width: int = 128
    image_layers: int = 4
    head_width: int = 32
    context: int = 77
    text_width: int = 96
    text_layers: int = 3
    text_heads: int = 4

    def to_open_clip(self, mean, std) -> dict:
        """open_clip_config.json. Pictures are squashed to a square: a crop would lose objects."""
        return {
            "model_cfg": {
                "embed_dim": self.embed_dim,
                "vision_cfg": {
                    "image_size": self.image_size,
                    "layers": self.image_layers,
                    "width": self.image_width,
                    "head_width": self.head_width,
                    "patch_size": self.patch,
                },
                "text_cfg": {
                    "context_length": self.context,
                    "vocab_size": self.vocab_size,
                    "width": self.text_width,
                    "heads": self.text_heads,
                    "layers": self.text_layers,
                },
            },
            "preprocess_cfg": {
                "mean": list(mean),
                "std": list(std),
                "interpolation": "bicubic",
                "resize_mode": "squash",
            },
        }


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * 0.05)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, rows: Tensor, causal: bool) -> Tensor:
        batch, length, width = rows.shape
        stacked = F.linear(rows, self.in_proj_weight, self.in_proj_bias)
        heads = stacked.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, rows: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(rows)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, layers: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        for linear in (self.attn.out_proj, self.mlp.c_fc, self.mlp.c_proj):
            nn.init.normal_(linear.weight, std=0.05)
            nn.init.zeros_(linear.bias)
        for linear in (self.attn.out_proj, self.mlp.c_proj):
            linear.weight.data /= math.sqrt(2 * layers)

    def forward(self, rows: Tensor, causal: bool) -> Tensor:
        rows = rows + self.attn(self.ln_1(rows), causal)
        return rows + self.mlp(self.ln_2(rows))


class Stack(nn.Module):
    def __init__(self, width: int, heads: int, layers: int):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, layers) for _ in range(layers))

    def forward(self, rows: Tensor, causal: bool) -> Tensor:
        for block in self.resblocks:
            rows = block(rows, causal)
        return rows


class ImageTower(nn.Module):
    def __init__(self, config: JudgeConfig):
        super().__init__()
        width, grid = config.image_width, config.image_size // config.patch
        self.patch = config.patch
        self.conv1 = nn.Conv2d(3, width, config.patch, config.patch, bias=False)
        nn.init.normal_(self.conv1.weight, std=0.02)
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.3)
        # As in model.py: positions at half the norm of a patch, or they drown.
        places = torch.cat([torch.zeros(1, width), sinusoidal_grid(grid, width) * 0.6])
        self.positional_embedding = nn.Parameter(places)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Stack(width, width // config.head_width, config.image_layers)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, config.embed_dim) * width**-0.5)

    def rows(self, pixels: Tensor) -> Tensor:
        """Class row and patch rows after the last block."""
        patches = F.unfold(pixels, self.patch, stride=self.patch).transpose(1, 2)
        tokens = F.linear(patches, self.conv1.weight.flatten(1))
        classes = self.class_embedding.expand(len(tokens), 1, -1)
        rows = torch.cat([classes, tokens], 1) + self.positional_embedding
        return self.transformer(self.ln_pre(rows), causal=False)

    def pooled(self, rows: Tensor) -> Tensor:
        return self.ln_post(rows[:, 0]) @ self.proj


class Judge(nn.Module):
    labels = TinyComposer.LABELS

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        self.positional_embedding = nn.Parameter(torch.randn(config.context, config.text_width) * 0.1)
        self.text_projection = nn.Parameter(
            torch.randn(config.text_width, config.embed_dim) * config.text_width**-0.5
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.visual = ImageTower(config)
        self.transformer = Stack(config.text_width, config.text_heads, config.text_layers)
        self.token_embedding = nn.Embedding(config.vocab_size, config.text_width)
        nn.init.normal_(self.token_embedding.weight, std=0.3)
        self.ln_final = nn.LayerNorm(config.text_width)
        self.head = nn.Linear(config.image_width, sum(self.labels.values()))

    def patch_labels(self, rows: Tensor) -> dict[str, Tensor]:
        logits = self.head(rows[:, 1:])
        return dict(zip(self.labels, logits.split(tuple(self.labels.values()), -1)))

    def encode_text(self, ids: Tensor) -> Tensor:
        """Ids of texts padded with zeros; rows behind the end token change nothing (causal)."""
        rows = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        rows = self.ln_final(self.transformer(rows, causal=True))
        return rows[torch.arange(len(ids)), ids.argmax(1)] @ self.text_projection
