"""The claim that large learning rates find flat minima: 1708.07120v3's explanation.

The study has 1cycle with a large rate (one_cycle) and with a tenth of it (small_rate), at several
budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import PerSeed, of_arm, per_replicate
from superconv_ray.analysis.scorecard.judgement import Judgement, all_of, negative, of_sign
from superconv_ray.analysis.statistics.intervals import Floats, Interval
from superconv_ray.design.text import interval_text

ARMS = ("one_cycle", "small_rate")
MEASURES = {"hessian_max": "largest eigenvalue", "hessian_max_relative": "for relative changes"}
"""Columns of the trials, in words. Only the second does not depend on the scale of the weights."""
PLACES = 21
"""Training losses at which the arms are compared."""


def flat_minima(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether a large rate ends flatter than a small one at equal training loss, by both measures.

    The curvature of cross-entropy falls with the loss, and a large rate learns faster. So each
    seed's budgets are a curve of log curvature over log training loss, a straight line between
    neighboring losses. Arms are compared over the losses that all seeds of both arms reach.
    """
    losses = {arm: _logs(trials, arm, "train_loss") for arm in ARMS}
    least = max(own.min(axis=1).max() for own in losses.values())
    most = min(own.max(axis=1).min() for own in losses.values())
    if not least < most:
        raise ValueError("the arms reach no training loss in common")
    places = np.linspace(least, most, PLACES)
    said, verdicts = [], []
    for column, words in MEASURES.items():
        large, small = (_at(places, losses[arm], _logs(trials, arm, column)) for arm in ARMS)
        ratio = PerSeed((large - small).mean(axis=1)).interval()
        said.append(f"{words} {_times(ratio)}")
        verdicts.append(of_sign(negative(ratio)))
    at_equal_steps = _times(_at_equal_steps(trials))
    return Judgement(
        f"a large rate's over a small one's, at equal training loss ({np.exp(least):.2g} to "
        f"{np.exp(most):.2g}): {', '.join(said)}; at equal steps {at_equal_steps}",
        all_of(verdicts),
    )


def _logs(trials: pd.DataFrame, arm: str, column: str) -> Floats:
    """Logarithms of a column of an arm, shape [replicates, budgets].

    Raises:
        ValueError: A value is not above 0, and so has no logarithm.
    """
    table: Mapping[Any, PerSeed] = of_arm(per_replicate(trials, ["steps"], column), arm)
    values = np.stack([own.values for own in table.values()], axis=1)
    if not (values > 0).all():
        raise ValueError(f"{column} must be > 0 to be compared, got {values.min():g} of arm {arm}")
    return np.log(values)


def _at(places: Floats, losses: Floats, curvatures: Floats) -> Floats:
    """Each replicate's curvatures at these losses, shape [replicates, places]."""
    orders = losses.argsort(axis=1)
    rows = zip(losses, curvatures, orders, strict=True)
    return np.stack([np.interp(places, loss[o], own[o]) for loss, own, o in rows])


def _at_equal_steps(trials: pd.DataFrame) -> Interval:
    """Mean log ratio of the largest eigenvalues over all budgets."""
    large, small = (_logs(trials, arm, "hessian_max") for arm in ARMS)
    return PerSeed((large - small).mean(axis=1)).interval()


def _times(ratio: Interval) -> str:
    mean, low, high = np.exp(ratio[:3])
    return f"{interval_text(mean, low, high, '.2f')} times"
