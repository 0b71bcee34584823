"""What range-test rules are worth: their rates against those that full trainings do best at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from superconv_ray.analysis.range_tests.frames import join_range_tests
from superconv_ray.analysis.range_tests.tables import suggestions
from superconv_ray.analysis.statistics.intervals import TAILS, Floats
from superconv_ray.analysis.statistics.replicates import finished_trainings, over_seeds, resampled


def rule_costs(
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    value: str = "validation_accuracy",
    seed: int = 0,
) -> pd.DataFrame:
    """How far every rule's rate is from the best max_lr, and the accuracy that following it costs.

    The accuracy at a suggested rate is interpolated between the trainings' mean accuracies, over
    log max_lr; below and above the rates that were trained it cannot be told. Cost is the best mean
    minus that. Seeds are resampled, the same ones for all rates; the suggestions are those of all
    range tests together and stay. A best rate that is picked from noisy means flatters it: costs
    are upper bounds by about the width of their interval.

    Args:
        trials: One study's full trainings over a grid of max_lr and its range tests, of one model
            and data set, as from ``open_store(...).trials(study)``.
        curves: Their curves.
        value: Column that is to be large, measured on the same labels for all.
        seed: Of the resampling.

    Returns:
        One row a rule: rule, lr, best_max_lr, decades (log10 lr / best_max_lr), accuracy, cost,
        low, high, seeds, note. What cannot be told is NaN, and the note says why.

    Raises:
        ValueError: No training or no range test; a `value` that is not finite; rates that were run
            with different seeds.
    """
    rates, table = _grid(trials, value)
    means = np.concatenate([table.mean(0)[None], table[resampled(len(table), seed)].mean(1)])
    best = rates[means[0].argmax()]
    rows = []
    for rule in suggestions(join_range_tests(trials, curves)).itertuples():
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
        accuracy = means[0].max() - cost[0]
        decades = np.log10(lr / best)
        rows.append((rule.rule, lr, best, decades, accuracy, cost[0], low, high, len(table), note))
    columns = ["rule", "lr", "best_max_lr", "decades", "accuracy", "cost", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "note"])


def _grid(trials: pd.DataFrame, value: str) -> tuple[Floats, Floats]:
    """Rates in ascending order, and `value` as [seeds, rates]."""
    trainings = finished_trainings(trials[trials["kind"] == "training"], ["max_lr"], value)
    if trainings.empty:
        raise ValueError("there is no finished training to compare the rules' rates with")
    return over_seeds(trainings, "max_lr", value)


def _between(rates: Floats, means: Floats, lr: float) -> Floats:
    """Every row of means [k, rates] at a rate inside the grid, linear over log lr."""
    right = int(np.clip(np.searchsorted(rates, lr), 1, len(rates) - 1))
    left = right - 1
    share = np.log(lr / rates[left]) / np.log(rates[right] / rates[left])
    between: Floats = (1 - share) * means[:, left] + share * means[:, right]
    return between
