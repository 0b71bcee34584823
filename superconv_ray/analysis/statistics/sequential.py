"""Intervals that hold although you look at the data repeatedly. Needs only numpy and scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.statistics.intervals import CONFIDENCE, DECIMALS, mean_interval


def confidence_per_look(looks: int) -> float:
    """Coverage of each look's interval that makes all looks hold together at 95 %.

    The chance of an error is divided equally among the looks: this is alpha spending in equal
    Bonferroni parts (Lan & DeMets 1983, Biometrika 70, 659-663). By Bonferroni's inequality, the
    chance that any look errs is at most the sum of these parts, however the looks depend on each
    other and whatever the rule to stop.

    Args:
        looks: Largest number of looks, fixed before the first one; at least 1.

    Raises:
        ValueError: Fewer than one look.
    """
    if looks < 1:
        raise ValueError(f"looks must be >= 1, got {looks}")
    return 1 - (1 - CONFIDENCE) / looks


def sign_decided(gaps: npt.ArrayLike, *, at_least: int, up_to: int) -> bool:
    """Whether the sign of a mean is decided, with a look after each value from `at_least` on.

    If the mean is 0 and the values are independent and normal, the chance that any look returns
    True is at most 5 %. Equal values decide nothing: accuracies on few samples are equal by chance
    too often.

    Args:
        gaps: Shape [n], the finite values at this look, such as paired gaps of two arms.
        at_least: Number of values at the first look, at least 2; see `AtLeast`, which checks it.
        up_to: Number of values at the last look.

    Raises:
        ValueError: As `mean_interval`.
    """
    values = np.asarray(gaps, dtype=np.float64).round(DECIMALS)
    interval = mean_interval(values, confidence_per_look(up_to - at_least + 1))
    if interval.n < at_least or values.min() == values.max():
        return False
    return interval.low > 0 or interval.high < 0
