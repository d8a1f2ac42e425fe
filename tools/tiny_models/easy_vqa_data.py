"""The easy-vqa data set (PyPI package `easy-vqa`, MIT): pictures, questions, and scenes measured.

easy-vqa only has questions and answers. Its pictures are one flat shape on a flat background, so what
a caption needs (where, how large) can be measured from the pixels of the training split.
"""

from __future__ import annotations

import collections
import json
import pathlib

import easy_vqa
import numpy as np
from PIL import Image

from scenes import COLORS, EASY_VQA_COLORS, Scene, Shape, cell_of, size_of

DATA = pathlib.Path(easy_vqa.__file__).parent / "data"


def questions_by_picture(split: str) -> dict[int, list[tuple[str, str]]]:
    """Picture number -> [(question, answer)] for "train" or "test"."""
    questions = collections.defaultdict(list)
    for question, answer, number in json.loads((DATA / split / "questions.json").read_text()):
        questions[number].append((question, answer))
    return dict(questions)


def picture(split: str, number: int) -> Image.Image:
    return Image.open(DATA / split / "images" / f"{number}.png").convert("RGB")


def measured_scene(image: Image.Image) -> Scene:
    """What a training picture shows, from its pixels."""
    pixels = np.asarray(image, int)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    background = np.median(corners, axis=0)
    covered = np.abs(pixels - background).sum(-1) > 40
    rows, columns = np.where(covered)
    left, right = columns.min(), columns.max() + 1
    top, bottom = rows.min(), rows.max() + 1
    rgb = np.median(pixels[covered], axis=0)
    color = min(EASY_VQA_COLORS, key=lambda name: np.abs(rgb - COLORS[name][0]).sum())
    filled = covered[top:bottom, left:right].mean()
    kind = "rectangle" if filled > 0.92 else "circle" if filled > 0.66 else "triangle"
    height, width = covered.shape
    center = (float((left + right) / 2 / width), float((top + bottom) / 2 / height))
    extent = (float((right - left) / width), float((bottom - top) / height))
    shape = Shape(kind, color, size_of(extent), cell_of(center), center, extent)
    return Scene("light", tuple(int(v) for v in background), (width, height), [shape])


def agrees(scene: Scene, questions: list[tuple[str, str]]) -> bool:
    """Whether the measured words are the ones that the answers give."""
    shape = scene.objects[0]
    return all(
        answer in ("yes", "no", shape.kind, shape.color) for _, answer in questions
    )
