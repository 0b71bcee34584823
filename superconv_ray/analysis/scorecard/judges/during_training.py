"""Claims on what happens during a training, judged by learning curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from superconv_ray.analysis.frames import REPLICATE
from superconv_ray.analysis.scorecard.judgement import (
    DOES_NOT_HOLD,
    Judgement,
    all_of,
    negative,
    of_sign,
)
from superconv_ray.analysis.statistics.intervals import Interval, mean_interval
from superconv_ray.design.text import interval_text

QUARTER, END = (0.2, 0.3), (0.9, 1.0)
"""Parts of a ramp whose losses are compared."""


def regularization_by_lr(trials: pd.DataFrame, curves: pd.DataFrame) -> Judgement:
    """Changes of training and test loss from a quarter of the ramp of rates to its end."""
    runs = _runs(trials, curves)
    share = runs["lr"] / runs["max_lr"]
    losses = ["train_loss", "test_loss"]
    early, late = (
        runs[share.between(*part)].groupby(REPLICATE)[losses].mean() for part in (QUARTER, END)
    )
    changes = (late - early).dropna()
    lost = len(early) - len(changes)
    if changes.empty:
        return Judgement(
            f"diverged before the end of the ramp in all of {lost} runs", DOES_NOT_HOLD
        )
    train, test = (mean_interval(changes[name]) for name in losses)
    said = f"training loss {_signed(train)}, test loss {_signed(test)}, over the ramp"
    if lost:
        said += f"; {lost} of {len(early)} runs diverged"
    return Judgement(said, all_of([of_sign(train), of_sign(negative(test))]))


def hessian_free(trials: pd.DataFrame, curves: pd.DataFrame) -> Judgement:
    """Estimates of a cycle against those of a small constant rate, halfway and at the end."""
    runs = _runs(trials, curves)
    estimate = "hessian_free_lr_smoothed"
    said, verdicts = [], []
    for place, share in (("halfway", 0.5), ("at the end", 1.0)):
        found = _at(runs, share, estimate)
        ratio = mean_interval(np.log(found["one_cycle"] / found["constant_0.1"]))
        mean, low, high = np.exp(ratio[:3])
        times = interval_text(mean, low, high, ".1f")
        said.append(f"{times} times that of a constant 0.1 {place}")
        verdicts.append(of_sign(ratio))
    return Judgement("; ".join(said), all_of(verdicts))


def _runs(trials: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Rows of the curves of all trainings, with what identifies their runs."""
    trainings = trials.loc[
        trials["role"] == "training", ["trial_id", "arm", "max_lr", "steps", *REPLICATE]
    ]
    own = trainings.astype({"trial_id": str})
    return own.merge(curves.astype({"trial_id": str}), on="trial_id")


def _at(runs: pd.DataFrame, share: float, value: str) -> pd.DataFrame:
    """A value at a share of every run, as [replicates, arms]."""
    distance = (runs["step"] - share * runs["steps"]).abs()
    rows = runs.loc[distance.astype(float).groupby(runs["trial_id"]).idxmin()]
    table: pd.DataFrame = rows.pivot_table(index=REPLICATE, columns="arm", values=value).dropna()
    return table


def _signed(found: Interval) -> str:
    return interval_text(found.mean, found.low, found.high, "+.3f")
