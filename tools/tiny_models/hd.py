"""Pictures as XComposer2-4KHD sees them: resized, padded, cut into views, with a global view.

docs/pictures-to-tokens.md explains the rules; here they are in Python, for training.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def padded_size(width: int, height: int, hd_num: int, side: int) -> tuple[int, int, int]:
    """(long side, short side, short side padded to whole views) of a picture's resized form."""
    ratio = max(width, height) / min(width, height)
    scale = 1
    while (scale + 1) * math.ceil((scale + 1) / ratio) <= hd_num:
        scale += 1
    long = side * scale
    short = int(long / ratio)
    return long, short, side * math.ceil(short / side)


def hd_bytes(picture: Image.Image, hd_num: int, side: int) -> np.ndarray:
    """Height × width × 3 bytes, sides multiples of `side`."""
    portrait = picture.width < picture.height
    if portrait:
        picture = picture.transpose(Image.Transpose.TRANSPOSE)
    long, short, padded = padded_size(picture.width, picture.height, hd_num, side)
    resized = picture.convert("RGB").resize((long, short), Image.Resampling.BILINEAR)
    top = int((padded - short) / 2)
    pixels = np.full((padded, long, 3), 255, np.uint8)
    pixels[top : top + short] = np.asarray(resized)
    if portrait:
        return np.ascontiguousarray(pixels.transpose(1, 0, 2))
    return pixels


def views_of(pixels: Tensor, side: int) -> Tensor:
    """Batch × 3 × height × width to batch × views × 3 × side × side, the global view first."""
    batch, channels, height, width = pixels.shape
    overall = F.interpolate(pixels, (side, side), mode="bicubic", align_corners=False)
    cut = pixels.view(batch, channels, height // side, side, width // side, side)
    cut = cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, side, side)
    return torch.cat([overall[:, None], cut], 1)


def merged(grid: Tensor) -> Tensor:
    """... × rows × columns × width to ... × rows/2 × columns/2 × 4·width."""
    *front, rows, columns, width = grid.shape
    cells = grid.view(*front, rows // 2, 2, columns // 2, 2, width)
    axis = len(front)
    order = [*range(axis), axis, axis + 2, axis + 1, axis + 3, axis + 4]
    return cells.permute(order).reshape(*front, rows // 2, columns // 2, 4 * width)


def sequence_of(features: Tensor, rows: int, columns: int, row_end: Tensor, middle: Tensor) -> Tensor:
    """Batch × views × patches × width to batch × tokens × 4·width, before the projector.

    The global view's merged rows, `middle`, the merged rows of the whole picture; each row closes with
    `row_end`.
    """
    batch, _, patches, width = features.shape
    side = math.isqrt(patches)
    overall = merged(features[:, 0].reshape(batch, side, side, width))
    whole = features[:, 1:].reshape(batch, rows, columns, side, side, width)
    whole = whole.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows * side, columns * side, width)

    def closed(grid: Tensor) -> Tensor:
        ends = row_end.view(1, 1, 1, -1).expand(batch, grid.shape[1], 1, -1)
        return torch.cat([grid, ends], 2).flatten(1, 2)

    between = middle.view(1, 1, -1).expand(batch, 1, -1)
    return torch.cat([closed(overall), between, closed(merged(whole))], 1)


def picture_tokens(rows: int, columns: int, patches_a_side: int) -> int:
    half = patches_a_side // 2
    return half * (half + 1) + 1 + rows * half * (columns * half + 1)


def picture_frame(size: tuple[int, int], hd_num: int, side: int) -> np.ndarray:
    """Where a picture of `size` (width, height) lies in its padded form: left, top, width, height."""
    long, short, padded = padded_size(*size, hd_num, side)
    blank = int((padded - short) / 2)
    if size[0] >= size[1]:
        return np.array([0, blank, long, short], float)
    return np.array([blank, 0, short, long], float)
