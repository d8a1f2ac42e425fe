"""Large pictures with one small number in them: what tiny-4khd is trained on.

A document is a scene of one or two shapes and a number of one to four digits in a part of the picture
that no shape uses. Shapes are as large as in scenes.py; digits are so small that they can be read only
where the picture is cut into views, and are noise in a picture squashed to a hundred pixels.

All geometry is in fractions of the picture's sides, as in scenes.py.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import scenes
from hd import padded_size
from scenes import COLORS, Scene

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")  # Debian: fonts-dejavu-core
DIGIT_HEIGHT = (15.0, 21.0)  # in pixels of the views: 3 to 5 in the single view that --hd-num 1 leaves
NUMBER_CONTRAST = 140.0  # distance in RGB to the background
CAP_HEIGHT = 0.73  # of a DejaVu digit, in font sizes


@dataclasses.dataclass
class Number:
    text: str
    cell: int
    rgb: tuple[int, int, int]
    font: int
    points: float  # font size in pixels of the picture
    origin: tuple[float, float]  # where the drawing of the first digit's box starts
    boxes: list[tuple[float, float, float, float]]  # left, top, right, bottom of every digit


@dataclasses.dataclass
class Document:
    scene: Scene
    number: Number | None

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(fields: dict) -> "Document":
        number = Number(**fields["number"]) if fields["number"] else None
        return Document(Scene.from_dict(fields["scene"]), number)


@functools.lru_cache(maxsize=256)
def font_of(number: int, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS[number], points)


def random_pixels(rng: np.random.Generator) -> tuple[int, int]:
    """640×480 to 1280×960, mostly landscape."""
    width = int(rng.integers(640, 1281))
    ratio = float(rng.choice((4 / 3, 3 / 2, 16 / 9, 1.25, 1.6))) if rng.random() < 0.6 else 0.0
    ratio = ratio or math.exp(rng.uniform(math.log(1.1), math.log(1.8)))
    height = int(np.clip(round(width / ratio), 480, 960))
    return (width, height) if rng.random() < 0.9 else (height, width)


def random_document(rng: np.random.Generator, hd_num: int, digits: int | None = None) -> Document:
    """`digits`: how many the number has; 0 for none; None for a random count."""
    if digits is None:
        digits = int(rng.choice(5, p=(0.06, 0.2, 0.22, 0.26, 0.26)))
    while True:
        scene = random_scene(rng)
        if digits == 0:
            return Document(scene, None)
        number = random_number(scene, digits, hd_num, rng)
        if number is not None:
            return Document(scene, number)


def random_scene(rng: np.random.Generator) -> Scene:
    pixels = random_pixels(rng)
    background = str(rng.choice(tuple(scenes.BACKGROUNDS), p=(0.7, 0.3)))
    background_rgb = scenes.random_background(background, rng)
    cells = rng.permutation(9)
    objects = []
    for cell in cells[: 1 if rng.random() < 0.7 else 2]:
        shape = scenes.random_shape(int(cell), pixels, background_rgb, rng)
        if not any(shape.overlaps(other) for other in objects):
            objects.append(shape)
    objects.sort(key=lambda item: item.cell)
    return Scene(background, background_rgb, pixels, objects)


def random_number(scene: Scene, digits: int, hd_num: int, rng: np.random.Generator) -> Number | None:
    """A number in a free cell, or None if the objects leave no room there."""
    text = str(int(rng.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits)))
    width, height = scene.pixels
    view_width, _, _ = padded_size(width, height, hd_num, 84)
    shrink = view_width / max(width, height)
    points = max(8, round(rng.uniform(*DIGIT_HEIGHT) / shrink / CAP_HEIGHT))
    font = int(rng.integers(len(FONTS)))
    boxes = digit_boxes(text, font, points)
    extent = np.array([boxes[-1][2] - boxes[0][0], boxes[0][3] - boxes[0][1]]) / scene.pixels
    free = [cell for cell in range(9) if all(shape.cell != cell for shape in scene.objects)]
    cell = int(rng.choice(free))
    middle = np.array(scenes.cell_center(cell))
    center = middle + rng.uniform(-scenes.CELL_JITTER, scenes.CELL_JITTER, 2)
    center = np.clip(center, extent / 2 + 0.01, 1 - extent / 2 - 0.01)
    for shape in scene.objects:
        distance = np.abs(center - shape.center)
        if (distance < (extent + shape.extent) / 2 + scenes.MIN_GAP).all():
            return None
    while True:
        rgb = scenes.random_rgb(str(rng.choice(tuple(COLORS))), rng)
        if scenes.contrast(rgb, scene.background_rgb) >= NUMBER_CONTRAST:
            break
    corner = center - extent / 2
    placed = [
        tuple(float(v) for v in (corner[0] + (left - boxes[0][0]) / width, corner[1],
                                 corner[0] + (right - boxes[0][0]) / width, corner[1] + extent[1]))
        for left, _, right, _ in boxes
    ]  # fmt: skip
    origin = corner - np.array(boxes[0][:2]) / scene.pixels
    return Number(text, cell, rgb, font, points, tuple(float(v) for v in origin), placed)


def digit_boxes(text: str, font: int, points: int) -> list[tuple[float, float, float, float]]:
    """Ink boxes in pixels, relative to the drawing origin; all digits get the height of the number."""
    drawn = font_of(font, points)
    boxes = []
    for place, digit in enumerate(text):
        left, top, right, bottom = drawn.getbbox(digit)
        start = drawn.getlength(text[:place])
        boxes.append((start + left, top, start + right, bottom))
    top, bottom = min(box[1] for box in boxes), max(box[3] for box in boxes)
    return [(left, top, right, bottom) for left, _, right, _ in boxes]


def draw_document(document: Document, rng: np.random.Generator, effects: bool = True) -> Image.Image:
    scene, number = document.scene, document.number
    picture = Image.new("RGB", scene.pixels, tuple(scene.background_rgb))
    draw = ImageDraw.Draw(picture)
    scale = np.array(scene.pixels)
    wobble = 0.05 * rng.random() if rng.random() < 0.3 else 0.0
    for shape in scene.objects:
        points = scenes.outline_of(shape, wobble, rng) * scale
        scenes.polygon(draw, points, shape.rgb, None)
        if shape.kind == "ring":
            middle = np.array(shape.center) * scale
            hole = middle + (points - middle) * rng.uniform(0.5, 0.62)
            scenes.polygon(draw, hole, scene.background_rgb, None)
    if number is not None:
        origin = tuple(np.array(number.origin) * scale)
        draw.text(origin, number.text, tuple(number.rgb), font_of(number.font, int(number.points)))
    return with_effects(picture, rng) if effects else picture


def with_effects(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Grain or compression; never a blur, which would take the digits away."""
    luck = rng.random()
    if luck < 0.2:
        pixels = np.asarray(picture, np.float32)
        noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(1, 8))
        return Image.fromarray(np.clip(pixels + noise + 0.5, 0, 255).astype(np.uint8))
    if luck < 0.35:
        stored = io.BytesIO()
        picture.save(stored, "JPEG", quality=int(rng.integers(60, 95)))
        return Image.open(stored).convert("RGB")
    return picture


