"""Intervals that hold although you look at the data repeatedly. Needs only numpy and scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.statistics.intervals import (
    CONFIDENCE,
    DECIMALS,
    Interval,
    check_confidence,
    mean_interval,
)


def confidence_per_look(looks: int, confidence: float = CONFIDENCE) -> float:
    """Coverage of each look's interval that makes all looks hold together at `confidence`.

    The chance of an error is divided equally among the looks. By Bonferroni's inequality, the
    chance that any look errs is at most the sum of these parts, however the looks depend on each
    other and whatever the rule to stop.

    Args:
        looks: Largest number of looks, fixed before the first one; at least 1.
        confidence: Coverage of all looks together, in (0, 1).

    Raises:
        ValueError: Fewer than one look, or an impossible confidence.
    """
    if looks < 1:
        raise ValueError(f"looks must be >= 1, got {looks}")
    check_confidence(confidence)
    return 1 - (1 - confidence) / looks


def sequential_interval(
    values: npt.ArrayLike, looks: int, confidence: float = CONFIDENCE
) -> Interval:
    """Student's t interval at one of several looks, valid whenever you stop.

    The chance that any look misses the mean is at most 1 - `confidence`: this is alpha spending in
    equal Bonferroni parts (Lan & DeMets 1983, Biometrika 70, 659-663). Like Student's interval it
    assumes independent normal values.

    Args:
        values: Shape [n], the finite values at this look.
        looks: Number of looks that were planned; you may take fewer.
        confidence: Coverage of all looks together, in (0, 1).

    Raises:
        ValueError: As `mean_interval`, or fewer than one look.
    """
    return mean_interval(values, confidence_per_look(looks, confidence))


def sign_decided(
    gaps: npt.ArrayLike, *, at_least: int, up_to: int, confidence: float = CONFIDENCE
) -> bool:
    """Whether the sign of a mean is decided, with a look after each value from `at_least` on.

    If the mean is 0 and the values are as `sequential_interval` assumes, the chance that any look
    returns True is at most 1 - `confidence`. Equal values decide nothing: accuracies on few samples
    are equal by chance too often.

    Args:
        gaps: Shape [n], the finite values at this look, such as paired gaps of two arms.
        at_least: Number of values at the first look, at least 2.
        up_to: Number of values at the last look.
        confidence: As for `sequential_interval`.

    Raises:
        ValueError: As `sequential_interval`, or impossible numbers of values.
    """
    if at_least < 2:
        raise ValueError(f"at_least must be >= 2, one value has no interval, got {at_least}")
    if up_to < at_least:
        raise ValueError(f"up_to must be >= at_least ({at_least}), got {up_to}")
    values = np.asarray(gaps, dtype=np.float64).round(DECIMALS)
    interval = sequential_interval(values, up_to - at_least + 1, confidence)
    if interval.n > up_to:
        raise ValueError(f"gaps must be at most up_to ({up_to}), got {interval.n}")
    if interval.n < at_least or values.min() == values.max():
        return False
    return interval.low > 0 or interval.high < 0
