"""XComposer2-VL and -4KHD at toy size, in PyTorch: the arithmetic of the original, arranged for training.

Modules are named so that `state_dict()` already has the checkpoint's tensor names; only `head.*` (the
training-only labels on patches) is dropped when a checkpoint is exported.

Two things differ from a textbook implementation, both without changing any value:
- Image rows and text rows travel as two tensors. Partial LoRA concerns image rows only, and attention
  does not care about the order of its keys as long as mask and rotary positions agree.
- Image rows pass the decoder's base weights *detached*: those weights learn from text rows alone, and
  what image rows need must be learnt by partial LoRA. That is how the original was trained (its base
  model was frozen), and it is what makes partial LoRA matter in a model that is trained in one go.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hd import sequence_of


@dataclasses.dataclass
class Config:
    vocab_size: int = 1000
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    intermediate_size: int = 384
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-5
    lora_rank: int = 16
    wqkv_lora_rank: int = 16
    wqkv_lora_scale: float = 1.0
    high_resolution: bool = False  # 4KHD: views, 2×2 merge, separators
    image_side: int = 112
    patch: int = 14
    vision_hidden: int = 128
    vision_layers: int = 4
    vision_heads: int = 4
    vision_intermediate: int = 512
    layer_norm_eps: float = 1e-5

    @property
    def grid(self) -> int:
        return self.image_side // self.patch

    @property
    def image_tokens(self) -> int:
        return self.grid * self.grid

    @property
    def projector_inputs(self) -> int:
        return self.vision_hidden * (4 if self.high_resolution else 1)

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.heads


# --------------------------------------------------------------------------------------------------
# Vision tower


def quick_gelu(values: Tensor) -> Tensor:
    return values * torch.sigmoid(1.702 * values)


def sinusoidal_grid(grid: int, width: int) -> Tensor:
    """A start for the position table: a quarter of the channels each for sin/cos of row/column."""
    quarter = width // 4
    frequencies = torch.exp(torch.linspace(math.log(0.15), math.log(1.6), quarter))
    places = torch.arange(grid).float()
    waves = torch.cat([torch.sin(places[:, None] * frequencies), torch.cos(places[:, None] * frequencies)], 1)
    rows = waves[:, None, :].expand(grid, grid, -1)
    columns = waves[None, :, :].expand(grid, grid, -1)
    return torch.cat([rows, columns], -1).reshape(grid * grid, width)


class VisionEmbeddings(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(config.vision_hidden) * 0.3)
        self.patch_embedding = nn.Conv2d(
            3, config.vision_hidden, config.patch, config.patch, bias=False
        )
        self.position_embedding = nn.Embedding(config.image_tokens + 1, config.vision_hidden)
        # An empty patch has a norm near 10 with this start; positions get about half of that. Far
        # smaller positions drown, and then the tower never learns where things are.
        nn.init.normal_(self.patch_embedding.weight, std=0.02)
        table = sinusoidal_grid(config.grid, config.vision_hidden) * 0.6
        self.position_embedding.weight.data = torch.cat([torch.zeros(1, table.shape[1]), table])

    def forward(self, pixels: Tensor) -> Tensor:
        patches = F.unfold(pixels, self.patch_embedding.kernel_size, stride=self.patch_embedding.stride)
        tokens = F.linear(patches.transpose(1, 2), self.patch_embedding.weight.flatten(1))
        classes = self.class_embedding.expand(len(tokens), 1, -1)
        return torch.cat([classes, tokens], 1) + self.position_embedding.weight


class VisionAttention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        width = config.vision_hidden
        self.heads = config.vision_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape

        def heads(projection: nn.Linear) -> Tensor:
            return projection(states).view(batch, length, self.heads, -1).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            heads(self.q_proj), heads(self.k_proj), heads(self.v_proj)
        )
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class VisionMlp(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.fc1 = nn.Linear(config.vision_hidden, config.vision_intermediate)
        self.fc2 = nn.Linear(config.vision_intermediate, config.vision_hidden)

    def forward(self, states: Tensor) -> Tensor:
        return self.fc2(quick_gelu(self.fc1(states)))


class VisionLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.vision_hidden, config.layer_norm_eps)
        self.self_attn = VisionAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.vision_hidden, config.layer_norm_eps)
        self.mlp = VisionMlp(config)

    def forward(self, states: Tensor) -> Tensor:
        states = states + self.self_attn(self.layer_norm1(states))
        return states + self.mlp(self.layer_norm2(states))


class VisionModel(nn.Module):
    """Last layer's states without the class row; the original has no final norm there either."""

    def __init__(self, config: Config):
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.vision_hidden, config.layer_norm_eps)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(config) for _ in range(config.vision_layers))

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder.layers:
            states = layer(states)
        return states[:, 1:]


