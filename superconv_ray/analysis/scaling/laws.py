"""Which law predicts the error at more labels than it has seen?

A law that fits need not extrapolate. Each law here is fitted without the largest number of labels,
and judged by its prediction there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from superconv_ray.analysis.scaling.curves import error_curves, intervals
from superconv_ray.analysis.scaling.power_law import EXPONENTS, RESOLUTION, relative_weights
from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, redrawn_means

DRAWS = 500
LATTICE = 41
"""Values of each shape parameter that are tried first, between its bounds."""
ZOOMS = 5
"""Finer lattices around each curve's best point, each with half of the spacing."""
SHARES = (0.01, 100.0)
"""Bounds of a number of labels, relative to those of the curve."""

Shape = Callable[..., Floats]


@dataclass(frozen=True)
class CurveLaw:
    """A law error = a g(n) + c with a, c >= 0, and a shape g that falls from at most 1 to 0.

    Attributes:
        name: As in the literature on learning curves (LCDB, Mohr et al. 2022).
        shape: g, from n relative to a typical n of the curve and the shape's parameters, which
            have its shape or can be broadcast to it.
        bounds: Bounds of these parameters, searched on a logarithmic scale.
    """

    name: str
    shape: Shape
    bounds: Sequence[tuple[float, float]]

    @property
    def parameters(self) -> int:
        """Number of parameters, a and c included."""
        return 2 + len(self.bounds)


def _power(n: Floats, b: Floats) -> Floats:
    return np.asarray(n**-b)


def _exponential(n: Floats, b: Floats) -> Floats:
    return np.exp(-b * n)


def _shifted_power(n: Floats, b: Floats, shift: Floats) -> Floats:
    return np.asarray((n + shift) ** -b)


def _sigmoid(n: Floats, d: Floats, half: Floats) -> Floats:
    return 1 / (1 + (n / half) ** d)


LAWS = (
    CurveLaw("POW3", _power, [EXPONENTS]),
    CurveLaw("EXP3", _exponential, [SHARES]),
    CurveLaw("POW4", _shifted_power, [EXPONENTS, SHARES]),
    CurveLaw("MMF4", _sigmoid, [EXPONENTS, SHARES]),
)
NO_CHANGE = "last value"
"""The prediction that more labels change nothing: what a law must beat."""


