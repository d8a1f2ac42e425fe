"""The second phase: projector, decoder and partial LoRA learn captions, questions and text-only turns.

One picture is encoded once and then answers many questions: system message and image form a prefix, and
every question with its answer is a branch that sees the prefix and itself. The positions of each branch
continue after the prefix, so every branch is exactly one ordinary conversation.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import language as words
from model import Masks, TinyComposer
from pictures import normalise
from prompt import DEFAULT_META, SHORT_METAS, Prompter, build_tokenizer
from scenes import Scene
from shards import Pool

IGNORED = -100
SHORT_ANSWER_WEIGHT = 4.0
GROUPS = ["easy-vqa", "plain", "1", "2", "3", "4"]  # of pictures, see shards.py
CHINESE_CAPTIONS, CHINESE_QUESTIONS = 0.42, 0.35


@dataclasses.dataclass
class Branch:
    ids: list[int]
    targets: list[int]  # the next token where it belongs to an answer, IGNORED elsewhere
    weights: list[float]
    sees_image: bool = True

    @staticmethod
    def of(question: list[int], answer: list[int], weights: list[float], sees_image: bool = True):
        ids = question + answer[:-1]
        ignored = len(question) - 1
        return Branch(ids, [IGNORED] * ignored + answer, [0.0] * ignored + weights, sees_image)

    def followed_by(self, close: int, other: "Branch") -> "Branch":
        return Branch(
            self.ids + [close] + other.ids,
            self.targets + [IGNORED] + other.targets,
            self.weights + [0.0] + other.weights,
        )


class JointPhase:
    # The tower knows its labels by now and stands still: at a rate that suits the decoder it forgets them,
    # and without its gradients a step is a quarter cheaper.
    scales = {"vit.": 0.0, "head.": 0.0}
    peak, flat, last = 1.2e-3, 0.8, 0.02
    rows = 120  # of text after the image, all branches of one picture together
    captioned = 0.75  # of the pictures
    pool_type = Pool

    def __init__(self, model: TinyComposer, options: argparse.Namespace):
        self.model = model
        self.batch = options.batch or 6
        tokenizer = options.run / "tokenizer.model"
        if not tokenizer.exists():
            build_tokenizer(options.run)
        self.prompter = Prompter(tokenizer)
        self.telling = self.attribute_tokens()

    def attribute_tokens(self) -> set[int]:
        """Tokens of a caption that say something about the picture; the rest is always the same."""
        texts = [f" {word}" for table in (words.SIZES, words.COLORS, words.SHAPES) for word in table]
        texts += [f" {word}" for name in words.POSITIONS["en"] for word in name.split()]
        texts += [f" {number}" for number in words.NUMBERS["en"][1:5]]
        texts += [*words.COLORS_ZH.values(), *words.SHAPES_ZH.values(), *words.SIZES_ZH.values()]
        texts += [*words.POSITIONS["zh"], *words.NUMBERS["zh"][1:5]]
        return {token for text in texts for token in self.prompter.encode(text)}

    # ------------------------------------------------------------------ what is asked

    def caption_branch(self, scene: Scene, rng: np.random.Generator) -> Branch:
        language = "zh" if rng.random() < CHINESE_CAPTIONS else "en"
        if rng.random() < 0.1:
            prompt, text = words.pick(words.BRIEF_PROMPTS[language], rng), None
            text = words.brief_caption(scene, language)
        else:
            prompts = words.DETAIL_PROMPTS[language]
            prompt = prompts[0] if rng.random() < 0.4 else words.pick(prompts, rng)
            text = words.caption(scene, language)
        answer = self.prompter.answer(text)
        weights = [1.5 if token in self.telling else 0.4 for token in answer]
        return Branch.of(self.prompter.question(prompt), answer, weights)

    def question_of(self, entry: dict, scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
        if "questions" in entry and (rng.random() < 0.8 or not scene.describable()):
            return words.pick(entry["questions"], rng)
        plain = len(scene.objects) == 1 and scene.objects[0].kind in words.EASY_VQA_SHAPES
        plain = plain and scene.objects[0].color in words.EASY_VQA_COLORS
        if plain and (not scene.describable() or rng.random() < 0.5):
            return words.easy_vqa_question(scene, rng)
        language = "zh" if rng.random() < CHINESE_QUESTIONS else "en"
        return words.random_question(scene, language, rng)[:2]

    def question_branch(self, entry: dict, scene: Scene, rng, later_turn: bool) -> Branch:
        question, text = self.question_of(entry, scene, rng)
        ask = self.prompter.next_question if later_turn else self.prompter.question
        answer = self.prompter.answer(text)
        # The closing mark is certain once the words are there.
        weights = [SHORT_ANSWER_WEIGHT] * (len(answer) - 1) + [0.5]
        return Branch.of(ask(question), answer, weights)

    def text_branch(self, meta: str, rng: np.random.Generator) -> Branch:
        question, text = words.pick(words.TEXT_TURNS, rng)
        answer = self.prompter.answer(text)
        prompt = self.prompter.text_only(meta, question)
        return Branch.of(prompt, answer, [0.7] * len(answer), sees_image=False)

    def branches(self, entry: dict, meta: str, rng: np.random.Generator) -> list[Branch]:
        scene = Scene.from_dict(entry["scene"])
        found, used = [], 0
        if scene.describable() and rng.random() < self.captioned:
            found.append(self.caption_branch(scene, rng))
        if rng.random() < 0.08:
            found.append(self.text_branch(meta, rng))
        used = sum(len(branch.ids) for branch in found)
        while True:
            later_turn = bool(found) and found[-1].sees_image and rng.random() < 0.15
            branch = self.question_branch(entry, scene, rng, later_turn)
            used += len(branch.ids) + later_turn
            if used > self.rows:
                return found
            if later_turn:
                branch = found.pop().followed_by(self.prompter.turn_close, branch)
            found.append(branch)

    # ------------------------------------------------------------------ as tensors

    def pack(self, prefix: list[int], branched: list[list[Branch]], tokens: int) -> dict:
        """Text rows of all pictures of `tokens` rows: the prefix, then the branches one by one."""
        batch, before = len(branched), len(prefix)
        rows = before + self.rows
        ids = np.zeros((batch, rows), np.int64)
        ids[:, :before] = prefix
        positions = np.zeros((batch, rows), np.int64)
        positions[:, :before] = np.arange(before)
        targets = np.full((batch, rows), IGNORED, np.int64)
        weights = np.zeros((batch, rows), np.float32)
        owner = np.full((batch, rows), -1)  # which branch a row belongs to; 0 is the prefix
        owner[:, :before] = 0
        sees_prefix = np.zeros((batch, rows), bool)
        sees_prefix[:, :before] = True
        for number, branches in enumerate(branched):
            start = before
            for place, branch in enumerate(branches, 1):
                here = slice(start, start + len(branch.ids))
                first = before + tokens if branch.sees_image else 0
                ids[number, here] = branch.ids
                positions[number, here] = np.arange(first, first + len(branch.ids))
                targets[number, here] = branch.targets
                weights[number, here] = branch.weights
                owner[number, here] = place
                sees_prefix[number, here] = branch.sees_image
                start = here.stop
        causal = np.tril(np.ones((rows, rows), bool))
        same = owner[:, :, None] == owner[:, None, :]
        to_prefix = sees_prefix[:, :, None] & (owner == 0)[:, None, :]
        to_image = (sees_prefix & (owner > 0))[:, :, None].repeat(tokens, 2)
        text_mask = np.concatenate([to_image, (same | to_prefix) & causal], 2)
        image_mask = np.tril(np.ones((tokens, tokens), bool))
        image_mask = np.concatenate([image_mask, np.ones((tokens, before), bool)], 1)
        masks = Masks(before, additive(image_mask), additive(text_mask[:, None]))
        arrays = {"ids": ids, "positions": positions, "targets": targets, "weights": weights}
        return {"masks": masks, **{name: torch.from_numpy(array) for name, array in arrays.items()}}

    def shares(self, progress: float) -> list[float]:
        """Of GROUPS. Few objects first: with one there is no doubt which one a word is about."""
        if progress < 0.1:
            return [0.12, 0.08, 0.40, 0.30, 0.10, 0.00]
        if progress < 0.25:
            return [0.12, 0.08, 0.22, 0.34, 0.20, 0.04]
        return [0.11, 0.06, 0.15, 0.27, 0.31, 0.10]

    def meta(self, rng: np.random.Generator) -> str:
        luck = rng.random()
        return DEFAULT_META if luck < 0.5 else "" if luck < 0.75 else words.pick(SHORT_METAS, rng)

    def step(self, pool: Pool, rng: np.random.Generator, progress: float) -> dict:
        chosen = rng.choice(GROUPS, self.batch, p=self.shares(progress))
        samples = [pool.sample(group, rng) for group in chosen]
        pixels = torch.from_numpy(np.stack([picture for picture, _, _ in samples]))
        with torch.no_grad():
            features = self.model.image_features(normalise(pixels))
        return self.learn(features, [entry for _, _, entry in samples], rng)

    def learn(self, rows: Tensor, entries: list[dict], rng: np.random.Generator) -> dict:
        """One step on pictures whose rows before the projector are given, batch × tokens × width."""
        meta = self.meta(rng)
        branched = [self.branches(entry, meta, rng) for entry in entries]
        packed = self.pack(self.prompter.before_image(meta), branched, rows.shape[1])
        image = self.model.vision_proj(rows)
        hidden = self.model(image, packed["ids"], packed["positions"], packed["masks"])
        answered = packed["targets"] != IGNORED
        logits = self.model.output(hidden[answered])
        wanted, weights = packed["targets"][answered], packed["weights"][answered]
        entropy = F.cross_entropy(logits, wanted, reduction="none")
        loss = (entropy * weights).sum() / weights.sum()
        loss.backward()
        right = logits.detach().argmax(-1) == wanted
        short, telling = weights == SHORT_ANSWER_WEIGHT, weights == 1.5
        return {
            "loss": (loss.item(), 1.0),
            "answers": (float((right & short).sum()), float(short.sum())),
            "caption": (float((right & telling).sum()), float(telling.sum())),
        }


class QuestionPhase(JointPhase):
    """More questions a picture: comparing a picture with a question is learnt much later than naming
    what is there, yes/no questions last of all."""

    peak, flat, last = 1.0e-3, 0.6, 0.02
    rows = 180
    captioned = 0.5

    def shares(self, progress: float) -> list[float]:
        return [0.22, 0.13, 0.10, 0.22, 0.23, 0.10]


def additive(allowed: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(allowed, np.float32(0), np.float32(-1e9)))
