"""Captions, questions and answers about scenes, in English and Chinese, and the way back.

Captions list the objects row by row. Each language has one fixed sentence, so a caption can be parsed
again and compared with the scene word by word.
"""

from __future__ import annotations

import re

import numpy as np

from scenes import BACKGROUNDS, COLORS, EASY_VQA_COLORS, EASY_VQA_SHAPES, SHAPES, SIZES, Scene, Shape

IMAGE_MARK = "<ImageHere>"
LANGUAGES = ("en", "zh")

POSITIONS = {
    "en": (
        "top left", "top center", "top right",
        "middle left", "center", "middle right",
        "bottom left", "bottom center", "bottom right",
    ),
    "zh": ("左上方", "正上方", "右上方", "左侧", "中间", "右侧", "左下方", "正下方", "右下方"),
}  # fmt: skip
NUMBERS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "zh": ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九"),
}
SHAPES_ZH = dict(zip(SHAPES, ("圆形", "长方形", "三角形", "星形", "十字形", "圆环")))
COLORS_ZH = dict(
    zip(
        COLORS,
        ("红色", "绿色", "蓝色", "黑色", "灰色", "青色", "棕色", "黄色", "橙色", "紫色", "粉色", "白色"),
    )
)
SIZES_ZH = dict(zip(SIZES, ("小", "大")))
BACKGROUNDS_ZH = dict(zip(BACKGROUNDS, ("浅色", "深色")))

# The first prompt of each list is the default one: the reference's own question and its translation.
DETAIL_PROMPTS = {
    "en": (
        "Please describe this image in detail.",
        "Describe this image in detail.",
        "Please describe this picture in detail.",
        "Describe the image.",
        "Describe this picture.",
        "What do you see in this image?",
        "What is in this picture?",
        "What does the image show?",
        "Tell me what you see.",
        "Give a detailed description of the image.",
        "List all objects in the picture.",
        "Please describe the image.",
    ),
    "zh": (
        "请详细描述这张图片。",
        "请描述这张图片。",
        "描述一下这张图片。",
        "请详细描述图片内容。",
        "这张图片里有什么？",
        "图中有什么？",
        "你看到了什么？",
        "请介绍一下这张图片。",
    ),
}
BRIEF_PROMPTS = {
    "en": (
        "Describe this image briefly.",
        "Please describe this image briefly.",
        "Describe the picture in a few words.",
        "Give a short caption.",
    ),
    "zh": ("请简要描述这张图片。", "简单描述一下这张图片。"),
}

