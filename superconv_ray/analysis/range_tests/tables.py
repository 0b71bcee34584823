"""LR range tests as tables: frames in, frames out.

A *group* is one range test with its replicates, which differ only in their seeds. Accuracies are
those with re-estimated BN statistics, without their spikes and averaged over replicates as
described in `superconv_ray.analysis.range_tests.robust`. A replicate that diverged counts as
accuracy 0 from there on.

A group that has held-out labels is read on them (`labels` is "validation"): use it to choose
max_lr. The others are read on test labels ("test"): compare them with a published figure, but do
not choose by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.range_tests import lr_rules
from superconv_ray.analysis.range_tests.advice import judge
from superconv_ray.analysis.range_tests.frames import RangeTest, range_tests
from superconv_ray.analysis.range_tests.noise import read_noise
from superconv_ray.analysis.range_tests.reading import (
    finite_part,
    regularization,
    rise_point,
    slow_point,
    smooth,
    smoothing_window,
    three_digits,
)
from superconv_ray.analysis.statistics.intervals import SEED

OWN = "superconv_ray (docs/statistics.md)"
SMITH = "Smith 2017, arXiv 1506.01186, section 3.3"
FASTAI = "fastai lr_find"
LIGHTNING = "Lightning lr_find"
RULES = {
    "plateau_middle": OWN,
    "accuracy_peak": SMITH,
    "accuracy_slows": SMITH,
    "accuracy_rises": SMITH,
    "valley": FASTAI,
    "slide": FASTAI,
    "steep": FASTAI,
    "minimum": FASTAI,
    "steepest_gradient": LIGHTNING,
}
"""Every rule of `suggestions`, and its source."""


def range_test_table(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Summarize every group of range tests in numbers and words.

    Args:
        curves: From `join_range_tests`.
        by: Columns that distinguish groups, such as ``["dataset", "data_count"]``.

    Returns:
        One row per group. Columns: `by`; labels; seeds; max_lr (the recommended rate, which a
        study's trainings use); peak_accuracy, peak_lr and its 95 % interval, low to high;
        plateau_low, plateau_high, plateau_ratio, plateau_decades (from the first to the last rate
        with at least 95 % of the peak's accuracy), share_inside (of the measured accuracies
        between them, how many are that high) and raggedness (their mean distance from the robust
        curve, as a fraction); collapsed (number of seeds) and collapse_lr (the lowest rate at which
        one collapsed or diverged); regularization_low, regularization_high, train_loss_change and
        held_out_loss_change (the widest interval over which training loss rises while held-out loss
        falls, and both changes); verdict; advice.
        Rates have three digits. A value that the test does not give is NaN, and `advice` says why.

    Raises:
        ValueError: No row; a missing column; or `by` does not distinguish tests with different
            rates or labels.
    """
    generator = np.random.default_rng(SEED)
    rows = [{**key, **_row(test, generator)} for key, test in range_tests(curves, by)]
    return pd.DataFrame(rows)


def _row(test: RangeTest, generator: np.random.Generator) -> dict[str, Any]:
    """A row of `range_test_table`, without its key."""
    top, noise = test.top, read_noise(test, generator)
    regular = regularization(test.rates, test.train_loss, test.held_out_loss)
    verdict, advice = judge(test, noise)
    return {
        "labels": test.labels,
        "seeds": len(test.accuracies),
        "max_lr": top.max_lr,
        "peak_accuracy": top.peak_accuracy,
        "peak_lr": three_digits(top.peak_lr),
        "low": three_digits(noise.peak.low),
        "high": three_digits(noise.peak.high),
        "plateau_low": three_digits(top.plateau.low),
        "plateau_high": three_digits(top.plateau.high),
        "plateau_ratio": top.plateau.ratio,
        "plateau_decades": top.plateau.decades,
        "share_inside": noise.share_inside,
        "raggedness": noise.raggedness,
        "collapsed": int(np.isfinite(top.collapses).sum()),
        "collapse_lr": three_digits(top.collapse_lr),
        "regularization_low": three_digits(regular.low),
        "regularization_high": three_digits(regular.high),
        "train_loss_change": regular.train_loss_change,
        "held_out_loss_change": regular.held_out_loss_change,
        "verdict": verdict,
        "advice": advice,
    }


