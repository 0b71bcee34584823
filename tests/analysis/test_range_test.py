from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_test import accuracy_peak, mean_curve, smooth

TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


# Smoothing


@pytest.mark.parametrize(
    ("values", "window", "smoothed"),
    [
        ([0, 3, 6, 3, 0], 1, [0, 3, 6, 3, 0]),
        ([0, 3, 6, 3, 0], 3, [0, 3, 4, 3, 0]),  # the ends stand alone
        ([0, 3, 6, 3, 0], 5, [0, 3, 2.4, 3, 0]),  # next to the ends there is room for three
        ([0, 3, 6, 3, 0], 2, [0, 3, 4, 3, 0]),  # even: as the next odd one
        ([0, 3, 6, 3, 0], 4, [0, 3, 2.4, 3, 0]),
        ([0, 3, 6, 3, 0], 99, [0, 3, 2.4, 3, 0]),
        ([1, 2, 3, 4], 3, [1, 2, 3, 4]),  # a line is not bent, not even at its ends
        ([4, 0], 3, [4, 0]),
        ([5], 3, [5]),
        ([], 3, []),
    ],
)
def test_smoothing_averages_around_each_point(
    values: list[float], window: int, smoothed: list[float]
) -> None:
    assert smooth(values, window) == pytest.approx(smoothed)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 50))
def test_smoothing_stays_between_the_extremes_and_does_not_know_directions(
    values: list[float], window: int
) -> None:
    smoothed = smooth(values, window)
    assert smoothed.min() >= min(values) - 1e-12
    assert smoothed.max() <= max(values) + 1e-12
    assert smooth(values[::-1], window)[::-1] == pytest.approx(smoothed, abs=1e-12)


# Averaging replicates


def test_replicates_are_averaged() -> None:
    rates, accuracy = mean_curve([([0.1, 0.2], [0.4, 0.6]), ([0.1, 0.2], [0.2, 0.8])])
    assert rates.tolist() == [0.1, 0.2]
    assert accuracy == pytest.approx([0.3, 0.7])


def test_a_replicate_that_ended_early_counts_as_accuracy_zero_from_there_on() -> None:
    curves = [([0.1], [0.4]), ([0.1, 0.2, 0.3], [0.2, 0.8, 0.9]), ([], [])]
    rates, accuracy = mean_curve(curves)
    assert rates.tolist() == [0.1, 0.2, 0.3]
    assert accuracy == pytest.approx([0.2, 0.8 / 3, 0.3])


@pytest.mark.parametrize("missing", [float("nan"), None])
def test_an_accuracy_that_is_missing_counts_as_zero(missing: float | None) -> None:
    _, accuracy = mean_curve([([0.1, 0.2], [missing, 0.6])])  # type: ignore[list-item]
    assert accuracy.tolist() == [0.0, 0.6]


def test_replicates_on_different_rates_are_rejected() -> None:
    with pytest.raises(ValueError, match="replicates of a range test must share their learning"):
        mean_curve([([0.1, 0.2], [0.4, 0.6]), ([0.1, 0.3], [0.2, 0.8])])


@pytest.mark.parametrize("curves", [[], [([], [])]])
def test_a_range_test_without_a_point_is_rejected(curves: list[tuple[list[float], ...]]) -> None:
    with pytest.raises(ValueError, match="must have at least one curve row, got none"):
        accuracy_peak(curves)  # type: ignore[arg-type]


# The peak


def test_max_lr_is_the_rate_of_the_highest_accuracy() -> None:
    tent = [0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1]
    assert accuracy_peak([(TENTHS, tent)]) == 0.5


def test_a_curve_that_only_rises_peaks_at_its_end() -> None:
    assert accuracy_peak([(TENTHS, TENTHS)]) == 1.0


def test_a_single_lucky_point_is_smoothed_away() -> None:
    # Averages of three: 0.5 at the spike (0.2), (0.6 + 0.7 + 0.6) / 3 = 0.63 on the hill (0.7).
    accuracy = [0.3, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7, 0.6, 0.5, 0.4]
    assert accuracy_peak([(TENTHS, accuracy)]) == 0.7


def test_the_window_is_a_tenth_of_the_points() -> None:
    # 50 points: five are averaged. A spike of four loses to a hill of five (0.8 against 0.85),
    # which it would not if three were.
    accuracy = np.zeros(50)
    accuracy[10:14] = 1.0
    accuracy[30:35] = 0.85
    assert accuracy_peak([(np.arange(1, 51), accuracy)]) == 33


@given(st.integers(0, 100), st.integers(3, 80))
def test_of_equal_peaks_the_smallest_rate_is_taken(hits: int, points: int) -> None:
    # A flat curve has no peak but rounding errors.
    rates = np.linspace(0.01, 3.0, points)
    assert accuracy_peak([(rates, [hits / 100] * points)]) == 0.01


def test_of_two_equal_hills_the_one_at_the_smaller_rate_is_taken() -> None:
    accuracy = [0.1, 0.7, 0.8, 0.7, 0.1, 0.1, 0.7, 0.8, 0.7, 0.1]
    assert accuracy_peak([(TENTHS, accuracy)]) == 0.3


def test_a_rate_at_which_a_replicate_is_lost_is_not_chosen_for_those_left() -> None:
    rates = [1, 2, 3, 4, 5]
    lucky, lost = [0.1, 0.5, 0.6, 0.9, 0.9], [0.1, 0.5, 0.6]
    # mean 0.1 0.5 0.6 0.45 0.45, of three: 0.1 0.4 0.517 0.5 0.45
    assert accuracy_peak([(rates, lucky), (rates[:3], lost)]) == 3
    assert accuracy_peak([(rates, lucky)]) == 5


def test_a_range_test_may_begin_at_zero_but_no_training_can_use_it() -> None:
    assert accuracy_peak([([0, 0.1, 0.2], [0.9, 0.2, 0.1])]) == 0.1
    with pytest.raises(ValueError, match="must reach a learning rate > 0 before it diverges"):
        accuracy_peak([([0], [0.1])])


def test_max_lr_has_three_digits() -> None:
    assert accuracy_peak([([0.0123456], [0.5])]) == 0.0123
    assert accuracy_peak([([2.99999], [0.5])]) == 3.0


accuracies = st.lists(st.integers(0, 200).map(lambda hits: hits / 200), min_size=20, max_size=20)


@given(st.lists(accuracies, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_replicates_does_not_matter(
    replicates: list[list[float]], random: Random
) -> None:
    rates = np.linspace(0.1, 2.0, 20)
    shuffled = random.sample(replicates, len(replicates))
    assert accuracy_peak([(rates, row) for row in shuffled]) == accuracy_peak(
        [(rates, row) for row in replicates]
    )