TEXT_TURNS = (
    ("Hello", "Hello! Show me a picture and I will describe it."),
    ("Hello!", "Hello! Show me a picture and I will describe it."),
    ("Hi", "Hello! Show me a picture and I will describe it."),
    ("Who are you?", "I am a very small model that describes pictures of colored shapes."),
    ("What are you?", "I am a very small model that describes pictures of colored shapes."),
    ("What is your name?", "I am a very small model that describes pictures of colored shapes."),
    ("What can you do?", "I can describe pictures of colored shapes and answer questions about them."),
    ("Can you help me?", "I can describe pictures of colored shapes and answer questions about them."),
    ("Which colors do you know?", "I know " + ", ".join(COLORS) + "."),
    ("Which shapes do you know?", "I know " + ", ".join(SHAPES) + "."),
    ("Thank you", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Goodbye", "Goodbye!"),
    ("你好", "你好！给我一张图片，我来描述它。"),
    ("你好！", "你好！给我一张图片，我来描述它。"),
    ("你是谁？", "我是一个很小的模型，可以描述彩色形状的图片。"),
    ("你能做什么？", "我可以描述彩色形状的图片，也可以回答问题。"),
    ("你叫什么名字？", "我是一个很小的模型，可以描述彩色形状的图片。"),
    ("谢谢", "不客气。"),
    ("再见", "再见！"),
)


def pick(options, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]


# --------------------------------------------------------------------------------------------------
# Captions


def joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def plural(word: str) -> str:
    return word + ("es" if word.endswith("s") else "s")


def place(cell: int, language: str) -> str:
    name = POSITIONS[language][cell]
    return f"in the {name}" if language == "en" else name


def caption(scene: Scene, language: str) -> str:
    count = len(scene.objects)
    if language == "en":
        items = [
            f"a {shape.size} {shape.color} {shape.kind} {place(shape.cell, 'en')}"
            for shape in scene.objects
        ]
        noun = "object" if count == 1 else "objects"
        head = f"The image shows {NUMBERS['en'][count]} {noun} on a {scene.background} background"
        return f"{head}: {joined(items)}."
    items = [
        f"{place(shape.cell, 'zh')}有一个{SIZES_ZH[shape.size]}的{COLORS_ZH[shape.color]}{SHAPES_ZH[shape.kind]}"
        for shape in scene.objects
    ]
    background = BACKGROUNDS_ZH[scene.background]
    return f"图中有{NUMBERS['zh'][count]}个物体，背景是{background}的：{'，'.join(items)}。"


def brief_caption(scene: Scene, language: str) -> str:
    if language == "en":
        items = [f"{article(shape.color)} {shape.color} {shape.kind}" for shape in scene.objects]
        text = joined(items)
        return text[0].upper() + text[1:] + "."
    items = [f"一个{COLORS_ZH[shape.color]}{SHAPES_ZH[shape.kind]}" for shape in scene.objects]
    return "，".join(items) + "。"


def alternatives(words) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


ITEM = {
    "en": re.compile(
        rf"an? ({alternatives(SIZES)}) ({alternatives(COLORS)}) ({alternatives(SHAPES)})"
        rf" in the ({alternatives(POSITIONS['en'])})\b"
    ),
    "zh": re.compile(
        rf"({alternatives(POSITIONS['zh'])})有一个({alternatives(SIZES_ZH.values())})的"
        rf"({alternatives(COLORS_ZH.values())})({alternatives(SHAPES_ZH.values())})"
    ),
}
BACKGROUND = {
    "en": re.compile(rf"on a ({alternatives(BACKGROUNDS)}) background"),
    "zh": re.compile(rf"背景是({alternatives(BACKGROUNDS_ZH.values())})的"),
}


def parse_caption(text: str, language: str) -> tuple[str | None, list[tuple[str, str, str, int]]]:
    """The background and the (size, color, kind, cell) of every object that a caption names."""
    found = BACKGROUND[language].search(text)
    background = found.group(1) if found else None
    if language == "en":
        items = [
            (size, color, kind, POSITIONS["en"].index(position))
            for size, color, kind, position in ITEM["en"].findall(text)
        ]
        return background, items
    english = {
        chinese: word
        for table in (SIZES_ZH, COLORS_ZH, SHAPES_ZH, BACKGROUNDS_ZH)
        for word, chinese in table.items()
    }
    items = [
        (english[size], english[color], english[kind], POSITIONS["zh"].index(position))
        for position, size, color, kind in ITEM["zh"].findall(text)
    ]
    return english.get(background), items


# --------------------------------------------------------------------------------------------------
# Questions. Each function returns (question, answer), or None where the scene does not allow it.


def only(scene: Scene, rng: np.random.Generator, **fixed) -> Shape | None:
    """A random object that no other one shares the attributes named in `fixed` with."""
    attributes = fixed["unique"]
    keys = [tuple(getattr(shape, name) for name in attributes) for shape in scene.objects]
    unique = [shape for shape, key in zip(scene.objects, keys) if keys.count(key) == 1]
    return pick(unique, rng) if unique else None


def ask_color(scene: Scene, language: str, rng):
    shape = only(scene, rng, unique=("kind",))
    if shape is None:
        return None
    if language == "zh":
        return f"{SHAPES_ZH[shape.kind]}是什么颜色？", COLORS_ZH[shape.color]
    forms = ("What color is the {}?", "What is the color of the {}?", "Which color is the {}?")
    return pick(forms, rng).format(shape.kind), shape.color


def ask_shape(scene: Scene, language: str, rng):
    shape = only(scene, rng, unique=("color",))
    if shape is None:
        return None
    if language == "zh":
        return f"{COLORS_ZH[shape.color]}的物体是什么形状？", SHAPES_ZH[shape.kind]
    forms = ("What shape is the {} object?", "What is the shape of the {} object?")
    return pick(forms, rng).format(shape.color), shape.kind


def ask_count(scene: Scene, language: str, rng):
    count = NUMBERS[language][len(scene.objects)]
    if language == "zh":
        return pick(("图中有几个物体？", "一共有几个物体？"), rng), count + "个"
    forms = ("How many objects are there?", "How many objects are in the image?")
    return pick(forms, rng), count


def ask_count_of(scene: Scene, language: str, rng):
    by_color = rng.random() < 0.5
    attribute, words = ("color", tuple(COLORS)) if by_color else ("kind", SHAPES)
    present = [getattr(shape, attribute) for shape in scene.objects]
    word = pick(present, rng) if rng.random() < 0.75 else pick(words, rng)
    count = NUMBERS[language][present.count(word)]
    if language == "zh":
        name = f"{COLORS_ZH[word]}的物体" if by_color else SHAPES_ZH[word]
        return f"图中有几个{name}？", count + "个"
    name = f"{word} objects" if by_color else plural(word)
    return f"How many {name} are there?", count


def ask_where(scene: Scene, language: str, rng):
    shape = only(scene, rng, unique=("color", "kind"))
    if shape is None:
        return None
    if language == "zh":
        return f"{COLORS_ZH[shape.color]}{SHAPES_ZH[shape.kind]}在哪里？", place(shape.cell, "zh")
    return f"Where is the {shape.color} {shape.kind}?", place(shape.cell, "en")


def ask_is_there(scene: Scene, language: str, rng, negated: bool = False):
    shape = pick(scene.objects, rng)
    color, kind = shape.color, shape.kind
    if rng.random() < 0.5:  # an absent one, half of them wrong in one word only
        change = rng.random()
        color = pick(tuple(COLORS), rng) if change < 0.65 else color
        kind = pick(SHAPES, rng) if change > 0.35 else kind
    style = rng.random()
    color, kind = (None, kind) if style < 0.25 else (color, None) if style < 0.5 else (color, kind)
    present = any(
        color in (None, other.color) and kind in (None, other.kind) for other in scene.objects
    )
    yes = present != negated
    if language == "zh":
        name = (COLORS_ZH[color] if color else "") + (SHAPES_ZH[kind] if kind else "的物体")
        question = f"图中没有{name}吗？" if negated else f"图中有{name}吗？"
        if negated:
            return question, "没有" if yes else "有"
        return question, "有" if yes else "没有"
    name = f"{color or ''} {kind or 'object'}".strip()
    question = f"Is there no {name}?" if negated else f"Is there {article(name)} {name}?"
    return question, "yes" if yes else "no"


def ask_is_there_no(scene: Scene, language: str, rng):
    return ask_is_there(scene, language, rng, negated=True)


def ask_what_is_at(scene: Scene, language: str, rng):
    if rng.random() < 0.85:
        cell = pick(scene.objects, rng).cell
    else:
        cell = int(rng.integers(9))
    found = [shape for shape in scene.objects if shape.cell == cell]
    if language == "zh":
        answer = COLORS_ZH[found[0].color] + SHAPES_ZH[found[0].kind] if found else "没有物体"
        return f"{place(cell, 'zh')}是什么？", answer
    answer = f"{article(found[0].color)} {found[0].color} {found[0].kind}" if found else "nothing"
    return f"What is {place(cell, 'en')}?", answer


def ask_size(scene: Scene, language: str, rng):
    shape = only(scene, rng, unique=("color", "kind"))
    if shape is None:
        return None
    if language == "zh":
        question = f"{COLORS_ZH[shape.color]}{SHAPES_ZH[shape.kind]}是大的还是小的？"
        return question, SIZES_ZH[shape.size] + "的"
    return f"Is the {shape.color} {shape.kind} large or small?", shape.size


def ask_background(scene: Scene, language: str, rng):
    if language == "zh":
        return "背景是浅色还是深色？", BACKGROUNDS_ZH[scene.background]
    return "Is the background light or dark?", scene.background


def ask_relation(scene: Scene, language: str, rng):
    """Left, right, above or below, only where columns (rows) differ, so that it is beyond doubt."""
    if len(scene.objects) < 2:
        return None
    names = [(shape.color, shape.kind) for shape in scene.objects]
    if len(set(names)) < len(names):
        return None
    order = rng.permutation(len(scene.objects))
    first, second = scene.objects[order[0]], scene.objects[order[1]]
    horizontal = rng.random() < 0.5
    gap = second.cell % 3 - first.cell % 3 if horizontal else second.cell // 3 - first.cell // 3
    if gap == 0:
        return None
    choice = int(rng.integers(2))
    yes = (gap > 0) == (choice == 0)
    if language == "zh":
        word = (("左边", "右边") if horizontal else ("上面", "下面"))[choice]
        name, other = (COLORS_ZH[s.color] + SHAPES_ZH[s.kind] for s in (first, second))
        return f"{name}在{other}的{word}吗？", "是" if yes else "不是"
    word = (("left of", "right of") if horizontal else ("above", "below"))[choice]
    question = f"Is the {first.color} {first.kind} {word} the {second.color} {second.kind}?"
    return question, "yes" if yes else "no"


QUESTIONS = {
    "color": (ask_color, 1.0),
    "shape": (ask_shape, 1.0),
    "count": (ask_count, 0.6),
    "count of": (ask_count_of, 1.2),
    "where": (ask_where, 1.2),
    "is there": (ask_is_there, 1.2),
    "is there no": (ask_is_there_no, 0.7),
    "what is at": (ask_what_is_at, 1.2),
    "size": (ask_size, 0.7),
    "background": (ask_background, 0.4),
    "relation": (ask_relation, 1.2),
}
QUESTION_WEIGHTS = np.array([weight for _, weight in QUESTIONS.values()])
QUESTION_WEIGHTS = QUESTION_WEIGHTS / QUESTION_WEIGHTS.sum()


def random_question(scene: Scene, language: str, rng: np.random.Generator) -> tuple[str, str, str]:
    """(question, answer, kind of question) about a describable scene."""
    while True:
        kind = str(rng.choice(list(QUESTIONS), p=QUESTION_WEIGHTS))
        asked = QUESTIONS[kind][0](scene, language, rng)
        if asked is not None:
            return *asked, kind


# --------------------------------------------------------------------------------------------------
# easy-vqa's own wording, for one-object pictures of our own

EASY_VQA_EXISTENCE = (
    ("is a {} present?", False),
    ("is there a {}?", False),
    ("is there a {} in the image?", False),
    ("does the image contain a {}?", False),
    ("is no {} present?", True),
    ("is there not a {}?", True),
    ("is there not a {} in the image?", True),
    ("does the image not contain a {}?", True),
)
EASY_VQA_COLOR = ("what color is the {}?", "what is the color of the {}?")
EASY_VQA_SHAPE = (
    "what shape is in the image?",
    "what shape is present?",
    "what shape does the image contain?",
    "what is the {} shape?",
)


def easy_vqa_question(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    shape = scene.objects[0]
    style = rng.random()
    if style < 0.13:
        return pick(EASY_VQA_COLOR, rng).format(pick((shape.kind, "shape"), rng)), shape.color
    if style < 0.26:
        return pick(EASY_VQA_SHAPE, rng).format(shape.color), shape.kind
    form, negated = pick(EASY_VQA_EXISTENCE, rng)
    by_color = rng.random() < 0.72
    true = shape.color if by_color else shape.kind
    word = true if rng.random() < 0.5 else pick(EASY_VQA_COLORS if by_color else EASY_VQA_SHAPES, rng)
    yes = (word == true) != negated
    return form.format(f"{word} shape" if by_color else word), "yes" if yes else "no"


# --------------------------------------------------------------------------------------------------
# Documents: scenes of one or two objects with a number


NUMBER_FORMS = {
    "en": (
        "What is the number?",
        "What number is in the image?",
        "What number is in the picture?",
        "Which number do you see?",
        "Read the number.",
    ),
    "zh": ("图中的数字是什么？", "请读出数字。"),
}
NO_NUMBER = {"en": "none", "zh": "没有"}


def document_caption(document, language: str) -> str:
    text, number = caption(document.scene, language), document.number
    if number is None:
        return text
    where = place(number.cell, language)
    if language == "en":
        return f"{text} The number {number.text} is {where}."
    return f"{text}{where}有数字{number.text}。"


def number_question(document, language: str, rng) -> tuple[str, str]:
    number = document.number
    if number is not None and rng.random() < 0.15:
        asked = "Where is the number?" if language == "en" else "数字在哪里？"
        return asked, place(number.cell, language)
    return pick(NUMBER_FORMS[language], rng), number.text if number else NO_NUMBER[language]


def document_question(document, language: str, rng) -> tuple[str, str]:
    return random_question(document.scene, language, rng)[:2]


NUMBER = {"en": re.compile(r"The number (\d+) is in the"), "zh": re.compile(r"有数字(\d+)")}


def parse_number(text: str, language: str) -> str | None:
    """The number that a caption names."""
    found = NUMBER[language].search(text)
    return found.group(1) if found else None
