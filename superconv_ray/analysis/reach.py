"""How many more steps or labels a baseline needs to reach an arm's accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import baselines_of, metric_in
from superconv_ray.analysis.statistics.intervals import TAILS, Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves, redrawn_means

DRAWS = 2000
RESULTS = ["factor", "low", "high", "censored", "seeds", "note"]


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


def speedup(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Factor by which the baseline needs more steps to reach the arm's final accuracy.

    The budget is an axis of the design, and schedules are stretched to it. Only final accuracies
    are compared: while the learning rate is still large, the accuracy of a longer run does not show
    what a schedule can reach in that many steps.

    The baseline's mean curve is interpolated as in `first_reached`. The 95 % interval contains the
    percentiles of the factor over redrawn means (`redrawn_means`: paired by seed and subset, and
    over test samples where it is known which are right). It fails where the baseline's curve is
    flat: there a small change of accuracy is a large change of the factor, and the interval is wide
    or open.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``, of a study that sweeps
            its budget. Finished trainings count, a diverged one with what it measured.
        arm: Name of the arm.
        baseline: Name or names of the arms to measure it against.
        by: Columns that distinguish curves, such as ``["data_count"]``.
        value: Column to reach, as for `compare`.

    Returns:
        One row per baseline and budget of the arm. Columns: `by`, baseline, steps, mean (of the
        arm), baseline_steps (where the baseline is as good), factor = baseline_steps / steps with
        low and high, censored, seeds (of the arm), note. A factor above 1 is a speed-up. If
        censored is ">", the baseline never gets there, and factor is a lower bound from the end of
        its curve. If "<", the baseline is better from its first point on, and factor is an upper
        bound. An open end of an interval is 0 or inf. Unknown values are NaN; the note says why.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; a training's `value` is not finite; an arm has no training,
            or several of a replicate at one point; steps is in `by` or missing; there is no
            baseline, or the arm is its own.
    """
    return _factors(trials, arm, baseline, "steps", "baseline_steps", by, value)


def label_worth(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Number of labels with which the baseline reaches the accuracy of the arm with n labels.

    This is `speedup` along labels, with the same arguments, for a study that sweeps its labels.

    Returns:
        One row per baseline and n of the arm, with the columns of `speedup`, but data_count and
        baseline_labels in place of steps and baseline_steps. A factor of 2 means that the arm is as
        accurate with n labels as the baseline with 2 n.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `speedup`.
    """
    return _factors(trials, arm, baseline, "data_count", "baseline_labels", by, value)


def _factors(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    axis: str,
    reached: str,
    by: Sequence[str],
    value: str,
) -> pd.DataFrame:
    """The table of `speedup` along an axis; `reached` names the column of the baseline's place."""
    baselines = baselines_of(arm, baseline)
    sign = metric_in(trials, value).sign
    rows: list[tuple[object, ...]] = []
    for key, curves in arm_curves(trials, [arm, *baselines], axis, by, value):
        if arm not in curves:
            continue
        own = curves[arm]
        for name in baselines:
            if name in curves:
                found = _reached(own, curves[name], name)
            else:
                found = _nothing_reached(own, f"no training of {name!r} here")
            means = sign * own.means
            rows += [(*key, name, *row) for row in zip(own.axis, means, *found, strict=True)]
    columns = [*by, "baseline", axis, "mean", reached, *RESULTS]
    return pd.DataFrame(rows, columns=columns).astype({axis: trials[axis].dtype})


def _reached(arm: ReplicateCurve, baseline: ReplicateCurve, name: str) -> list[npt.ArrayLike]:
    """The columns after mean, each of shape [points of the arm]."""
    (found,) = first_reached(baseline.axis, baseline.means[np.newaxis], arm.means[np.newaxis])
    targets, means = redrawn_means([arm, baseline], DRAWS)
    # An order statistic: a censored draw is infinite and must not be interpolated.
    low, high = np.quantile(
        first_reached(baseline.axis, means, targets), TAILS, axis=0, method="inverted_cdf"
    )
    begin, end = baseline.axis[[0, -1]]
    # Beyond the ends of the curve, only the ends are known.
    ends = np.minimum(low, end), np.maximum(high, begin)
    uncertain = arm.lost | (np.minimum(arm.counts, baseline.counts.min()) < 2)
    reached = np.where(arm.lost, np.nan, np.clip(found, begin, end))
    return [
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
    return [*[nothing] * 4, censored, arm.counts, note]


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
