"""Random pictures of coloured shapes, and what is in them.

A scene is described in words (shape, colour, size, one of nine positions, background) and drawn from
geometry that is drawn at random *within* those words, with gaps between neighbouring words: a size is
never between small and large, a centre never between two cells. So every caption is simply true or
false, and a model can be scored against it without a grey zone.

All lengths are fractions of the picture's sides. XComposer2-VL squashes every picture to a square, so
fractions are also what the model sees.
"""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ("circle", "rectangle", "triangle", "star", "cross", "ring")
COLORS = {
    # Two anchors a colour; the drawn colour lies between them. The first one is easy-vqa's own value
    # for the eight colours that easy-vqa has.
    "red": ((255, 0, 0), (222, 45, 50)),
    "green": ((0, 255, 0), (40, 160, 60)),
    "blue": ((0, 0, 255), (50, 90, 225)),
    "black": ((0, 0, 0), (22, 22, 22)),
    "gray": ((128, 128, 128), (140, 140, 140)),
    "teal": ((0, 128, 128), (10, 142, 138)),
    "brown": ((165, 42, 42), (138, 72, 30)),
    "yellow": ((255, 255, 0), (244, 222, 30)),
    "orange": ((255, 140, 0), (250, 150, 40)),
    "purple": ((128, 0, 128), (140, 60, 200)),
    "pink": ((255, 105, 180), (255, 165, 200)),
    "white": ((255, 255, 255), (245, 245, 245)),
}
EASY_VQA_SHAPES = SHAPES[:3]
EASY_VQA_COLORS = tuple(COLORS)[:8]
SIZES = {"small": (0.165, 0.235), "large": (0.31, 0.44)}
BACKGROUNDS = {"light": (226, 255), "dark": (20, 70)}
CELLS = tuple(range(9))  # row by row: 0 is the top left, 4 the centre, 8 the bottom right
CELL_JITTER = 0.1  # how far a centre may lie from the centre of its cell
MIN_CONTRAST = 75.0  # least distance in RGB between an object and what is behind it
MIN_GAP = 0.02  # between the boxes of two objects


@dataclasses.dataclass
class Shape:
    """One object. `size` and `cell` are None where the words would be debatable."""

    kind: str
    color: str
    size: str | None
    cell: int | None
    center: tuple[float, float]
    extent: tuple[float, float]  # width and height of its box
    angle: float = 0.0
    rgb: tuple[int, int, int] = (0, 0, 0)

    def overlaps(self, other: "Shape") -> bool:
        return all(
            abs(self.center[axis] - other.center[axis])
            < (self.extent[axis] + other.extent[axis]) / 2 + MIN_GAP
            for axis in (0, 1)
        )


@dataclasses.dataclass
class Scene:
    """What is in a picture; objects are sorted row by row, the order in which captions list them."""

    background: str
    background_rgb: tuple[int, int, int]
    pixels: tuple[int, int]  # width and height of the picture
    objects: list[Shape]

    def describable(self) -> bool:
        return all(shape.size is not None and shape.cell is not None for shape in self.objects)

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(fields: dict) -> "Scene":
        objects = [Shape(**shape) for shape in fields["objects"]]
        return Scene(fields["background"], fields["background_rgb"], fields["pixels"], objects)


# --------------------------------------------------------------------------------------------------
# Words and geometry


def cell_center(cell: int) -> tuple[float, float]:
    return ((cell % 3) * 2 + 1) / 6, ((cell // 3) * 2 + 1) / 6


def cell_of(center: tuple[float, float]) -> int | None:
    """The cell that this centre clearly belongs to, None near the borders between cells."""
    column, row = (min(2, int(value * 3)) for value in center)
    cell = row * 3 + column
    middle = cell_center(cell)
    inside = all(
        abs(center[axis] - middle[axis]) <= CELL_JITTER + 0.015
        # Towards the edge of the picture there is no neighbour to confuse the cell with.
        or (position == 0 and center[axis] < middle[axis])
        or (position == 2 and center[axis] > middle[axis])
        for axis, position in ((0, column), (1, row))
    )
    return cell if inside else None


def size_of(extent: tuple[float, float]) -> str | None:
    side = math.sqrt(extent[0] * extent[1])
    if side <= 0.245:
        return "small"
    return "large" if side >= 0.295 else None


def random_rgb(color: str, rng: np.random.Generator, spread: float = 12.0) -> tuple[int, int, int]:
    first, second = (np.array(anchor, float) for anchor in COLORS[color])
    mixed = first + (second - first) * rng.random() + rng.uniform(-spread, spread, 3)
    return tuple(int(value) for value in np.clip(mixed, 0, 255).round())


def random_background(name: str, rng: np.random.Generator) -> tuple[int, int, int]:
    low, high = BACKGROUNDS[name]
    return tuple(int(value) for value in rng.integers(low, high + 1, 3))


def contrast(first, second) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))


