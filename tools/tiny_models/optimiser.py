"""AdamW over one flat gradient vector, which makes averaging over processes a single call."""

from __future__ import annotations

import math

import torch
import torch.distributed as distributed
from torch import nn


class FlatAdamW:
    """Owns the storage of all gradients; the parameters' `.grad` are views into it."""

    def __init__(self, model: nn.Module, scales: dict[str, float], weight_decay: float):
        """`scales`: learning-rate factor of the parameters whose names start so; 0 leaves them."""
        named = [
            (name, parameter, scale_of(name, scales)) for name, parameter in model.named_parameters()
        ]
        for _, parameter, scale in named:
            parameter.requires_grad_(scale > 0)
        named = [entry for entry in named if entry[2] > 0]
        self.gradients = torch.zeros(sum(parameter.numel() for _, parameter, _ in named))
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        start = 0
        for name, parameter, scale in named:
            end = start + parameter.numel()
            parameter.grad = self.gradients[start:end].view(parameter.shape)
            start = end
            decays = parameter.dim() > 1 and "embedding" not in name
            groups.setdefault((scale, weight_decay if decays else 0.0), []).append(parameter)
        self.adamw = torch.optim.AdamW(
            [
                {"params": parameters, "scale": scale, "weight_decay": decay}
                for (scale, decay), parameters in groups.items()
            ],
            betas=(0.9, 0.98),
            fused=True,
        )

    def zero(self) -> None:
        self.gradients.zero_()

    def average_over_processes(self) -> None:
        if distributed.is_initialized():
            distributed.all_reduce(self.gradients)
            self.gradients /= distributed.get_world_size()

    def step(self, rate: float, clip: float = 1.0) -> float:
        norm = float(self.gradients.norm())
        if not math.isfinite(norm):
            return norm  # skip: one broken batch must not end a run of hours
        if norm > clip:
            self.gradients *= clip / norm
        for group in self.adamw.param_groups:
            group["lr"] = rate * group["scale"]
        self.adamw.step()
        return norm

    def state(self) -> dict:
        return self.adamw.state_dict()

    def load(self, state: dict) -> None:
        self.adamw.load_state_dict(state)


def scale_of(name: str, scales: dict[str, float]) -> float:
    prefixes = [prefix for prefix in scales if name.startswith(prefix)]
    return scales[max(prefixes, key=len)] if prefixes else 1.0


def rate_at(progress: float, step: int, peak: float, flat: float, last: float) -> float:
    """Warm-up over 100 steps, `flat` of the time at the peak, then a cosine down to `last`·peak."""
    warm = min(1.0, (step + 1) / 100)
    if progress <= flat:
        return peak * warm
    turn = min(1.0, (progress - flat) / (1 - flat))
    return peak * warm * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * turn)))
