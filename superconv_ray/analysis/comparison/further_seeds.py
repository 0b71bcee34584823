"""How many further seeds would decide an undecided row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from superconv_ray.analysis.comparison.verdicts import UNDECIDED, comparable, is_decided
from superconv_ray.analysis.statistics.crossed import crossed_half_widths
from superconv_ray.analysis.statistics.intervals import SEED, Floats

POWER = 0.8
"""Probability with which the further seeds decide a row."""
MAX_SEEDS = 1_000
"""Largest number of further pairs that is looked for."""
DRAWS = 1_000
_STEPS = np.unique(np.concatenate([np.arange(1, 11), np.geomspace(12, MAX_SEEDS, 25).astype(int)]))
"""Numbers of further pairs that are tried."""


class _Rows(NamedTuple):
    """Undecided rows, and what their true means and deviations may be: [rows, 1], [rows, draws].

    `of_samples` is the part of the standard error that more seeds do not reduce.
    """

    mean: Floats
    sd: Floats
    n: Floats
    of_samples: Floats
    true_mean: Floats
    true_sd: Floats

    def without(self, left_out: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(*(values[~left_out] for values in self))


def further_seeds(table: pd.DataFrame, margin: float, level: float) -> pd.Series[Any]:
    """Number of further pairs that decide an undecided row with probability `POWER`.

    The probability is predictive: it averages over the true means and deviations that are plausible
    given the pairs so far (Spiegelhalter, Abrams & Myles 2004, section 6.5; the prior is flat in
    the mean and the logarithm of the deviation). Taking the observed ones for the true ones, as
    power analysis does, promises 80 % and keeps much less after few pairs. The probability holds on
    average over those means, not for each: in simulations, a row with no gap was decided in half of
    the cases, and one with a gap of a deviation in all (docs/statistics.md).

    Args:
        table: Columns mean, sd, n, verdict, and those of `comparable`; of_samples, the standard
            error that the test set leaves whatever the number of seeds, NaN if it is taken as
            given.
        margin: Smallest gap that counts.
        level: Two-sided level of the tests once the seeds have been added.

    Returns:
        Numbers of pairs; missing if the row is decided, if nothing is known about its spread, or
        if more than `MAX_SEEDS` are needed.
    """
    found = pd.Series(pd.NA, table.index, dtype="Int64")
    places = np.flatnonzero(comparable(table) & (table["verdict"] == UNDECIDED))
    known = table[["mean", "sd", "n", "of_samples"]].to_numpy(np.float64)[places]
    rows = _plausible(*np.nan_to_num(known).T)
    for further in _STEPS:  # ascending, so that rows leave once they have their number
        if not len(places):
            break
        enough = _decided(rows, int(further), margin, level) >= POWER
        found.iloc[places[enough]] = further
        places, rows = places[~enough], rows.without(enough)
    return found


def _plausible(mean: Floats, sd: Floats, n: Floats, of_samples: Floats) -> _Rows:
    """Draw true means and deviations from what n pairs tell of them; arguments [rows]."""
    generator = np.random.default_rng(SEED)
    uniform, normal = generator.uniform(size=DRAWS), generator.standard_normal(DRAWS)
    counts, index = np.unique(n, return_inverse=True)
    scale = np.sqrt((counts[:, None] - 1) / special.chdtri(counts[:, None] - 1, uniform))
    mean, sd, n, of_samples = (values[:, None] for values in (mean, sd, n, of_samples))
    true_sd = sd * scale[index]
    return _Rows(mean, sd, n, of_samples, mean + true_sd * normal / np.sqrt(n), true_sd)


def _decided(rows: _Rows, further: int, margin: float, level: float) -> Floats:
    """Share of the draws in which further pairs decide each row, shape [rows]."""
    generator = np.random.default_rng([SEED, further])
    new_mean = rows.true_mean + rows.true_sd * generator.standard_normal(DRAWS) / np.sqrt(further)
    rest = generator.chisquare(further - 1, DRAWS) if further > 1 else np.zeros(DRAWS)
    n, total = rows.n, rows.n + further
    mean = (n * rows.mean + further * new_mean) / total
    squares = (n - 1) * rows.sd**2 + rows.true_sd**2 * rest
    squares += n * further / total * (rows.mean - new_mean) ** 2
    errors = np.sqrt(squares / (total - 1) / total)
    half = crossed_half_widths(errors, total - 1, rows.of_samples, level)
    share: Floats = is_decided(mean - half, mean + half, margin).mean(axis=1)
    return share
