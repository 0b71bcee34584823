from __future__ import annotations

import math

import pytest

from superconv_ray.analysis import arm_summary, effort, generalization_gap
from tests.analysis.comparison.made import TWO_POINTS, frame, numbers, run

COLUMNS = ["arm", "mean", "low", "high", "n", "interval_over", "diverged"]


def test_every_arm_is_summarized_at_every_point() -> None:
    summary = arm_summary(TWO_POINTS, ["data_count"])
    assert list(summary.columns) == ["data_count", *COLUMNS]
    assert numbers(summary, "data_count", "arm", "n", "diverged") == [
        (100, "a", 2, 0),
        (100, "b", 2, 0),
        (1000, "a", 2, 0),
        (1000, "b", 2, 0),
    ]
    assert summary["mean"].tolist() == pytest.approx([0.70, 0.55, 0.91, 0.87])
    # Logits 0.200671, 2.313635, 1.900959; standard errors 0, 0.05, 0.01, 0.07, each times 12.7062
    # and divided by mean (1 - mean): 2.566910, 1.551429, 7.864140
    assert summary["low"].tolist() == pytest.approx([0.7, 0.085784, 0.681832, 0.002565], abs=1e-6)
    assert summary["high"].tolist() == pytest.approx([0.7, 0.940899, 0.979469, 0.999943], abs=1e-6)


def test_without_points_an_arm_has_one_row() -> None:
    summary = arm_summary(TWO_POINTS[TWO_POINTS["data_count"] == 100])
    assert list(summary.columns) == COLUMNS
    assert numbers(summary, "arm", "n", "interval_over") == [("a", 2, "seeds"), ("b", 2, "seeds")]


def test_runs_of_several_points_are_no_replicates() -> None:
    """Two runs of a seed at two points would count as two seeds."""
    with pytest.raises(ValueError, match=r"^by must distinguish points, but arm 'a' has several"):
        arm_summary(TWO_POINTS)


def test_another_column_can_be_averaged() -> None:
    trials = frame(run("a", 0, 0.5, train_loss=1.0), run("a", 1, 0.5, train_loss=2.0))
    assert arm_summary(trials, value="train_loss")["mean"].tolist() == [1.5]


def test_an_interval_stays_in_the_range_of_its_column() -> None:
    trials = frame(
        run("a", 0, 0.99, train_loss=0.1, train_accuracy=0.99),
        run("a", 1, 0.90, train_loss=2.1, train_accuracy=0.10),
    )
    (accuracy,) = numbers(arm_summary(trials), "low", "high")
    assert 0 < accuracy[0] < 0.9 < accuracy[1] < 1
    (loss,) = numbers(arm_summary(trials, value="train_loss"), "low", "high")
    assert loss == pytest.approx((0, 13.806205))  # 1.1 +- 12.7062
    (gap,) = numbers(generalization_gap(trials), "mean", "low", "high")
    assert gap == pytest.approx((-0.4, -1, 1))


def test_accuracies_without_spread_have_an_interval_without_width() -> None:
    trials = frame(*[run("a", seed, 1.0) for seed in range(3)], run("b", 0, 0.0), run("b", 1, 0.0))
    assert numbers(arm_summary(trials), "mean", "low", "high") == [(1, 1, 1), (0, 0, 0)]


def test_percentages_are_not_taken_for_accuracies() -> None:
    message = r"test_accuracy must be in \[0, 1\] as accuracy is, got 71.3 to 80"
    with pytest.raises(ValueError, match=message):
        arm_summary(frame(run("a", 0, 71.3), run("a", 1, 80.0)))


def test_the_generalization_gap_is_training_minus_test_accuracy() -> None:
    trials = frame(
        run("a", 0, 0.7, train_accuracy=0.9),
        run("a", 1, 0.7, train_accuracy=1.0),
        run("b", 0, 0.6, train_accuracy=0.6),
        run("b", 0, math.nan, role="range_test", train_accuracy=0.5),
    )
    table = generalization_gap(trials, ["data_count"])
    assert list(table.columns) == ["data_count", *COLUMNS]
    # Standard error 0.05, times t(0.975, 1) = 12.7062
    assert numbers(table, "mean", "low", "high", "n")[0] == pytest.approx(
        (0.25, -0.385310, 0.885310, 2), abs=1e-6
    )
    assert table["mean"].tolist() == pytest.approx([0.25, 0])


def test_a_training_without_test_accuracy_has_no_generalization_gap() -> None:
    trials = frame(run("a", 0, math.nan, train_accuracy=0.9))
    with pytest.raises(ValueError, match="generalization_gap must be finite in every training"):
        generalization_gap(trials)


def test_effort_is_counted_role_by_role_and_shared_trials_once() -> None:
    shared = [run("b", 0, 0.5, cell=cell, steps_done=300) for cell in (1, 3)]
    trials = frame(
        run("a", 0, 0.5, steps_done=300),
        run("a", 1, 0.5, steps_done=40, status="diverged"),
        run("a", 0, math.nan, role="range_test", trial_id="t", steps_done=100),
        *shared,
        run("b", 0, math.nan, role="tuning", trial_id="u", steps_done=60),
        run("b", 0, math.nan, role="tuning", trial_id="v", steps_done=60),
    )
    assert numbers(effort(trials), "arm", "role", "trials", "steps") == [
        ("a", "range_test", 1, 100),
        ("a", "training", 2, 340),
        ("b", "training", 1, 300),
        ("b", "tuning", 2, 120),
    ]
