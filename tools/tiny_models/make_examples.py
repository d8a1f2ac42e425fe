"""Draws the example pictures that ship with tiny-vl: fresh scenes of a seed that nothing else uses.

    python make_examples.py ../../models/tiny-vl/examples
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import numpy as np

import language as words
import scenes

SEED = 4_713


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=6)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(options.count):
        rng = np.random.default_rng((SEED, number))
        scene = scenes.random_scene(rng, counts=(1, 2), weights=(0.4, 0.6))
        # Large enough for people; the geometry is in fractions and stays as it is.
        factor = 320 / max(scene.pixels)
        pixels = tuple(round(side * factor) for side in scene.pixels)
        picture = scenes.draw_scene(dataclasses.replace(scene, pixels=pixels), rng, effects=False)
        name = f"shapes_{number + 1}.png"
        picture.save(options.folder / name, optimize=True)
        lines.append(f"{name}: {words.caption(scene, 'en')}")
    (options.folder / "truth.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