def random_pixels(rng: np.random.Generator) -> tuple[int, int]:
    """Sizes and aspect ratios of ordinary pictures, kept small because drawing costs time."""
    if rng.random() < 0.3:
        return 64, 64  # easy-vqa's size: shapes are coarse there
    ratio = 1.0 if rng.random() < 0.4 else math.exp(rng.uniform(-0.3, 0.3))
    side = rng.uniform(96, 260)
    return round(side * math.sqrt(ratio)), round(side / math.sqrt(ratio))


def box_of(kind: str, side: float, pixels: tuple[int, int], rng: np.random.Generator):
    """Width and height of a box of area side², with the proportions that the shape has in pixels."""
    proportion = 1.0
    if kind == "rectangle":
        proportion = math.exp(rng.uniform(0.0, 0.47) * rng.choice((-1, 1)))
    elif rng.random() < 0.3:
        proportion = math.exp(rng.uniform(-0.08, 0.08))
    proportion *= pixels[1] / pixels[0]  # square in pixels is not square in fractions
    return side * math.sqrt(proportion), side / math.sqrt(proportion)


def random_scene(rng: np.random.Generator, counts=(1, 2, 3, 4), weights=None) -> Scene:
    """A scene with as many objects as `counts` and `weights` say, at most one a cell."""
    count = int(rng.choice(counts, p=weights))
    pixels = random_pixels(rng)
    background = str(rng.choice(tuple(BACKGROUNDS), p=(0.7, 0.3)))
    background_rgb = random_background(background, rng)
    objects: list[Shape] = []
    cells = list(rng.permutation(9))
    while len(objects) < count:
        shape = None
        for _ in range(8):
            shape = random_shape(cells[0], pixels, background_rgb, rng)
            if not any(shape.overlaps(other) for other in objects):
                break
        else:
            shape = None
        cells.pop(0)
        if shape is not None:
            objects.append(shape)
        if not cells:  # rare: the large ones left no room
            break
    objects.sort(key=lambda item: item.cell)
    return Scene(background, background_rgb, pixels, objects)


def random_shape(cell, pixels, background_rgb, rng: np.random.Generator) -> Shape:
    kind = str(rng.choice(SHAPES))
    size = str(rng.choice(tuple(SIZES)))
    while True:
        color = str(rng.choice(tuple(COLORS)))
        rgb = random_rgb(color, rng)
        if contrast(rgb, background_rgb) >= MIN_CONTRAST:
            break
    extent = box_of(kind, rng.uniform(*SIZES[size]), pixels, rng)
    middle = cell_center(int(cell))
    center = []
    for axis in (0, 1):
        margin = extent[axis] / 2 + 0.005
        wanted = middle[axis] + rng.uniform(-CELL_JITTER, CELL_JITTER)
        center.append(float(np.clip(wanted, margin, 1 - margin)))
    angle = random_angle(kind, rng)
    return Shape(kind, color, size, int(cell), tuple(center), extent, angle, rgb)


def random_angle(kind: str, rng: np.random.Generator) -> float:
    if kind == "rectangle":
        return 0.0 if rng.random() < 0.7 else rng.uniform(-0.25, 0.25)
    if kind == "cross":
        return 0.0 if rng.random() < 0.5 else rng.uniform(-0.35, 0.35)
    if kind == "triangle":
        return 0.0 if rng.random() < 0.6 else rng.uniform(-math.pi, math.pi)
    return 0.0 if rng.random() < 0.4 else rng.uniform(-0.6, 0.6)


def random_plain_scene(rng: np.random.Generator) -> Scene:
    """One shape in easy-vqa's manner: anywhere, of any size, upright, on a light background."""
    kind = str(rng.choice(EASY_VQA_SHAPES))
    color = str(rng.choice(EASY_VQA_COLORS))
    background_rgb = random_background("light", rng)
    width = rng.uniform(0.15, 0.52)
    height = width
    if kind == "rectangle":
        height = float(np.clip(width * math.exp(rng.uniform(-0.9, 0.9)), 0.13, 0.52))
    elif kind == "triangle":
        height = width * 0.87
    center = tuple(
        float(rng.uniform(extent / 2, 1 - extent / 2)) for extent in (width, height)
    )
    rgb = random_rgb(color, rng, 3.0) if rng.random() < 0.3 else COLORS[color][0]
    shape = Shape(
        kind, color, size_of((width, height)), cell_of(center), center, (width, height), 0.0, rgb
    )
    return Scene("light", background_rgb, (64, 64), [shape])


# --------------------------------------------------------------------------------------------------
# Drawing


def unit_outline(kind: str) -> np.ndarray:
    """Points around the origin; the ring's hole is cut separately."""
    if kind in ("circle", "ring"):
        turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        return np.stack([np.cos(turns), np.sin(turns)], 1)
    if kind == "triangle":
        turns = np.array([-90, 30, 150]) * math.pi / 180
        return densify(np.stack([np.cos(turns), np.sin(turns)], 1))
    if kind == "rectangle":
        return densify(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float))
    if kind == "star":
        turns = np.linspace(0, 2 * math.pi, 10, endpoint=False) - math.pi / 2
        radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
        return np.stack([np.cos(turns) * radius, np.sin(turns) * radius], 1)
    arm = 0.34  # cross
    corners = [[-arm, -1], [arm, -1], [arm, -arm], [1, -arm], [1, arm], [arm, arm], [arm, 1]]
    corners += [[-arm, 1], [-arm, arm], [-1, arm], [-1, -arm], [-arm, -arm]]
    return np.array(corners, float)


