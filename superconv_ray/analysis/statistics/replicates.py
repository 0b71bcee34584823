"""What every analysis starts from: finished trainings, and an arm's replicates as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from superconv_ray.analysis.statistics.intervals import RESAMPLES, Floats, check_confidence
from superconv_ray.design.text import did_you_mean

REPLICATE = ["seed", "subset_seed"]
"""Columns that tell replicates apart: runs that share them are a pair."""


def finished_trainings(trials: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Every training once an arm and point, also if cells of the study share it.

    Args:
        trials: As from ``open_store(...).trials(study)``; range tests are left out.
        by: Columns that tell points apart; lists in them become tuples.
        value: The column measured.

    Raises:
        ValueError: There is no such column, or a training's `value` is not finite.
    """
    for field, name in [*(("by", name) for name in by), ("value", value)]:
        if name not in trials:
            hint = did_you_mean(name, trials.columns)
            raise ValueError(f"{field} must be of the trials' columns, got {name!r}{hint}")
    found = trials[trials["role"] == "training"].copy()
    lacking = found[~np.isfinite(found[value].to_numpy(np.float64, na_value=np.nan))]
    if len(lacking):
        raise ValueError(
            f"{value} must be finite in every training, got {lacking[value].iloc[0]} in trial "
            f"{lacking['trial_id'].iloc[0]} of arm {lacking['arm'].iloc[0]!r}"
        )
    for name in by:
        if found[name].dtype == object:  # milestones come from Parquet as arrays
            found[name] = found[name].map(
                lambda v: tuple(v) if isinstance(v, (list, np.ndarray)) else v
            )
    return found.drop_duplicates([*by, "arm", "trial_id"])


def require_arms(found: pd.DataFrame, arms: Iterable[str]) -> None:
    """Raise ValueError, naming the arms that there are, if one has no training."""
    for name in arms:
        if name not in set(found["arm"]):
            known = ", ".join(map(repr, sorted(set(found["arm"])))) or "none"
            raise ValueError(f"no finished training of arm {name!r}; there are: {known}")


def require_distinct(found: pd.DataFrame, by: Sequence[str]) -> None:
    """Raise ValueError if `by` puts runs of one arm that differ into one place."""
    place = [*by, *REPLICATE]
    for arm, own in found.groupby("arm", sort=True):
        if own.duplicated(place).any():
            raise ValueError(
                f"by must tell points apart, but arm {arm!r} has several trainings with the same "
                f"{', '.join(place)}"
            )


def placed(rows: pd.DataFrame, names: Sequence[str], values: Sequence[object]) -> pd.DataFrame:
    """Rows of one point, with the columns that tell which; a value may be a tuple."""
    columns = {name: [value] * len(rows) for name, value in zip(names, values, strict=True)}
    return pd.concat([pd.DataFrame(columns, index=rows.index), rows], axis=1)


def over_seeds(found: pd.DataFrame, setting: str, value: str) -> tuple[Floats, Floats]:
    """A grid of a numeric setting in ascending order, and `value` as [replicates, grid].

    Averaged over all else that the trainings differ in.

    Raises:
        ValueError: Some of the grid was run with other replicates.
    """
    table = found.pivot_table(index=REPLICATE, columns=setting, values=value)
    if table.isna().any(axis=None):
        raise ValueError(f"every {setting} must be run with the same seeds")
    return table.columns.to_numpy(np.float64), table.to_numpy(np.float64)


def resampled(replicates: int, seed: int) -> npt.NDArray[np.int64]:
    """Indices of replicates drawn with replacement, shape [draws, replicates]."""
    return np.random.default_rng(seed).integers(replicates, size=(RESAMPLES, replicates))


