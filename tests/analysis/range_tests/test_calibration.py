from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.range_tests.calibration import rule_costs

RATES = (0.01, 0.1, 1.0)
MEANS = (0.6, 0.8, 0.7)


def trials(seeds: int = 3, rates: tuple[float, ...] = RATES) -> pd.DataFrame:
    """Trainings at each rate, whose mean accuracy is MEANS plus a shift of the seed; range tests"""
    rows = []
    for seed in range(seeds):
        shared = {"role": "training", "seed": seed, "subset_seed": seed, "status": "completed"}
        for rate, mean in zip(rates, MEANS, strict=False):
            accuracy = mean + 0.01 * (seed - (seeds - 1) / 2)
            own = {"kind": "training", "arm": f"{rate:g}", "max_lr": rate}
            rows.append({**shared, **own, "validation_accuracy": accuracy})
        own = {"kind": "range_test", "arm": "range test", "max_lr": 10.0}
        rows.append({**shared, **own, "validation_accuracy": 0.5})
    return pd.DataFrame(rows).assign(trial_id=lambda t: [f"{i:020x}" for i in range(len(t))])


def curves(of: pd.DataFrame, peak: float) -> pd.DataFrame:
    """Range tests whose accuracy is a tent around a rate, over log LR."""
    lr = np.geomspace(1e-3, 10.0, 101)
    accuracy = 0.8 - 0.2 * np.abs(np.log10(lr / peak))
    parts = []
    for trial_id in of.loc[of["kind"] == "range_test", "trial_id"]:
        columns: dict[str, Any] = {
            "trial_id": trial_id,
            "step": np.arange(1, 102),
            "lr": lr,
            "train_loss": 1 - accuracy,
            "train_accuracy": accuracy,
            "validation_loss": 1 - accuracy,
            "validation_accuracy": accuracy,
            "validation_accuracy_reestimated": accuracy,
            "test_loss": np.nan,
            "test_accuracy": np.nan,
            "test_accuracy_reestimated": np.nan,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def cost_of(frame: pd.DataFrame, rule: str) -> Any:
    return frame.set_index("rule").loc[rule]


def test_a_rule_costs_what_the_best_rate_has_over_its_own() -> None:
    given = trials()
    row = cost_of(rule_costs(given, curves(given, 10**-0.5)), "plateau_middle")
    assert row.lr == pytest.approx(0.316, abs=0.02)
    assert row.best_max_lr == 0.1
    assert row.decades == pytest.approx(math.log10(row.lr / 0.1))
    # Half way between 0.1 (0.8) and 1 (0.7) in log LR: 0.75. The seeds shift all rates alike.
    assert row.accuracy == pytest.approx(0.75, abs=0.003)
    assert row.cost == pytest.approx(0.05, abs=0.003)
    assert row.low == pytest.approx(row.high)
    assert row.seeds == 3


def test_the_best_rate_itself_costs_nothing() -> None:
    given = trials()
    row = cost_of(rule_costs(given, curves(given, 0.1)), "plateau_middle")
    assert abs(row.decades) < 0.03
    assert row.cost == pytest.approx(0.0, abs=0.005)


def test_a_rate_outside_of_the_trained_ones_has_no_cost_and_says_so() -> None:
    given = trials()
    row = cost_of(rule_costs(given, curves(given, 5.0)), "plateau_middle")
    assert math.isnan(row.cost)
    assert "trained only from 0.01 to 1" in row.note


def test_one_seed_has_a_cost_but_no_interval() -> None:
    given = trials(seeds=1)
    row = cost_of(rule_costs(given, curves(given, 0.3)), "plateau_middle")
    assert row.cost > 0
    assert math.isnan(row.low)


def test_what_cannot_be_compared_is_an_error() -> None:
    given = trials()
    found = curves(given, 0.3)
    with pytest.raises(ValueError, match="there is no finished training to compare"):
        rule_costs(given[given["kind"] == "range_test"], found)
    with pytest.raises(ValueError, match="every max_lr must be run with the same seeds"):
        rule_costs(given[given.index != 0], found)
    with pytest.raises(ValueError, match="validation_accuracy must be finite"):
        rule_costs(given.assign(validation_accuracy=np.nan), found)
