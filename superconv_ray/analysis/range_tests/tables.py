"""LR range tests as tables: frames in, frames out.

A *group* is one range test with its replicates, which differ only in their seeds. Accuracies are
those with re-estimated BN statistics, smoothed and averaged over replicates as described in
`superconv_ray.analysis.range_tests.reading`. A replicate that diverged counts as accuracy 0 from
there on.

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
from superconv_ray.analysis.range_tests.advice import judge, read
from superconv_ray.analysis.range_tests.frames import RangeTest, range_tests
from superconv_ray.analysis.range_tests.reading import (
    accuracy_peak,
    finite_part,
    rise_point,
    slow_point,
    smoothed_accuracy,
    three_digits,
)
from superconv_ray.analysis.statistics.intervals import SEED

SMITH = "Smith 2017, arXiv 1506.01186, section 3.3"
FASTAI = "fastai lr_find"
LIGHTNING = "Lightning lr_find"
RULES = {
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
        One row per group. Columns: `by`; labels; seeds; peak_accuracy, peak_lr (Smith's max_lr) and
        its bootstrap interval over seeds, low to high; plateau_low, plateau_high, plateau_decades
        (the rates around the peak with at least 95 % of its accuracy); diverged (number of seeds)
        and divergence_lr (the lowest rate at which one did); regularization_low,
        regularization_high, train_loss_change and held_out_loss_change (the widest interval over
        which training loss rises while held-out loss falls, and both changes); verdict; advice.
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
    reading = read(test, generator)
    verdict, advice = judge(test, reading)
    regular = reading.regularization
    return {
        "labels": test.labels,
        "seeds": len(test.accuracies),
        "peak_accuracy": reading.peak_accuracy,
        "peak_lr": three_digits(reading.peak_lr),
        "low": three_digits(reading.interval.low),
        "high": three_digits(reading.interval.high),
        "plateau_low": three_digits(reading.plateau.low),
        "plateau_high": three_digits(reading.plateau.high),
        "plateau_decades": reading.plateau.decades,
        "diverged": int(np.isfinite(test.divergence).sum()),
        "divergence_lr": three_digits(reading.divergence_lr),
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
        One row per group and rate > 0. Columns: `by`, labels, lr, accuracy, smoothed_accuracy,
        train_loss, held_out_loss. Losses are NaN from the first rate on at which a seed diverged.

    Raises:
        ValueError: As `range_test_table`.
    """
    frames = []
    for key, test in range_tests(curves, by):
        if test.reached:
            rates, smoothed = smoothed_accuracy(test.rates, test.accuracy)
            columns = {
                "labels": test.labels,
                "lr": rates,
                "accuracy": test.accuracy[test.positive],
                "smoothed_accuracy": smoothed,
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
    rates, smoothed = smoothed_accuracy(test.rates, test.accuracy)
    slow = slow_point(rates, test.accuracy[test.positive], smoothed)
    return {
        "accuracy_peak": (accuracy_peak([(test.rates, test.accuracy)]), ""),
        "accuracy_slows": (slow.lr, f"accuracy {slow.sign}"),
        "accuracy_rises": (rise_point(rates, smoothed), ""),
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
