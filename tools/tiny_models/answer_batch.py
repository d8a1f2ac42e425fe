"""Answers a batch with the PyTorch model, in the same files as `ixc describe --batch`.

    python answer_batch.py MODEL batch.jsonl answers.jsonl

MODEL is an exported folder, or a checkpoint of the trainer with --tokenizer. The figures of a shipped
checkpoint are measured with the engine; this is for following a training run.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib

import torch
from PIL import Image

import language as words
from checkpoint import load_model
from generate import answers
from pictures import normalise, square_bytes
from prompt import DEFAULT_META, EOS, Prompter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("batch", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--system", default=DEFAULT_META)
    parser.add_argument("--repetition-penalty", type=float, default=1.005)
    parser.add_argument("--zero-plora", action="store_true", help="partial LoRA without effect")
    parser.add_argument("--rows", type=int, default=128, help="pictures at a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(options.model)
    if options.zero_plora:
        for name, parameter in model.named_parameters():
            if ".Plora_B." in name:
                parameter.data.zero_()
    prompter = Prompter(options.tokenizer or options.model / "tokenizer.model")
    lines = [json.loads(line) for line in options.batch.read_text("utf-8").splitlines()]
    found: list[str] = [""] * len(lines)
    # Questions of equal length go together, so nothing needs padding.
    groups = collections.defaultdict(list)
    for number, line in enumerate(lines):
        question = prompter.question(line["prompt"].removeprefix(words.IMAGE_MARK))
        groups[len(question)].append((number, question))
    for group in groups.values():
        for start in range(0, len(group), options.rows):
            part = group[start : start + options.rows]
            pictures = [
                square_bytes(
                    Image.open(options.batch.parent / lines[number]["image"]), model.config.image_side
                )
                for number, _ in part
            ]
            pixels = normalise(torch.stack([torch.tensor(picture) for picture in pictures]))
            new = answers(
                model,
                pixels,
                prompter.before_image(options.system),
                torch.tensor([question for _, question in part]),
                (EOS, prompter.turn_close),
                penalty=options.repetition_penalty,
            )
            for (number, _), ids in zip(part, new):
                found[number] = prompter.decode(ids)
    with open(options.output, "w", encoding="utf-8") as output:
        for line, text in zip(lines, found):
            output.write(json.dumps({**line, "answer": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
