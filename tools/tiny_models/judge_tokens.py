"""CLIP's byte-level BPE for the judge's captions, with only those merges that its words need.

CLIP's own vocabulary has 48,894 merges; a token table for all of them would be larger than the rest of
the small judge. Merging goes by rank, so the merges that a word uses, kept in their order, give the
word the same pieces as the whole list does; what they do not cover is spelled byte by byte.

Only lower-case ASCII is needed here; the engine's tokenizer does all of it.
"""

from __future__ import annotations

import gzip
import pathlib
import re

WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
CONTEXT = 77
ALL_MERGES = 48_894


def byte_symbols() -> list[str]:
    """The character that stands for each byte, in the order of the vocabulary (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(others))]


def read_merges(path: pathlib.Path) -> list[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : 1 + ALL_MERGES]  # the first line is a heading
    return [tuple(line.split()) for line in lines if line]


class Tokens:
    def __init__(self, merges: list[tuple[str, str]]):
        symbols = byte_symbols()
        names = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(pair) for pair in merges]
        self.ids = {name: place for place, name in enumerate(names)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.start, self.end = len(names), len(names) + 1
        self.size = len(names) + 2
        self.used: set[tuple[str, str]] = set()
        self.words: dict[str, list[int]] = {}

    def pieces(self, word: str) -> list[str]:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = [pair for pair in zip(parts, parts[1:]) if pair in self.ranks]
            if not pairs:
                break
            best = min(pairs, key=self.ranks.__getitem__)
            self.used.add(best)
            merged, place = [], 0
            while place < len(parts):
                here = tuple(parts[place : place + 2])
                merged.append("".join(here) if here == best else parts[place])
                place += 2 if here == best else 1
            parts = merged
        return parts

    def encode(self, text: str) -> list[int]:
        """Start, pieces, end; cut to the context with the end token last."""
        ids = [self.start]
        for word in WORDS.findall(text.lower()):
            if word not in self.words:
                self.words[word] = [self.ids[piece] for piece in self.pieces(word)]
            ids += self.words[word]
        return ids[: CONTEXT - 1] + [self.end]


def merges_for(words: list[str], merges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of `merges`, in their order, that spell `words`."""
    whole = Tokens(merges)
    for word in words:
        whole.pieces(word)
    return [pair for pair in merges if pair in whole.used]


def write_merges(path: pathlib.Path, merges: list[tuple[str, str]]) -> None:
    lines = ["# merges of CLIP's vocabulary that the judge's words need", *map(" ".join, merges)]
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(("\n".join(lines) + "\n").encode())
