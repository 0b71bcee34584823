"""The replay of seeds allotted to a trend: what it draws, allots and measures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.trend_replay import EQUAL, PILOT, Course, allotted, courses, replay


def course(sd: tuple[float, float, float], correlation: float = 0.0) -> Course:
    """Points of 10, 100 and 1,000 labels with one baseline, a gap of 0 and steps as labels."""
    correlations = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    labels = np.array([10.0, 100.0, 1000.0])
    return Course(labels, np.zeros((3, 1)), np.outer(sd, sd) * correlations, labels)


def test_a_course_has_the_gaps_of_one_budget_and_the_steps_of_all_arms() -> None:
    rows = [
        {
            "role": "training",
            "arm": arm,
            "cell": 10 * labels + 2 * budget + (arm == "b"),
            "seed": seed,
            "data_count": labels,
            "steps": labels * budget,
            "test_accuracy": 0.9 - (labels / 100 * budget + seed) * (arm == "b") / 100,
        }
        for labels in (100, 300)
        for budget in (1, 2)
        for arm in ("a", "b")
        for seed in (0, 1)
    ]
    rows.append({**rows[0], "role": "tuning", "seed": 9, "steps": 50})
    short, long = courses(pd.DataFrame(rows))
    assert short.mean == pytest.approx(np.array([[0.015], [0.035]]))
    assert long.mean == pytest.approx(np.array([[0.025], [0.065]]))
    assert short.covariance == pytest.approx(np.full((2, 2), 0.01**2 / 2))  # seeds are shared
    assert list(short.steps) == [225, 600]  # a search of 50 steps serves two seeds
    assert list(long.steps) == [400, 1200]
    assert short.weights @ np.log10(short.labels) == pytest.approx(1)


def test_seeds_go_where_they_are_cheap_and_tell_much_and_the_steps_stay() -> None:
    points = course((0.03, 0.03, 0.01))
    seeds = allotted(points, np.array([0.03, 0.03, 0.01]))
    assert seeds[0] > EQUAL > seeds[1] == PILOT  # the middle has no weight in a slope of three
    assert seeds @ points.steps <= EQUAL * points.steps.sum()


def test_allotting_wins_with_unequal_noise_and_loses_what_shared_seeds_pair() -> None:
    uneven = replay(course((0.05, 0.01, 0.01)), 300)
    paired = replay(course((0.02, 0.02, 0.02), correlation=0.9), 300)
    assert uneven["allotted"].width < 0.8
    assert paired["allotted"].width > 1.2
    for found in (uneven, paired):
        assert found["equal"].width == 1
        assert 0.9 <= found["allotted"].covered <= 1
        assert found["equal"].covered == pytest.approx(0.95, abs=0.03)
        assert found["equal"].decided == pytest.approx(0.05, abs=0.03)  # there is no trend
