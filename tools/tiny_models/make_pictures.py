"""Draws training pictures ahead of the training, in shards that the trainer maps into memory.

    python make_pictures.py --out DIR --count 100000 --seed 1

Each shard is three files: NAME.pictures.npy (count × side × side × 3 bytes), NAME.owners.npy (the
object that each patch belongs to) and NAME.scenes.json. The JSON is written last, so a shard whose
JSON exists is complete and the trainer may start while later shards are still being drawn.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np

import easy_vqa_data
import scenes
from pictures import square_bytes

PLAIN_SHARE = 0.15  # easy-vqa's manner of picture
COUNT_WEIGHTS = (0.22, 0.28, 0.30, 0.20)  # one to four objects, of the others


def random_entry(rng: np.random.Generator, side: int, grid: int) -> tuple:
    if rng.random() < PLAIN_SHARE:
        scene = scenes.random_plain_scene(rng)
    else:
        scene = scenes.random_scene(rng, weights=COUNT_WEIGHTS)
    picture = square_bytes(scenes.draw_scene(scene, rng), side)
    return picture, scenes.patch_owners(scene, grid), {"scene": scene.to_dict()}


def easy_vqa_entries(side: int, grid: int):
    for number, questions in sorted(easy_vqa_data.questions_by_picture("train").items()):
        image = easy_vqa_data.picture("train", number)
        scene = easy_vqa_data.measured_scene(image)
        if not easy_vqa_data.agrees(scene, questions):
            print(f"easy-vqa picture {number}: measured otherwise than answered, left out")
            continue
        fields = {"scene": scene.to_dict(), "questions": questions}
        yield square_bytes(image, side), scenes.patch_owners(scene, grid), fields


def write_shard(folder: pathlib.Path, name: str, entries: list[tuple]) -> None:
    pictures, owners, fields = zip(*entries)
    np.save(folder / f"{name}.pictures.npy", np.stack(pictures))
    np.save(folder / f"{name}.owners.npy", np.stack(owners).astype(np.int8))
    unfinished = folder / f"{name}.unfinished"
    unfinished.write_text(json.dumps(fields))
    unfinished.rename(folder / f"{name}.scenes.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--shard-size", type=int, default=2_000)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--patch", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    grid = options.side // options.patch
    if not (options.out / "easy_vqa.scenes.json").exists():
        write_shard(options.out, "easy_vqa", list(easy_vqa_entries(options.side, grid)))
    for shard in range(options.count // options.shard_size):
        name = f"scenes_{shard:04d}"
        if (options.out / f"{name}.scenes.json").exists():
            continue
        rng = np.random.default_rng((options.seed, shard))
        entries = [random_entry(rng, options.side, grid) for _ in range(options.shard_size)]
        write_shard(options.out, name, entries)
        print(name, flush=True)


if __name__ == "__main__":
    main()