def compare_laws(
    trials: pd.DataFrame,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Compare laws of learning curves by how well they predict the largest number of labels.

    Every law is fitted to all points but the last one, by weighted least squares on the means over
    seeds with deviations relative to the error (as `scaling_fits`), and predicts the last one:

    - POW3: a n^-b + c, the law of `scaling_fits`;
    - EXP3: a exp(-b n) + c;
    - POW4: a (n + d)^-b + c, which is flat before it falls;
    - MMF4: a / (1 + (n / h)^d) + c, a sigmoid on the logarithmic axis (Morgan-Mercer-Flodin);
    - last value: no law, but the error at the largest number of labels before.

    The names and forms are those of LCDB (Mohr et al. 2022, ECML PKDD), where POW4 and MMF4
    extrapolate best on average, with an amplitude and floor >= 0. The 95 % intervals are
    percentiles over redrawn means (`redrawn_means`): they hold the noise of the seeds at all
    points, the last one included. One held-out point is a weak judge: it says which laws fail here,
    not which one is true.

    Args:
        trials: As for `scaling_fits`.
        by: Columns that distinguish curves.
        value: Column of accuracies, in [0, 1].

    Returns:
        A row per arm and law. Columns: `by`, arm, law, data_count (the largest number of labels),
        measured (its error), predicted, extrapolation (predicted / measured - 1: above 0, the law
        expects too large an error), low, high (of extrapolation), points (that the law was fitted
        to), note. Unknown values are NaN; the note says why.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `scaling_fits`.
    """
    rows: list[tuple[object, ...]] = []
    for key, curves in error_curves(trials, [], by, value):
        redrawn = redrawn_means(list(curves.values()), DRAWS)
        for (arm, curve), draws in zip(curves.items(), redrawn, strict=True):
            errors = np.vstack([curve.means, draws])
            for name, predicted, note in _predictions(curve, errors):
                ratio = (predicted / np.maximum(errors[:, -1], RESOLUTION))[np.newaxis]
                found = intervals(ratio - 1, certain=curve.counts.min() > 1)[0]
                last = (curve.axis[-1], curve.means[-1], predicted[0])
                rows.append((*key, arm, name, *last, *found, len(curve.axis) - 1, note))
    ends = ("extrapolation", "low", "high", "points", "note")
    columns = [*by, "arm", "law", "data_count", "measured", "predicted", *ends]
    return pd.DataFrame(rows, columns=columns)


def _predictions(curve: ReplicateCurve, errors: Floats) -> list[tuple[str, Floats, str]]:
    """Name, predictions [curves] at the last point, and note of every law."""
    before, nothing = len(curve.axis) - 1, np.full(len(errors), np.nan)
    lost = curve.listed(curve.lost)
    why = f"every training diverged at n = {lost}" if lost else ""
    found = []
    for law in LAWS:
        few = f"{law.parameters} parameters need as many points besides the largest n"
        note = why or (few if before < law.parameters else "")
        predicted = nothing if note else extrapolated(law, curve, errors)
        found.append((law.name, predicted, note or curve.divergences))
    last = errors[:, -2] if before else nothing
    return [*found, (NO_CHANGE, last, "" if before else "one number of labels")]


def extrapolated(law: CurveLaw, curve: ReplicateCurve, errors: Floats) -> Floats:
    """Predict the last point of a curve, and of redrawn ones, from the points before.

    For given shape parameters, a and c are a linear least-squares problem, solved in closed form.
    The parameters are searched on a lattice, and then on finer ones around each curve's best point.

    Args:
        law: What to fit.
        curve: Errors over labels.
        errors: Means of the curve and of redrawn ones, shape [curves, points].

    Returns:
        Predictions, shape [curves].
    """
    n = curve.axis / np.exp(np.log(curve.axis[:-1]).mean())
    weights = relative_weights(curve.counts[:-1], curve.means[:-1])
    known = errors[:, :-1]
    low, high = np.log(np.transpose(law.bounds))
    axes = [np.linspace(*ends, LATTICE) for ends in zip(low, high, strict=True)]
    spacing = np.array([axis[1] - axis[0] for axis in axes])
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(1, -1, len(axes))
    best = _best(law, n[:-1], known, weights, mesh)
    around = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * len(axes)), axis=-1).reshape(-1, len(axes))
    for zoom in range(1, ZOOMS + 1):
        near = best[:, np.newaxis] + around * spacing / 2**zoom
        best = _best(law, n[:-1], known, weights, np.clip(near, low, high))
    shape = law.shape(n, *np.exp(best.T)[..., np.newaxis])  # [curves, points]
    a, c, _ = _amplitude_and_floor(shape[:, np.newaxis, :-1], known, weights)
    return np.asarray(a[:, 0] * shape[:, -1] + c[:, 0])


def _best(law: CurveLaw, n: Floats, errors: Floats, weights: Floats, candidates: Floats) -> Floats:
    """Of candidates [curves or 1, k, parameters], as logarithms, each curve's best one."""
    shape = law.shape(n, *np.moveaxis(np.exp(candidates), -1, 0)[..., np.newaxis])
    squares = _amplitude_and_floor(shape, errors, weights)[2]
    least = squares.argmin(axis=1)
    rows = np.arange(len(errors)) if len(candidates) > 1 else 0
    return np.asarray(candidates[rows, least])


def _amplitude_and_floor(
    shape: Floats, errors: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Best a, c >= 0 and the squared error, each [curves, k]; shapes are [curves or 1, k, points].

    Of the four candidates (both free, either 0, both 0), the best one that is allowed is the
    optimum, because the squared error is convex.
    """
    x1, xx = shape @ weights, shape**2 @ weights
    weighted = errors * weights
    yx = np.einsum("ckp,cp->ck", np.broadcast_to(shape, (len(errors), *shape.shape[1:])), weighted)
    y1, yy = weighted.sum(axis=1)[:, np.newaxis], (errors * weighted).sum(axis=1)[:, np.newaxis]
    variance = np.maximum(xx - x1**2, 1e-15)  # the weights sum to 1
    slope = (yx - x1 * y1) / variance
    free = (slope >= 0) & (y1 - slope * x1 >= 0)
    through_zero = np.maximum(yx / xx, 0)
    a = np.where(free, slope, np.where(slope < 0, 0, through_zero))
    c = np.where(free, y1 - slope * x1, np.where(slope < 0, y1, 0))
    squares = yy + a**2 * xx + c**2 + 2 * (a * c * x1 - a * yx - c * y1)
    return a, c, squares
