"""Trains tiny-clip, the judge of captions: first its vision tower on patch labels, then both towers.

    python train_judge.py --run RUN --minutes 20 [--resume]
    python train_judge.py --run RUN --export ../../models/tiny-clip

Its tower starts at random and shares nothing with tiny-vl, so that the errors of the judge are not those
of the model it judges. Pictures are drawn as they are needed. Every picture comes with its caption and
two false ones that differ in one attribute: telling these apart is what the judge is for. The learning
rate follows the processor time that the run got, so that a busy machine makes it last longer and not
learn less; it saves itself every two minutes.
"""

from __future__ import annotations

import argparse
import copy
import json
import pathlib
import time

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

import judge_tokens
import language as words
import optimiser
import scenes
from judge_model import Judge, JudgeConfig
from pictures import CLIP_MEAN, CLIP_STD, normalise, square_bytes
from shards import patch_targets
from train import Meter, keep_freed_memory, label_loss

VOCABULARY = pathlib.Path(__file__).parents[2] / "models/clip-vocabulary/bpe_simple_vocab_16e6.txt.gz"
TOWER_SHARE = 0.3  # of the time, for the tower alone
TOWER_BATCH, BATCH = 24, 32
ALTERED = 2  # false captions a picture
COUNT_WEIGHTS = (0.27, 0.28, 0.27, 0.18)
BRIEF_SHARE = 0.2
SAVE_SECONDS = 120


def lexicon() -> list[str]:
    """Every word that captions use, and the words of short answers about pictures."""
    listed = [*scenes.SHAPES, *scenes.COLORS, *scenes.SIZES, *scenes.BACKGROUNDS]
    listed += [words.plural(shape) for shape in scenes.SHAPES] + list(words.NUMBERS["en"])
    sentences = [*words.POSITIONS["en"], *words.DETAIL_PROMPTS["en"], *words.BRIEF_PROMPTS["en"]]
    sentences += ["the image shows an object objects on a background in and of with is are there",
                  "picture photo left right above below next to no not yes number digits"]
    for sentence in sentences:
        listed += judge_tokens.WORDS.findall(sentence.lower())
    return sorted(set(listed))


def altered(scene: scenes.Scene, brief: bool, rng: np.random.Generator) -> scenes.Scene:
    """The scene with one attribute of one object replaced; brief captions name shape and colour only."""
    scene = copy.deepcopy(scene)
    shape = scene.objects[int(rng.integers(len(scene.objects)))]
    topics = ("kind", "color") if brief else ("kind", "color", "size", "cell", "cell", "background")
    topic = topics[int(rng.integers(len(topics)))]
    if topic == "background":
        scene.background = "dark" if scene.background == "light" else "light"
        return scene
    values = {"kind": scenes.SHAPES, "color": tuple(scenes.COLORS), "size": tuple(scenes.SIZES)}
    old = getattr(shape, topic)
    if topic == "cell":
        taken = {other.cell for other in scene.objects}
        new = int(rng.choice([cell for cell in scenes.CELLS if cell not in taken]))
    else:
        new = str(rng.choice([value for value in values[topic] if value != old]))
    setattr(shape, topic, new)
    scene.objects.sort(key=lambda item: item.cell)
    return scene


