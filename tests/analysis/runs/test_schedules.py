from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.runs.schedules import schedule_table
from superconv_ray.design.trial import Trial
from tests.analysis.made import frame, run


def training(arm: str, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """A row as the store gives it: what is not set is NaN."""
    trial = Trial(data_count=100, seed=seed, **settings).complete()
    stored = {n: math.nan if v is None else v for n, v in trial.settings().items()}
    return run(arm, seed, 0.9) | stored | {"trial_id": trial.id}


def test_rates_are_those_of_the_trials_own_schedule() -> None:
    settings: dict[str, Any] = {
        "policy": "piecewise",
        "max_lr": 0.4,
        "milestones": (0.25, 0.5),
        "steps": 8,
    }
    table = schedule_table(frame([training("a", seed, **settings) for seed in (0, 1)]))
    assert list(table["step"]) == list(range(8))
    assert list(table["lr"]) == pytest.approx([0.4] * 2 + [0.04] * 2 + [0.004] * 4)
    assert set(table["momentum"]) == {0.9}


def test_a_setting_that_is_off_stays_off() -> None:
    settings: dict[str, Any] = {
        "policy": "triangular",
        "max_lr": 1.0,
        "steps": 4,
        "min_momentum": None,
    }
    table = schedule_table(frame([training("a", **settings)]))
    assert list(table["lr"]) == pytest.approx([0.1, 0.55, 1.0, 0.55])
    assert set(table["momentum"]) == {0.9}


def test_a_long_run_has_rows_at_few_steps_including_its_ends() -> None:
    row = training("a", policy="linear", max_lr=1.0, steps=100_000)
    table = schedule_table(frame([row]))
    assert len(table) == 200
    assert list(table["step"].iloc[[0, -1]]) == [0, 99_999]
    assert np.allclose(table["lr"], 1 - table["step"] / 100_000)


def test_rates_that_were_chosen_by_cell_need_it_in_by() -> None:
    rows = [
        training("a", policy="constant", max_lr=lr, steps=2) | {"data_count": n}
        for n, lr in ((100, 0.1), (200, 0.3))
    ]
    table = schedule_table(frame(rows), ["data_count"])
    assert dict(zip(table["data_count"], table["lr"], strict=True)) == {100: 0.1, 200: 0.3}
    with pytest.raises(ValueError, match="by must distinguish schedules, but there are 2 at arm a"):
        schedule_table(frame(rows))


def test_without_a_training_there_is_no_row() -> None:
    none = frame([training("a", policy="constant", max_lr=0.1, steps=2)]).iloc[:0]
    pd.testing.assert_index_equal(
        schedule_table(none).columns, pd.Index(["arm", "step", "lr", "momentum"])
    )


def test_an_own_schedule_is_what_its_curve_recorded() -> None:
    row = training("a", policy="cosine", max_lr=0.1, steps=40) | {"policy": "mine"}
    curves = pd.DataFrame(
        {
            "trial_id": [row["trial_id"]] * 2 + ["another"],
            "step": [40, 1, 7],
            "lr": [0.01, 0.1, 0.5],
            "momentum": [0.9, 0.8, 0.7],
        }
    )
    table = schedule_table(frame([row]), curves=curves)
    assert table.to_dict("list") == {
        "arm": ["a", "a"],
        "step": [0, 39],
        "lr": [0.1, 0.01],
        "momentum": [0.8, 0.9],
    }
    assert schedule_table(frame([row])).empty


def test_momentum_of_an_optimizer_without_one_is_nan() -> None:
    table = schedule_table(frame([training("a", optimizer="adagrad", max_lr=1.0, steps=10)]))
    assert table["momentum"].isna().all()
    assert table["lr"].notna().all()
