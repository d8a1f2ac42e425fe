"""The two phases of tiny-4khd: its tower learns to read views, its decoder to put them together."""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import language as words
from document_labels import NO_DIGIT, NO_LABEL, SLOTS, digit_labels
from documents import Document, random_digit_tile
from hd import views_of
from joint_phase import Branch, JointPhase
from model import TinyComposer
from pictures import normalise
from scenes import COLORS, SHAPES, SIZES

LABEL_WEIGHTS = {"kind": 1.0, "color": 0.5, "size": 0.3, "cell": 0.5}
DIGIT_WEIGHT = 2.0
DIGIT_ANSWER_WEIGHT = 4.0


class DocumentPool:
    """All documents so far, grouped by (rows, columns, digits of the number)."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.shards: dict[str, tuple] = {}
        self.groups: dict[tuple[int, int, int], list[tuple[str, int]]] = {}
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.documents.json")):
            name = path.name.removesuffix(".documents.json")
            if name in self.shards:
                continue
            entries = json.loads(path.read_text())
            labels = dict(np.load(self.folder / f"{name}.labels.npz"))
            views = np.array([entry["rows"] * entry["columns"] for entry in entries])
            starts = np.concatenate([[0], np.cumsum(views)])
            pixels = np.load(self.folder / f"{name}.bytes.npy", mmap_mode="r")
            self.shards[name] = pixels, labels, entries, starts
            for row, entry in enumerate(entries):
                number = entry["document"]["number"]
                digits = len(number["text"]) if number else 0
                key = entry["rows"], entry["columns"], digits
                self.groups.setdefault(key, []).append((name, row))

    def shapes(self) -> tuple[list[tuple[int, int]], np.ndarray]:
        """(rows, columns) that occur, and how often."""
        counts: dict[tuple[int, int], int] = {}
        for (rows, columns, _), members in self.groups.items():
            counts[rows, columns] = counts.get((rows, columns), 0) + len(members)
        shapes = [shape for shape, count in counts.items() if count >= 100]
        shares = np.array([counts[shape] for shape in shapes], float)
        return shapes, shares / shares.sum()

    def sample(self, shape: tuple[int, int], digits: int, rng: np.random.Generator) -> dict:
        """`pixels`, `owners`, `overall`, `digits` as arrays, and the entry's `document`."""
        members = self.groups[*shape, digits]
        name, row = members[rng.integers(len(members))]
        pixels, labels, entries, starts = self.shards[name]
        rows, columns = shape
        side, grid = 84, 6
        begin, end = int(starts[row]), int(starts[row + 1])

        def part(array: np.ndarray, a_view: int, *shape: int) -> np.ndarray:
            return array[begin * a_view : end * a_view].reshape(shape)

        return {
            "pixels": part(pixels, side * side * 3, rows * side, columns * side, 3),
            "owners": part(labels["owners"], grid * grid, rows * grid, columns * grid),
            "digits": part(labels["digits"], grid * grid * SLOTS, rows * grid, columns * grid * SLOTS),
            "overall": labels["overall"][row * grid * grid : (row + 1) * grid * grid],
            "document": entries[row]["document"],
        }


def class_table(document: Document, overall: bool) -> dict[str, np.ndarray]:
    """Class per label of (objects…, background): indexed by owner, the last entry being -1's.

    Size and position belong to the picture as a whole and cannot be told from one view of it.
    """
    objects = document.scene.objects
    return {
        "kind": np.array([SHAPES.index(shape.kind) for shape in objects] + [len(SHAPES)]),
        "color": np.array([list(COLORS).index(shape.color) for shape in objects] + [len(COLORS)]),
        "size": np.array(
            [list(SIZES).index(shape.size) if overall else NO_LABEL for shape in objects] + [len(SIZES)]
        ),
        "cell": np.array([shape.cell if overall else NO_LABEL for shape in objects] + [9]),
    }


