"""Where along an axis, steps or labels, a baseline reaches an arm's accuracy.

`speedup` and `label_worth` are this table along steps and along labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.statistics.intervals import CONFIDENCE, Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves, redrawn_means

DRAWS = 2000
RESULTS = ["mean", "reached_at", "factor", "low", "high", "censored", "seeds", "note"]


def first_reached(axis: Floats, means: Floats, targets: Floats) -> Floats:
    """Where on its axis a mean curve first reaches each target.

    Between neighboring points the curve is a straight line over the logarithm of the axis. Where
    the curve falls, its running maximum counts: its points are separate runs, so with more steps or
    labels you may use fewer of them and keep the better accuracy. (Isotonic regression would
    average a peak away and let the baseline need more than it does.) The maximum of noisy means is
    biased upwards, which favors the baseline.

    Args:
        axis: Shape [points], ascending and > 0.
        means: Shape [draws, points].
        targets: Shape [draws, targets].

    Returns:
        Shape [draws, targets]; inf where the curve never reaches the target, 0 where its first
        point already exceeds it.
    """
    best = np.maximum.accumulate(means, axis=1)
    after = (best[:, np.newaxis, :] < targets[:, :, np.newaxis]).sum(axis=2)
    left, right = np.maximum(after - 1, 0), np.minimum(after, len(axis) - 1)
    low, high = (np.take_along_axis(best, index, axis=1) for index in (left, right))
    rise = high - low
    share = np.divide(targets - low, rise, out=np.zeros_like(rise), where=rise > 0)
    reached = axis[left] * (axis[right] / axis[left]) ** share
    reached = np.where(after == len(axis), np.inf, reached)
    return np.where(targets < best[:, :1], 0.0, reached)


def reach_table(
    trials: pd.DataFrame,
    arm: str,
    baseline: str,
    axis: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Factor by which a baseline must go further along an axis to reach an arm's accuracy.

    The baseline's mean curve is interpolated as in `first_reached`. The interval contains the
    percentiles of the factor over redrawn means (`redrawn_means`: paired by seed and subset). It
    fails where the baseline's curve is flat: there a small change of accuracy is a large change of
    the factor, and the interval is wide or open.

    Args:
        trials: As from ``open_store(...).trials(study)``; finished trainings count, a diverged one
            with what it measured.
        arm: Name of the arm.
        baseline: Name of the arm that is to reach it.
        axis: Column of steps or labels.
        by: Columns that distinguish curves.
        value: Column to reach; more of it is better.
        seed: Seed of the redrawn means.
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        Columns: `by`, `axis` (of the arm), mean (of the arm), reached_at (where the baseline is as
        good), factor = reached_at / `axis` with low and high, censored, seeds (of the arm), note.
        If censored is ">", the baseline never gets there, and factor is a lower bound from the end
        of its curve. If "<", the baseline is better from its first point on, and factor is an upper
        bound. An open end of an interval is 0 or inf. Unknown values are NaN; the note says why.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `arm_curves`.
    """
    rows: list[tuple[object, ...]] = []
    for key, curves in arm_curves(trials, [arm, baseline], axis, by, value):
        if arm not in curves:
            continue
        own, other = curves[arm], curves.get(baseline)
        if other is None:
            found = _nothing_reached(own, f"no training of {baseline!r} here")
        else:
            found = _reached(own, other, baseline, seed, confidence)
        rows += [(*key, *row) for row in zip(own.axis, *found, strict=True)]
    return pd.DataFrame(rows, columns=[*by, axis, *RESULTS]).astype({axis: trials[axis].dtype})


def _reached(
    arm: ReplicateCurve, baseline: ReplicateCurve, name: str, seed: int, confidence: float
) -> list[npt.ArrayLike]:
    """The columns RESULTS, each of shape [points of the arm]."""
    (found,) = first_reached(baseline.axis, baseline.means[np.newaxis], arm.means[np.newaxis])
    targets, means = redrawn_means([arm, baseline], DRAWS, confidence, seed)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    # An order statistic: a censored draw is infinite and must not be interpolated.
    low, high = np.quantile(
        first_reached(baseline.axis, means, targets), tails, axis=0, method="inverted_cdf"
    )
    begin, end = baseline.axis[[0, -1]]
    # Beyond the ends of the curve, only the ends are known.
    ends = np.minimum(low, end), np.maximum(high, begin)
    uncertain = arm.lost | (np.minimum(arm.counts, baseline.counts.min()) < 2)
    reached = np.where(arm.lost, np.nan, np.clip(found, begin, end))
    return [
        arm.means,
        reached,
        reached / arm.axis,
        *(np.where(uncertain, np.nan, bound) / arm.axis for bound in ends),
        np.select([arm.lost, found == np.inf, found == 0], ["", ">", "<"], ""),
        arm.counts,
        [_note(i, found[i], arm, baseline, name) for i in range(len(found))],
    ]


def _nothing_reached(arm: ReplicateCurve, why: str) -> list[npt.ArrayLike]:
    nothing = np.full(len(arm.axis), np.nan)
    censored, note = ([text] * len(arm.axis) for text in ("", why))
    return [arm.means, *[nothing] * 4, censored, arm.counts, note]


def _note(i: int, reached: float, arm: ReplicateCurve, baseline: ReplicateCurve, name: str) -> str:
    """Reservations about one row."""
    if arm.lost[i]:
        return "every training of the arm diverged here"
    notes = []
    if reached == np.inf:
        notes.append(f"{name!r} does not get there by {baseline.axis[-1]:,.0f}")
    if reached == 0:
        notes.append(f"{name!r} is already better at {baseline.axis[0]:,.0f}")
    if arm.diverged[i]:
        notes.append(f"{arm.diverged[i]} of {arm.counts[i]} trainings of the arm diverged")
    if baseline.lost.any():
        notes.append(f"every training of {name!r} diverged at {baseline.listed(baseline.lost)}")
    elif baseline.divergences:
        notes.append(f"{name!r}: {baseline.divergences}")
    if arm.counts[i] < 2:
        notes.append("one seed: no interval")
    elif baseline.counts.min() < 2:
        single = baseline.listed(baseline.counts < 2)
        notes.append(f"one seed of {name!r} at {single}: no interval")
    return "; ".join(notes)
