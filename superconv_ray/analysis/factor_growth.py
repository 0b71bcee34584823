"""Does the factor by which an arm needs fewer steps grow as labels become scarce?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.comparison.trend import FALLS, GROWS, LABELS
from superconv_ray.analysis.comparison.verdicts import UNDECIDED, level_per_row, require_family
from superconv_ray.analysis.frames import baselines_of
from superconv_ray.analysis.reach import first_reached
from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves, redrawn_means

COLUMNS = ["arm", "growth", "low", "high", "censored", "verdict", "points", "seeds", "note"]
DRAWS = 10_000
NEGLIGIBLE = 1e-9
"""Weights of a slope below this are rounding errors: the middle of three points has none."""

Pairs: TypeAlias = Mapping[float, tuple[ReplicateCurve, ReplicateCurve]]
"""Curves of an arm and of the baseline by the number of labels, with the same replicates."""


def factor_trend(
    trials: pd.DataFrame,
    arm: str | Sequence[str],
    baseline: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    family: int = 1,
) -> pd.DataFrame:
    """Growth of the factor of `time_to_accuracy` when labels become ten times fewer.

    A least-squares line is fitted to log factor over log10(data_count). A factor that is not known
    is known to be beyond a bound: an arm that never reaches the accuracy of the long baseline has a
    factor of 0 or more, one that is better with its smallest budget a factor of any size. Such a
    point is never dropped. The slope is computed for the least and the largest of the factors that
    are possible, so that it is known up to a bound, or not at all.

    The interval covers the whole procedure: targets, factors and slopes are recomputed from
    redrawn means (`redrawn_means`), which are redrawn jointly for both arms, all budgets and all
    numbers of labels, because these share seeds and test samples. It reaches from the lower
    percentile of the least slope to the upper one of the largest, and so covers the true slope
    wherever it is in between (Horowitz & Manski 2000, J. Am. Stat. Assoc. 95, 77-84). All intervals
    of the table hold together at 95 %. A replicate that lacks a point is left out.

    The best of an arm's noisy budgets is biased upwards, most where the noise is largest, which is
    usually at few labels. This favors "grows"; docs/statistics.md has how often it errs.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``, of a study that sweeps
            its budget and data_count. Finished trainings count, a diverged one with what it
            measured.
        arm: Name or names of the arms.
        baseline: Name of the arm whose longest run sets the target.
        by: Columns that distinguish curves, without data_count.
        value: Column to reach, as for `compare`.
        family: As for `time_to_accuracy`.

    Returns:
        One row per arm. Columns: `by`, arm; growth (what the factor is multiplied by when labels
        are cut to a tenth) with low and high; censored ("<" if growth is an upper bound, ">" if it
        is a lower bound, "<>" if nothing is known; growth is NaN then); verdict ("grows" if the
        interval lies above 1, "falls" if below, else "undecided"); points (numbers of labels),
        seeds (replicates), note. An open end of an interval is 0 or inf.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `speedup`; or `family` is impossible.
    """
    require_family(family)
    arms = baselines_of(baseline, arm)
    found: dict[tuple[object, ...], dict[float, tuple[ReplicateCurve, ReplicateCurve]]] = {}
    names = [*by, LABELS]
    for (*key, labels), curves in arm_curves(trials, [*arms, baseline], "steps", names, value):
        for name in arms:
            if name in curves and baseline in curves:
                pair = curves[name], curves[baseline]
                found.setdefault((*key, name), {})[cast("float", labels)] = pair
    level = level_per_row(max(len(found), family))
    rows = [(*key, *_row(pairs, level)) for key, pairs in found.items()]
    return pd.DataFrame(rows, columns=[*by, *COLUMNS])


class Growth(NamedTuple):
    """What the least and the largest possible factors give, as logarithms to base 10."""

    least: float
    largest: float
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""
    reached: Mapping[float, float]
    """By number of labels: the steps of the arm; inf if it never gets there, 0 if it is better from
    its first budget on."""


def growth_of(pairs: Pairs, level: float, draws: int = DRAWS) -> Growth:
    """Growth of the factor for each division of the labels by ten, with an interval of 1 - level.

    Args:
        pairs: At least 2 numbers of labels, and at least 2 replicates.
        level: In (0, 1).
        draws: Number of redrawn means.
    """
    tails = level / 2, 1 - level / 2
    curves = [curve for pair in pairs.values() for curve in pair]
    redrawn = redrawn_means(curves, draws, tails[1])
    means = [np.vstack([c.means, own]) for c, own in zip(curves, redrawn, strict=True)]
    ends, reached = [], {}
    for place, (labels, (arm, baseline)) in enumerate(pairs.items()):
        own, target = means[2 * place], means[2 * place + 1][:, -1:]
        steps = first_reached(arm.axis, own, target)[:, 0]
        reached[labels] = float(steps[0])
        ends.append(_log_factors(steps, arm.axis, baseline.axis[-1]))
    least, largest = _slopes(np.array(ends), -np.log10(list(pairs)))
    # Order statistics: infinite slopes must not be interpolated.
    low = np.quantile(least[1:], tails[0], method="inverted_cdf")
    high = np.quantile(largest[1:], tails[1], method="inverted_cdf")
    found = float(least[0]), float(largest[0])
    return Growth(*found, min(float(low), found[0]), max(float(high), found[1]), reached)


def _log_factors(steps: Floats, budgets: Floats, long: float) -> tuple[Floats, Floats]:
    """Least and largest possible log10 of the factor, each of the shape of `steps`."""
    known = np.log10(long / np.clip(steps, budgets[0], budgets[-1]))
    return np.where(steps == np.inf, -np.inf, known), np.where(steps == 0, np.inf, known)


def _slopes(ends: Floats, tenths: Floats) -> tuple[Floats, Floats]:
    """Least and largest slope of lines through intervals [points, 2, draws] at places [points]."""
    weights = (tenths - tenths.mean()) / ((tenths - tenths.mean()) ** 2).sum()
    used = np.abs(weights) > NEGLIGIBLE
    weights, ends = weights[used, np.newaxis], ends[used]
    rising = weights > 0
    least = np.where(rising, ends[:, 0], ends[:, 1]) * weights
    largest = np.where(rising, ends[:, 1], ends[:, 0]) * weights
    return least.sum(axis=0), largest.sum(axis=0)


def _row(pairs: Pairs, level: float) -> tuple[object, ...]:
    """The columns of a row after the arm."""
    curves = [curve for pair in pairs.values() for curve in pair]
    shared = reduce(np.intersect1d, [curve.complete for curve in curves])
    every = reduce(np.union1d, [curve.replicates for curve in curves])
    lost = [n for n, (_, baseline) in pairs.items() if baseline.lost[-1]]
    notes = list(_notes(pairs, shared, every, lost))
    counts = (len(pairs), len(shared))
    if len(pairs) < 2 or not len(shared) or lost:
        return (np.nan, np.nan, np.nan, "", UNDECIDED, *counts, "; ".join(notes))
    own = {n: (arm.of(shared), other.of(shared)) for n, (arm, other) in sorted(pairs.items())}
    found = growth_of(own, level)
    notes += _on_bounds(found.reached)
    low, high = (found.low, found.high) if len(shared) > 1 else (np.nan, np.nan)
    verdict = GROWS if low > 0 else FALLS if high < 0 else UNDECIDED
    bounds = np.isfinite([found.least, found.largest])
    censored = ("<" if not bounds[0] else "") + (">" if not bounds[1] else "")
    mean = found.least if bounds[0] else found.largest if bounds[1] else np.nan
    powers = (float(10**log) for log in (mean, low, high))
    return (*powers, censored, verdict, *counts, "; ".join(notes))


def _notes(
    pairs: Pairs,
    shared: npt.NDArray[np.int64],
    every: npt.NDArray[np.int64],
    lost: Sequence[float],
) -> Iterator[str]:
    if len(pairs) < 2:
        yield "one number of labels has no trend"
    if lost:
        yield f"every long training of the baseline diverged at {_listed(lost)} labels"
    if not len(shared):
        yield "no seed was run at all points"
    elif len(shared) < len(every):
        yield f"{len(every) - len(shared)} of the seeds left out, because they lack a point"
    if len(shared) == 1:
        yield "one seed: no interval"
    diverged = [n for n, (arm, _) in pairs.items() if arm.diverged.any()]
    if diverged:
        yield f"trainings diverged at {_listed(diverged)} labels, counted as measured"


def _on_bounds(reached: Mapping[float, float]) -> Iterator[str]:
    never = [n for n, steps in reached.items() if steps == np.inf]
    early = [n for n, steps in reached.items() if steps == 0]
    if never:
        yield f"does not get there at {_listed(never)} labels"
    if early:
        yield f"is already better with its smallest budget at {_listed(early)} labels"


def _listed(labels: Sequence[float]) -> str:
    return ", ".join(f"{n:,.0f}" for n in sorted(labels))