def sample(rng: np.random.Generator, side: int, patch: int):
    scene = scenes.random_scene(rng, weights=COUNT_WEIGHTS)
    picture = square_bytes(scenes.draw_scene(scene, rng), side)
    return scene, picture, scenes.patch_owners(scene, side // patch)


def labelled(samples) -> tuple[torch.Tensor, dict, torch.Tensor]:
    pixels = normalise(torch.from_numpy(np.stack([picture for _, picture, _ in samples])))
    targets = [patch_targets(owners, scene) for scene, _, owners in samples]
    classes = {
        label: torch.from_numpy(np.stack([classes[label] for classes, _ in targets]))
        for label in Judge.labels
    }
    return pixels, classes, torch.from_numpy(np.stack([weights for _, weights in targets]))


def captions_of(samples, rng: np.random.Generator) -> list[str]:
    """True captions first, then all first false ones, then all second ones."""
    columns = [[] for _ in range(1 + ALTERED)]
    for scene, _, _ in samples:
        brief = rng.random() < BRIEF_SHARE
        tell = words.brief_caption if brief else words.caption
        columns[0].append(tell(scene, "en"))
        for column in columns[1:]:
            column.append(tell(altered(scene, brief, rng), "en"))
    return sum(columns, [])


def padded(texts: list[str], tokens: judge_tokens.Tokens) -> torch.Tensor:
    rows = [tokens.encode(text) for text in texts]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids


def features(model: Judge, rows: torch.Tensor, texts: list[str], tokens) -> tuple:
    image = F.normalize(model.visual.pooled(rows), dim=-1)
    return image, F.normalize(model.encode_text(padded(texts, tokens)), dim=-1)


def tower_step(model: Judge, rng: np.random.Generator) -> dict:
    config = model.config
    samples = [sample(rng, config.image_size, config.patch) for _ in range(TOWER_BATCH)]
    pixels, classes, weights = labelled(samples)
    loss, figures = label_loss(model, model.visual.rows(pixels), classes, weights)
    loss.backward()
    return {"labels": (loss.item(), 1.0), **figures}


def pair_step(model: Judge, tokens, rng: np.random.Generator) -> dict:
    config = model.config
    samples = [sample(rng, config.image_size, config.patch) for _ in range(BATCH)]
    pixels, classes, weights = labelled(samples)
    rows = model.visual.rows(pixels)
    label, figures = label_loss(model, rows, classes, weights)
    image, text = features(model, rows, captions_of(samples, rng), tokens)
    logits = model.logit_scale.exp() * image @ text.T
    truth = torch.arange(BATCH)
    own = logits.view(BATCH, 1 + ALTERED, BATCH).diagonal(dim1=0, dim2=2).T  # against its false ones
    pairs = F.cross_entropy(logits, truth) + F.cross_entropy(logits[:, :BATCH].T, truth)
    pairs = pairs + 0.5 * F.cross_entropy(own, torch.zeros_like(truth))
    (pairs + 0.5 * label).backward()
    right = float((logits[:, :BATCH].argmax(1) == truth).sum())
    strict = float((own.argmax(1) == 0).sum())
    figures |= {"pairs": (pairs.item(), 1.0), "right": (right, BATCH), "strict": (strict, BATCH)}
    return figures


@torch.no_grad()
def evaluate(model: Judge, tokens, count: int, group: int = 100) -> dict[str, float]:
    """Right caption among `group`, and against one false attribute, on scenes of another seed."""
    rng = np.random.default_rng((20_262, 80))
    config, right, strict = model.config, 0, {}
    for _ in range(count // group):
        samples = [sample(rng, config.image_size, config.patch) for _ in range(group)]
        pixels, _, _ = labelled(samples)
        texts = [words.caption(scene, "en") for scene, _, _ in samples]
        false = [words.caption(altered(scene, False, rng), "en") for scene, _, _ in samples]
        image, text = features(model, model.visual.rows(pixels), texts + false, tokens)
        scores = image @ text.T
        right += int((scores[:, :group].argmax(1) == torch.arange(group)).sum())
        better = scores.diagonal() > scores[:, group:].diagonal()
        strict.setdefault("true above false", []).append(better.float().mean().item())
    means = {name: float(np.mean(values)) for name, values in strict.items()}
    return {f"right among {group}": right / (count // group * group), **means}


def save(path: pathlib.Path, model: Judge, optimizer, elapsed: float, step: int) -> None:
    unfinished = path.with_suffix(".unfinished")
    state = {"config": vars(model.config), "model": model.state_dict(), "step": step}
    torch.save({**state, "optimiser": optimizer.state(), "elapsed": elapsed}, unfinished)
    unfinished.rename(path)


def train(options, model: Judge, tokens, stored) -> None:
    optimizer = optimiser.FlatAdamW(model, {}, weight_decay=0.02)
    step, before = 0, 0.0
    if stored:
        optimizer.load(stored["optimiser"])
        step, before = stored["step"], stored["elapsed"]
    rng = np.random.default_rng((options.seed, step))
    meter, started, saved = Meter(), time.process_time(), time.time()
    while True:
        elapsed = before + time.process_time() - started
        progress = elapsed / (options.minutes * 60)
        if progress >= 1 or time.time() - saved > SAVE_SECONDS:
            save(options.run / "judge.pt", model, optimizer, elapsed, step)
            saved = time.time()
        if progress >= 1:
            break
        optimizer.zero()
        tower = progress < TOWER_SHARE
        figures = tower_step(model, rng) if tower else pair_step(model, tokens, rng)
        within = (progress - TOWER_SHARE) / (1 - TOWER_SHARE)
        rate = 1.5e-3 if tower else optimiser.rate_at(within, step, 1.2e-3, flat=0.4, last=0.03)
        optimizer.step(rate * min(1.0, (step + 1) / 100))
        model.logit_scale.data.clamp_(max=4.6052)  # a factor of 100, as CLIP has it
        step += 1
        meter.add(figures)
        if step % options.log_every == 0:
            line = f"{elapsed / 60:.2f} min step {step} rate {rate:.2e} {meter.line()}"
            print(line, flush=True)
    print(evaluate(model, tokens, 1000))


def export(folder: pathlib.Path, model: Judge, merges) -> None:
    """OpenCLIP's layout in float16, with the merges that the token table was trained for."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("head.")
    }
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    path = folder / "open_clip_model.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # written as 0600
    config = model.config.to_open_clip(CLIP_MEAN, CLIP_STD)
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    judge_tokens.write_merges(folder / VOCABULARY.name, merges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path, required=True, help="folder of judge.pt")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time")
    parser.add_argument("--resume", action="store_true", help="continue from RUN/judge.pt")
    parser.add_argument("--export", type=pathlib.Path, help="write this model folder, do not train")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    merges = judge_tokens.merges_for(lexicon(), judge_tokens.read_merges(VOCABULARY))
    tokens = judge_tokens.Tokens(merges)
    path, stored = options.run / "judge.pt", None
    if options.resume or options.export:
        stored = torch.load(path, weights_only=True)
    model = Judge(JudgeConfig(**stored["config"]) if stored else JudgeConfig(tokens.size))
    if stored:
        model.load_state_dict(stored["model"])
    if options.export:
        print(evaluate(model, tokens, 1000))
        export(options.export, model, merges)
    else:
        train(options, model, tokens, stored)


if __name__ == "__main__":
    main()
