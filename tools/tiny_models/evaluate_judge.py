"""Measures tiny-clip with the engine on unseen scenes: the right caption among 100, and against one that
differs in a single attribute.

    python evaluate_judge.py IXC [JUDGE] [--groups 5]

Every picture of a group of 100 is scored with every caption of the group by `ixc clip-score`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import language as words
import scenes
from train_judge import altered

GROUP, SEED = 100, (20_263, 81)  # another stream than any training's


def scores(ixc: str, judge: str, folder: pathlib.Path, texts: list[str]) -> list[float]:
    """Of picture i of the folder with text i."""
    path = folder / "texts.json"
    path.write_text(json.dumps({f"{number:03}.png": text for number, text in enumerate(texts)}))
    command = [ixc, "clip-score", "--json", "--predictions", path, "--images", folder, "--judge", judge]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    found = json.loads(done.stdout)["scores"]
    return [found[f"{number:03}.png"] for number in range(len(texts))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ixc")
    parser.add_argument("judge", nargs="?", default=str(pathlib.Path(__file__).parents[2] / "models/tiny-clip"))
    parser.add_argument("--groups", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    first = strict = total = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for _ in range(options.groups):
            group = [scenes.random_scene(rng) for _ in range(GROUP)]
            for number, scene in enumerate(group):
                scenes.draw_scene(scene, rng).save(folder / f"{number:03}.png")
            texts = [words.caption(scene, "en") for scene in group]
            false = [words.caption(altered(scene, False, rng), "en") for scene in group]
            shifted = [
                scores(options.ixc, options.judge, folder, texts[shift:] + texts[:shift])
                for shift in range(GROUP)
            ]
            first += int((np.argmax(shifted, axis=0) == 0).sum())
            strict += int((np.array(shifted[0]) > scores(options.ixc, options.judge, folder, false)).sum())
            total += GROUP
    print(f"right caption among {GROUP}: {first / total:.1%}")
    print(f"true caption above one with a wrong attribute: {strict / total:.1%}")


if __name__ == "__main__":
    main()
