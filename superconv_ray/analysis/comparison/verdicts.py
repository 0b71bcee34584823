"""The one rule by which a comparison is decided: for verdicts, further seeds and stopping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import finished_trainings, metric_in
from superconv_ray.analysis.statistics.crossed import crossed_error
from superconv_ray.analysis.statistics.intervals import CONFIDENCE, DECIMALS, Floats
from superconv_ray.analysis.statistics.paired import paired_t, standard_errors
from superconv_ray.analysis.statistics.sequential import level_per_look
from superconv_ray.design.metrics import Metric

ALPHA = 1 - CONFIDENCE
"""Chance that any verdict of a table is wrong, at any look."""
MARGIN = 0.005
"""Gaps below half a point of accuracy do not count; see `default_margin`."""
ARM_BETTER = "arm better"
BASELINE_BETTER = "baseline better"
EQUIVALENT = "equivalent"
UNDECIDED = "undecided"
VERDICTS = (ARM_BETTER, BASELINE_BETTER, EQUIVALENT, UNDECIDED)


def default_margin(trials: pd.DataFrame, value: str) -> float:
    """Return the smallest gap that counts unless a user says otherwise.

    `MARGIN` for shares, such as accuracies, and for R²; for other metrics, which have units, it is
    this fraction of their mean size over the trainings.

    Args:
        trials: What is compared.
        value: Column to compare.
    """
    metric = metric_in(trials, value)
    if metric.name == value:
        return MARGIN
    return margin_of(metric, finished_trainings(trials, (), value)[value])


def margin_of(metric: Metric, values: npt.ArrayLike) -> float:
    """Return the `default_margin` for values of a metric, or for their negatives."""
    relative = not (metric.share or metric.most == 1)
    return MARGIN * float(np.abs(values).mean()) if relative else MARGIN


def require_family(family: int) -> None:
    """Check a number of rows that share `ALPHA`.

    Raises:
        ValueError: It is below 1.
    """
    if family < 1:
        raise ValueError(f"family must be >= 1, got {family}")


def level_per_row(rows: int, looks: Sequence[int] = ()) -> float:
    """Two-sided level of one row at one look, so that a table errs with chance `ALPHA` at most.

    A row has three ways to be wrong: it can call an arm better that is not, or call arms equivalent
    that differ by the margin or more. By the interval of this level it does any of that with chance
    ALPHA / rows at most, whatever the true gap: if it is 0, two tails count; if it is the margin or
    more, both wrong verdicts need an upper end below the margin, which is one tail. By Bonferroni's
    inequality the table errs with chance `ALPHA` at most, however its rows depend on each other.

    Holm's correction would decide more rows but break the 5 %. It frees a share of `ALPHA` whenever
    a hypothesis is rejected, but a row whose difference is established may still be wrongly called
    equivalent, so that its share is not free (Shaffer 1986, J. Am. Stat. Assoc. 81, 826-831): of 15
    rows with gaps near the margin, some had a wrong verdict in 7 % of simulated tables. One level
    for all rows also makes the intervals simultaneous, so that they never contradict a verdict, and
    lets each point of a study stop by its own seeds, whichever point ends first.

    Args:
        rows: Number of rows of the table, at least 1.
        looks: As for `level_per_look`.
    """
    return level_per_look(ALPHA / rows, looks)


def is_decided(low: Any, high: Any, margin: float) -> npt.NDArray[np.bool_]:
    """Whether intervals decide: they leave 0 out, or lie within the margin. NaN decides nothing."""
    low, high = np.asarray(low), np.asarray(high)
    return np.asarray((low > 0) | (high < 0) | _within(low, high, margin))


def verdicts(table: pd.DataFrame, margin: float) -> pd.Series[str]:
    """Return the verdict on every row; see `compare`.

    Args:
        table: Columns low, high, and those of `comparable`.
        margin: Smallest gap that counts.
    """
    low, high = table["low"], table["high"]
    found = np.select(
        [~comparable(table), _within(low, high, margin), low > 0, high < 0],
        [UNDECIDED, EQUIVALENT, ARM_BETTER, BASELINE_BETTER],
        UNDECIDED,
    )
    return pd.Series(found, table.index)


def _within(low: Any, high: Any, margin: float) -> Any:
    """Two one-sided tests, at half the level each (Schuirmann 1987, J. Pharmacokin. Biop. 15)."""
    return (low > -margin) & (high < margin)


def comparable(rows: Any) -> Any:
    """Whether gaps have a spread, and some run of either arm did not diverge.

    Args:
        rows: With sd, runs and diverged, and the latter two of the baseline; a row or a table.
    """
    trained = (rows["diverged"] < rows["runs"]) | (
        rows["diverged_baseline"] < rows["runs_baseline"]
    )
    return (rows["sd"] > 0) & trained


def gaps_decide(
    gaps: npt.ArrayLike, level: float, margin: float, by_sample: Floats | None = None
) -> bool:
    """Whether the gaps of one row decide it: the rule of `verdicts`, to stop adding seeds by.

    Args:
        gaps: Shape [n], finite, one per pair.
        level: From `level_per_row`.
        margin: Smallest gap that counts.
        by_sample: Gaps on every test sample, shape [n, samples], if they are known.
    """
    values = np.asarray(gaps, dtype=np.float64).round(DECIMALS)
    if len(values) < 2 or values.min() == values.max():
        return False
    errors = standard_errors(values.std(ddof=1), len(values))
    if by_sample is not None:
        errors = errors._replace(of_samples=crossed_error(by_sample).of_samples)
    half, _ = paired_t(values.mean(), errors, level)
    return bool(is_decided(values.mean() - half, values.mean() + half, margin))
