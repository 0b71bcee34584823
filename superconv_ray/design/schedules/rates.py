"""The rates of one optimizer step, and the shapes that policies are made of."""

import math
from typing import Any, NamedTuple, Protocol

MOMENTUM = 0.9
"""Default momentum of every policy, constant: arms differ only in what their study states."""


class Rates(NamedTuple):
    """Learning rate and momentum of one optimizer step."""

    lr: float
    momentum: float


class Policy(Protocol):
    """A schedule: returns the rates of a step for a run's length, max_lr and further settings."""

    # Always called with steps= and max_lr=. Type checkers only let each policy have keyword
    # parameters of its own if *args and **kwargs are both Any with nothing between them.
    def __call__(self, step: int, /, *args: Any, **settings: Any) -> Rates:
        """Return the rates of `step`, which counts from 0."""
        ...


def between(start: float, end: float, part: float) -> float:
    """Value the fraction `part` of the way from `start` to `end`."""
    # Not start + (end - start) * part, which misses an end that is orders of magnitude below start.
    return start * (1 - part) + end * part


def half_cosine(done: float) -> float:
    """Rise from 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * done)) / 2


def triangle(done: float) -> float:
    """Height in [0, 1] after the fraction `done` of a cycle; Caffe's 1 - |it/SS - 1|."""
    return 1 - abs(2 * done - 1)


def momentum_at(height: float, momentum: float, min_momentum: float | None) -> float:
    """Momentum the fraction `height` of the way down to min_momentum, if there is one."""
    return momentum if min_momentum is None else between(momentum, min_momentum, height)


def mirrored(
    height: float, min_lr: float, max_lr: float, momentum: float, min_momentum: float | None
) -> Rates:
    """Learning rate the fraction `height` of the way up, and momentum as far on its way down."""
    return Rates(between(min_lr, max_lr, height), momentum_at(height, momentum, min_momentum))


def warmup(step: int, steps: int, warmup_fraction: float) -> tuple[float, int]:
    """Return the fraction of max_lr that the warm-up allows, and the warm-up's length in steps.

    Of w = `round(warmup_fraction * steps)` steps, the first gets 1 / w and the last gets 1.
    """
    length = round(warmup_fraction * steps)
    return ((step + 1) / length if step < length else 1.0), length
