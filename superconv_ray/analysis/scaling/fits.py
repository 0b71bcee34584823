"""How accuracy scales with the number of labels n: error = a n^-b + c (Hestness 2017, 1712.00409).

Does an arm change the exponent b, or only the offset a?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import baselines_of, joined, placed
from superconv_ray.analysis.scaling.curves import error_curves, intervals
from superconv_ray.analysis.scaling.power_law import (
    EXPONENTS,
    RESOLUTION,
    Law,
    fit,
    relative_weights,
)
from superconv_ray.analysis.scaling.shape import why_no_law
from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, redrawn_means

DRAWS = 1000
BAND_POINTS = 60


def scaling_fits(
    trials: pd.DataFrame,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Fit the power law error = a n^-b + c to every arm, unless its curve has another shape.

    The fit is weighted least squares on the means over seeds, with deviations relative to the error
    and c >= 0. The 95 % intervals are percentiles of refits to redrawn means (`redrawn_means`), the
    same for all arms. a is the error above the floor at n = 1, far from any point, and so as
    uncertain as b. The fit fails if the labels span too little: then b and c trade off against each
    other, b ends at a bound, and the note says so.

    Args:
        trials: As from ``open_store(...).trials(study)``; finished trainings count, a diverged one
            with what it measured.
        by: Columns that distinguish curves, such as ``["steps"]``.
        value: Column of accuracies, in [0, 1].

    Returns:
        One row per arm. Columns: `by`, arm, a, a_low, a_high, b, b_low, b_high, c, c_low, c_high,
        extrapolation, extrapolation_low, extrapolation_high (relative error with which the law of
        all other points predicts the largest n; see `compare_laws`), misfit (root mean square
        deviation from the law, relative to the error), points (distinct n), seeds (fewest at a
        point), note. Unknown values are NaN; the note says why.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; a value is not in [0, 1]; or an arm has several trainings
            of a replicate with one number of labels.
    """
    rows: list[tuple[object, ...]] = []
    for key, curves in error_curves(trials, [], by, value):
        laws, reference = _laws(list(curves.values()))
        for (arm, curve), law in zip(curves.items(), laws, strict=True):
            rows.append((*key, arm, *_fit_row(curve, law, reference)))
    names = (*"abc", "extrapolation")
    estimated = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    columns = [*by, "arm", *estimated, "misfit", "points", "seeds", "note"]
    return pd.DataFrame(rows, columns=columns)


