from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.reach.factors import label_worth, speedup
from tests.analysis.made import curve, noisy, power_law

LABELS = (100, 300, 1000, 3000, 10000)
BUDGETS = (100, 200, 400, 800, 1600, 3200)


def two_arms() -> pd.DataFrame:
    return pd.concat(
        [
            curve("one_cycle", "steps", {100: (0.6, 0.62), 1000: (0.8, 0.82)}),
            curve("piecewise", "steps", {100: (0.3, 0.32), 1000: (0.6, 0.62)}),
        ]
    )


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


def test_an_arm_may_be_worth_four_times_its_labels() -> None:
    trials = pd.concat(
        [
            curve("x", "data_count", {100: (0.6, 0.6), 400: (0.8, 0.8)}),
            curve("y", "data_count", {100: (0.4, 0.4), 400: (0.6, 0.6), 6400: (0.8, 0.8)}),
        ]
    )
    table = label_worth(trials, "x", "y")
    assert table["data_count"].tolist() == [100, 400]
    assert table["baseline_labels"].tolist() == pytest.approx([400, 6400])
    assert table["factor"].tolist() == pytest.approx([4, 16])
    back = label_worth(trials, "y", "x")
    assert back["censored"].tolist() == ["<", "", ""]


def test_the_worth_of_labels_is_covered_by_its_interval() -> None:
    # error / 1.5 at every n is what 1.5^2 = 2.25 times as many labels give with b = 0.5
    arms = {"x": power_law(2, 0.5, 0), "y": power_law(3, 0.5, 0)}
    tables = [
        label_worth(
            noisy(arms, "data_count", LABELS, 5, 0.03, np.random.default_rng(seed)), "x", "y"
        ).iloc[2]
        for seed in range(50)
    ]
    # Interpolated between 1,000 and 3,000, where a power law lies below the straight line
    chord = (3 * 1000**-0.5, 3 * 3000**-0.5)
    truth = 3 ** ((chord[0] - 2 * 1000**-0.5) / (chord[0] - chord[1]))
    assert 0.88 <= np.mean([row["low"] <= truth <= row["high"] for row in tables]) <= 1
