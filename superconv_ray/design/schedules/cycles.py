"""Policies that raise the learning rate and lower it again: 1cycle and cyclical learning rates."""

from typing import Literal

from superconv_ray.design.schedules.rates import (
    MOMENTUM,
    Rates,
    between,
    half_cosine,
    mirrored,
    triangle,
)


def one_cycle(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    peak_fraction: float = 0.5,
    anneal: Literal["linear", "cosine"] = "linear",
    cycle_end: Literal["min_lr", "final_lr"] = "min_lr",
    tail_fraction: float = 0.1,
    tail: Literal["step", "linear", "cosine"] = "step",
    final_div_factor: float = 1000.0,
    momentum: float = MOMENTUM,
    min_momentum: float | None = None,
) -> Rates:
    """Run one cycle from min_lr to max_lr and back, then a tail far below min_lr.

    min_lr is `max_lr / div_factor`, and final_lr is `min_lr / final_div_factor`. The cycle reaches
    max_lr after peak_fraction of its steps. It rises and falls along straight lines or, with
    anneal="cosine", along half cosines. cycle_end="final_lr" lets it fall to final_lr rather than
    min_lr. The cycle's end would be the rate of the step after its last.

    The tail takes the last `round(tail_fraction * steps)` steps: "step" holds final_lr as in the
    author's logs; "linear" and "cosine" go down to it from min_lr and get there at the last step of
    the run. After cycle_end="final_lr" the tail holds that rate.

    Momentum is constant. With a min_momentum it mirrors the learning rate and is high in the tail:
    momentum=0.95, min_momentum=0.85 is the cycle of arXiv 1803.09820, section 4.3.

    Well-known curves of T steps are settings, each with that momentum:

    - fastai's `fit_one_cycle`: anneal="cosine", peak_fraction=0.25, div_factor=25,
      final_div_factor=4000, cycle_end="final_lr", tail_fraction=0.
    - PyTorch's `OneCycleLR`: anneal="cosine", div_factor=25, final_div_factor=1e4,
      cycle_end="final_lr", tail_fraction=1/T, peak_fraction=(0.3 T - 1) / (T - 1). PyTorch
      reaches each rate one step earlier than fastai.
    - PyTorch's `OneCycleLR(three_phase=True)` with pct_start p: anneal and tail are both "linear"
      or both "cosine", and tail_fraction=1 - 2 (p - 1/T).

    Source: 1cycle in arXiv 1708.07120; fastai's callback/schedule.py.
    """
    min_lr = max_lr / div_factor
    final_lr = min_lr / final_div_factor
    tail_steps = round(tail_fraction * steps)
    cycle_steps = steps - tail_steps
    falls_to_the_end = cycle_end == "final_lr"
    if step < cycle_steps:
        done = step / cycle_steps
        height = _height(done, peak_fraction)
        if anneal == "cosine":
            height = half_cosine(height)
        low = final_lr if done >= peak_fraction and falls_to_the_end else min_lr
        return mirrored(height, low, max_lr, momentum, min_momentum)
    if tail == "step" or tail_steps == 1 or falls_to_the_end:
        return Rates(final_lr, momentum)
    done = (step - cycle_steps) / (tail_steps - 1)
    part = half_cosine(done) if tail == "cosine" else done
    return Rates(between(min_lr, final_lr, part), momentum)


def triangular(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    momentum: float = MOMENTUM,
    min_momentum: float | None = None,
) -> Rates:
    """Repeat a triangle between `max_lr / div_factor` and max_lr, `cycles` times in the run.

    The step size, half a cycle, is `steps / (2 * cycles)` steps. Momentum mirrors the learning rate
    (constant if min_momentum is None).

    Source: arXiv 1506.01186, section 3.1; `cycles=1` is the CLR arm of arXiv 1708.07120.
    """
    _, height = _cycle(step, steps, cycles)
    return mirrored(height, max_lr / div_factor, max_lr, momentum, min_momentum)


def triangular2(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    momentum: float = MOMENTUM,
    min_momentum: float | None = None,
) -> Rates:
    """Repeat a triangle as `triangular` does, and halve its amplitude after each cycle.

    The step size, half a cycle, is `steps / (2 * cycles)` steps. Momentum mirrors the learning rate
    (constant if min_momentum is None), so that its amplitude halves too.

    Source: arXiv 1506.01186, section 3.1.
    """
    cycle, height = _cycle(step, steps, cycles)
    return mirrored(height * 0.5**cycle, max_lr / div_factor, max_lr, momentum, min_momentum)


def exp_range(
    step: int,
    *,
    steps: int,
    max_lr: float,
    div_factor: float = 10.0,
    cycles: int = 1,
    exp_range_gamma: float = 0.99994,
    momentum: float = MOMENTUM,
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
    return mirrored(height * amplitude, max_lr / div_factor, max_lr, momentum, min_momentum)


def _height(done: float, peak_fraction: float) -> float:
    """Height in [0, 1] after the fraction `done` of a cycle that peaks at peak_fraction."""
    if peak_fraction == 0.5:
        return triangle(done)  # the general formula rounds differently
    return done / peak_fraction if done < peak_fraction else (1 - done) / (1 - peak_fraction)


def _cycle(step: int, steps: int, cycles: int) -> tuple[int, float]:
    """Number of completed cycles, and the triangle's height in the current one."""
    # In integers, because a rounded quotient can start a cycle one step late.
    completed, into = divmod(step * cycles, steps)
    return completed, triangle(into / steps)
