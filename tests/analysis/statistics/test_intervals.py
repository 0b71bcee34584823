from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from superconv_ray.analysis.statistics.intervals import (
    Interval,
    accuracy_ends,
    bootstrap_intervals,
    half_widths,
    mean_interval,
)


def test_an_interval_is_students_by_hand() -> None:
    # Mean 2, standard deviation 1; t(0.975, 2) = 4.3027; 4.3027 / sqrt(3) = 2.4841
    assert mean_interval([1, 2, 3]) == pytest.approx((2, -0.4841, 4.4841, 3), abs=1e-4)
    # Standard error 0.01; t(0.975, 1) = 12.7062
    assert mean_interval([0.90, 0.92]) == pytest.approx((0.91, 0.782938, 1.037062, 2), abs=1e-6)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda v: np.std(v) > 1e-6),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_an_interval_is_that_of_scipy(values: list[float], confidence: float) -> None:
    low, high = stats.t.interval(
        confidence, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    interval = mean_interval(values, confidence)
    assert interval == pytest.approx((np.mean(values), low, high, len(values)), abs=1e-12)


def test_equal_values_make_an_interval_of_no_width() -> None:
    assert mean_interval([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 3)


def test_one_value_says_nothing_of_its_uncertainty() -> None:
    mean, low, high, n = mean_interval([0.5])
    assert (mean, n) == (0.5, 1)
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf, 0.5], 0.5, [[0.5]]])
def test_values_that_have_no_interval_are_rejected(values: Any) -> None:
    with pytest.raises(ValueError, match="values must be at least one, and finite, got"):
        mean_interval(values)


def test_many_half_widths_come_at_once_and_single_values_have_none() -> None:
    # t(0.975, 2) = 4.302653, t(0.975, 1) = 12.706205
    half = half_widths([3.0, 2.0, math.nan, math.nan], [3, 2, 1, 0])
    assert half == pytest.approx([7.452413, 17.969287, math.nan, math.nan], nan_ok=True)


# Bootstrap


def test_a_bootstrap_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=(3, 20))
    low, high = bootstrap_intervals(values, np.random.default_rng(1), resamples=20_000)
    for row, *ends in zip(values, low, high, strict=True):
        expected = stats.bootstrap(
            (row,), np.mean, n_resamples=20_000, method="BCa", random_state=np.random.default_rng(2)
        ).confidence_interval
        assert ends == pytest.approx([expected.low, expected.high], abs=0.01 * row.std() * 3)


def test_of_two_values_the_bootstrap_spans_the_whole_range() -> None:
    # Both values come twice in a quarter of resamples each, more often than in 2.5 %.
    low, high = bootstrap_intervals(np.array([[0.2, 0.4]]), np.random.default_rng(0))
    assert [*low, *high] == pytest.approx([0.2, 0.4])


def test_the_bootstrap_of_equal_values_has_no_width() -> None:
    low, high = bootstrap_intervals(np.full((2, 5), 0.3), np.random.default_rng(0))
    assert [*low, *high] == pytest.approx([0.3] * 4)


def test_the_bootstrap_leans_to_the_longer_tail() -> None:
    values = np.array([[0.0] * 9 + [1.0], [0.0] + [1.0] * 9])
    low, high = bootstrap_intervals(values, np.random.default_rng(0))
    mean = values.mean(axis=1)
    assert high[0] - mean[0] > mean[0] - low[0]
    assert high[1] - mean[1] < mean[1] - low[1]


def test_the_bootstrap_is_repeated_by_its_seed() -> None:
    values = np.random.default_rng(0).normal(size=(4, 6))
    first, again = (bootstrap_intervals(values, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_a_bootstrap_interval_lies_among_the_values(values: list[float]) -> None:
    low, high = bootstrap_intervals(np.array([values]), np.random.default_rng(0), 200)
    assert min(values) - 1e-8 <= low[0] <= high[0] <= max(values) + 1e-8


@pytest.mark.parametrize(("mean", "sd"), [(0.9, 0.03), (0.97, 0.02), (0.99, 0.01)])
@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_intervals_of_accuracies_cover_the_mean_as_often_as_they_say(
    mean: float, sd: float, n: int
) -> None:
    concentration = mean * (1 - mean) / sd**2 - 1
    draws = np.random.default_rng(0).beta(
        mean * concentration, (1 - mean) * concentration, size=(4000, n)
    )
    means, sds = draws.mean(axis=1), draws.std(axis=1, ddof=1)
    low, high = accuracy_ends(means, sds, np.full(len(means), n))
    assert ((low >= 0) & (low < means) & (means < high) & (high <= 1)).all()
    covered = np.mean((low <= mean) & (mean <= high))
    half = half_widths(sds, np.full(len(means), n))
    assert 0.92 <= covered <= 0.965
    assert covered >= np.mean(abs(means - mean) <= half) - 0.001  # Student's interval


def test_far_from_the_ends_the_interval_of_an_accuracy_is_students() -> None:
    low, high = accuracy_ends(0.5, 0.001, 5)
    half = float(half_widths(0.001, 5))
    assert [float(low), float(high)] == pytest.approx([0.5 - half, 0.5 + half], abs=1e-6)
