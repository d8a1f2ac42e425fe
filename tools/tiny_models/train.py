"""Trains tiny-vl: first the vision tower on labels of its patches, then everything together.

    python make_pictures.py --out DATA &
    python train.py --phase tower --data DATA --run RUN --minutes 12
    python train.py --phase joint --data DATA --run RUN --minutes 100 --resume

Runs as data-parallel processes of one thread each: on a busy machine that loses less than threads that
wait for each other inside every small matrix product. The learning rate follows the clock, so a run of
`--minutes` always ends fully decayed, however busy the machine was. A run can be stopped at any time and
continued with `--resume`; while the file `--pause-file` exists it sleeps.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import os
import pathlib
import time

import numpy as np
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F

import optimiser
from checkpoint import load_model
from model import Config, TinyComposer
from pictures import normalise
from scenes import Scene
from shards import NO_LABEL, Pool, patch_targets

LABEL_WEIGHTS = {"kind": 1.0, "color": 0.5, "size": 0.3, "cell": 0.5}
CHECKPOINT_SECONDS = 180
PHASES = ("tower", "joint", "questions", "document-tower", "documents")


class Meter:
    """Means of the figures seen since the last line of the log."""

    def __init__(self):
        self.sums: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def add(self, figures: dict[str, tuple[float, float]]) -> None:
        for name, (total, count) in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + total
            self.counts[name] = self.counts.get(name, 0.0) + count

    def line(self) -> str:
        means = {name: self.sums[name] / max(self.counts[name], 1e-9) for name in self.sums}
        self.__init__()
        return " ".join(f"{name} {value:.3f}" for name, value in means.items())


def label_batch(samples: list[tuple]) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Pictures, classes per label and weights per patch, for (picture, owners, entry) samples."""
    pixels = torch.from_numpy(np.stack([picture for picture, _, _ in samples]))
    targets = [patch_targets(owners, Scene.from_dict(entry["scene"])) for _, owners, entry in samples]
    classes = {
        label: torch.from_numpy(np.stack([classes[label] for classes, _ in targets]))
        for label in LABEL_WEIGHTS
    }
    return normalise(pixels), classes, torch.from_numpy(np.stack([weights for _, weights in targets]))


def label_loss(model: TinyComposer, features: torch.Tensor, classes: dict, weights: torch.Tensor):
    """Weighted cross entropy of the patch labels, and how many patches of objects are right."""
    loss, figures = 0.0, {}
    for label, logits in model.patch_labels(features).items():
        wanted = classes[label]
        entropy = F.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=NO_LABEL, reduction="none"
        )
        loss = loss + LABEL_WEIGHTS[label] * (entropy * weights.flatten()).sum() / weights.sum()
        judged = (weights > 0.25) & (wanted != NO_LABEL)
        right = (logits.detach().argmax(-1) == wanted) & judged
        figures[label] = (float(right.sum()), float(judged.sum()))
    return loss, figures


class TowerPhase:
    """The tower alone, learning what each patch shows."""

    scales = {"model.": 0.0, "output.": 0.0, "vision_proj.": 0.0}
    peak, flat, last = 1.5e-3, 0.5, 0.15
    pool_type = Pool

    def __init__(self, model: TinyComposer, options: argparse.Namespace):
        self.model = model
        self.batch = options.batch or 16

    def step(self, pool: Pool, rng: np.random.Generator, progress: float) -> dict:
        groups = ["easy-vqa", "plain", "1", "2", "3", "4"]
        chosen = rng.choice(groups, self.batch, p=(0.08, 0.1, 0.2, 0.22, 0.22, 0.18))
        pixels, classes, weights = label_batch([pool.sample(group, rng) for group in chosen])
        loss, figures = label_loss(self.model, self.model.image_features(pixels), classes, weights)
        loss.backward()
        return {"loss": (loss.item(), 1.0), **figures}


def phase_of(name: str):
    if name == "tower":
        return TowerPhase
    import document_phases
    import joint_phase

    return {
        "joint": joint_phase.JointPhase,
        "questions": joint_phase.QuestionPhase,
        "document-tower": document_phases.DocumentTowerPhase,
        "documents": document_phases.DocumentPhase,
    }[name]


# --------------------------------------------------------------------------------------------------
# The loop


def save(path: pathlib.Path, model, optimizer, phase: str, elapsed: float, step: int) -> None:
    state = {
        "config": vars(model.config),
        "model": {name: value.clone() for name, value in model.state_dict().items()},
        "optimiser": optimizer.state(),
        "phase": phase,
        "elapsed": elapsed,
        "step": step,
    }
    unfinished = path.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.rename(path)


def document_config() -> Config:
    """tiny-4khd: views of 84 pixels are 36 patches, merged to 9 tokens; ranks as in the original."""
    return Config(high_resolution=True, image_side=84, wqkv_lora_rank=8, wqkv_lora_scale=2.0)


def start_from(model: TinyComposer, weights: dict[str, torch.Tensor]) -> None:
    """Takes what fits from another model: positions are resized, other shapes stay as they are."""
    own = model.state_dict()
    for name, tensor in weights.items():
        if name.endswith("position_embedding.weight"):
            own[name].copy_(resized_positions(tensor, model.config.grid))
        elif name in own and own[name].shape == tensor.shape:
            own[name].copy_(tensor)
        elif name.startswith("head."):
            own[name][: len(tensor)].copy_(tensor)


