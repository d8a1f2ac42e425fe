"""Reads the shards that make_pictures.py writes, also those that appear while training goes on."""

from __future__ import annotations

import json
import pathlib

import numpy as np

from scenes import COLORS, SHAPES, SIZES, Scene

NO_LABEL = -100  # what cross_entropy ignores


class Pool:
    """All pictures so far: addressed by (shard, row), grouped by how many objects they show."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.shards: dict[str, tuple[np.ndarray, np.ndarray, list[dict]]] = {}
        self.groups: dict[str, list[tuple[str, int]]] = {}
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.scenes.json")):
            name = path.name.removesuffix(".scenes.json")
            if name in self.shards:
                continue
            pictures = np.load(self.folder / f"{name}.pictures.npy", mmap_mode="r")
            owners = np.load(self.folder / f"{name}.owners.npy")
            entries = json.loads(path.read_text())
            self.shards[name] = pictures, owners, entries
            for row, entry in enumerate(entries):
                self.groups.setdefault(group_of(entry), []).append((name, row))

    def sample(self, group: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict]:
        name, row = self.groups[group][rng.integers(len(self.groups[group]))]
        pictures, owners, entries = self.shards[name]
        return pictures[row], owners[row], entries[row]


def group_of(entry: dict) -> str:
    """"easy-vqa", "plain" (drawn in its manner), or the number of objects."""
    if "questions" in entry:
        return "easy-vqa"
    scene = Scene.from_dict(entry["scene"])
    if tuple(scene.pixels) == (64, 64) and len(scene.objects) == 1 and not scene.describable():
        return "plain"
    return str(len(scene.objects))


def patch_targets(owners: np.ndarray, scene: Scene) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Per patch the class of each label, and a weight that keeps small objects from vanishing."""
    background = {"kind": len(SHAPES), "color": len(COLORS), "size": len(SIZES), "cell": 9}
    classes = {label: np.full(owners.shape, value) for label, value in background.items()}
    weights = np.full(owners.shape, 0.25, np.float32)
    for number, shape in enumerate(scene.objects):
        mine = owners == number
        classes["kind"][mine] = SHAPES.index(shape.kind)
        classes["color"][mine] = list(COLORS).index(shape.color)
        classes["size"][mine] = NO_LABEL if shape.size is None else list(SIZES).index(shape.size)
        classes["cell"][mine] = NO_LABEL if shape.cell is None else shape.cell
        weights[mine] = 2.0 / np.sqrt(mine.sum())
    return classes, weights
