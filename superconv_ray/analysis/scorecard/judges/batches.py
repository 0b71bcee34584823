"""Claims on the batch size: the ICLR submission of 1708.07120, table 5, and v3, figure 5.

The study compares batch sizes at equal iterations, at equal epochs and at equal time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import PerSeed, of_arm, per_replicate, slope
from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    Verdict,
    all_of,
    of_equality,
    of_sign,
    points,
)
from superconv_ray.analysis.statistics.intervals import Interval

COMPARED = 3
"""Least number of batch sizes that share what is held equal."""


def batch_size(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether accuracy grows with the batch size, whatever is held equal."""
    return _of_slopes(trials, _accuracies(trials), of_sign)


def generalization_gap(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether train minus test accuracy is constant, up to half a point per tenfold batch."""
    test, train = _accuracies(trials), _accuracies(trials, "train_accuracy")
    samples = {
        pair: None if own.by_sample is None else own.by_sample.shape[1]
        for pair, own in test.items()
    }
    gaps = {pair: train[pair].certain(samples[pair]) - own for pair, own in test.items()}
    return _of_slopes(trials, gaps, of_equality)


def _accuracies(
    trials: pd.DataFrame, value: str = "test_accuracy"
) -> Mapping[tuple[int, int], PerSeed]:
    """Accuracies of 1cycle by batch size and steps."""
    return of_arm(per_replicate(trials, ["batch_size", "steps"], value), "one_cycle")


def _of_slopes(
    trials: pd.DataFrame,
    table: Mapping[tuple[int, int], PerSeed],
    of: Callable[[Interval], Verdict],
) -> Judgement:
    labels = int(trials["data_count"].dropna().iloc[0])
    slopes = {
        what: slope([table[pair] for pair in pairs], [float(size) for size, _ in pairs]).interval()
        for what, pairs in held_equal(list(table), labels).items()
    }
    said = ", ".join(f"{points(slope)} at equal {what}" for what, slope in slopes.items())
    return Judgement(
        f"for a tenfold batch: {said}", all_of([of(slope) for slope in slopes.values()])
    )


def held_equal(
    pairs: Sequence[tuple[int, int]], labels: int
) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Tell from its lengths what each comparison of batch sizes holds equal.

    Args:
        pairs: Every batch size with every number of steps that it was run for.
        labels: Number of training samples.

    Returns:
        The pairs of equal "iterations", of equal "epochs" (rounded), and the others, of "time".
    """
    sizes, steps = zip(*pairs, strict=True)
    frame = pd.DataFrame({"batch_size": sizes, "steps": steps, "pair": pairs})
    frame["epochs"] = (frame["batch_size"] * frame["steps"] / labels).round()
    iterations = frame.groupby("steps")["pair"].transform("size") >= COMPARED
    epochs = ~iterations & (frame.groupby("epochs")["pair"].transform("size") >= COMPARED)
    parts = {"iterations": iterations, "epochs": epochs, "time": ~iterations & ~epochs}
    return {what: tuple(frame.loc[rows, "pair"]) for what, rows in parts.items() if rows.any()}
