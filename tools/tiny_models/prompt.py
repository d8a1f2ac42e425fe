"""The tokenizer of tiny-vl, and the prompt exactly as the reference assembles it."""

from __future__ import annotations

import pathlib

import numpy as np
import sentencepiece

import language as words
import scenes

TURN_OPEN, TURN_CLOSE = "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"
BOS, EOS = 1, 2
META_LINES = (
    "You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).",
    "- InternLM-XComposer (浦语·灵笔) is a multi-modality conversational language model that is "
    "developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, honest, "
    "and harmless.",
    "- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language chosen "
    "by the user such as English and 中文.",
    "- InternLM-XComposer (浦语·灵笔) is capable of comprehending and articulating responses "
    "effectively based on the provided image.",
)
DEFAULT_META = "\n".join(META_LINES)
SHORT_METAS = (
    "You are a helpful assistant.",
    "Answer truthfully.",
    "Describe what you see.",
    "Answer briefly.",
    "你是一个有用的助手。",
)


def units() -> list[str]:
    """What the tokenizer is trained on: words, not sentences, so that no phrase becomes a piece."""
    english, chinese = [], []
    rng = np.random.default_rng(0)
    texts = list(SHORT_METAS)
    for table in (words.DETAIL_PROMPTS, words.BRIEF_PROMPTS):
        texts += [text for prompts in table.values() for text in prompts]
    texts += [text for turn in words.TEXT_TURNS for text in turn]
    for _ in range(3000):
        scene = scenes.random_scene(rng)
        for language in words.LANGUAGES:
            texts += words.random_question(scene, language, rng)[:2]
            texts += [words.caption(scene, language), words.brief_caption(scene, language)]
        texts += words.easy_vqa_question(scenes.random_plain_scene(rng), rng)
    for text in texts:
        start = 0
        for end in range(len(text) + 1):  # cut where a blank or a change of script begins
            if end == len(text) or text[end] == " " or not text[end].isascii():
                piece = text[start:end]
                start = end
                if piece.isascii() and piece:
                    stem = piece.rstrip(".,?!:")
                    english += [stem] if stem else []
    for table in (words.SHAPES_ZH, words.COLORS_ZH, words.SIZES_ZH, words.BACKGROUNDS_ZH):
        chinese += table.values()
    chinese += words.POSITIONS["zh"] + words.NUMBERS["zh"]
    chinese += ["物体", "图中有", "背景", "一个", "颜色", "形状", "什么", "哪里", "没有", "还是"]
    chinese += ["请", "详细", "描述", "这张", "图片", "左边", "右边", "上面", "下面", "一共", "不是"]
    characters = sorted({letter for text in texts for letter in text if not letter.isascii()})
    printable = [chr(code) for code in range(33, 127)]
    counts: dict[str, int] = {}
    for word in english:
        counts[word] = counts.get(word, 0) + 1
    lines = []
    for word, count in counts.items():
        lines += [word] * min(count, 50)
    return lines + chinese * 60 + characters * 3 + printable * 3 + ["system", "user", "assistant"] * 50


def build_tokenizer(folder: pathlib.Path, size: int = 1000) -> None:
    """Writes tokenizer.model: InternLM2's kind of model, with its settings, cut down to our words.

    The lines of the reference's default system message are pieces of their own: the message is long,
    always the same, and would otherwise cost hundreds of byte tokens in every prompt.
    """
    marked = [line.replace(" ", "\u2581") for line in META_LINES]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(units()),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=size,
        model_type="bpe",
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        user_defined_symbols=[TURN_CLOSE, TURN_OPEN, *marked],
        unk_id=0,
        bos_id=BOS,
        eos_id=EOS,
        pad_id=-1,
        minloglevel=1,
    )
    (folder / "tokenizer.vocab").unlink()


class Prompter:
    """Token ids of the parts of a conversation."""

    def __init__(self, tokenizer: pathlib.Path):
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
        self.turn_close = self.processor.piece_to_id(TURN_CLOSE)
        self.memory: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        ids = self.memory.get(text)
        if ids is None:
            ids = self.processor.encode(text)
            if len(self.memory) < 50_000:
                self.memory[text] = ids
        return ids

    def decode(self, ids: list[int]) -> str:
        return self.processor.decode([token for token in ids if token > EOS])

    def before_image(self, meta: str) -> list[int]:
        """Everything up to the image, which stands first in the user's turn."""
        system = f"{TURN_OPEN}system\n{meta}{TURN_CLOSE}\n" if meta else ""
        return [BOS] + self.encode(f"{system}{TURN_OPEN}user\n")

    def question(self, text: str) -> list[int]:
        """From the image to the answer: a part of its own, hence with its own BOS."""
        return [BOS] + self.encode(f"{text}{TURN_CLOSE}\n{TURN_OPEN}assistant\n")

    def next_question(self, text: str) -> list[int]:
        """A later turn, right after the mark that closed the answer before it."""
        return self.encode(f"\n{TURN_OPEN}user\n{text}{TURN_CLOSE}\n{TURN_OPEN}assistant\n")

    def text_only(self, meta: str, text: str) -> list[int]:
        """Without an image the reference's prompt starts with two BOS."""
        return [BOS] + self.before_image(meta) + self.question(text)[1:]

    def answer(self, text: str) -> list[int]:
        return self.encode(text) + [self.turn_close]
