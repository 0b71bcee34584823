"""From frames to arrays: the replicates of one LR range test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import CURVES, require_columns
from superconv_ray.analysis.range_tests.reading import NO_INTERVAL, measured_rows
from superconv_ray.analysis.range_tests.robust import robust_accuracy
from superconv_ray.analysis.range_tests.scores import with_scores
from superconv_ray.analysis.range_tests.top import Top, read_top
from superconv_ray.analysis.statistics.intervals import Floats

LABELS = ("validation", "test")


def join_range_tests(trials: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Join the curve rows of range tests with their trial's status and settings.

    Where the metric is not accuracy, the re-estimated accuracies are scores made from the metric;
    see `range_test_scores`.

    Args:
        trials: As from ``open_store(...).trials(...)``.
        curves: As from ``open_store(...).curves(...)``.

    Raises:
        TypeError: An argument is no frame.
        ValueError: A column is missing.
    """
    require_columns(trials, ["trial_id", "kind", "status"])
    require_columns(curves, ["trial_id", "step", "lr", "train_loss"], "curves", CURVES)
    own = [name for name in trials.columns if name == "trial_id" or name not in curves.columns]
    tests = trials.loc[trials["kind"] == "range_test", own]
    return with_scores(curves.astype({"trial_id": str}).merge(tests, on="trial_id", how="inner"))


@dataclass(frozen=True)
class RangeTest:
    """The replicates of one range test, as matrices of shape [replicates, points].

    After a replicate diverged its accuracies are 0 and its losses NaN. `lost` [replicates] holds
    the rate at which the divergence was noticed, NaN for replicates that ran to the end.
    """

    labels: str
    rates: Floats
    accuracies: Floats
    train_losses: Floats
    held_out_losses: Floats
    lost: Floats

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """Points with a learning rate > 0, shape [points]."""
        return self.rates > 0

    @property
    def reached(self) -> bool:
        """Whether an accuracy was measured at a learning rate > 0."""
        return bool(self.positive.any() and self.accuracies.any())

    @cached_property
    def accuracy(self) -> Floats:
        """Mean over replicates, shape [points]."""
        return np.asarray(self.accuracies.mean(axis=0))

    @cached_property
    def train_loss(self) -> Floats:
        """Mean over replicates, shape [points]; NaN from the first divergence on."""
        return np.asarray(self.train_losses.mean(axis=0))

    @cached_property
    def held_out_loss(self) -> Floats:
        """Mean over replicates, shape [points]; NaN from the first divergence on."""
        return np.asarray(self.held_out_losses.mean(axis=0))

    @cached_property
    def robust(self) -> Floats:
        """Mean over replicates without its spikes, shape [points]; see `robust_accuracy`."""
        return robust_accuracy(self.accuracies)

    @cached_property
    def top(self) -> Top:
        """Peak, plateau, collapse and recommended max_lr; NaN if no accuracy was `reached`."""
        if not self.reached:
            return Top(math.nan, math.nan, NO_INTERVAL, self.lost, math.nan)
        return read_top(self.rates, self.accuracies, self.lost)


def range_tests(
    curves: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[dict[str, Any], RangeTest]]:
    """Yield every group's values of `by` and its range test.

    Raises:
        ValueError: No row; a missing column; or a group whose rows are not one range test.
    """
    needed = ["trial_id", "step", "lr", "train_loss", "status", *by]
    require_columns(curves, needed, "curves", "join_range_tests(trials, curves)")
    if curves.empty:
        raise ValueError("curves must have at least one row of a range test, got none")
    once = curves.drop_duplicates([*by, "trial_id", "step"]).sort_values("step")
    groups = once.groupby(list(by), dropna=False) if by else [((), once)]
    for values, group in groups:
        key = dict(zip(by, values, strict=True))
        try:
            yield key, _range_test(group)
        except ValueError as error:
            where = ", ".join(f"{name}={value}" for name, value in key.items())
            placed = ValueError(f"{where}: {error}" if where else str(error))
            raise placed.with_traceback(error.__traceback__) from None  # which tells who raised it


def _range_test(group: pd.DataFrame) -> RangeTest:
    """The range test of one group's rows, which are sorted by step."""
    labels = _labels(group)
    columns = ["lr", f"{labels}_accuracy_reestimated", "train_loss", f"{labels}_loss"]
    runs: list[Floats] = []
    lost = []
    for _, run in group.groupby("trial_id", sort=False, observed=True):
        diverged = bool((run["status"] == "diverged").iloc[0])
        rows = run[columns].to_numpy(np.float64, na_value=np.nan)
        runs.append(measured_rows(rows, diverged=diverged))
        lost.append(rows[-1, 0] if diverged else np.nan)
    matrices = np.full((len(columns), len(runs), max(map(len, runs))), np.nan)
    for replicate, rows in enumerate(runs):
        matrices[:, replicate, : len(rows)] = rows.T
    lr, accuracies, train_losses, held_out_losses = matrices
    rates = lr[np.isfinite(lr).sum(axis=1).argmax()]
    if not (np.isnan(lr) | (lr == rates)).all():
        raise ValueError(
            "replicates of a range test must share their learning rates; add to by the columns in "
            "which these tests differ"
        )
    return RangeTest(
        labels=labels,
        rates=rates,
        accuracies=np.nan_to_num(accuracies),
        train_losses=train_losses,
        held_out_losses=held_out_losses,
        lost=np.array(lost),
    )


def _labels(group: pd.DataFrame) -> str:
    measured = [
        labels
        for labels in LABELS
        if {f"{labels}_loss", f"{labels}_accuracy_reestimated"} <= set(group.columns)
        and group[f"{labels}_accuracy_reestimated"].notna().any()
    ]
    if len(measured) != 1:
        raise ValueError(
            "a range test must be measured on validation labels or on test labels, got "
            + (" and ".join(measured) or "neither")
        )
    return measured[0]