def densify(corners: np.ndarray, parts: int = 8) -> np.ndarray:
    steps = np.linspace(0, 1, parts, endpoint=False)[:, None]
    following = np.roll(corners, -1, axis=0)
    return np.concatenate([a + (b - a) * steps for a, b in zip(corners, following)])


OUTLINES = {kind: unit_outline(kind) for kind in SHAPES}


def outline_of(shape: Shape, wobble: float, rng: np.random.Generator) -> np.ndarray:
    """The outline in fractions of the picture; its box is the shape's box."""
    points = OUTLINES[shape.kind]
    if wobble:
        turns = np.arctan2(points[:, 1], points[:, 0])
        factor = 1.0
        for waves in (2, 3, 5):
            factor = factor + wobble * rng.uniform(-1, 1) * np.sin(
                waves * turns + rng.uniform(0, 6.3)
            )
        points = points * np.reshape(factor, (-1, 1))
    if shape.kind == "rectangle" and shape.angle:
        # Turned inside its box: give it its proportions first, or it would shear.
        points = points * np.array(shape.extent) / max(shape.extent)
    if shape.angle:
        cosine, sine = math.cos(shape.angle), math.sin(shape.angle)
        points = points @ np.array([[cosine, sine], [-sine, cosine]])
    low, high = points.min(0), points.max(0)
    unit = (points - (low + high) / 2) / (high - low)
    return unit * np.array(shape.extent) + np.array(shape.center)


def draw_scene(scene: Scene, rng: np.random.Generator, effects: bool = True) -> Image.Image:
    """The picture, with the imperfections of hand drawing, cameras and compression if wanted."""
    width, height = scene.pixels
    smooth = max(width, height) > 64 or rng.random() < 0.5
    factor = 2 if smooth else 1
    canvas = Image.new("RGB", (width * factor, height * factor), scene.background_rgb)
    draw = ImageDraw.Draw(canvas)
    scale = np.array(canvas.size)
    wobble = 0.05 * rng.random() if effects and rng.random() < 0.3 else 0.0
    edge = dark_edge(scene, factor, rng) if effects and rng.random() < 0.12 else None
    for shape in scene.objects:
        points = outline_of(shape, wobble, rng) * scale
        polygon(draw, points, shape.rgb, edge)
        if shape.kind == "ring":
            middle = np.array(shape.center) * scale
            hole = middle + (points - middle) * rng.uniform(0.5, 0.62)
            polygon(draw, hole, scene.background_rgb, edge)
    picture = canvas.reduce(factor) if factor > 1 else canvas
    return add_effects(picture, rng) if effects else picture


def polygon(draw: ImageDraw.ImageDraw, points: np.ndarray, fill, edge) -> None:
    corners = [tuple(point) for point in points]
    draw.polygon(corners, fill=tuple(fill))
    if edge is not None:
        draw.line(corners + corners[:1], fill=edge[0], width=edge[1])


def dark_edge(scene: Scene, factor: int, rng: np.random.Generator):
    if scene.background != "light":
        return None
    shade = tuple(int(value) for value in rng.integers(0, 60, 3))
    return shade, factor * max(1, min(scene.pixels) // 110)


def add_effects(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    if rng.random() < 0.15:
        picture = picture.filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.002, 0.008)) * min(picture.size))
        )
    if rng.random() < 0.4:
        pixels = np.asarray(picture, np.float32)
        noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(1, 8))
        picture = Image.fromarray(np.clip(pixels + noise + 0.5, 0, 255).astype(np.uint8))
    if rng.random() < 0.15:
        stored = io.BytesIO()
        picture.save(stored, "JPEG", quality=int(rng.integers(50, 95)))
        picture = Image.open(stored).convert("RGB")
    return picture


# --------------------------------------------------------------------------------------------------
# Labels for every patch of the vision tower


def patch_owners(scene: Scene, grid: int) -> np.ndarray:
    """For every patch the number of the object that covers it most, -1 for the background.

    An object owns the patches it covers to a quarter, and always the one it covers most: the small
    ones must not disappear.
    """
    fine = 8
    side = grid * fine
    rng = np.random.default_rng(0)  # outline_of draws nothing without a wobble
    covers = []
    for shape in scene.objects:
        mask = Image.new("L", (side, side))
        points = outline_of(shape, 0.0, rng) * side
        ImageDraw.Draw(mask).polygon([tuple(point) for point in points], fill=1)
        covers.append(np.asarray(mask).reshape(grid, fine, grid, fine).mean((1, 3)).ravel())
    cover = np.stack(covers)
    owners = np.where(cover.max(0) >= 0.25, cover.argmax(0), -1)
    for number, fractions in enumerate(cover):
        if not (owners == number).any():
            owners[fractions.argmax()] = number
    return owners