def scaling_band(
    trials: pd.DataFrame,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Errors that the laws of `scaling_fits` predict within the range of labels measured.

    The intervals are pointwise and come from the same refits as those of the parameters, cut off at
    0 and 1. Even if a, b and c are uncertain because they trade off against each other, the curve
    between the points may be well known.

    Args:
        trials: As for `scaling_fits`.
        by: Columns that distinguish curves.
        value: Column of accuracies, in [0, 1].

    Returns:
        60 rows per arm, evenly spaced on a logarithmic axis. Columns: `by`, arm, data_count, error,
        low, high. An arm without a law has no rows.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `scaling_fits`.
    """
    frames = []
    for key, curves in error_curves(trials, [], by, value):
        laws, reference = _laws(list(curves.values()))
        for (arm, curve), law in zip(curves.items(), laws, strict=True):
            if not why_no_law(curve):
                labels = np.geomspace(curve.axis[0], curve.axis[-1], BAND_POINTS)
                a, b, c = (parameter[0] for parameter in fit([law]))
                errors = a * np.exp(-b * (np.log(labels)[:, np.newaxis] - reference)) + c
                errors = np.clip(errors, 0, 1)
                ends = intervals(errors, certain=curve.counts.min() > 1)
                found = pd.DataFrame(ends, columns=["error", "low", "high"])
                found["data_count"] = labels
                frames.append(placed(found, [*by, "arm"], (*key, arm)))
    columns = [*by, "arm", "data_count", "error", "low", "high"]
    return joined(frames, columns)


def compare_scaling(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Whether an arm changes the exponent of the law, or only its offset.

    Two pairs of laws are fitted: with an exponent for each arm, for the difference of b; and with
    one exponent for both, for the ratio of a. The floor c trades off against the exponents. It is
    shared by the arms in one row and their own in the other: trust a verdict on which both agree.

    Args:
        trials: As for `scaling_fits`.
        arm: Name of the arm.
        baseline: Name or names of the arms to compare it with.
        by: Columns that distinguish curves.
        value: Column of accuracies, in [0, 1].

    Returns:
        Two rows per point and baseline. Columns: `by`, baseline, floor ("shared" or "own"),
        b_difference, b_low, b_high (arm minus baseline), a_ratio, a_low, a_high (arm / baseline;
        below 1 the arm has the lower error), verdict, note. The verdict is "exponent" if the
        interval of the difference excludes 0. Otherwise it is "offset" if the interval of the ratio
        excludes 1, which does not prove equal exponents. Otherwise, or if an exponent is at a
        bound, it is "undecided".

    Raises:
        ValueError: As `scaling_fits`; an arm has no training; there is no baseline, or the arm is
            its own.
    """
    baselines = baselines_of(arm, baseline)
    rows: list[tuple[object, ...]] = []
    for key, curves in error_curves(trials, [arm, *baselines], by, value):
        for other in baselines:
            pair = {name: curves.get(name) for name in (arm, other)}
            rows += [(*key, other, *row) for row in _comparisons(pair)]
    ends = ("b_difference", "b_low", "b_high", "a_ratio", "a_low", "a_high")
    return pd.DataFrame(rows, columns=[*by, "baseline", "floor", *ends, "verdict", "note"])


def _comparisons(pair: Mapping[str, ReplicateCurve | None]) -> Iterator[tuple[object, ...]]:
    """The columns of `compare_scaling` from floor on, for an arm's curve and its baseline's."""
    curves = {name: curve for name, curve in pair.items() if curve}
    notes = [f"no training of {name!r} here" for name in pair if name not in curves]
    notes += [f"{name!r}: {note}" for name, curve in curves.items() for note in why_no_law(curve)]
    laws = [] if notes else _laws(list(curves.values()))[0]
    notes += [f"{name!r}: {c.divergences}" for name, c in curves.items() if c.divergences]
    certain = all(curve.counts.min() > 1 for curve in curves.values())
    if laws and not certain:
        notes.append("one seed at some n: no intervals, so no verdict")
    for floor in ("shared", "own"):
        found, said = np.full((2, 3), np.nan), list(notes)
        verdict = "undecided"
        if laws:
            compared, exponents = _compared(laws, floor == "shared")
            found = intervals(compared, certain)
            if _inside(exponents[:, 0]).all():
                verdict = _verdict(*found)
            else:
                said.append("an exponent is at its bound: these n do not tell b from c")
        yield (floor, *found.ravel(), verdict, "; ".join(said))


def _laws(curves: Sequence[ReplicateCurve]) -> tuple[list[Law], float]:
    """Every curve's means with its redrawn means below them; and the reference, as log n."""
    reference = float(np.mean(np.log(np.concatenate([curve.axis for curve in curves]))))
    redrawn = redrawn_means(curves, DRAWS)
    laws = [
        Law(
            np.log(curve.axis) - reference,
            np.vstack([curve.means, means]),
            relative_weights(curve.counts, curve.means),
        )
        for curve, means in zip(curves, redrawn, strict=True)
    ]
    return laws, reference


def _fit_row(curve: ReplicateCurve, law: Law, reference: float) -> tuple[object, ...]:
    """The columns of `scaling_fits` from a on."""
    counts = (len(curve.axis), curve.counts.min())
    if why := why_no_law(curve):
        return (*[np.nan] * 13, *counts, "; ".join(why))
    a, b, c = (parameter[0] for parameter in fit([law]))
    predicted = a[0] * np.exp(-b[0] * law.log_n) + c[0]
    deviations = (predicted - curve.means) / np.maximum(curve.means, RESOLUTION)
    found = np.array([a * np.exp(b * reference), b, c, _extrapolation(curve, law)])
    estimates = intervals(found, certain=curve.counts.min() > 1)
    misfit = np.sqrt(np.mean(deviations**2))
    return (*estimates.ravel(), misfit, *counts, "; ".join(_reservations(curve, b[0])))


def _extrapolation(curve: ReplicateCurve, law: Law) -> Floats:
    """Relative error [curves] with which the law of all points but the last predicts the last."""
    weights = relative_weights(curve.counts[:-1], curve.means[:-1])
    before = Law(law.log_n[:-1], law.errors[:, :-1], weights)
    a, b, c = (parameter[0] for parameter in fit([before]))
    predicted = a * np.exp(-b * law.log_n[-1]) + c
    return np.asarray(predicted / np.maximum(law.errors[:, -1], RESOLUTION) - 1)


def _reservations(curve: ReplicateCurve, b: float) -> list[str]:
    """Reservations about a fitted law."""
    notes = []
    if not _inside(b):
        notes.append(f"b is at its bound, {b:g}: these n do not tell b from c")
    if curve.counts.max() < 2:
        notes.append("one seed: no intervals, and the shape is not tested")
    elif curve.counts.min() < 2:
        notes.append(f"one seed at n = {curve.listed(curve.counts < 2)}: no intervals")
    if curve.divergences:
        notes.append(curve.divergences)
    return notes


def _inside(b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether exponents lie within the bounds of the search, not at one."""
    exponents = np.asarray(b)
    return (EXPONENTS[0] * 1.001 < exponents) & (exponents < EXPONENTS[1] / 1.001)


def _compared(laws: Sequence[Law], share_floor: bool) -> tuple[Floats, Floats]:
    """Difference of b and ratio of a between the first and the second law, and b itself.

    Both of shape [2, 1 + draws].
    """
    if share_floor:
        b = fit(laws, share_floor=True).b
    else:
        b = np.concatenate([fit([law]).b for law in laws])
    a = fit(laws, share_exponent=True, share_floor=share_floor).a
    return np.array([b[0] - b[1], a[0] / a[1]]), b


def _verdict(difference: Floats, ratio: Floats) -> str:
    """The verdict on two estimates with their ends, each of shape [3]; NaN decides nothing."""
    if difference[1] > 0 or difference[2] < 0:
        return "exponent"
    return "offset" if ratio[1] > 1 or ratio[2] < 1 else "undecided"
