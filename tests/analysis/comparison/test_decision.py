"""What it would cost to decide, from gaps and times that are given."""

from __future__ import annotations

import pandas as pd
import pytest

from superconv_ray.analysis import compare
from superconv_ray.analysis.comparison.decision import decision_cost
from tests.analysis.made import frame, run


def test_further_seeds_cost_a_training_of_either_arm_each() -> None:
    trials = frame(
        run(arm, seed, 0.5 + gap, steps_done=steps, train_seconds=seconds, eval_seconds=60.0)
        for seed, gaps in enumerate([(0.00, 0.0), (0.02, 0.0), (0.01, 0.0)])
        for arm, gap, steps, seconds in (
            ("one_cycle", gaps[0], 100, 300.0),
            ("cosine", gaps[1], 200, 660.0),
        )
    )
    gaps = compare(trials, "one_cycle", "cosine")
    (row,) = decision_cost(trials, gaps).to_dict("records")
    seeds = gaps["further_seeds"].iloc[0]
    assert seeds > 0
    assert row["trainings"] == 2 * seeds
    assert row["train_steps"] == 300 * seeds
    assert row["hours"] == pytest.approx(seeds * (360 + 720) / 3600)


def test_what_is_decided_costs_nothing() -> None:
    trials = frame(
        run(arm, seed, accuracy + seed / 1000, steps_done=100, train_seconds=1.0, eval_seconds=1.0)
        for seed in range(4)
        for arm, accuracy in (("one_cycle", 0.9 + seed / 500), ("cosine", 0.5))
    )
    assert decision_cost(trials, compare(trials, "one_cycle", "cosine")).empty


def test_where_no_number_of_seeds_can_be_said_the_cost_is_missing_and_the_note_says_why() -> None:
    trials = frame(
        run(arm, 0, accuracy, steps_done=100, train_seconds=1.0, eval_seconds=1.0)
        for arm, accuracy in (("one_cycle", 0.9), ("cosine", 0.5))
    )
    (row,) = decision_cost(trials, compare(trials, "one_cycle", "cosine")).to_dict("records")
    assert pd.isna(row["hours"])
    assert "one pair has no spread" in row["note"]
