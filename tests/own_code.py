"""A schedule, an optimizer and augmentations as a user writes them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from superconv_ray.design.schedules import Rates


def plain(step: int, *, steps: int, max_lr: float) -> float:
    """A learning rate alone: a quarter of a cosine."""
    return max_lr * math.cos(math.pi / 2 * step / steps)


def mirrored(step: int, *, steps: int, max_lr: float, momentum: float = 0.95) -> Rates:
    """Momentum rises while the learning rate falls."""
    left = 1 - step / steps
    return Rates(max_lr * left, momentum - 0.1 * left)


class SignDescent(torch.optim.Optimizer):
    """Signs of averaged gradients, as Lion has them."""

    def __init__(self, groups: Any) -> None:
        super().__init__(groups, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(mean.sign(), alpha=group["lr"])


def sign_descent(groups: Any) -> torch.optim.Optimizer:
    return SignDescent(groups)


def noise(x: Tensor) -> Tensor:
    return x + 0.1 * torch.randn_like(x)


def flip_and_shift() -> Any:
    from torchvision.transforms import v2  # imports torch's compiler

    return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(8, padding=1)])
