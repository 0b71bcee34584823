"""Policies that never raise the learning rate again after a linear warm-up.

The warm-up takes the first w = `round(warmup_fraction * steps)` steps: `max_lr / w` in step 0,
max_lr in step w - 1. Momentum is constant.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from superconv_ray.design.schedules.rates import MOMENTUM, Rates, half_cosine, warmup


def piecewise(
    step: int,
    *,
    steps: int,
    max_lr: float,
    milestones: tuple[float, ...] = (0.5, 0.75),
    decay_factor: float = 0.1,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Hold max_lr, and multiply the learning rate by decay_factor at each milestone.

    Milestones are fractions of the run, warm-up included, in any order; the step
    `round(milestone * steps)` is the first with the lower rate.

    Source: the piecewise-constant baseline of arXiv 1708.07120 (Caffe's multistep); its warm-up,
    Goyal et al., arXiv 1706.02677, section 2.2.
    """
    allowed, _ = warmup(step, steps, warmup_fraction)
    passed = sum(step >= round(milestone * steps) for milestone in milestones)
    return Rates(max_lr * decay_factor**passed * allowed, momentum)


def constant(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Hold max_lr, after the warm-up if there is one.

    Source: Caffe's fixed.
    """
    allowed, _ = warmup(step, steps, warmup_fraction)
    return Rates(max_lr * allowed, momentum)


def inv(
    step: int,
    *,
    steps: int,
    max_lr: float,
    inv_gamma: float = 1e-4,
    inv_power: float = 0.75,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Let the learning rate fall as `max_lr * (1 + inv_gamma * step) ** -inv_power`.

    inv_gamma is per step, so the curve does not stretch with the run. Steps count from the end of
    the warm-up.

    Source: the LeNet baseline of arXiv 1708.07120 (Caffe's inv).
    """
    allowed, length = warmup(step, steps, warmup_fraction)
    since = max(0, step - length)
    return Rates(max_lr * (1 + inv_gamma * since) ** -inv_power * allowed, momentum)


def cosine(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Warm up, then let the learning rate fall from max_lr along half a cosine.

    Zero would be the rate of step `steps`.

    Source: Loshchilov & Hutter, arXiv 1608.03983, equation 5, without restarts.
    """
    lr = _falling(step, steps, max_lr, warmup_fraction, lambda x: (1 + math.cos(math.pi * x)) / 2)
    return Rates(lr, momentum)


def linear(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Warm up, then let the learning rate fall from max_lr along a straight line.

    Zero would be the rate of step `steps`.

    Source: Li et al., budgeted training, arXiv 1905.04753.
    """
    return Rates(_falling(step, steps, max_lr, warmup_fraction, lambda x: 1 - x), momentum)


def power(
    step: int,
    *,
    steps: int,
    max_lr: float,
    decay_power: float = 2.0,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Warm up, then let the learning rate fall as max_lr times a power of the part left.

    The rate is `max_lr * (1 - x) ** decay_power` after the fraction x of the steps that follow the
    warm-up; decay_power=1 is `linear`. Zero would be the rate of step `steps`.

    Source: Caffe's poly and PyTorch's `PolynomialLR`; the power decay of arXiv 2602.06797. It is
    not the Power Scheduler of arXiv 2408.13359, a power law of the tokens seen, as `inv` is one of
    the steps.
    """
    lr = _falling(step, steps, max_lr, warmup_fraction, lambda x: (1 - x) ** decay_power)
    return Rates(lr, momentum)


def rex(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = MOMENTUM,
) -> Rates:
    """Warm up, then let the learning rate fall slowly first and fast at the end.

    The rate is `max_lr * (1 - x) / (1 - x / 2)` after the fraction x of the steps that follow the
    warm-up: a reflected exponential decay. Zero would be the rate of step `steps`.

    Source: Chen, Wolfe & Kyrillidis, REX, arXiv 2107.04197.
    """
    lr = _falling(step, steps, max_lr, warmup_fraction, lambda x: (1 - x) / (1 - x / 2))
    return Rates(lr, momentum)


_COOLDOWNS: Final[Mapping[str, Callable[[float], float]]] = MappingProxyType(
    {
        "linear": lambda x: 1 - x,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
        "cosine": lambda x: 1 - half_cosine(x),
    }
)


def wsd(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    cooldown_fraction: float = 0.2,
    cooldown: Literal["linear", "1-sqrt", "cosine"] = "linear",
    momentum: float = MOMENTUM,
) -> Rates:
    """Warm up, hold max_lr, then cool down: warmup-stable-decay.

    The cooldown takes the last `round(cooldown_fraction * steps)` steps, which must not be part of
    the warm-up. It starts at max_lr; zero would be the rate of step `steps`.

    Source: Hu et al., MiniCPM, arXiv 2404.06395; shapes and length of the cooldown,
    Hägele et al., arXiv 2405.18392.
    """
    allowed, _ = warmup(step, steps, warmup_fraction)
    length = round(cooldown_fraction * steps)
    into = step - (steps - length)
    left = _COOLDOWNS[cooldown](into / length) if into > 0 else 1.0
    return Rates(max_lr * allowed * left, momentum)


def _falling(
    step: int, steps: int, max_lr: float, warmup_fraction: float, decay: Callable[[float], float]
) -> float:
    """Warm up linearly, then multiply max_lr by `decay` of the fraction done, in [0, 1)."""
    allowed, length = warmup(step, steps, warmup_fraction)
    return max_lr * (allowed if step < length else decay((step - length) / (steps - length)))
