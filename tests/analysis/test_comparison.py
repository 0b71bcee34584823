from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.comparison import arm_summary, paired_gap


def run(arm: str, seed: int, accuracy: float, count: int = 100, **other: Any) -> dict[str, Any]:
    """A row of a study's trials."""
    return {
        "trial_id": f"{arm}-{seed}-{count}",
        "arm": arm,
        "role": "training",
        "status": "completed",
        "data_count": count,
        "seed": seed,
        "subset_seed": seed,
        "test_accuracy": accuracy,
        **other,
    }


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def numbers(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(table[list(columns)].itertuples(index=False, name=None))


TWO_POINTS = frame(
    run("b", 0, 0.50),
    run("b", 1, 0.60),
    run("a", 0, 0.70),
    run("a", 1, 0.70),
    run("a", 0, 0.90, count=1000),
    run("a", 1, 0.92, count=1000),
    run("b", 1, 0.94, count=1000),
    run("b", 0, 0.80, count=1000),
)


# Arms


def test_every_arm_is_summarised_at_every_point() -> None:
    summary = arm_summary(TWO_POINTS, ["data_count"])
    assert list(summary.columns) == ["data_count", "arm", "mean", "low", "high", "n", "diverged"]
    assert numbers(summary, "data_count", "arm", "n", "diverged") == [
        (100, "a", 2, 0),
        (100, "b", 2, 0),
        (1000, "a", 2, 0),
        (1000, "b", 2, 0),
    ]
    assert summary["mean"].tolist() == pytest.approx([0.70, 0.55, 0.91, 0.87])
    # standard errors 0, 0.05, 0.01, 0.07, each times 12.7062
    assert (summary["high"] - summary["mean"]).tolist() == pytest.approx(
        [0, 0.635310, 0.127062, 0.889434], abs=1e-6
    )
    assert (summary["mean"] - summary["low"]).tolist() == pytest.approx(
        [0, 0.635310, 0.127062, 0.889434], abs=1e-6
    )


def test_without_points_an_arm_has_one_row() -> None:
    summary = arm_summary(TWO_POINTS)
    assert list(summary.columns) == ["arm", "mean", "low", "high", "n", "diverged"]
    assert numbers(summary, "arm", "n") == [("a", 4), ("b", 4)]
    assert summary["mean"].tolist() == pytest.approx([0.805, 0.71])


def test_another_column_can_be_averaged() -> None:
    trials = frame(run("a", 0, 0.5, train_loss=1.0), run("a", 1, 0.5, train_loss=2.0))
    assert arm_summary(trials, value="train_loss")["mean"].tolist() == [1.5]


def test_a_diverged_training_counts_with_what_it_measured() -> None:
    trials = frame(run("a", 0, 0.9), run("a", 1, 0.1, status="diverged"), run("b", 0, 0.6))
    assert numbers(arm_summary(trials), "arm", "n", "diverged") == [("a", 2, 1), ("b", 1, 0)]
    assert arm_summary(trials)["mean"].tolist() == [0.5, 0.6]
    assert numbers(paired_gap(trials, "a", "b"), "n") == [(1,)]
    gap = paired_gap(frame(*trials.to_dict("records"), run("b", 1, 0.6)), "a", "b")  # type: ignore[arg-type]
    assert gap["mean"].tolist() == pytest.approx([-0.1])  # 0.3 and -0.5


def test_range_tests_do_not_count() -> None:
    tests = [run("a", seed, math.nan, role="range_test", trial_id="t") for seed in range(2)]
    trials = frame(*tests, run("a", 0, 0.7), run("b", 0, 0.5))
    assert numbers(arm_summary(trials), "arm", "mean", "n") == [("a", 0.7, 1), ("b", 0.5, 1)]
    assert numbers(paired_gap(trials, "a", "b"), "n") == [(1,)]


def test_a_training_that_cells_share_counts_once() -> None:
    # "b" does not use the swept field: both points have the same trials of it.
    shared = [run("b", seed, 0.5 + seed / 10, cell=cell) for cell in (1, 3) for seed in (0, 1)]
    own = [run("a", seed, 0.6 + seed / 10, cell=0) for seed in (0, 1)]
    trials = frame(*shared, *own)
    assert numbers(arm_summary(trials), "arm", "n") == [("a", 2), ("b", 2)]
    assert numbers(paired_gap(trials, "a", "b"), "n") == [(2,)]


def test_a_point_may_lack_a_field_that_only_other_arms_use() -> None:
    trials = frame(run("a", 0, 0.7, tail="step"), run("b", 0, 0.5, tail=None))
    summary = arm_summary(trials, ["tail"])
    assert summary["arm"].tolist() == ["a", "b"]
    assert summary["tail"].isna().tolist() == [False, True]


@pytest.mark.parametrize("sequence", [tuple, list, np.array])
def test_points_may_be_told_apart_by_milestones(sequence: Any) -> None:
    points = [(0.5, 0.75), (0.3,)]
    trials = frame(
        *(
            run(arm, 0, accuracy, count, milestones=sequence(point))
            for arm, accuracy in (("a", 0.7), ("b", 0.5))
            for count, point in enumerate(points)
        )
    )
    assert arm_summary(trials, ["milestones"])["milestones"].tolist() == [
        *(points[1], points[1]),
        *(points[0], points[0]),
    ]
    gaps = paired_gap(trials, "a", "b", ["milestones"])
    assert gaps["milestones"].tolist() == [(0.3,), (0.5, 0.75)]
    assert gaps["mean"].tolist() == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("value", [math.nan, None, math.inf])
def test_a_training_without_the_measurement_is_named(value: Any) -> None:
    trials = frame(run("a", 0, 0.7), run("b", 3, value))
    message = r"test_accuracy must be finite in every training, got \w+ in trial b-3-100 of arm 'b'"
    with pytest.raises(ValueError, match=message):
        arm_summary(trials)
    with pytest.raises(ValueError, match=message):
        paired_gap(trials, "a", "b")


def test_the_frame_given_is_left_as_it_was() -> None:
    before = TWO_POINTS.copy()
    arm_summary(TWO_POINTS, ["data_count"])
    paired_gap(TWO_POINTS, "a", "b", ["data_count"])
    pd.testing.assert_frame_equal(TWO_POINTS, before)


# Gaps


def test_gaps_are_paired_by_seed_and_subset() -> None:
    gaps = paired_gap(TWO_POINTS, "a", "b", ["data_count"])
    assert list(gaps.columns) == ["data_count", "mean", "low", "high", "n"]
    assert numbers(gaps, "data_count", "n") == [(100, 2), (1000, 2)]
    # 0.20 and 0.10; 0.10 and -0.02: standard errors 0.05 and 0.06, times 12.7062
    assert gaps["mean"].tolist() == pytest.approx([0.15, 0.04])
    assert gaps["low"].tolist() == pytest.approx([-0.485310, -0.722372], abs=1e-6)
    assert gaps["high"].tolist() == pytest.approx([0.785310, 0.802372], abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_pairing_removes_what_the_pairs_have_in_common(values: list[float], random: Random) -> None:
    rows = [run("a", seed, value + 0.01) for seed, value in enumerate(values)]
    rows += [run("b", seed, value) for seed, value in enumerate(values)]
    random.shuffle(rows)
    (gap,) = numbers(paired_gap(frame(*rows), "a", "b"), "mean", "low", "high", "n")
    assert gap == pytest.approx((0.01, 0.01, 0.01, len(values)))


def test_a_gap_turned_round_changes_its_sign() -> None:
    there = paired_gap(TWO_POINTS, "a", "b", ["data_count"])
    back = paired_gap(TWO_POINTS, "b", "a", ["data_count"])
    assert back["mean"].tolist() == pytest.approx((-there["mean"]).tolist())
    assert back["low"].tolist() == pytest.approx((-there["high"]).tolist())


def test_runs_without_a_partner_do_not_count() -> None:
    trials = frame(
        run("a", 0, 0.7),
        run("a", 1, 0.9),
        run("a", 2, 0.8, subset_seed=0),
        run("b", 0, 0.6),
        run("b", 2, 0.1),  # the same seed, but another subset
        run("b", 5, 0.1),
    )
    (gap,) = numbers(paired_gap(trials, "a", "b"), "mean", "n")
    assert gap == pytest.approx((0.1, 1))


def test_a_point_without_a_pair_has_no_row() -> None:
    trials = frame(run("a", 0, 0.7), run("b", 0, 0.6), run("a", 0, 0.7, 1000))
    assert paired_gap(trials, "a", "b", ["data_count"])["data_count"].tolist() == [100]


@pytest.mark.parametrize("by", [[], ["data_count"]])
def test_without_any_pair_there_is_no_row(by: list[str]) -> None:
    gaps = paired_gap(frame(run("a", 0, 0.7), run("b", 1, 0.6)), "a", "b", by)
    assert gaps.empty
    assert list(gaps.columns) == [*by, "mean", "low", "high", "n"]


def test_points_that_are_not_told_apart_are_not_paired_with_each_other() -> None:
    with pytest.raises(ValueError, match="by must tell points apart, but arm 'a' has several"):
        paired_gap(TWO_POINTS, "a", "b")


@pytest.mark.parametrize("arms", [("a", "c"), ("c", "a")])
def test_an_unknown_arm_is_answered_with_the_known_ones(arms: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no finished training of arm 'c'; there are: 'a', 'b'"):
        paired_gap(TWO_POINTS, *arms)
    only_tests = frame(run("a", 0, 0.5, role="range_test"))
    with pytest.raises(ValueError, match="no finished training of arm 'a'; there are: none"):
        paired_gap(only_tests, "a", "b")
