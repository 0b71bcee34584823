"""Claims on the batch size: the ICLR submission of 1708.07120, table 5, and v3, figure 5.

The study compares batch sizes at equal iterations, at equal epochs and at equal time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    Verdict,
    all_of,
    of_equality,
    of_sign,
    per_replicate,
    points,
    slope_interval,
)
from superconv_ray.analysis.statistics.intervals import Interval

COMPARED = 3
"""Least number of batch sizes that share what is held equal."""


def batch_size(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether accuracy grows with the batch size, whatever is held equal."""
    return _of_slopes(trials, of_sign)


def generalization_gap(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether train minus test accuracy is constant, up to half a point per tenfold batch."""
    gap = trials["train_accuracy"] - trials["test_accuracy"]
    return _of_slopes(trials.assign(test_accuracy=gap), of_equality)


def _of_slopes(trials: pd.DataFrame, of: Callable[[Interval], Verdict]) -> Judgement:
    table = per_replicate(trials, ["batch_size", "steps"])["one_cycle"]
    labels = int(trials["data_count"].dropna().iloc[0])
    slopes = {
        what: slope_interval(table[list(pairs)], [float(size) for size, _ in pairs])
        for what, pairs in held_equal(table.columns, labels).items()
    }
    said = ", ".join(f"{points(slope)} at equal {what}" for what, slope in slopes.items())
    return Judgement(
        f"for a tenfold batch: {said}", all_of([of(slope) for slope in slopes.values()])
    )


def held_equal(pairs: pd.MultiIndex, labels: int) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Tell from its lengths what each comparison of batch sizes holds equal.

    Args:
        pairs: Every batch size with every number of steps that it was run for.
        labels: Number of training samples.

    Returns:
        The pairs of equal "iterations", of equal "epochs" (rounded), and the others, of "time".
    """
    frame = pairs.to_frame(index=False).assign(pair=list(pairs))
    frame["epochs"] = (frame["batch_size"] * frame["steps"] / labels).round()
    iterations = frame.groupby("steps")["pair"].transform("size") >= COMPARED
    epochs = ~iterations & (frame.groupby("epochs")["pair"].transform("size") >= COMPARED)
    parts = {"iterations": iterations, "epochs": epochs, "time": ~iterations & ~epochs}
    return {what: tuple(frame.loc[rows, "pair"]) for what, rows in parts.items() if rows.any()}
