"""A stand-in for the Python code that comes with the original's weights, for tools/layer_check.py.

Plain PyTorch with the interface that the check uses: load(directory) gives (model, tokenizer), and the model has
chat(), model.layers and output. Weights and layers are those of tools/tiny_models, put together row by row as the
original does it: every row takes the base weights, image rows (im_mask) the partial LoRA as well.
"""

from __future__ import annotations

import pathlib
import sys

import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "tiny_models"))

from checkpoint import load_folder  # noqa: E402
from hd import hd_bytes, views_of  # noqa: E402
from model import DecoderLayer, TinyComposer, rotate  # noqa: E402
from pictures import normalise, square_bytes  # noqa: E402
from prompt import DEFAULT_META, Prompter  # noqa: E402

IMAGE_MARK = "<ImageHere>"


class Layer(nn.Module):
    """One decoder layer over rows of both sorts: [1, rows, width] in, a tuple out, as in the original."""

    def __init__(self, parts: DecoderLayer):
        super().__init__()
        self.parts = parts

    def forward(self, hidden_states: Tensor, im_mask: Tensor, table: tuple[Tensor, Tensor]):
        def linear(module, rows: Tensor) -> Tensor:
            return torch.where(im_mask, module.image_rows(rows), module(rows))

        attention = self.parts.attention
        rows = linear(attention.wqkv, self.parts.attention_norm(hidden_states))
        queries, keys, values = attention.split(rows)
        count = hidden_states.shape[1]
        causal = torch.ones(count, count, dtype=torch.bool).tril()
        mixed = attention.mix(rotate(queries, table), rotate(keys, table), values, causal)
        hidden_states = hidden_states + linear(attention.wo, mixed)
        normed = self.parts.ffn_norm(hidden_states)
        return (hidden_states + linear(self.parts.feed_forward, normed),)


class StandIn(nn.Module):
    def __init__(self, tiny: TinyComposer):
        super().__init__()
        self.tiny = tiny
        self.model = nn.Module()
        self.model.layers = nn.ModuleList(Layer(layer) for layer in tiny.model.layers)
        self.output = tiny.output

    def picture_rows(self, path: str, hd_num: int) -> Tensor:
        picture, side = Image.open(path), self.tiny.config.image_side
        if not self.tiny.config.high_resolution:
            pixels = normalise(torch.from_numpy(square_bytes(picture, side).copy())[None])
            return self.tiny.vision_proj(self.tiny.image_features(pixels))
        pixels = normalise(torch.from_numpy(hd_bytes(picture.convert("RGB"), hd_num, side).copy())[None])
        rows, columns = pixels.shape[2] // side, pixels.shape[3] // side
        features = self.tiny.image_features(views_of(pixels, side)[0])[None]
        return self.tiny.vision_proj(self.tiny.document_rows(features, rows, columns))

    def chat(self, tokenizer: Prompter, query: str, image: str, history: list, hd_num: int = 25,
             do_sample: bool = False, max_new_tokens: int = 1) -> None:
        """The prefill only: that is where every row of the prompt passes every layer."""
        assert not history and not do_sample and max_new_tokens == 1
        assert query.startswith(IMAGE_MARK)
        embed = self.tiny.model.tok_embeddings
        before = embed(torch.tensor(tokenizer.before_image(DEFAULT_META)))
        after = embed(torch.tensor(tokenizer.question(query.removeprefix(IMAGE_MARK))))
        picture = self.picture_rows(image, hd_num)[0]
        rows = torch.cat([before, picture, after])[None]
        im_mask = torch.zeros(1, rows.shape[1], 1, dtype=torch.bool)
        im_mask[:, len(before) : len(before) + len(picture)] = True
        table = self.tiny.rotary(torch.arange(rows.shape[1]))
        for layer in self.model.layers:
            (rows,) = layer(rows, im_mask=im_mask, table=table)
        self.output(self.tiny.model.norm(rows))


def load(directory: pathlib.Path) -> tuple[StandIn, Prompter]:
    return StandIn(load_folder(directory)).eval(), Prompter(directory / "tokenizer.model")