class DocumentTowerPhase:
    """The tower on single views: views full of numbers, views of documents, and global views."""

    scales = {"model.": 0.0, "output.": 0.0, "vision_proj.": 0.0, "plora_": 0.0}
    peak, flat, last = 1.5e-3, 0.5, 0.1
    pool_type = DocumentPool
    digit_tiles, views, overalls = 14, 6, 8  # a process and step

    def __init__(self, model: TinyComposer, options: argparse.Namespace):
        self.model = model
        self.side, self.patch, self.grid = model.config.image_side, model.config.patch, model.config.grid

    def digit_tile(self, rng: np.random.Generator):
        pixels, boxes, digits = random_digit_tile(self.side, rng)
        labels = digit_labels(boxes, digits, (self.side, self.side), self.side, self.patch)
        classes = {name: np.full(self.grid**2, NO_LABEL) for name in LABEL_WEIGHTS}
        return pixels, classes, np.zeros(self.grid**2, np.float32), labels

    def view(self, sample: dict, rng: np.random.Generator):
        """A view of a document, mostly one with an object or a digit."""
        owners, digits = sample["owners"], sample["digits"]
        rows, columns = owners.shape[0] // self.grid, owners.shape[1] // self.grid
        telling = (owners >= 0).reshape(rows, self.grid, columns, self.grid).any((1, 3))
        seen = (digits != NO_DIGIT).reshape(rows, self.grid, columns, self.grid * SLOTS).any((1, 3))
        places = np.argwhere(seen if rng.random() < 0.5 and seen.any() else telling)
        row, column = places[rng.integers(len(places))]

        def cut(array: np.ndarray, height: int, width: int) -> np.ndarray:
            return array[row * height : (row + 1) * height, column * width : (column + 1) * width]

        mine = cut(owners, self.grid, self.grid).ravel()
        classes, weights = self.classes(mine, Document.from_dict(sample["document"]), False)
        labels = cut(digits, self.grid, self.grid * SLOTS)
        return cut(sample["pixels"], self.side, self.side), classes, weights, labels

    def classes(self, owners: np.ndarray, document: Document, overall: bool):
        table = class_table(document, overall)
        weights = np.full(owners.shape, 0.1, np.float32)
        for number in range(len(document.scene.objects)):
            mine = owners == number
            weights[mine] = 2.0 / np.sqrt(mine.sum()) if mine.any() else 0.0
        return {name: classes[owners] for name, classes in table.items()}, weights

    def step(self, pool: DocumentPool, rng: np.random.Generator, progress: float) -> dict:
        shapes, shares = pool.shapes()

        def document() -> dict:
            shape = shapes[rng.choice(len(shapes), p=shares)]
            return pool.sample(shape, int(rng.integers(1, 5)), rng)

        parts = [self.digit_tile(rng) for _ in range(self.digit_tiles)]
        parts += [self.view(document(), rng) for _ in range(self.views)]
        pixels = normalise(torch.from_numpy(np.stack([part[0] for part in parts])))
        classes = [part[1] for part in parts]
        weights = [part[2] for part in parts]
        overall = [document() for _ in range(self.overalls)]
        for sample in overall:
            whole = normalise(torch.from_numpy(sample["pixels"][None].copy()))
            pixels = torch.cat([pixels, views_of(whole, self.side)[0, :1]])
            told = self.classes(sample["overall"], Document.from_dict(sample["document"]), True)
            classes.append(told[0])
            weights.append(told[1])
        digits = torch.from_numpy(np.stack([part[3] for part in parts])).long()
        logits = self.model.patch_labels(self.model.image_features(pixels))
        loss, figures = self.object_loss(logits, classes, torch.from_numpy(np.stack(weights)))
        digit_loss, digit_figures = self.digit_loss(logits, digits)
        loss = loss + DIGIT_WEIGHT * digit_loss
        loss.backward()
        return {"loss": (loss.item(), 1.0), **figures, **digit_figures}

    def object_loss(self, logits: dict, classes: list[dict], weights: torch.Tensor):
        loss, figures = 0.0, {}
        for label, weight in LABEL_WEIGHTS.items():
            wanted = torch.from_numpy(np.stack([one[label] for one in classes])).flatten()
            counted = weights.flatten() * (wanted != NO_LABEL)
            flat = logits[label].flatten(0, 1)
            entropy = F.cross_entropy(flat, wanted, ignore_index=NO_LABEL, reduction="none")
            loss = loss + weight * (entropy * counted).sum() / counted.sum()
            judged = counted > 0.1
            right = (flat.detach().argmax(-1) == wanted) & judged
            figures[label] = (float(right.sum()), float(judged.sum()))
        return loss, figures

    def digit_loss(self, logits: dict, wanted: torch.Tensor):
        """`wanted`: views × patch rows × slots, of the first views of the batch."""
        count = len(wanted)
        columns = [logits[name][:count] for name in self.model.DIGIT_LABELS]
        flat = torch.stack(columns, 2).flatten(0, 2)  # views · patches · slots
        targets = wanted.view(count, self.grid, self.grid, SLOTS).flatten()
        entropy = F.cross_entropy(flat, targets, ignore_index=NO_LABEL, reduction="none")
        is_digit = (targets != NO_DIGIT) & (targets != NO_LABEL)
        weights = torch.where(is_digit, 1.0, 0.1) * (targets != NO_LABEL)
        right = (flat.detach().argmax(-1) == targets) & is_digit
        loss = (entropy * weights).sum() / weights.sum()
        return loss, {"digit": (float(right.sum()), float(is_digit.sum()))}