def random_digit_tile(side: int, rng: np.random.Generator):
    """A view full of numbers, which teaches a tower to read far faster than pictures with one number.

    Returns the view and the boxes [left, top, right, bottom] of its digits in pixels, with the digits.
    Numbers may leave the view at its sides, as they do where a picture is cut.
    """
    factor = float(rng.uniform(1.3, 2.8))
    large = round(side * factor)
    background = scenes.random_background(str(rng.choice(tuple(scenes.BACKGROUNDS), p=(0.7, 0.3))), rng)
    tile = Image.new("RGB", (large, large), background)
    draw = ImageDraw.Draw(tile)
    taken, boxes, digits = [], [], []
    for _ in range(int(rng.integers(2, 6))):
        text = str(int(rng.integers(0, 10 ** int(rng.integers(1, 5)))))
        font = int(rng.integers(len(FONTS)))
        points = max(8, round(rng.uniform(*DIGIT_HEIGHT) * factor / CAP_HEIGHT))
        found = digit_boxes(text, font, points)
        width, height = found[-1][2] - found[0][0], found[0][3] - found[0][1]
        corner = rng.uniform((-0.5 * width, -0.5 * height), (large - width / 2, large - height / 2))
        frame = (*(corner - 2 * factor), *(corner + (width, height) + 2 * factor))
        if any(frame[0] < o[2] and o[0] < frame[2] and frame[1] < o[3] and o[1] < frame[3] for o in taken):
            continue
        taken.append(frame)
        while True:
            rgb = scenes.random_rgb(str(rng.choice(tuple(COLORS))), rng)
            if scenes.contrast(rgb, background) >= NUMBER_CONTRAST:
                break
        origin = corner - np.array(found[0][:2])
        draw.text(tuple(origin), text, rgb, font_of(font, points))
        for digit, (left, top, right, bottom) in zip(text, found):
            box = np.array([left + origin[0], top + origin[1], right + origin[0], bottom + origin[1]])
            boxes.append(box / factor)
            digits.append(int(digit))
    tile = with_effects(tile.resize((side, side), Image.Resampling.BILINEAR), rng)
    return np.asarray(tile), np.array(boxes).reshape(-1, 4), np.array(digits, int)
