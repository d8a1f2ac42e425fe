"""Writes an evaluation set: pictures that no training run has seen, with what is true about them.

    python make_eval.py DIR [--scenes 500] [--full]
    python make_eval.py DIR --documents 600

DIR/batch.jsonl has one JSON object a line: `image` (a file beside it), `prompt`, `expected`, `kind`
(caption, scene-question, easy-vqa, number), `lang`, `objects`. An engine answers the lines in order and
score.py compares. Scenes and documents come from seeds of their own; easy-vqa from its test split, 1,000
random questions unless --full asks for all 9,673.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np

import easy_vqa_data
import language as words
import scenes
from documents import draw_document, random_document

HD_NUM = 25  # the engine's default, which document sizes are made for
SEED = 20_261  # training seeds are (1, shard); any other pair is another stream
FOUR_OBJECTS = 0.1  # share of scenes beyond the bars' one to three
QUESTIONS_A_SCENE = 2


def truth_of(scene: scenes.Scene) -> dict:
    objects = [[shape.size, shape.color, shape.kind, shape.cell] for shape in scene.objects]
    return {"background": scene.background, "objects": objects}


def scene_lines(folder: pathlib.Path, count: int, seed: int) -> list[dict]:
    lines = []
    weights = [(1 - FOUR_OBJECTS) / 3] * 3 + [FOUR_OBJECTS]
    for number in range(count):
        rng = np.random.default_rng((seed, 77, number))
        scene = scenes.random_scene(rng, weights=weights)
        name = f"scene_{number:04d}.png"
        scenes.draw_scene(scene, rng).save(folder / name)
        about = {"image": name, "objects": len(scene.objects)}
        truth = truth_of(scene)
        for language in words.LANGUAGES:
            prompt = words.IMAGE_MARK + words.DETAIL_PROMPTS[language][0]
            line = {**about, "prompt": prompt, "expected": truth, "kind": "caption"}
            lines.append({**line, "lang": language})
        asked = set()
        while len(asked) < QUESTIONS_A_SCENE:
            language = words.LANGUAGES[len(asked)]
            question, answer, topic = words.random_question(scene, language, rng)
            asked.add(question)
            line = {**about, "prompt": words.IMAGE_MARK + question, "expected": answer}
            lines.append({**line, "kind": "scene-question", "lang": language, "topic": topic})
    return lines


def document_lines(folder: pathlib.Path, count: int, seed: int) -> list[dict]:
    """As many numbers of one digit as of two, three and four; one question and one caption each."""
    lines = []
    for place in range(count):
        rng = np.random.default_rng((seed, 79, place))
        document = random_document(rng, HD_NUM, digits=1 + place % 4)
        name = f"document_{place:04d}.png"
        draw_document(document, rng).save(folder / name)
        number = document.number.text
        about = {"image": name, "objects": len(document.scene.objects), "lang": "en"}
        prompt = words.IMAGE_MARK + words.NUMBER_FORMS["en"][0]
        lines.append({**about, "prompt": prompt, "expected": number, "kind": "number"})
        prompt = words.IMAGE_MARK + words.DETAIL_PROMPTS["en"][0]
        truth = {**truth_of(document.scene), "number": number}
        lines.append({**about, "prompt": prompt, "expected": truth, "kind": "caption"})
    return lines


def easy_vqa_lines(folder: pathlib.Path, count: int | None, seed: int) -> list[dict]:
    questions = [
        (number, question, answer)
        for number, pairs in sorted(easy_vqa_data.questions_by_picture("test").items())
        for question, answer in pairs
    ]
    if count is not None:
        chosen = np.random.default_rng((seed, 78)).permutation(len(questions))[:count]
        questions = [questions[place] for place in sorted(chosen)]
    lines = []
    for number, question, answer in questions:
        name = f"easy_vqa_{number:04d}.png"
        if not (folder / name).exists():
            easy_vqa_data.picture("test", number).save(folder / name)
        line = {"image": name, "prompt": words.IMAGE_MARK + question, "expected": answer}
        lines.append({**line, "kind": "easy-vqa", "lang": "en", "objects": 1})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--documents", type=int, help="large pictures with numbers, and no scenes")
    parser.add_argument("--full", action="store_true", help="all easy-vqa test questions")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.documents:
        lines = document_lines(options.folder, options.documents, options.seed)
    else:
        lines = scene_lines(options.folder, options.scenes, options.seed)
        lines += easy_vqa_lines(options.folder, None if options.full else 1000, options.seed)
    with open(options.folder / "batch.jsonl", "w", encoding="utf-8") as output:
        for line in lines:
            output.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
