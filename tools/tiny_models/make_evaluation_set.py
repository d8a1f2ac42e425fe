"""Makes examples/evaluation: drawn scenes and a few photographs, with a reference caption each.

    pip download --no-deps scikit-image==0.26.0 && unzip scikit_image-*.whl 'skimage/data/*'
    python make_evaluation_set.py ../../examples/evaluation --photographs skimage/data

The photographs come with scikit-image; README.md there has their authors and licences, which are
recorded in scikit-image's own skimage/data/_fetchers.py. Captions of scenes follow from the scenes,
those of photographs are written by hand.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image

import language as words
import scenes

SEED = 90_127  # of no training and of no other set
SCENE_SIDE = 224
PHOTOGRAPH_SIDE = 384
COUNTS = (1, 2, 3, 2, 1, 3, 4, 2)  # objects in a scene, in turn

PHOTOGRAPHS = {
    "astronaut.png": "A smiling woman in an orange space suit stands in front of the American flag.",
    "camera.png": "A black and white photograph of a man who looks through a camera on a tripod.",
    "chelsea.png": "A close-up of a ginger tabby cat with green eyes.",
    "coffee.png": "A cup of espresso on a saucer with a spoon on a wooden table.",
    "retina.jpg": "A medical picture of the retina of an eye with its blood vessels.",
    "rocket.jpg": "A rocket stands on its launch pad at dusk between towers and bright lights.",
}


def scene(number: int) -> tuple[str, Image.Image, str]:
    """Name, picture and caption."""
    rng = np.random.default_rng((SEED, number))
    drawn = scenes.random_scene(rng, counts=(COUNTS[number % len(COUNTS)],))
    factor = SCENE_SIDE / max(drawn.pixels)
    pixels = tuple(round(side * factor) for side in drawn.pixels)
    picture = scenes.draw_scene(dataclasses.replace(drawn, pixels=pixels), rng, effects=False)
    return f"scene_{number + 1:02d}.png", picture, words.caption(drawn, "en")


def photograph(path: pathlib.Path) -> Image.Image:
    picture = Image.open(path)
    picture.thumbnail((PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE), Image.Resampling.LANCZOS)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--photographs", type=pathlib.Path, required=True, help="skimage/data")
    parser.add_argument("--scenes", type=int, default=24)
    options = parser.parse_args()
    pictures = options.folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    captions = {}
    for number in range(options.scenes):
        name, picture, captions[name] = scene(number)
        picture.save(pictures / name, optimize=True)
    for source, caption in PHOTOGRAPHS.items():
        name = "photo_" + pathlib.Path(source).stem + ".jpg"
        photograph(options.photographs / source).save(pictures / name, quality=85)
        captions[name] = caption
    # In the form of a file of answers, so that ixc clip-score can judge the references too.
    (options.folder / "references.json").write_text(
        json.dumps(captions, sort_keys=True), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
