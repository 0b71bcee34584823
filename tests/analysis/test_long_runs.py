"""Steps to the accuracy of a long baseline, on curves whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis import time_to_accuracy
from tests.analysis.made import curve, noisy, rows

LONG = curve("long", "steps", {100: (0.5, 0.5), 800: (0.9, 0.9)})


def test_a_short_run_that_ends_where_the_long_one_does_has_the_ratio_of_their_steps() -> None:
    short = curve("short", "steps", {50: (0.6, 0.6), 100: (0.9, 0.9), 200: (0.95, 0.95)})
    (row,) = rows(time_to_accuracy(pd.concat([short, LONG]), "short", "long"))
    assert (row.long_steps, row.target, row.steps) == (800, pytest.approx(0.9), pytest.approx(100))
    assert [row.low, row.factor, row.high] == pytest.approx([8, 8, 8])
    assert (row.censored, row.seeds, row.note) == ("", 2, "")


def test_between_budgets_the_place_is_interpolated_over_log_steps() -> None:
    short = curve("short", "steps", {100: (0.85, 0.85), 400: (0.95, 0.95)})
    (row,) = rows(time_to_accuracy(pd.concat([short, LONG]), "short", "long"))
    assert row.steps == pytest.approx(200)  # 0.9 is half-way from 0.85 to 0.95
    assert row.factor == pytest.approx(4)


def test_an_arm_that_never_gets_there_has_an_upper_bound() -> None:
    short = curve("short", "steps", {100: (0.5, 0.51), 400: (0.7, 0.71)})
    (row,) = rows(time_to_accuracy(pd.concat([short, LONG]), "short", "long"))
    assert (row.censored, row.factor, row.low, row.high) == ("<", 2, 0, 2)
    assert row.note == "does not get there by 400 steps"


def test_an_arm_that_is_better_from_its_first_budget_on_has_a_lower_bound() -> None:
    short = curve("short", "steps", {100: (0.95, 0.95), 400: (0.97, 0.97)})
    (row,) = rows(time_to_accuracy(pd.concat([short, LONG]), "short", "long"))
    assert (row.censored, row.factor, row.low, row.high) == (">", 8, 8, math.inf)
    assert row.note == "is already better after 100 steps"


@pytest.mark.parametrize(
    ("short", "fewer_times", "verdict"),
    [
        ({50: 0.6, 200: 0.9}, 3, "super-converges"),  # 4 times
        ({50: 0.6, 200: 0.9}, 4, "super-converges"),
        ({50: 0.6, 200: 0.9}, 4.1, "does not"),
        ({50: 0.6, 400: 0.9}, 3, "does not"),  # 2 times
        ({50: 0.6, 400: 0.7}, 3, "does not"),  # not within half of the steps
        ({50: 0.6, 200: 0.7}, 3, "undecided"),  # not within a quarter: it might be within a third
        ({200: 0.95, 400: 0.97}, 3, "super-converges"),  # better with a quarter
        ({400: 0.95, 500: 0.97}, 3, "undecided"),  # better with half: it might be with a third
    ],
)
def test_super_convergence_is_three_times_fewer_steps_by_the_interval(
    short: dict[int, float], fewer_times: float, verdict: str
) -> None:
    arm = curve("short", "steps", {at: (accuracy,) * 2 for at, accuracy in short.items()})
    (row,) = rows(
        time_to_accuracy(pd.concat([arm, LONG]), "short", "long", fewer_times=fewer_times)
    )
    assert row.verdict == verdict


def test_a_factor_that_is_uncertain_decides_nothing() -> None:
    short = curve("short", "steps", {50: (0.6, 0.61), 200: (0.85, 0.95), 400: (0.9, 0.97)})
    (row,) = rows(time_to_accuracy(pd.concat([short, LONG]), "short", "long"))
    assert row.low < 3 < row.high
    assert row.verdict == "undecided"


def test_the_intervals_of_a_table_hold_together() -> None:
    random = np.random.default_rng(0)
    arms = {"short": lambda s: 0.5 * (4 * s) ** -0.5, "long": lambda s: 0.5 * s**-0.5}
    trials = noisy(arms, "steps", (100, 200, 400, 800), 5, 0.05, random)
    (alone,) = rows(time_to_accuracy(trials, "short", "long"))
    both = pd.concat([trials, trials[trials["arm"] == "short"].assign(arm="other")])
    first, second = rows(time_to_accuracy(both, ["short", "other"], "long"))
    assert (first.low, first.high) == (second.low, second.high)
    assert first.low < alone.low < alone.high < first.high


@pytest.mark.parametrize("fewer_times", [1, math.nan])
def test_a_factor_of_super_convergence_is_above_one(fewer_times: float) -> None:
    with pytest.raises(ValueError, match="fewer_times must be finite and > 1, got"):
        time_to_accuracy(LONG, "short", "long", fewer_times=fewer_times)


def test_a_target_that_diverged_is_no_target() -> None:
    short = curve("short", "steps", {100: (0.9, 0.9)})
    lost = LONG.assign(status=np.where(LONG["steps"] == 800, "diverged", "completed"))
    (row,) = rows(time_to_accuracy(pd.concat([short, lost]), "short", "long"))
    assert math.isnan(row.factor)
    assert row.note == "every training of the baseline diverged at 800 steps"


def test_one_seed_has_a_factor_without_an_interval() -> None:
    one = pd.concat([curve("short", "steps", {100: 0.9}), LONG[LONG["seed"] == 0]])
    (row,) = rows(time_to_accuracy(one, "short", "long"))
    assert row.factor == pytest.approx(8)
    assert math.isnan(row.low)
    assert math.isnan(row.high)
    assert row.note == "one seed: no interval"


def test_points_and_arms_have_a_row_each() -> None:
    short = curve("short", "steps", {100: (0.9, 0.9)})
    more = pd.concat([short, short.assign(arm="other"), LONG])
    both = pd.concat([more, more.assign(data_count=300)])
    table = time_to_accuracy(both, ["short", "other"], "long", ["data_count"])
    assert table[["data_count", "arm"]].to_numpy().tolist() == [
        *([100, "short"], [100, "other"]),
        *([300, "short"], [300, "other"]),
    ]


@pytest.mark.parametrize("seeds", [4, 8])
def test_intervals_contain_the_true_factor_about_as_often_as_they_say(seeds: int) -> None:
    """Errors 0.5 n^-0.5 and a quarter of the steps for the same error: the factor is 4."""
    arms = {"short": lambda s: 0.5 * (4 * s) ** -0.5, "long": lambda s: 0.5 * s**-0.5}
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        trials = noisy(arms, "steps", (100, 200, 400, 800), seeds, 0.05, random)
        (row,) = rows(time_to_accuracy(trials, "short", "long"))
        hits += row.low <= 4 <= row.high
    assert hits >= 52  # of 60; at 95 % it is 57, and fewer than 52 have a chance below 1 %
