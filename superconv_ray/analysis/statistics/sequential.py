"""Intervals that stay valid although one looks after every seed; needs numpy and scipy only."""

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
    """Coverage that every look's interval needs, for all looks to hold together at `confidence`.

    The chance of error is spent on the looks in equal parts. By Bonferroni's inequality the chance
    that any of them errs is at most the sum of the parts, however the looks depend on each other
    and whatever made one stop.

    Args:
        looks: Largest number of looks, fixed before the first; at least 1.
        confidence: Coverage of all looks together, in (0, 1).

    Raises:
        ValueError: Less than one look, or no such confidence.
    """
    if looks < 1:
        raise ValueError(f"looks must be >= 1, got {looks}")
    check_confidence(confidence)
    return 1 - (1 - confidence) / looks


def sequential_interval(
    values: npt.ArrayLike, looks: int, confidence: float = CONFIDENCE
) -> Interval:
    """Student's t interval at one of several looks, valid at whichever look one stops.

    It assumes what Student's interval assumes of a fixed number of values: independent and normal.
    The chance that any of the looks misses the mean is at most 1 - `confidence`: a Bonferroni form
    of alpha spending (Lan & DeMets 1983, Biometrika 70, 659-663).

    Args:
        values: Shape [n], the finite values there are at this look.
        looks: How many looks were planned; fewer may be taken.
        confidence: Coverage of all looks together, in (0, 1).

    Raises:
        ValueError: As `mean_interval`, or less than one look.
    """
    return mean_interval(values, confidence_per_look(looks, confidence))


def sign_decided(
    gaps: npt.ArrayLike, *, at_least: int, up_to: int, confidence: float = CONFIDENCE
) -> bool:
    """Whether a mean's sign is known, looking after every value from `at_least` to `up_to`.

    If the mean is 0 and the values are as `sequential_interval` assumes, the chance of an answer
    yes at any of the looks is at most 1 - `confidence`. Values without any spread decide nothing:
    a few accuracies on few samples are equal by chance more often than that.

    Args:
        gaps: Shape [n], the finite values there are at this look, such as paired gaps of two arms.
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