# --------------------------------------------------------------------------------------------------
# Decoder


class PartialLoraLinear(nn.Linear):
    """A linear layer whose image rows get a low-rank addition."""

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float = 1.0):
        super().__init__(inputs, outputs, bias=False)
        self.scale = scale
        self.Plora_A = nn.Linear(inputs, rank, bias=False)
        self.Plora_B = nn.Linear(rank, outputs, bias=False)

    def image_rows(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.weight.detach()) + self.scale * self.Plora_B(self.Plora_A(rows))


class Attention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_dim = config.head_dim
        rows = (config.heads + 2 * config.kv_heads) * config.head_dim
        self.wqkv = PartialLoraLinear(
            config.hidden_size, rows, config.wqkv_lora_rank, config.wqkv_lora_scale
        )
        self.wo = PartialLoraLinear(config.hidden_size, config.hidden_size, config.lora_rank)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """wqkv's rows are groups: the queries of one key/value head, then its key, then its value."""
        batch, length, _ = rows.shape
        group = self.heads // self.kv_heads
        grouped = rows.view(batch, length, self.kv_heads, group + 2, self.head_dim)
        queries = grouped[:, :, :, :group].reshape(batch, length, self.heads, self.head_dim)
        return tuple(
            part.transpose(1, 2) for part in (queries, grouped[:, :, :, -2], grouped[:, :, :, -1])
        )

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        group = self.heads // self.kv_heads
        keys, values = (part.repeat_interleave(group, dim=1) for part in (keys, values))
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return mixed.transpose(1, 2).flatten(2)


class FeedForward(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.w1 = PartialLoraLinear(config.hidden_size, config.intermediate_size, config.lora_rank)
        self.w3 = PartialLoraLinear(config.hidden_size, config.intermediate_size, config.lora_rank)
        self.w2 = PartialLoraLinear(config.intermediate_size, config.hidden_size, config.lora_rank)

    def forward(self, rows: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(rows)) * self.w3(rows))

    def image_rows(self, rows: Tensor) -> Tensor:
        gated = F.silu(self.w1.image_rows(rows)) * self.w3.image_rows(rows)
        return self.w2.image_rows(gated)


class FusedRmsNorm(torch.autograd.Function):
    """x / rms(x) · weight with its gradient written out: half the passes over memory of autograd's."""

    @staticmethod
    def forward(context, rows: Tensor, weight: Tensor, eps: float) -> Tensor:
        width = rows.shape[-1]
        square = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_().div_(width)
        inverse = square.add_(eps).rsqrt_()
        normed = rows * inverse
        context.save_for_backward(normed, inverse, weight)
        return normed * weight

    @staticmethod
    def backward(context, gradient: Tensor):
        normed, inverse, weight = context.saved_tensors
        to_weight = None
        if context.needs_input_grad[1]:
            to_weight = (gradient * normed).flatten(0, -2).sum(0)
        inner = gradient * weight
        along = torch.linalg.vecdot(inner, normed).unsqueeze_(-1).div_(normed.shape[-1])
        return torch.addcmul(inner, normed, along, value=-1).mul_(inverse), to_weight, None


