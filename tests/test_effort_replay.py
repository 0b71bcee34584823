"""The replay of rules that add seeds: what it counts, and what it calls wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.effort_replay import RULES, Recorded, recorded_points, replay


def point(*gaps: float, sd: float = 0.002) -> Recorded:
    """A point at which baselines end so far below the arm."""
    mean = 0.9 - np.array([0.0, *gaps])
    return Recorded(mean, np.eye(len(mean)) * sd**2, np.full(len(mean), 100.0))


def test_points_have_means_covariances_and_the_steps_of_a_seed_with_its_choices() -> None:
    rows = [
        {
            "role": "training",
            "arm": arm,
            "cell": cell,
            "seed": seed,
            "steps": 10,
            "test_accuracy": a,
        }
        for cell, arm, values in ((0, "a", (0.8, 0.9)), (1, "b", (0.5, 0.7)))
        for seed, a in enumerate(values)
    ]
    rows += [{"role": "tuning", "arm": "a", "cell": 0, "seed": 99, "steps": 40}] * 2
    (found,) = recorded_points(pd.DataFrame(rows))
    assert found.mean == pytest.approx([0.85, 0.6])
    assert found.covariance == pytest.approx(np.array([[0.005, 0.01], [0.01, 0.02]]))
    assert list(found.steps) == [50, 10]  # 2 x 40 steps of tuning serve 2 seeds


def test_clear_gaps_stop_at_the_first_look_and_fixed_seeds_use_all() -> None:
    clear = [point(0.2), point(0.3)]
    assert replay(clear, "fixed", 20).steps == 1
    found = replay(clear, "package", 20)
    assert (found.steps, found.decided, found.wrong) == (3 / 12, 1, 0)


def test_racing_stops_the_baseline_that_is_decided_and_not_the_arm() -> None:
    mixed = [point(0.3, 0.0049, sd=0.02)]
    together, racing = replay(mixed, "package", 50), replay(mixed, "racing", 50)
    # One of three cells stops after 3 of 12 seeds; the other baseline stays undecided.
    assert together.steps == pytest.approx(1, abs=0.05)
    assert racing.steps == pytest.approx((3 + 12 + 12) / 36, abs=0.05)


def test_better_spending_decides_more_than_bonferroni_and_both_keep_the_error() -> None:
    near = [point(0.002, 0.006, 0.0) for _ in range(3)]
    found = {rule: replay(near, rule, 400) for rule in RULES}
    assert found["package"].steps < found["Bonferroni"].steps < 1
    assert found["racing"].steps < found["package"].steps
    assert all(one.wrong <= 0.08 for one in found.values())  # 5 %, and chance in 400 tables


def test_without_a_correction_for_looks_and_rows_equal_arms_are_called_different(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    equal = [point(0.0, sd=0.05) for _ in range(2)]
    assert replay(equal, "package", 300).wrong <= 0.08
    monkeypatch.setattr("benchmarks.effort_replay.level_per_row", lambda *_: 0.05)
    assert replay(equal, "package", 300).wrong > 0.15