@dataclass(frozen=True)
class Curve:
    """What an arm's replicates measured along one axis of the design."""

    axis: Floats
    """Shape [points], ascending: steps, or labels."""
    values: Floats
    """Shape [points, replicates], NaN where a replicate was not run; every point has one."""
    diverged: npt.NDArray[np.int64]
    """Shape [points]: runs that diverged; they count with what they measured."""

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Replicates a point, shape [points]."""
        return np.asarray(np.isfinite(self.values).sum(axis=1))

    @cached_property
    def means(self) -> Floats:
        """Mean over replicates, shape [points]."""
        return np.asarray(np.nanmean(self.values, axis=1))

    @cached_property
    def lost(self) -> npt.NDArray[np.bool_]:
        """Points at which every run diverged, shape [points]."""
        return np.asarray(self.diverged == self.counts)

    @cached_property
    def divergences(self) -> str:
        """How many runs diverged, in words; empty if none did."""
        lost, runs = self.diverged.sum(), self.counts.sum()
        return f"{lost} of {runs} trainings diverged, counted as measured" if lost else ""

    def listed(self, chosen: npt.NDArray[np.bool_]) -> str:
        """The chosen points of the axis, as text; `chosen` has shape [points]."""
        return ", ".join(f"{at:,.0f}" for at in self.axis[chosen])


def arm_curves(
    trials: pd.DataFrame, arms: Sequence[str], axis: str, by: Sequence[str], value: str
) -> Iterator[tuple[tuple[object, ...], dict[str, Curve]]]:
    """Every point of `by` with the curves of those arms that were run there.

    The curves of a point share their replicates, column by column.

    Args:
        trials: As from ``open_store(...).trials(study)``.
        arms: Names of arms; empty: all.
        axis: Column along which the curves run, a number > 0.
        by: Columns that tell curves apart.
        value: The column measured.

    Raises:
        ValueError: As `trainings`; an arm has no training at all; runs are not told apart; or
            `axis` is in `by` or not a number > 0 in every training.
    """
    if axis in by:
        raise ValueError(f"by must not hold {axis!r}, along which the curves run, got {list(by)}")
    found = finished_trainings(trials, [*by, axis], value)
    require_arms(found, arms)
    found = found[found["arm"].isin(arms)] if arms else found
    require_distinct(found, [*by, axis])
    if not (found[axis] > 0).fillna(False).all():
        raise ValueError(f"{axis} must be a number > 0 in every training, got {set(found[axis])}")
    runs = found[[*by, "arm"]].assign(
        at=found[axis].astype(np.float64),
        value=found[value].astype(np.float64),
        replicate=found.groupby(REPLICATE).ngroup(),
        diverged=found["status"] == "diverged",
    )
    groups = runs.groupby(list(by), dropna=False) if by else [((), runs)]
    for key, group in groups:
        column = np.unique(group["replicate"], return_inverse=True)[1]
        of_arm = group["arm"].to_numpy()
        own = [(str(arm), of_arm == arm) for arm in sorted(set(of_arm))]
        yield key, {arm: _curve(group[rows], column[rows], column.max() + 1) for arm, rows in own}


def _curve(runs: pd.DataFrame, column: npt.NDArray[np.int64], columns: int) -> Curve:
    points, row = np.unique(runs["at"].to_numpy(), return_inverse=True)
    values = np.full((len(points), columns), np.nan)
    values[row, column] = runs["value"].to_numpy()
    diverged = np.bincount(row[runs["diverged"].to_numpy()], minlength=len(points))
    return Curve(points, values, diverged)


def redrawn_means(
    curves: Sequence[Curve], draws: int, confidence: float, seed: int
) -> list[Floats]:
    """Means that other seeds might have given, for whatever is computed from means.

    A multiplier bootstrap (Wu 1986): each replicate's deviations from the means are multiplied by
    one normal number a draw, the same at every point and for every arm, so that what a pair shares
    stays shared. They are scaled so that percentiles of a redrawn mean are those of Student's t
    interval; five replicates drawn with replacement would give intervals at 95 % that cover 84 %.

    Args:
        curves: Of one point, as from `arm_curves`: they share their replicates.
        draws: How many.
        confidence: Coverage at which the percentiles are Student's, in (0, 1).
        seed: Of the draws.

    Returns:
        Shape [draws, points] a curve. A point with one replicate does not move: its uncertainty is
        unknown, and the caller must say so.
    """
    check_confidence(confidence)
    tail = (1 + confidence) / 2
    noise = np.random.default_rng(seed).standard_normal((draws, curves[0].values.shape[1]))
    redrawn = []
    for curve in curves:
        n = np.maximum(curve.counts, 2)  # where it is 1 there is no deviation to be scaled
        scale = special.stdtrit(n - 1, tail) / special.ndtri(tail) / np.sqrt(n * (n - 1))
        deviations = np.nan_to_num(curve.values - curve.means[:, np.newaxis])
        redrawn.append(curve.means + noise @ (deviations * scale[:, np.newaxis]).T)
    return redrawn