class RmsNorm(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self.eps = config.rms_norm_eps

    def forward(self, rows: Tensor, learn: bool = True) -> Tensor:
        weight = self.weight if learn else self.weight.detach()
        return FusedRmsNorm.apply(rows, weight, self.eps)


class DecoderLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.attention_norm = RmsNorm(config)
        self.ffn_norm = RmsNorm(config)

    def forward(
        self, image: Tensor, text: Tensor, rotary: "Rotary", masks: "Masks", last: bool
    ) -> tuple[Tensor | None, Tensor]:
        """`last`: nobody reads the image rows after this layer, so only their keys and values count."""
        attention, tokens = self.attention, image.shape[1]
        image_norm = self.attention_norm(image, learn=False)
        image_query, image_key, image_value = attention.split(attention.wqkv.image_rows(image_norm))
        text_query, text_key, text_value = attention.split(attention.wqkv(self.attention_norm(text)))
        image_key = rotate(image_key, rotary.image)
        text_key = rotate(text_key, rotary.text)
        keys = torch.cat([image_key, text_key], 2)
        values = torch.cat([image_value, text_value], 2)
        mixed = attention.mix(rotate(text_query, rotary.text), keys, values, masks.text)
        text = text + attention.wo(mixed)
        text = text + self.feed_forward(self.ffn_norm(text))
        if last:
            return None, text
        seen = tokens + masks.prefix
        mixed = attention.mix(
            rotate(image_query, rotary.image), keys[:, :, :seen], values[:, :, :seen], masks.image
        )
        image = image + attention.wo.image_rows(mixed)
        image = image + self.feed_forward.image_rows(self.ffn_norm(image, learn=False))
        return image, text


@dataclasses.dataclass
class Rotary:
    image: tuple[Tensor, Tensor]
    text: tuple[Tensor, Tensor]


@dataclasses.dataclass
class Masks:
    """True where a query may look. Keys stand in the order: image, text before it, text after it."""

    prefix: int  # how many text rows stand before the image
    image: Tensor
    text: Tensor


def rotary_table(config: Config, length: int) -> tuple[Tensor, Tensor]:
    exponents = torch.arange(0, config.head_dim, 2).float() / config.head_dim
    angles = torch.arange(length).float()[:, None] * (1.0 / config.rope_theta**exponents)
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat([cosines, cosines], -1), torch.cat([-sines, sines], -1)


def rotate(rows: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """The halves swap places; the sine table already has the sign of the half that turns negative."""
    return torch.addcmul(rows * table[0], rows.roll(rows.shape[-1] // 2, -1), table[1])


class Decoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.norm = RmsNorm(config)


class TinyComposer(nn.Module):
    LABELS = {"kind": 7, "color": 13, "size": 3, "cell": 10}  # the last one of each: background
    DIGIT_LABELS = {"left": 11, "middle": 11, "right": 11}  # a third of a patch each; 10: no digit

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.vit = nn.Module()
        self.vit.vision_tower = nn.Module()
        self.vit.vision_tower.vision_model = VisionModel(config)
        self.vision_proj = nn.Sequential(
            nn.Linear(config.projector_inputs, config.hidden_size),
            nn.GELU(),
            nn.Linear(config.hidden_size, config.hidden_size),
        )
        self.model = Decoder(config)
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.high_resolution:
            self.plora_glb_GN = nn.Parameter(torch.randn(1, 1, config.projector_inputs))
            self.plora_sub_GN = nn.Parameter(torch.randn(1, 1, 1, config.projector_inputs))
        self.labels = {**self.LABELS, **(self.DIGIT_LABELS if config.high_resolution else {})}
        self.head = nn.Linear(config.vision_hidden, sum(self.labels.values()))
        cosines, sines = rotary_table(config, 4096)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.apply(initialise)
        scale_residual_branches(self, config)

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Tables that broadcast over heads, for positions of shape (length) or (batch, length)."""
        tables = self.cosines[positions], self.sines[positions]
        return tables if positions.dim() == 1 else tuple(table[:, None] for table in tables)

    def image_features(self, pixels: Tensor) -> Tensor:
        return self.vit.vision_tower.vision_model(pixels)

    def patch_labels(self, features: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.labels, self.head(features).split(tuple(self.labels.values()), -1)))

    def document_rows(self, features: Tensor, rows: int, columns: int) -> Tensor:
        """Features of batch × views (the global one first) as the projector's input rows."""
        return sequence_of(features, rows, columns, self.plora_sub_GN, self.plora_glb_GN)

    def forward(self, image: Tensor, ids: Tensor, positions: Tensor, masks: Masks) -> Tensor:
        """Hidden rows of the text after the final norm.

        `image`: projected features. `ids`: text before the image, then everything after it.
        """
        tokens = image.shape[1]
        image_positions = torch.arange(masks.prefix, masks.prefix + tokens)
        rotary = Rotary(self.rotary(image_positions), self.rotary(positions))
        text = self.model.tok_embeddings(ids)
        for number, layer in enumerate(self.model.layers):
            last = number + 1 == len(self.model.layers)
            image, text = layer(image, text, rotary, masks, last)
        return self.model.norm(text)


def initialise(module: nn.Module) -> None:
    if isinstance(module, PartialLoraLinear):
        nn.init.normal_(module.weight, std=0.04)
        # Both factors start at random: with B at zero the rest of the model gets used to it.
        nn.init.normal_(module.Plora_A.weight, std=module.in_features**-0.5)
        nn.init.normal_(module.Plora_B.weight, std=0.04)
    elif isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.normal_(module.weight, std=0.05)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding) and module.embedding_dim and module.num_embeddings > 500:
        nn.init.normal_(module.weight, std=0.3)


def scale_residual_branches(model: TinyComposer, config: Config) -> None:
    """Branches that add to the residual start smaller, by the root of how many there are."""
    for layer in model.model.layers:
        for linear in (layer.attention.wo, layer.feed_forward.w2):
            linear.weight.data /= math.sqrt(2 * config.layers)
            linear.Plora_B.weight.data /= math.sqrt(2 * config.layers)
    for layer in model.vit.vision_tower.vision_model.encoder.layers:
        for linear in (layer.self_attn.out_proj, layer.mlp.fc2):
            linear.weight.data /= math.sqrt(2 * config.vision_layers)