def mean_curves(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """The curves that `range_test_table` reads: means over seeds.

    Args:
        curves: From `join_range_tests`.
        by: Columns that distinguish groups.

    Returns:
        One row per group and rate > 0. Columns: `by`, labels, lr, accuracy, robust_accuracy,
        train_loss, held_out_loss. Losses are NaN from the first rate on at which a seed diverged.

    Raises:
        ValueError: As `range_test_table`.
    """
    frames = []
    for key, test in range_tests(curves, by):
        if test.reached:
            columns = {
                "labels": test.labels,
                "lr": test.rates[test.positive],
                "accuracy": test.accuracy[test.positive],
                "robust_accuracy": test.robust[test.positive],
                "train_loss": test.train_loss[test.positive],
                "held_out_loss": test.held_out_loss[test.positive],
            }
            frames.append(pd.DataFrame({**key, **columns}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def suggestions(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """The learning rates that all known rules suggest, side by side.

    fastai's and Lightning's rules read the training loss averaged over seeds, up to the first
    divergence. Each point is the mean over the batches since the point before; the originals have a
    point per batch. As in the originals, some points at both ends are left out.

    Args:
        curves: From `join_range_tests`.
        by: Columns that distinguish groups.

    Returns:
        One row per group and rule. Columns: `by`, rule, lr (NaN if the rule finds none), sets
        ("max_lr" or "min_lr"), source, note.

    Raises:
        ValueError: As `range_test_table`.
    """
    rows = []
    for key, test in range_tests(curves, by):
        found = _suggest(test)
        for rule, source in RULES.items():
            bound = "min_lr" if rule == "accuracy_rises" else "max_lr"
            lr, note = found.get(rule, (math.nan, "nothing was measured"))
            rows.append(
                {**key, "rule": rule, "lr": lr, "sets": bound, "source": source, "note": note}
            )
    return pd.DataFrame(rows)


def _suggest(test: RangeTest) -> dict[str, tuple[float, str]]:
    """Rate and note of every rule; empty if nothing was measured."""
    if not test.reached:
        return {}
    rates, robust = test.rates[test.positive], test.robust[test.positive]
    # The robust curve has steps, which have no slope.
    smoothed = smooth(robust, smoothing_window(len(robust)))
    slow = slow_point(rates, test.accuracy[test.positive], smoothed)
    return {
        "plateau_middle": (test.top.max_lr, ""),
        "accuracy_peak": (three_digits(test.top.peak_lr), ""),
        "accuracy_slows": (slow.lr, f"accuracy {slow.sign}"),
        "accuracy_rises": (rise_point(rates, robust), ""),
        **_suggest_by_loss(test),
    }


def _suggest_by_loss(test: RangeTest) -> dict[str, tuple[float, str]]:
    rates, losses = finite_part(test.rates[test.positive], test.train_loss[test.positive])
    fastai = slice(len(rates) // lr_rules.FASTAI_SKIP_BEGIN, -lr_rules.FASTAI_SKIP_END)
    lightning = slice(lr_rules.LIGHTNING_SKIP_BEGIN, -lr_rules.LIGHTNING_SKIP_END)
    rules = {
        lr_rules.valley: fastai,
        lr_rules.slide: fastai,
        lr_rules.steep: fastai,
        lr_rules.minimum: fastai,
        lr_rules.steepest_gradient: lightning,
    }
    found = {rule.__name__: rule(rates[part], losses[part]) for rule, part in rules.items()}
    return {
        name: (rate, "the curve is too short" if math.isnan(rate) else "")
        for name, rate in found.items()
    }
