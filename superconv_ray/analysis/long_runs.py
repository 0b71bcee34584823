"""In how many steps every arm reaches the accuracy that a long baseline ends with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.verdicts import UNDECIDED, level_per_row, require_family
from superconv_ray.analysis.frames import baselines_of, metric_in
from superconv_ray.analysis.reach import first_reached
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves, redrawn_means

COLUMNS = ["arm", "long_steps", "target", "steps", "factor", "low", "high", "censored"]
DRAWS = 10_000
FEWER_TIMES = 3.0
"""Smallest factor that is called super-convergence unless a user says otherwise."""
SUPER_CONVERGES = "super-converges"
DOES_NOT = "does not"


def time_to_accuracy(
    trials: pd.DataFrame,
    arm: str | Sequence[str],
    baseline: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    fewer_times: float = FEWER_TIMES,
    family: int = 1,
) -> pd.DataFrame:
    """Factor by which an arm needs fewer steps than a long baseline, to its final accuracy.

    This is super-convergence as the paper reports it: a short run ends where a much longer usual
    one does (arXiv 1708.07120v3, figure 1: 92.4 % after 10,000 iterations against 91.2 % after
    80,000). The target is the baseline's mean accuracy at its largest budget. Every point of an
    arm's curve is a run of its own, stretched to its budget; between neighboring budgets the mean
    is interpolated as in `first_reached`.

    The interval contains the percentiles of the factor over redrawn means of both (`redrawn_means`:
    paired by seed and subset, and over test samples where it is known which are right). All
    intervals of the table hold together at 95 %. The verdict is "super-converges" if an interval
    begins at `fewer_times` or above, "does not" if it ends below, else "undecided". A censored
    factor has an open interval on its unknown side: an arm that never gets there is "does not" only
    if its longest run is long enough to tell, and one that is better from its shortest run on
    "super-converges" only if that run is short enough. The interval fails where the arm's curve is
    flat. The best of an arm's noisy budgets is biased upwards, which favors arms with many budgets.
    Look at the target as well: against a baseline that has learned nothing, any arm that learns
    super-converges.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``, of a study that sweeps
            its budget. Finished trainings count, a diverged one with what it measured.
        arm: Name or names of the arms.
        baseline: Name of the arm whose longest run sets the target.
        by: Columns that distinguish curves, such as ``["data_count"]``.
        value: Column to reach, as for `compare`.
        fewer_times: Smallest factor that counts as super-convergence, > 1.
        family: Number of rows that share the 5 %, if this table is a part of a larger one, such as
            one of several baselines; at least the number of its own rows.

    Returns:
        One row per arm. Columns: `by`, arm, long_steps (the baseline's largest budget), target (its
        mean there), steps (in which the arm gets there), factor = long_steps / steps with low and
        high, censored, verdict, seeds (of the arm), note. If censored is "<", the arm never gets
        there, and the factor is an upper bound from its largest budget. If ">", it is better with
        its smallest budget already, and the factor is a lower bound. An open end of an interval is
        0 or inf. Unknown values are NaN; the note says why.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `speedup`; or `fewer_times` or `family` is impossible.
    """
    if not (np.isfinite(fewer_times) and fewer_times > 1):
        raise ValueError(f"fewer_times must be finite and > 1, got {fewer_times}")
    require_family(family)
    arms, sign = baselines_of(baseline, arm), metric_in(trials, value).sign
    pairs = [
        ((*key, name), curves[name], curves[baseline])
        for key, curves in arm_curves(trials, [*arms, baseline], "steps", by, value)
        for name in arms
        if baseline in curves and name in curves
    ]
    level = level_per_row(max(len(pairs), family))
    rows = [(*key, *_row(own, long, sign, level)) for key, own, long in pairs]
    table = pd.DataFrame(rows, columns=[*by, *COLUMNS, "seeds", "note"])
    found = np.select(
        [table["low"] >= fewer_times, table["high"] < fewer_times],
        [SUPER_CONVERGES, DOES_NOT],
        UNDECIDED,
    )
    table.insert(len(by) + len(COLUMNS), "verdict", found)
    return table


def _row(
    arm: ReplicateCurve, baseline: ReplicateCurve, sign: float, level: float
) -> tuple[object, ...]:
    """The columns of a row from long_steps on, with an interval of 1 - level; without a verdict."""
    first, last, long = arm.axis[0], arm.axis[-1], baseline.axis[-1]
    target = baseline.means[-1]
    if baseline.lost[-1]:
        note = f"every training of the baseline diverged at {long:,.0f} steps"
        return (long, sign * target, *[np.nan] * 4, "", arm.counts.min(), note)
    found, early, late = steps_to_accuracy(arm, baseline, level)
    with np.errstate(divide="ignore"):  # 0 steps: at most the smallest budget
        low, high = np.divide(long, [late, early])
    if min(arm.counts.min(), baseline.counts[-1]) < 2:
        low = high = np.nan
    steps = float(np.clip(found, first, last))
    return (
        *(long, sign * target, steps, long / steps),
        *(min(low, long / first), max(high, long / last)),
        "<" if found == np.inf else ">" if found == 0 else "",
        arm.counts.min(),
        _note(found, arm),
    )


def steps_to_accuracy(
    arm: ReplicateCurve, baseline: ReplicateCurve, level: float, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Steps to the mean that a baseline ends with, and the ends of their interval of 1 - level.

    Args:
        arm: At least 2 replicates for an interval.
        baseline: Of the same point; only its largest budget counts.
        level: In (0, 1).
        draws: Number of redrawn means.

    Returns:
        Three numbers; each may be inf (never) or 0 (before the first budget).
    """
    target = np.array([[baseline.means[-1]]])
    ((found,),) = first_reached(arm.axis, arm.means[np.newaxis], target)
    tails = level / 2, 1 - level / 2
    own, targets = redrawn_means([arm, baseline], draws, tails[1])
    reached = first_reached(arm.axis, own, targets[:, -1:])[:, 0]
    # An order statistic: a censored draw is infinite or 0 and must not be interpolated.
    early, late = np.quantile(reached, tails, method="inverted_cdf")
    return float(found), float(early), float(late)


def _note(found: float, arm: ReplicateCurve) -> str:
    notes = []
    if found == np.inf:
        notes.append(f"does not get there by {arm.axis[-1]:,.0f} steps")
    if found == 0:
        notes.append(f"is already better after {arm.axis[0]:,.0f} steps")
    if arm.lost.any():
        notes.append(f"every training diverged at {arm.listed(arm.lost)}")
    elif arm.divergences:
        notes.append(arm.divergences)
    if arm.counts.min() < 2:
        notes.append("one seed: no interval")
    return "; ".join(notes)
