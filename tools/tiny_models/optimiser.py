"""AdamW on one flat vector, which also makes averaging over processes one call."""

from __future__ import annotations

import math

import torch
import torch.distributed as distributed
from torch import nn


class FlatAdamW:
    """Owns the storage of all parameters and gradients; parameters become views into it."""

    def __init__(self, model: nn.Module, scales: dict[str, float], weight_decay: float):
        """`scales`: learning-rate factor of the parameters whose names start so (0 freezes)."""
        named = list(model.named_parameters())
        total = sum(parameter.numel() for _, parameter in named)
        self.values = torch.empty(total)
        self.gradients = torch.zeros(total)
        self.mean = torch.zeros(total)
        self.square = torch.zeros(total)
        self.scale = torch.ones(total)
        self.decay = torch.zeros(total)
        self.steps = 0
        start = 0
        for name, parameter in named:
            here = slice(start, start + parameter.numel())
            start = here.stop
            self.values[here] = parameter.detach().flatten()
            parameter.data = self.values[here].view(parameter.shape)
            parameter.grad = self.gradients[here].view(parameter.shape)
            prefixes = [prefix for prefix in scales if name.startswith(prefix)]
            self.scale[here] = scales[max(prefixes, key=len)] if prefixes else 1.0
            is_matrix = parameter.dim() > 1 and "embedding" not in name
            self.decay[here] = weight_decay if is_matrix else 0.0

    def zero(self) -> None:
        self.gradients.zero_()

    def average_over_processes(self) -> None:
        if distributed.is_initialized():
            distributed.all_reduce(self.gradients)
            self.gradients /= distributed.get_world_size()

    def step(self, rate: float, clip: float = 1.0, betas=(0.9, 0.98), eps: float = 1e-8) -> float:
        norm = float(self.gradients.norm())
        if not math.isfinite(norm):
            return norm  # skip: one broken batch must not end a run of hours
        if norm > clip:
            self.gradients *= clip / norm
        self.steps += 1
        self.mean.lerp_(self.gradients, 1 - betas[0])
        self.square.mul_(betas[1]).addcmul_(self.gradients, self.gradients, value=1 - betas[1])
        corrected = (self.square / (1 - betas[1] ** self.steps)).sqrt_().add_(eps)
        update = self.mean / corrected / (1 - betas[0] ** self.steps)
        update.add_(self.values * self.decay)
        self.values.sub_(update.mul_(self.scale), alpha=rate)
        return norm

    def state(self) -> dict:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def load(self, state: dict) -> None:
        self.mean.copy_(state["mean"])
        self.square.copy_(state["square"])
        self.steps = state["steps"]


def rate_at(progress: float, step: int, peak: float, flat: float, last: float) -> float:
    """Warm-up over 100 steps, `flat` of the time at the peak, then a cosine down to `last`·peak."""
    warm = min(1.0, (step + 1) / 100)
    if progress <= flat:
        return peak * warm
    turn = min(1.0, (progress - flat) / (1 - flat))
    return peak * warm * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * turn)))
