"""Greedy decoding with the PyTorch model, for judging a run before an engine sees the checkpoint."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from model import TinyComposer, rotate


class Cache:
    """Keys and values of every layer, grown by one call after the other."""

    def __init__(self, layers: int):
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers
        self.length = 0


def advance(model: TinyComposer, rows: Tensor, cache: Cache, of_image: bool) -> Tensor:
    """Appends rows (all of the image or all of text) to the sequence and returns their states."""
    length = rows.shape[1]
    places = torch.arange(cache.length, cache.length + length)
    table = model.rotary(places)
    mask = torch.arange(cache.length + length)[None, :] <= places[:, None]
    for number, layer in enumerate(model.model.layers):
        attention = layer.attention
        normed = layer.attention_norm(rows)
        wqkv = attention.wqkv.image_rows if of_image else attention.wqkv
        queries, keys, values = attention.split(wqkv(normed))
        keys = rotate(keys, table)
        if cache.keys[number] is not None:
            keys = torch.cat([cache.keys[number], keys], 2)
            values = torch.cat([cache.values[number], values], 2)
        cache.keys[number], cache.values[number] = keys, values
        mixed = attention.mix(rotate(queries, table), keys, values, mask)
        wo = attention.wo.image_rows if of_image else attention.wo
        rows = rows + wo(mixed)
        feed = layer.feed_forward.image_rows if of_image else layer.feed_forward
        rows = rows + feed(layer.ffn_norm(rows))
    cache.length += length
    return rows


@torch.no_grad()
def answers(
    model: TinyComposer,
    pixels: Tensor,
    before: list[int],
    after: Tensor,
    stops: tuple[int, ...],
    limit: int = 80,
    penalty: float = 1.0,
) -> list[list[int]]:
    """New ids for a batch of pictures whose questions (`after`) all have the same length."""
    batch = len(pixels)
    cache = Cache(len(model.model.layers))
    embed = model.model.tok_embeddings
    advance(model, embed(torch.tensor(before)).expand(batch, -1, -1), cache, False)
    advance(model, model.vision_proj(model.image_features(pixels)), cache, True)
    rows = advance(model, embed(after), cache, False)
    found: list[list[int]] = [[] for _ in range(batch)]
    running = torch.ones(batch, dtype=torch.bool)
    seen = torch.zeros(batch, model.config.vocab_size, dtype=torch.bool)
    seen[:, 1] = True  # the reference's penalty also sees the BOS that generation starts from
    for _ in range(limit):
        logits = F.linear(model.model.norm(rows[:, -1]), model.output.weight)
        lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
        chosen = torch.where(seen, lowered, logits).argmax(-1)
        seen[torch.arange(batch), chosen] = True
        for number in running.nonzero().flatten().tolist():
            token = int(chosen[number])
            if token in stops:
                running[number] = False
            else:
                found[number].append(token)
        if not running.any():
            break
        rows = advance(model, embed(chosen)[:, None], cache, False)
    return found
