"""Compares answers with an evaluation set and prints the figures beside their bars.

    python score.py batch.jsonl answers.jsonl [--without-plora answers.jsonl] [--json]

Answers are JSON lines in the order of the batch, each with a field `answer`. Exit code 1 if a bar is
missed. A caption counts when it names every object with the right size, colour, shape and position, and
nothing else.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
import sys

import language as words

BARS = {
    "easy-vqa": 0.96,
    "captions en, 1 object": 0.95,
    "captions en, 2 objects": 0.85,
    "captions en, 3 objects": 0.65,
    "scene questions": 0.88,
    "captions, Chinese minus English": -0.05,
    "captions en, cost of removing partial LoRA": 0.20,
    "documents: numbers, 1-3 digits": 0.90,
    "documents: numbers, 4 digits": 0.75,
    "documents: captions, 1 object": 0.80,
}


class Share:
    def __init__(self):
        self.right = self.total = 0

    def add(self, right: bool) -> None:
        self.right += bool(right)
        self.total += 1

    @property
    def value(self) -> float:
        return self.right / self.total if self.total else float("nan")


def read_lines(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def same_answer(answer: str, expected: str) -> bool:
    return answer.strip().rstrip(".").lower() == expected.strip().rstrip(".").lower()


def judge_caption(line: dict, answer: str, shares: dict[str, Share]) -> None:
    background, found = words.parse_caption(answer, line["lang"])
    wanted = [tuple(item) for item in line["expected"]["objects"]]
    language, count = line["lang"], len(wanted)
    right = collections.Counter(found) == collections.Counter(wanted)
    plural = "object" if count == 1 else "objects"
    shares[f"captions {language}, {count} {plural}"].add(right)
    if count <= 3:
        shares[f"captions {language}, 1-3 objects"].add(right)
    shares[f"background {language}"].add(background == line["expected"]["background"])
    if len(found) == count:  # attribute by attribute, where objects can be paired
        for name, place in (("size", 0), ("color", 1), ("shape", 2), ("position", 3)):
            for item, truth in zip(found, wanted):
                shares[f"per object {language}: {name}"].add(item[place] == truth[place])


def judge_document(line: dict, answer: str, shares: dict[str, Share]) -> None:
    """Captions: objects and number each by themselves, then together."""
    if line["kind"] == "number":
        digits = len(line["expected"])
        right = same_answer(answer, line["expected"])
        shares[f"documents: numbers, {digits} digit{'s' * (digits > 1)}"].add(right)
        if digits <= 3:
            shares["documents: numbers, 1-3 digits"].add(right)
        return
    _, found = words.parse_caption(answer, line["lang"])
    wanted = [tuple(item) for item in line["expected"]["objects"]]
    right = collections.Counter(found) == collections.Counter(wanted)
    shares[f"documents: captions, {len(wanted)} object{'s' * (len(wanted) > 1)}"].add(right)
    number = words.parse_number(answer, line["lang"]) == line["expected"]["number"]
    shares["documents: number in the caption"].add(number)


def measure(batch: list[dict], answers: list[dict]) -> dict[str, Share]:
    if len(batch) != len(answers):
        sys.exit(f"error: {len(batch)} questions but {len(answers)} answers")
    shares: dict[str, Share] = collections.defaultdict(Share)
    for line, reply in zip(batch, answers):
        answer = reply.get("answer", "")
        if line["kind"] == "number" or (line["kind"] == "caption" and "number" in line["expected"]):
            judge_document(line, answer, shares)
            continue
        if line["kind"] == "caption":
            judge_caption(line, answer, shares)
            continue
        right = same_answer(answer, line["expected"])
        if line["kind"] == "easy-vqa":
            shares["easy-vqa"].add(right)
            sort = "yes/no" if line["expected"] in ("yes", "no") else "other"
            shares[f"easy-vqa {sort}"].add(right)
        else:
            shares["scene questions"].add(right)
            shares[f"scene questions {line['lang']}"].add(right)
            shares[f"scene questions: {line['topic']}"].add(right)
    return dict(shares)


def figures_of(shares: dict[str, Share], without: dict[str, Share] | None) -> dict[str, float]:
    figures = {name: share.value for name, share in shares.items()}
    if "captions en, 1-3 objects" not in figures:
        return figures
    english, chinese = (figures[f"captions {language}, 1-3 objects"] for language in words.LANGUAGES)
    figures["captions, Chinese minus English"] = chinese - english
    if without:
        lost = english - without["captions en, 1-3 objects"].value
        figures["captions en, cost of removing partial LoRA"] = lost
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("batch", type=pathlib.Path)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("--without-plora", type=pathlib.Path, help="answers of the edited copy")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    batch = read_lines(options.batch)
    shares = measure(batch, read_lines(options.answers))
    without = measure(batch, read_lines(options.without_plora)) if options.without_plora else None
    figures = figures_of(shares, without)
    met = {name: figures[name] >= bar for name, bar in BARS.items() if name in figures}
    if options.json:
        print(json.dumps({"figures": figures, "bars": BARS, "met": met}, indent=2))
    else:
        for name in sorted(figures):
            count = f"{shares[name].right}/{shares[name].total}" if name in shares else ""
            bar = f"  bar {BARS[name]:+.2f} {'pass' if met[name] else 'MISS'}" if name in met else ""
            print(f"{name:44s} {figures[name]:7.3f} {count:>11s}{bar}")
    sys.exit(0 if all(met.values()) else 1)


if __name__ == "__main__":
    main()