class DocumentPhase(JointPhase):
    """Captions and questions about documents; the tower stands still, as in JointPhase."""

    peak, flat, last = 1.2e-3, 0.55, 0.02
    rows = 120
    captioned = 0.7
    pool_type = DocumentPool
    tower_views = 64  # at a time: what fits the caches

    def __init__(self, model: TinyComposer, options: argparse.Namespace):
        super().__init__(model, options)
        self.batch = options.batch or 8
        self.digit_tokens = {self.prompter.encode(str(digit))[-1] for digit in range(10)}

    def digit_shares(self, progress: float) -> list[float]:
        """Of numbers with none to four digits: short ones first, they teach where to look."""
        if progress < 0.1:
            return [0.04, 0.60, 0.28, 0.08, 0.0]
        if progress < 0.25:
            return [0.04, 0.30, 0.32, 0.24, 0.10]
        return [0.04, 0.16, 0.20, 0.28, 0.32]

    def weighed(self, answer: list[int]) -> list[float]:
        plain = {True: 1.5, False: 0.4}
        return [
            DIGIT_ANSWER_WEIGHT if token in self.digit_tokens else plain[token in self.telling]
            for token in answer
        ]

    def caption_of(self, document: Document, rng: np.random.Generator) -> Branch:
        language = "zh" if rng.random() < 0.35 else "en"
        prompts = words.DETAIL_PROMPTS[language]
        prompt = prompts[0] if rng.random() < 0.4 else words.pick(prompts, rng)
        answer = self.prompter.answer(words.document_caption(document, language))
        return Branch.of(self.prompter.question(prompt), answer, self.weighed(answer))

    def answer_of(self, ask, document: Document, rng: np.random.Generator) -> Branch:
        language = "zh" if rng.random() < 0.3 else "en"
        question, text = ask(document, language, rng)
        answer = self.prompter.answer(text)
        weights = [DIGIT_ANSWER_WEIGHT] * (len(answer) - 1) + [1.0]
        return Branch.of(self.prompter.question(question), answer, weights)

    def branches(self, entry: dict, meta: str, rng: np.random.Generator) -> list[Branch]:
        """A caption for most pictures, one question about the number, others while they fit."""
        document = Document.from_dict(entry["document"])
        found = [self.answer_of(words.number_question, document, rng)]
        if rng.random() < self.captioned:
            found.append(self.caption_of(document, rng))
        if rng.random() < 0.06:
            found.append(self.text_branch(meta, rng))
        while sum(len(branch.ids) for branch in found) <= self.rows:
            ask = words.number_question if rng.random() < 0.2 else words.document_question
            found.append(self.answer_of(ask, document, rng))
        return found[:-1]

    def step(self, pool: DocumentPool, rng: np.random.Generator, progress: float) -> dict:
        shapes, shares = pool.shapes()
        rows, columns = shapes[rng.choice(len(shapes), p=shares)]
        digits = rng.choice(5, self.batch, p=self.digit_shares(progress))
        samples = [pool.sample((rows, columns), int(count), rng) for count in digits]
        whole = normalise(torch.from_numpy(np.stack([sample["pixels"] for sample in samples])))
        views = views_of(whole, self.model.config.image_side)
        with torch.no_grad():
            parts = views.flatten(0, 1).split(self.tower_views)
            features = torch.cat([self.model.image_features(part) for part in parts])
        features = features.view(len(samples), -1, *features.shape[1:])
        return self.learn(self.model.document_rows(features, rows, columns), samples, rng)
