from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.reading import (
    RangeTestCurve,
    measured_rows,
    regularization,
    rise_point,
    slow_point,
    smooth,
    stacked_curves,
)

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


# Replicates


@pytest.mark.parametrize("rows", [["a", "b", "noticed"], np.arange(6.0).reshape(3, 2)])
def test_the_last_row_of_a_diverged_run_measures_nothing(rows: Any) -> None:
    assert len(measured_rows(rows, diverged=False)) == 3
    kept = measured_rows(rows, diverged=True)
    assert np.array_equal(kept, rows[:2])
    assert len(measured_rows(kept[:1], diverged=True)) == 0


def test_replicates_are_stacked() -> None:
    curves = [RangeTestCurve([0.1, 0.2], [0.4, 0.6]), RangeTestCurve([0.1, 0.2], [0.2, 0.8])]
    rates, accuracies = stacked_curves(curves)
    assert rates.tolist() == [0.1, 0.2]
    assert accuracies.tolist() == [[0.4, 0.6], [0.2, 0.8]]


def test_a_replicate_that_ended_early_counts_as_accuracy_zero_from_there_on() -> None:
    curves = [
        RangeTestCurve([0.1], [0.4]),
        RangeTestCurve([0.1, 0.2, 0.3], [0.2, 0.8, 0.9]),
        RangeTestCurve([], []),
    ]
    rates, accuracies = stacked_curves(curves)
    assert rates.tolist() == [0.1, 0.2, 0.3]
    assert accuracies.tolist() == [[0.4, 0, 0], [0.2, 0.8, 0.9], [0, 0, 0]]


@pytest.mark.parametrize("missing", [float("nan"), None])
def test_an_accuracy_that_is_missing_counts_as_zero(missing: float | None) -> None:
    accuracy: Any = [missing, 0.6]
    _, accuracies = stacked_curves([RangeTestCurve([0.1, 0.2], accuracy)])
    assert accuracies.tolist() == [[0.0, 0.6]]


def test_replicates_on_different_rates_are_rejected() -> None:
    curves = [RangeTestCurve([0.1, 0.2], [0.4, 0.6]), RangeTestCurve([0.1, 0.3], [0.2, 0.8])]
    with pytest.raises(ValueError, match="replicates of a range test must share their learning"):
        stacked_curves(curves)


@pytest.mark.parametrize("curves", [[], [RangeTestCurve([], [])]])
def test_a_range_test_without_a_point_is_rejected(curves: list[RangeTestCurve]) -> None:
    with pytest.raises(ValueError, match="must have at least one curve row, got none"):
        stacked_curves(curves)


# Smoothing many curves at once


def test_the_last_axis_is_smoothed() -> None:
    assert smooth([[0, 3, 6], [6, 3, 3]], 3) == pytest.approx(np.array([[0, 3, 6], [6, 4, 3]]))


# Beginning of the rise, end of the growth


def test_accuracy_rises_where_it_has_gained_a_tenth_of_its_whole_gain() -> None:
    assert rise_point(np.array(TENTHS), np.array([0.1, 0.1, 0.17, 0.19, *[0.9] * 6])) == 0.4


# Rates a decade apart, so that slopes are differences.
DECADES = np.array([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])


@pytest.mark.parametrize(
    ("accuracy", "smoothed", "lr", "sign"),
    [
        # slopes 0, 0.2, 0.4, 0.21, 0.01, ... : steepest at 1e-3, below 0.04 at 0.1
        (None, [0.1, 0.1, 0.5, 0.9, 0.92, 0.92, 0.93], 0.1, "slows"),
        # slopes of at least 0.04 up to the peak
        (None, [0.1, 0.1, 0.3, 0.5, 0.6, 0.7, 0.1], 1.0, "falls"),
        ([0.1, 0.1, 0.3, 0.5, 0.47, 0.7, 0.1], [0.1, 0.1, 0.3, 0.5, 0.6, 0.7, 0.1], 0.1, "ragged"),
        (None, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3], 1e-5, "falls"),
    ],
)
def test_growth_ends_where_accuracy_slows_is_ragged_or_falls(
    accuracy: list[float] | None, smoothed: list[float], lr: float, sign: str
) -> None:
    found = slow_point(DECADES, np.array(accuracy or smoothed), np.array(smoothed))
    assert found == (lr, sign)


# Regularization by the learning rate


def test_regularization_is_where_training_loss_rises_while_held_out_loss_falls() -> None:
    # train falls to index 19 and rises from there, held_out falls to index 29. Smoothing leaves
    # lines as they are but where they meet, and so moves the ends by no more than two points.
    train = np.concatenate((np.linspace(2, 0.1, 20), np.linspace(0.1, 0.4, 20)))
    held_out = np.concatenate((np.linspace(2, 0.8, 30), np.linspace(0.8, 1.5, 10)))
    found = regularization(np.linspace(0, 3.9, 40), train, held_out)
    assert found[:2] == pytest.approx((2.0, 2.9), abs=0.21)
    assert found.train_loss_change == pytest.approx(9 * 0.3 / 19, abs=0.05)
    assert found.held_out_loss_change == pytest.approx(-9 * 1.2 / 29, abs=0.1)


@pytest.mark.parametrize("swap", [False, True])
def test_losses_that_fall_or_rise_together_are_no_regularization(swap: bool) -> None:
    losses = np.linspace(0.1, 2, 40)[:: -1 if swap else 1]
    assert np.isnan(regularization(np.linspace(0.1, 3, 40), losses, losses)).all()


def test_a_short_stretch_is_taken_for_noise() -> None:
    train = np.array([2, 1.9, 1.8, 2.1, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1])
    held_out = np.linspace(2, 1, 10)
    assert np.isnan(regularization(np.array(TENTHS), train, held_out)).all()


# The published tests, at the few points that are known of them


def test_the_published_figure_4_shows_regularization() -> None:
    # arXiv 1708.07120: from LR 0 to 2 training loss goes .061 -> .178, test loss .616 -> .400
    rates = np.linspace(0, 2, 41)
    found = regularization(rates, np.linspace(0.061, 0.178, 41), np.linspace(0.616, 0.4, 41))
    assert (found.low, found.high) == (0.05, 2.0)  # a rate of 0 is none
    assert found.train_loss_change == pytest.approx(0.117 * 39 / 40)
    assert found.held_out_loss_change == pytest.approx(-0.216 * 39 / 40)
