"""Draws the example pictures that ship with the models: fresh scenes of a seed that nothing else uses.

    python make_examples.py ../../models/tiny-vl/examples
    python make_examples.py ../../models/tiny-4khd/examples --documents
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import numpy as np
from PIL import Image

import documents
import language as words
import scenes

SEED = 4_713
HD_NUM = 25  # of tiny-4khd; digits are drawn for its views


def shapes(number: int) -> tuple[str, Image.Image, str]:
    """Name, picture and caption."""
    rng = np.random.default_rng((SEED, number))
    scene = scenes.random_scene(rng, counts=(1, 2), weights=(0.4, 0.6))
    # Large enough for people; the geometry is in fractions and stays as it is.
    factor = 320 / max(scene.pixels)
    pixels = tuple(round(side * factor) for side in scene.pixels)
    picture = scenes.draw_scene(dataclasses.replace(scene, pixels=pixels), rng, effects=False)
    return f"shapes_{number + 1}.png", picture, words.caption(scene, "en")


def document(number: int) -> tuple[str, Image.Image, str]:
    """Name, picture and caption; without grain, which would make the file large."""
    rng = np.random.default_rng((SEED, 1, number))
    drawn = documents.random_document(rng, HD_NUM, digits=2 + number % 3)
    picture = documents.draw_document(drawn, rng, effects=False)
    return f"document_{number + 1}.png", picture, words.document_caption(drawn, "en")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--documents", action="store_true", help="large pictures with a small number")
    parser.add_argument("--count", type=int, default=6)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(options.count):
        name, picture, caption = (document if options.documents else shapes)(number)
        picture.save(options.folder / name, optimize=True)
        lines.append(f"{name}: {caption}")
    (options.folder / "truth.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
