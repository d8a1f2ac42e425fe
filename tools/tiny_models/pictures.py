"""Pictures as XComposer2-VL sees them: RGB, squashed to a square in bytes, CLIP's mean and deviation."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def square_bytes(picture: Image.Image, side: int) -> np.ndarray:
    """Height × width × 3 bytes after the resize (Pillow's antialiased bicubic on bytes)."""
    resized = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Batch × height × width × 3 bytes to batch × 3 × height × width floats."""
    mean = torch.tensor(CLIP_MEAN).view(1, 3, 1, 1)
    deviation = torch.tensor(CLIP_STD).view(1, 3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() / 255.0 - mean) / deviation
