from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.speedup.factor import budget_curve, speedup
from tests.analysis.made import curve, noisy

BUDGETS = (100, 200, 400, 800, 1600, 3200)


def two_arms() -> pd.DataFrame:
    return pd.concat(
        [
            curve("one_cycle", "steps", {100: (0.6, 0.62), 1000: (0.8, 0.82)}),
            curve("piecewise", "steps", {100: (0.3, 0.32), 1000: (0.6, 0.62)}),
        ]
    )


def test_a_budget_curve_has_a_row_a_budget_and_arm() -> None:
    table = budget_curve(two_arms())
    assert list(table.columns) == ["steps", "arm", "mean", "low", "high", "n", "diverged"]
    assert table[["steps", "arm"]].to_numpy().tolist() == [
        [100, "one_cycle"],
        [100, "piecewise"],
        [1000, "one_cycle"],
        [1000, "piecewise"],
    ]
    assert table["mean"].tolist() == pytest.approx([0.61, 0.31, 0.81, 0.61])


def test_a_speed_up_is_the_factor_in_steps_to_the_same_final_accuracy() -> None:
    table = speedup(two_arms(), "one_cycle", "piecewise")
    assert list(table.columns) == [
        *("steps", "mean", "baseline_steps", "factor", "low", "high", "censored", "seeds", "note")
    ]
    assert table["steps"].tolist() == [100, 1000]
    assert table["baseline_steps"].tolist() == [1000, 1000]
    assert table["factor"].tolist() == [10, 1]
    assert table["censored"].tolist() == ["", ">"]
    assert table["note"].tolist() == ["", "'piecewise' does not get there by 1,000"]


def test_a_speed_up_is_given_for_every_number_of_labels() -> None:
    few = two_arms().assign(data_count=7)
    few.loc[few["arm"] == "one_cycle", "test_accuracy"] = 0.61
    table = speedup(pd.concat([two_arms(), few]), "one_cycle", "piecewise", ["data_count"])
    assert table[["data_count", "steps"]].to_numpy().tolist() == [
        [7, 100],
        [7, 1000],
        [100, 100],
        [100, 1000],
    ]
    assert table["factor"].tolist() == [10, 1, 10, 1]
    assert table["censored"].tolist() == ["", "", "", ">"]


def test_the_speed_up_is_covered_by_its_interval() -> None:
    arms = {
        "fast": lambda n: 0.9 - 0.1 * np.log(3 * n) / 3,
        "slow": lambda n: 0.9 - 0.1 * np.log(n) / 3,
    }
    covered = []
    for seed in range(50):
        trials = noisy(arms, "steps", BUDGETS, 5, 0.005, np.random.default_rng(seed))
        row = speedup(trials, "fast", "slow").iloc[2]  # straight over log n: exactly 3
        covered.append(row["low"] <= 3 <= row["high"])
    assert 0.88 <= np.mean(covered) <= 1
