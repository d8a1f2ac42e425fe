"""What every patch of a cut picture shows: the object it belongs to, and the digits in it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

import scenes
from documents import Document

SLOTS = 3  # columns of a patch that may each hold a digit
NO_DIGIT = 10
NO_LABEL = -100  # what cross_entropy ignores


def digit_labels(boxes: np.ndarray, digits: np.ndarray, size: tuple[int, int], side: int, patch: int):
    """Class per (patch row, slot column) of a picture of `size` (height, width) cut into views.

    A digit is labelled in every view that shows a good part of it, at the centre of the part that is
    seen there: the tower sees one view at a time.
    """
    rows, columns = size[0] // patch, size[1] // patch * SLOTS
    labels = np.full((rows, columns), NO_DIGIT, np.int8)
    slot = patch / SLOTS
    for (left, top, right, bottom), digit in zip(boxes, digits):
        for view_row in range(max(0, int(top // side)), min(int(bottom // side) + 1, size[0] // side)):
            for view in range(max(0, int(left // side)), min(int(right // side) + 1, size[1] // side)):
                seen_top, seen_bottom = max(top, view_row * side), min(bottom, (view_row + 1) * side)
                seen_left, seen_right = max(left, view * side), min(right, (view + 1) * side)
                tall, wide = seen_bottom - seen_top, seen_right - seen_left
                if tall < 0.4 * (bottom - top) or wide < 0.35 * (right - left):
                    continue
                row = int((seen_top + seen_bottom) / 2 // patch)
                column = int((seen_left + seen_right) / 2 // slot)
                # A digit on the border of two patch rows may be told by either.
                for other in (row - 1, row + 1):
                    covered = min(seen_bottom, (other + 1) * patch) - max(seen_top, other * patch)
                    if 0 <= other < rows and covered > 0.3 * tall and labels[other, column] == NO_DIGIT:
                        labels[other, column] = NO_LABEL
                labels[row, column] = digit
    return labels


def object_owners(document: Document, frame: tuple[float, float, float, float], grid: tuple[int, int]):
    """For every patch the number of the object that covers a quarter of it, -1 elsewhere.

    `frame` is where the picture lies in the grid: left, top, width and height in patches.
    """
    fine = 4
    rows, columns = grid
    owners = np.full(grid, -1, np.int8)
    best = np.full(grid, 0.25)
    rng = np.random.default_rng(0)  # outline_of draws nothing without a wobble
    for number, shape in enumerate(document.scene.objects):
        points = scenes.outline_of(shape, 0.0, rng) * frame[2:] + frame[:2]
        mask = Image.new("L", (columns * fine, rows * fine))
        ImageDraw.Draw(mask).polygon([tuple(point) for point in points * fine], fill=1)
        covered = np.asarray(mask).reshape(rows, fine, columns, fine).mean((1, 3))
        mine = covered >= best
        if not mine.any():
            mine = covered == covered.max()
        owners[mine], best[mine] = number, covered[mine]
    return owners
