"""Draws training documents ahead of the training, in shards.

    python make_documents.py --out DIR --count 24000

A shard is NAME.bytes.npy (the padded pictures one after the other) and NAME.labels.npz; the JSON with
their sizes and scenes is written last, so a shard whose JSON exists is complete.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np

from document_labels import digit_labels, object_owners
from documents import draw_document, random_document
from hd import hd_bytes, picture_frame

HD_NUM, SIDE, PATCH = 25, 84, 14


def document_entry(rng: np.random.Generator) -> tuple[np.ndarray, dict, dict]:
    document = random_document(rng, HD_NUM)
    pixels = hd_bytes(draw_document(document, rng), HD_NUM, SIDE)
    height, width = pixels.shape[:2]
    frame = picture_frame(document.scene.pixels, HD_NUM, SIDE)
    text = document.number.text if document.number else ""
    fractions = np.array(document.number.boxes if text else []).reshape(-1, 4)
    boxes = fractions * [*frame[2:], *frame[2:]] + [*frame[:2], *frame[:2]]
    grid = SIDE // PATCH
    squashed = frame * [grid / width, grid / height, grid / width, grid / height]
    labels = {
        "digits": digit_labels(boxes, [int(digit) for digit in text], (height, width), SIDE, PATCH),
        "owners": object_owners(document, frame / PATCH, (height // PATCH, width // PATCH)),
        "overall": object_owners(document, squashed, (grid, grid)),
    }
    fields = {"document": document.to_dict(), "rows": height // SIDE, "columns": width // SIDE}
    return pixels, labels, fields


def write_shard(folder: pathlib.Path, name: str, entries: list[tuple]) -> None:
    pictures, labels, fields = zip(*entries)
    np.save(folder / f"{name}.bytes.npy", np.concatenate([picture.ravel() for picture in pictures]))
    flat = {key: np.concatenate([entry[key].ravel() for entry in labels]) for key in labels[0]}
    np.savez(folder / f"{name}.labels.npz", **flat)
    unfinished = folder / f"{name}.unfinished"
    unfinished.write_text(json.dumps(fields))
    unfinished.rename(folder / f"{name}.documents.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=24_000)
    parser.add_argument("--shard-size", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for shard in range(options.count // options.shard_size):
        name = f"documents_{shard:04d}"
        if (options.out / f"{name}.documents.json").exists():
            continue
        rng = np.random.default_rng((options.seed, 4, shard))
        entries = [document_entry(rng) for _ in range(options.shard_size)]
        write_shard(options.out, name, entries)
        print(name, flush=True)


if __name__ == "__main__":
    main()
