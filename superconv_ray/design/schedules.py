"""Learning rate and momentum, together, as pure functions of the step.

Every policy is called as `policy(step, steps=..., max_lr=..., **its_own_settings)`, where `steps`
is the number of optimizer steps of the whole run and `0 <= step < steps`, and returns the `Rates`
to use *in* that step. Lengths inside a run are fractions of it, so a policy means the same at any
budget. Policies keep no state between calls: a resumed run asks for its next step.

Settings are not validated here; `Trial` validates them once, rather than at every step.

Sources: Smith & Topin, arXiv 1708.07120 (1cycle); Smith, arXiv 1506.01186 (cyclical learning rates
and the range test); Smith, arXiv 1803.09820 (cyclical momentum). Caffe's iteration is our step.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol


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


def one_cycle(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    tail_fraction: float = 0.1,
    tail: Literal["step", "linear"] = "step",
    final_div_factor: float = 1000.0,
    momentum: float = 0.95,
    min_momentum: float | None = 0.85,
) -> Rates:
    """Run one triangle from min_lr to max_lr and back, then a tail far below min_lr.

    min_lr is `max_lr / div_factor`. The tail takes the last `round(tail_fraction * steps)` steps:
    "step" holds `min_lr / final_div_factor` as in the author's logs; "linear" goes down to it from
    min_lr, as PyTorch's three-phase OneCycleLR does, and gets there at the last step of the run.
    Momentum mirrors the learning rate (constant if min_momentum is None) and is high in the tail.

    Source: 1cycle in arXiv 1708.07120; momentum from arXiv 1803.09820, section 4.3.
    """
    min_lr = max_lr / div_factor
    tail_steps = round(tail_fraction * steps)
    cycle_steps = steps - tail_steps
    if step < cycle_steps:
        return _mirrored(_triangle(step / cycle_steps), min_lr, max_lr, momentum, min_momentum)
    final_lr = min_lr / final_div_factor
    if tail == "step" or tail_steps == 1:
        return Rates(final_lr, momentum)
    return Rates(_between(min_lr, final_lr, (step - cycle_steps) / (tail_steps - 1)), momentum)


def range_test_linear(
    step: int,
    *,
    steps: int,
    max_lr: float,
    start_lr: float = 0.0,
    momentum: float = 0.9,
    min_momentum: float | None = None,
) -> Rates:
    """Raise the learning rate linearly over the whole run, from start_lr towards max_lr.

    max_lr itself would be the rate of step `steps`, one after the last (Caffe's stepsize =
    max_iter). Momentum meanwhile falls linearly from momentum to min_momentum (constant if that is
    None).

    Source: arXiv 1506.01186, section 3.3; its momentum, arXiv 1803.09820, section 4.3.
    """
    return _mirrored(step / steps, start_lr, max_lr, momentum, min_momentum)


def range_test_exponential(
    step: int,
    *,
    steps: int,
    max_lr: float,
    start_lr: float = 1e-5,
    momentum: float = 0.9,
    min_momentum: float | None = None,
) -> Rates:
    """Raise the learning rate by a constant factor per step, from start_lr towards max_lr.

    max_lr itself would be the rate of step `steps`, one after the last. Momentum meanwhile falls
    linearly in the step from momentum to min_momentum (constant if that is None).

    Source: fastai's `lr_find`; the linear test it varies is arXiv 1506.01186, section 3.3.
    """
    done = step / steps
    lr = start_lr * (max_lr / start_lr) ** done
    return Rates(lr, _momentum(done, momentum, min_momentum))


def triangular(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    momentum: float = 0.9,
    min_momentum: float | None = None,
) -> Rates:
    """Repeat a triangle between `max_lr / div_factor` and max_lr, `cycles` times in the run.

    The step size, half a cycle, is `steps / (2 * cycles)` steps. Momentum mirrors the learning rate
    (constant if min_momentum is None).

    Source: arXiv 1506.01186, section 3.1; `cycles=1` is the CLR arm of arXiv 1708.07120.
    """
    _, height = _cycle(step, steps, cycles)
    return _mirrored(height, max_lr / div_factor, max_lr, momentum, min_momentum)


def triangular2(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    momentum: float = 0.9,
    min_momentum: float | None = None,
) -> Rates:
    """Repeat a triangle as `triangular` does, and halve its amplitude after each cycle.

    The step size, half a cycle, is `steps / (2 * cycles)` steps. Momentum mirrors the learning rate
    (constant if min_momentum is None), so that its amplitude halves too.

    Source: arXiv 1506.01186, section 3.1.
    """
    cycle, height = _cycle(step, steps, cycles)
    return _mirrored(height * 0.5**cycle, max_lr / div_factor, max_lr, momentum, min_momentum)


def exp_range(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    exp_range_gamma: float = 0.99994,
    momentum: float = 0.9,
    min_momentum: float | None = None,
) -> Rates:
    """Repeat a triangle as `triangular` does, its amplitude scaled by `exp_range_gamma**step`.

    The step size, half a cycle, is `steps / (2 * cycles)` steps. Momentum mirrors the learning rate
    (constant if min_momentum is None), so that its amplitude shrinks too. exp_range_gamma is per
    step, so the shrinking does not stretch with the run.

    Source: arXiv 1506.01186, section 3.1.
    """
    _, height = _cycle(step, steps, cycles)
    amplitude = exp_range_gamma**step
    return _mirrored(height * amplitude, max_lr / div_factor, max_lr, momentum, min_momentum)


def piecewise(
    step: int,
    *,
    steps: int,
    max_lr: float,
    milestones: tuple[float, ...] = (0.5, 0.75),
    decay_factor: float = 0.1,
    momentum: float = 0.9,
) -> Rates:
    """Hold max_lr, and multiply the learning rate by decay_factor at each milestone.

    Milestones are fractions of the run, in any order; the step `round(milestone * steps)` is the
    first with the lower rate.

    Source: the piecewise-constant baseline of arXiv 1708.07120 (Caffe's multistep).
    """
    passed = sum(step >= round(milestone * steps) for milestone in milestones)
    return Rates(max_lr * decay_factor**passed, momentum)


def constant(
    step: int,  # noqa: ARG001 - all policies have the same signature
    *,
    steps: int,  # noqa: ARG001
    max_lr: float,
    momentum: float = 0.9,
) -> Rates:
    """Hold max_lr for the whole run.

    Source: Caffe's fixed.
    """
    return Rates(max_lr, momentum)


def inv(
    step: int,
    *,
    steps: int,  # noqa: ARG001 - all policies have the same signature
    max_lr: float,
    inv_gamma: float = 1e-4,
    inv_power: float = 0.75,
    momentum: float = 0.9,
) -> Rates:
    """Let the learning rate fall as `max_lr * (1 + inv_gamma * step) ** -inv_power`.

    inv_gamma is per step, so the curve does not stretch with the run.

    Source: the LeNet baseline of arXiv 1708.07120 (Caffe's inv).
    """
    return Rates(max_lr * (1 + inv_gamma * step) ** -inv_power, momentum)


def cosine(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = 0.9,
) -> Rates:
    """Warm up, then let the learning rate fall from max_lr along half a cosine.

    The warm-up, the first w = `round(warmup_fraction * steps)` steps, is linear: `max_lr / w` in
    step 0, max_lr in step w - 1 and again in step w. Zero would be the rate of step `steps`.

    Source: Loshchilov & Hutter, arXiv 1608.03983, equation 5, without restarts.
    """
    lr = _warmed_up(step, steps, max_lr, warmup_fraction, lambda x: (1 + math.cos(math.pi * x)) / 2)
    return Rates(lr, momentum)


def linear(
    step: int,
    *,
    steps: int,
    max_lr: float,
    warmup_fraction: float = 0.0,
    momentum: float = 0.9,
) -> Rates:
    """Warm up, then let the learning rate fall from max_lr along a straight line.

    The warm-up, the first w = `round(warmup_fraction * steps)` steps, is linear: `max_lr / w` in
    step 0, max_lr in step w - 1 and again in step w. Zero would be the rate of step `steps`.

    Source: Li et al., budgeted training, arXiv 1905.04753.
    """
    return Rates(_warmed_up(step, steps, max_lr, warmup_fraction, lambda x: 1 - x), momentum)


POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "one_cycle": one_cycle,
        "range_test_linear": range_test_linear,
        "range_test_exponential": range_test_exponential,
        "triangular": triangular,
        "triangular2": triangular2,
        "exp_range": exp_range,
        "piecewise": piecewise,
        "constant": constant,
        "inv": inv,
        "cosine": cosine,
        "linear": linear,
    }
)
"""All policies by name."""

RANGE_TESTS: Final = frozenset({"range_test_linear", "range_test_exponential"})
"""Policies that search for a learning rate instead of training a network well."""

# The marker of `inspect` is one object per process, so `is` still works after pickling.
REQUIRED: Final[object] = inspect.Parameter.empty
"""Marks a parameter without a default in `parameters`."""


@functools.cache
def parameters(policy: str) -> Mapping[str, object]:
    """Map the settings that a policy uses, except `steps`, to their default or `REQUIRED`.

    Raises:
        ValueError: There is no policy of that name.
    """
    if policy not in POLICIES:
        choices = ", ".join(map(repr, sorted(POLICIES)))
        raise ValueError(f"policy must be one of {choices}, got {policy!r}")
    settings = inspect.signature(POLICIES[policy]).parameters
    return MappingProxyType(
        {name: it.default for name, it in settings.items() if name not in ("step", "steps")}
    )


def _between(start: float, end: float, part: float) -> float:
    # Not start + (end - start) * part, which misses an end that is orders of magnitude below start.
    return start * (1 - part) + end * part


def _triangle(done: float) -> float:
    """Height in [0, 1] after the fraction `done` of a cycle; Caffe's 1 - |it/SS - 1|."""
    return 1 - abs(2 * done - 1)


def _cycle(step: int, steps: int, cycles: int) -> tuple[int, float]:
    """Number of completed cycles, and the triangle's height in the current one."""
    # In integers, because a rounded quotient can start a cycle one step late.
    completed, into = divmod(step * cycles, steps)
    return completed, _triangle(into / steps)


def _momentum(height: float, momentum: float, min_momentum: float | None) -> float:
    return momentum if min_momentum is None else _between(momentum, min_momentum, height)


def _mirrored(
    height: float, min_lr: float, max_lr: float, momentum: float, min_momentum: float | None
) -> Rates:
    """Learning rate the fraction `height` of the way up, and momentum as far on its way down."""
    return Rates(_between(min_lr, max_lr, height), _momentum(height, momentum, min_momentum))


def _warmed_up(
    step: int, steps: int, max_lr: float, warmup_fraction: float, decay: Callable[[float], float]
) -> float:
    """Warm up linearly, then multiply max_lr by `decay` of the fraction done, in [0, 1)."""
    warmup_steps = round(warmup_fraction * steps)
    if step < warmup_steps:
        return max_lr * (step + 1) / warmup_steps
    return max_lr * decay((step - warmup_steps) / (steps - warmup_steps))