def resized_positions(table: torch.Tensor, grid: int) -> torch.Tensor:
    side = int((len(table) - 1) ** 0.5)
    square = table[1:].T.reshape(1, -1, side, side)
    resized = F.interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([table[:1], resized.flatten(2)[0].T])


def shared_clock(elapsed: float, stop: bool) -> tuple[float, bool]:
    """Rank 0's clock and wish, so that all processes end at the same step."""
    if not distributed.is_initialized():
        return elapsed, stop
    values = torch.tensor([elapsed, float(stop)], dtype=torch.float64)
    distributed.broadcast(values, 0)
    return float(values[0]), bool(values[1])


def wait_while_paused(pause_file: pathlib.Path | None) -> None:
    while pause_file is not None and pause_file.exists():
        time.sleep(2)


def keep_freed_memory() -> None:
    """Tells glibc not to hand large blocks back: fresh pages for every tensor cost a tenth of the time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3
        for setting, size in ((trim_threshold, 1 << 30), (top_pad, 1 << 26), (mmap_threshold, 1 << 30)):
            libc.mallopt(setting, size)
    except (OSError, AttributeError):
        pass  # another C library: nothing to tune


def train(rank: int, options: argparse.Namespace) -> None:
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    if options.processes > 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{options.run.resolve()}/rendezvous",
            rank=rank,
            world_size=options.processes,
            timeout=datetime.timedelta(hours=12),
        )
    torch.manual_seed(options.seed)
    checkpoint = options.run / "checkpoint.pt"
    stored = None
    if options.resume and checkpoint.exists():
        stored = torch.load(checkpoint, weights_only=True)
    documents = options.phase in ("document-tower", "documents")
    config = Config(**stored["config"]) if stored else document_config() if documents else Config()
    model = TinyComposer(config)
    if stored:
        model.load_state_dict(stored["model"])
    elif options.start_from:
        start_from(model, load_model(options.start_from).state_dict())
    phase = phase_of(options.phase)(model, options)
    optimizer = optimiser.FlatAdamW(model, phase.scales, options.weight_decay)
    first_step, elapsed_before = 0, options.started_at * 60
    if stored and stored["phase"] == options.phase:
        optimizer.load(stored["optimiser"])
        first_step, elapsed_before = stored["step"], stored["elapsed"]
    pool = phase.pool_type(options.data)
    run_loop(rank, options, model, phase, optimizer, pool, first_step, elapsed_before)


def run_loop(rank, options, model, phase, optimizer, pool, step, elapsed_before) -> None:
    rng = np.random.default_rng((options.seed, rank, step))
    meter, log = Meter(), open(options.run / "log.txt", "a", buffering=1)
    started = last_saved = last_logged = time.time()
    logged_step, parent = step, os.getppid()
    while True:
        wait_while_paused(options.pause_file)
        # Workers outlive a launcher that was killed: they save what they have and end.
        abandoned = os.getppid() != parent
        elapsed, abandoned = shared_clock(elapsed_before + time.time() - started, abandoned)
        progress = elapsed / (options.minutes * 60)
        finished = progress >= 1 or abandoned
        now = time.time()
        if rank == 0 and (finished or now - last_saved > CHECKPOINT_SECONDS):
            save(options.run / "checkpoint.pt", model, optimizer, options.phase, elapsed, step)
            last_saved = now
        if finished:
            break
        rate = optimiser.rate_at(progress, step, options.rate or phase.peak, phase.flat, phase.last)
        optimizer.zero()
        figures = phase.step(pool, rng, progress)
        optimizer.average_over_processes()
        norm = optimizer.step(rate)
        step += 1
        meter.add({**figures, "norm": (norm, 1.0)})
        if step % options.log_every == 0:
            pool.refresh()
            speed = (step - logged_step) / (time.time() - last_logged)
            if rank == 0:
                line = f"{options.phase} {elapsed / 60:.1f} min step {step} rate {rate:.2e} "
                line += f"{speed:.2f} steps/s {meter.line()}"
                log.write(line + "\n")
                print(line, flush=True)
            last_logged, logged_step = time.time(), step
    if rank == 0 and not abandoned:
        name = options.run / f"{options.phase}.pt"
        save(name, model, optimizer, options.phase, options.minutes * 60, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", choices=PHASES, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of make_pictures.py")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="checkpoints and log")
    parser.add_argument("--minutes", type=float, required=True, help="of this phase, by the clock")
    parser.add_argument("--resume", action="store_true", help="continue from RUN/checkpoint.pt")
    parser.add_argument("--start-from", type=pathlib.Path, help="weights to take over: a .pt or a model folder")
    parser.add_argument(
        "--started-at", type=float, default=0.0, help="minutes of this phase that --start-from has behind it"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="a process")
    parser.add_argument("--batch", type=int, help="pictures a process and step")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-file", type=pathlib.Path, help="sleep while this file exists")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    (options.run / "rendezvous").unlink(missing_ok=True)
    if options.processes > 1:
        multiprocessing.spawn(train, (options,), nprocs=options.processes)
    else:
        train(0, options)


if __name__ == "__main__":
    main()
