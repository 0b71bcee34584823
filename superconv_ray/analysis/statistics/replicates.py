"""An arm's replicates as arrays, and the means that other replicates might have given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from superconv_ray.analysis.frames import (
    REPLICATE,
    finished_trainings,
    metric_in,
    require_arms,
    require_distinct,
)
from superconv_ray.analysis.statistics.correctness import correctness, stacked
from superconv_ray.analysis.statistics.crossed import crossed_covariance
from superconv_ray.analysis.statistics.intervals import RESAMPLES, SEED, TAILS, Floats


def over_seeds(found: pd.DataFrame, setting: str, value: str) -> tuple[Floats, Floats]:
    """Return the values of a numeric setting in ascending order, and `value` as [replicates, grid].

    Trainings that share the setting and the replicate are averaged.

    Raises:
        ValueError: A value of the setting lacks a replicate that another one has.
    """
    table = found.pivot_table(index=REPLICATE, columns=setting, values=value)
    if table.isna().any(axis=None):
        raise ValueError(f"every {setting} must be run with the same seeds")
    return table.columns.to_numpy(np.float64), table.to_numpy(np.float64)


def resampled(replicates: int) -> npt.NDArray[np.int64]:
    """Draw replicates with replacement: their indices, shape [draws, replicates]."""
    return np.random.default_rng(SEED).integers(replicates, size=(RESAMPLES, replicates))


@dataclass(frozen=True)
class ReplicateCurve:
    """What one arm's replicates measured along an axis of the design, such as labels or steps."""

    axis: Floats
    """Steps or labels, ascending, shape [points]."""
    values: Floats
    """Shape [points, replicates]; NaN where a replicate was not run. No point is all NaN."""
    diverged: npt.NDArray[np.int64]
    """Number of diverged runs, shape [points]. They count with what they measured."""
    replicates: npt.NDArray[np.int64]
    """Numbers of the replicates, ascending, shape [replicates]: the same in all curves of a
    study."""
    correct: npt.NDArray[np.bool_] | None = None
    """Which test samples each run has right, shape [points, replicates, samples]; None if that is
    not known of every replicate at every point, or of one replicate only."""

    def of(self, replicates: npt.NDArray[np.int64]) -> ReplicateCurve:
        """The curve of these replicates alone; each must have been run at every point."""
        own = np.isin(self.replicates, replicates)
        known = self.correct is not None and own.sum() > 1
        correct = self.correct[:, own] if known and self.correct is not None else None
        return replace(self, values=self.values[:, own], replicates=replicates, correct=correct)

    @cached_property
    def complete(self) -> npt.NDArray[np.int64]:
        """The replicates that were run at every point."""
        return np.asarray(self.replicates[np.isfinite(self.values).all(axis=0)])

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of replicates at each point, shape [points]."""
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
        """A sentence on the number of diverged runs; empty if none did."""
        lost, runs = self.diverged.sum(), self.counts.sum()
        return f"{lost} of {runs} trainings diverged, counted as measured" if lost else ""

    def listed(self, chosen: npt.NDArray[np.bool_]) -> str:
        """The chosen points of the axis, as text; `chosen` has shape [points]."""
        return ", ".join(f"{at:,.0f}" for at in self.axis[chosen])


def arm_curves(
    trials: pd.DataFrame, arms: Sequence[str], axis: str, by: Sequence[str], value: str
) -> Iterator[tuple[tuple[object, ...], dict[str, ReplicateCurve]]]:
    """Yield every point of `by` with the curves of the arms that were run there.

    The curves of a point have the same replicates in the same columns.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``.
        arms: Names of arms; all if empty.
        axis: Column along which the curves run, a number > 0.
        by: Columns that distinguish curves.
        value: The column measured. The curves have scores: it, or its negative if less is better.

    Raises:
        ValueError: As `finished_trainings`; an arm has no training; an arm has several trainings of
            a replicate at one point; or `axis` is in `by` or not a number > 0 in every training.
    """
    if axis in by:
        raise ValueError(f"by must not contain {axis!r}, the axis of the curves, got {list(by)}")
    found = finished_trainings(trials, [*by, axis], value)
    require_arms(found, arms)
    found = found[found["arm"].isin(arms)] if arms else found
    require_distinct(found, [*by, axis])
    if not (found[axis] > 0).fillna(False).all():
        raise ValueError(f"{axis} must be a number > 0 in every training, got {set(found[axis])}")
    runs = found[[*by, "arm"]].assign(
        at=found[axis].astype(np.float64),
        value=metric_in(found, value).sign * found[value].astype(np.float64),
        replicate=found.groupby(REPLICATE).ngroup(),
        diverged=found["status"] == "diverged",
        correct=correctness(found, value),
    )
    groups = runs.groupby(list(by), dropna=False) if by else [((), runs)]
    for key, group in groups:
        replicates = np.unique(group["replicate"].to_numpy())
        of_arm = group["arm"].to_numpy()
        own = [(str(arm), of_arm == arm) for arm in sorted(set(of_arm))]
        yield key, {arm: _curve(group[rows], replicates) for arm, rows in own}


def _curve(runs: pd.DataFrame, replicates: npt.NDArray[np.int64]) -> ReplicateCurve:
    runs = runs.sort_values(["at", "replicate"])
    points, row = np.unique(runs["at"].to_numpy(), return_inverse=True)
    values = np.full((len(points), len(replicates)), np.nan)
    values[row, np.searchsorted(replicates, runs["replicate"])] = runs["value"].to_numpy()
    diverged = np.bincount(row[runs["diverged"].to_numpy()], minlength=len(points))
    by_run = stacked(runs["correct"]) if len(runs) == values.size > len(points) else None
    correct = None if by_run is None else by_run.astype(np.bool_).reshape(*values.shape, -1)
    return ReplicateCurve(points, values, diverged, replicates, correct)


def redrawn_means(
    curves: Sequence[ReplicateCurve], draws: int, tail: float = TAILS[1]
) -> list[Floats]:
    """Draw means that other seeds might have given, for statistics that are computed from means.

    This is a multiplier bootstrap (Wu 1986). In each draw, every replicate's deviations from the
    means are multiplied by one normal number. The number is the same at every point and for every
    arm, so that what a pair shares stays shared. The deviations are scaled so that the quantiles
    `tail` and 1 - `tail` of a redrawn mean are the ends of Student's t interval. The ordinary
    bootstrap would not do: with five replicates drawn with replacement, its 95 % intervals cover
    84 %.

    It fails where the deviations are far from normal, as Student's interval does, and a redrawn
    mean may leave the range of the values.

    Where all curves tell which test samples are right, other test samples might have been drawn as
    well: a normal draw with the covariance of `crossed_covariance` is added, as the interval of a
    single mean adds both parts (`crossed_interval`).

    Args:
        curves: Curves with the same replicates, as `arm_curves` yields them for one point.
        draws: Number of draws.
        tail: Level of the quantile that is to be exact, in (0.5, 1).

    Returns:
        Redrawn means of shape [draws, points] for every curve. A point with one replicate does not
        move: its uncertainty is unknown, and the caller must say so.
    """
    random = np.random.default_rng(SEED)
    noise = random.standard_normal((draws, curves[0].values.shape[1]))
    redrawn = []
    for curve, of_samples in zip(curves, _of_samples(curves, draws, random), strict=True):
        n = np.maximum(curve.counts, 2)  # where it is 1 there is no deviation to be scaled
        scale = special.stdtrit(n - 1, tail) / special.ndtri(tail) / np.sqrt(n * (n - 1))
        deviations = np.nan_to_num(curve.values - curve.means[:, np.newaxis])
        own = noise @ (deviations * scale[:, np.newaxis]).T
        redrawn.append(curve.means + own + of_samples)
    return redrawn


def _of_samples(
    curves: Sequence[ReplicateCurve], draws: int, random: np.random.Generator
) -> list[Floats] | list[float]:
    """What other test samples would add to each curve's means, [draws, points]; 0 if unknown."""
    tables = [curve.correct for curve in curves if curve.correct is not None]
    if len(tables) < len(curves) or len({table.shape[1:] for table in tables}) > 1:
        return [0.0] * len(curves)
    values, vectors = np.linalg.eigh(crossed_covariance(np.concatenate(tables)))
    root = vectors * np.sqrt(np.maximum(values, 0))  # samples that seem to add less than nothing
    added = random.standard_normal((draws, len(root))) @ root.T
    return np.split(added, np.cumsum([len(table) for table in tables])[:-1], axis=1)
