"""How good range-test rules are: their rates against the best rate of full trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from superconv_ray.analysis.frames import finished_trainings, metric_in
from superconv_ray.analysis.range_tests.frames import join_range_tests
from superconv_ray.analysis.range_tests.tables import suggestions
from superconv_ray.analysis.statistics.intervals import TAILS, Floats
from superconv_ray.analysis.statistics.replicates import over_seeds, resampled


def rule_costs(
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    value: str = "validation_accuracy",
) -> pd.DataFrame:
    """Distance of every rule's rate from the best max_lr, and the accuracy that it costs.

    The accuracy at a suggested rate is interpolated between the mean accuracies of the trainings,
    over log max_lr; outside the trained rates it is unknown. The cost is the best mean minus that
    accuracy. Its 95 % interval is a percentile bootstrap over seeds, the same for all rates; the
    suggestions come from all range tests and stay fixed. With few seeds such an interval is too
    narrow (see `bootstrap_intervals`). The best of noisy means is biased upwards, so costs are too
    high by up to about the width of their interval.

    Args:
        trials: One study's full trainings over a grid of max_lr and its range tests, of one model
            and data set, as from ``open_store(...).trials(study)``.
        curves: As from ``open_store(...).curves(study)``.
        value: Column that tells how good a training is, as for `compare`, measured on the same
            labels in all trainings.

    Returns:
        One row per rule. Columns: rule, lr, best_max_lr, decades (log10 lr / best_max_lr),
        accuracy, cost, low, high, seeds, note. Unknown values are NaN; the note says why.

    Raises:
        TypeError: An argument is no frame.
        ValueError: A column is missing; no training or no range test; a `value` that is not finite;
            or rates that were run with different seeds.
    """
    tests = join_range_tests(trials, curves)
    rates, table = _grid(trials, value)
    sign = metric_in(trials, value).sign
    table = sign * table
    means = np.concatenate([table.mean(0)[None], table[resampled(len(table))].mean(1)])
    best = rates[means[0].argmax()]
    rows = []
    for rule in suggestions(tests).itertuples():
        note = str(rule.note)
        lr = float(rule.lr)  # type: ignore[arg-type]
        cost = np.full(len(means), np.nan)
        if np.isfinite(lr) and not rates[0] <= lr <= rates[-1]:
            note = "; ".join(
                filter(None, [note, f"trained only from {rates[0]:g} to {rates[-1]:g}"])
            )
        elif np.isfinite(lr):
            cost = means.max(1) - _between(rates, means, lr)
        low, high = np.quantile(cost[1:], TAILS)
        if len(table) == 1:
            low = high = np.nan
        accuracy = sign * (means[0].max() - cost[0])
        decades = np.log10(lr / best)
        rows.append((rule.rule, lr, best, decades, accuracy, cost[0], low, high, len(table), note))
    columns = ["rule", "lr", "best_max_lr", "decades", "accuracy", "cost", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "note"])


def _grid(trials: pd.DataFrame, value: str) -> tuple[Floats, Floats]:
    """Return the rates in ascending order, and `value` as [seeds, rates]."""
    trainings = finished_trainings(trials[trials["kind"] == "training"], ["max_lr"], value)
    if trainings.empty:
        raise ValueError("there is no finished training to compare the rules with")
    return over_seeds(trainings, "max_lr", value)


def _between(rates: Floats, means: Floats, lr: float) -> Floats:
    """Interpolate every row of means [k, rates] at a rate inside the grid, linearly over log lr."""
    right = int(np.clip(np.searchsorted(rates, lr), 1, len(rates) - 1))
    left = right - 1
    share = np.log(lr / rates[left]) / np.log(rates[right] / rates[left])
    between: Floats = (1 - share) * means[:, left] + share * means[:, right]
    return between
