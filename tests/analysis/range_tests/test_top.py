"""Peak, plateau, collapse, and the one rate to use."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.reading import RangeTestCurve
from superconv_ray.analysis.range_tests.top import (
    SAFETY,
    Top,
    plateau_ends,
    read_top,
    recommended_max_lr,
)
from tests.analysis.range_tests.made import RATES, hill, step

HITS = st.integers(0, 100).map(lambda hits: hits / 100)
ACCURACIES = st.lists(HITS, min_size=30, max_size=30)
THIRTY = np.linspace(0.1, 3.0, 30)


def top_of(accuracy: npt.ArrayLike, rates: npt.NDArray[np.float64] = RATES) -> Top:
    return read_top(rates, np.atleast_2d(accuracy).astype(np.float64), np.array([math.nan]))


# The rate to use


def test_max_lr_is_the_peak_of_a_distinct_one() -> None:
    for top in (20, 30, 40):
        assert recommended_max_lr([RangeTestCurve(RATES, hill(top))]) == pytest.approx(
            RATES[top], rel=0.01
        )


def test_max_lr_is_the_geometric_middle_of_a_flat_top() -> None:
    accuracy = np.where((RATES > 0.02) & (RATES < 0.9), 0.8, 0.2)
    top = top_of(accuracy)
    inside = RATES[accuracy > 0.5]
    assert top.plateau == (inside[0], inside[-1])
    assert top.max_lr == pytest.approx(math.sqrt(inside[0] * inside[-1]), rel=0.01)


def test_max_lr_is_well_below_the_rate_of_a_collapse() -> None:
    narrow = np.where((RATES > 0.5) & (RATES < 0.9), 0.8, np.where(RATES < 0.5, 0.6, 0.1))
    top = top_of(narrow)
    assert top.collapse_lr == RATES[RATES > 0.9][0]
    assert top.max_lr == pytest.approx(top.collapse_lr / SAFETY, rel=0.01)


def test_a_rate_at_which_a_replicate_diverges_counts_as_a_collapse() -> None:
    lucky, lost = step(59), step(59)[:40]
    curves = [RangeTestCurve(RATES, lucky), RangeTestCurve(RATES[:40], lost, lost=0.9)]
    assert recommended_max_lr(curves) <= 0.6
    assert recommended_max_lr(curves[:1]) > 2


def test_a_range_test_may_begin_at_zero_but_no_training_can_use_it() -> None:
    rates = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert recommended_max_lr([RangeTestCurve(rates, [0.9, *[0.2] * 5])]) >= 0.1
    with pytest.raises(ValueError, match="must reach a learning rate > 0 before it diverges"):
        recommended_max_lr([RangeTestCurve([0], [0.1])])


def test_max_lr_has_three_digits() -> None:
    assert recommended_max_lr([RangeTestCurve([0.0123456], [0.5])]) == 0.0123


@settings(max_examples=40)
@given(st.lists(ACCURACIES, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_replicates_does_not_matter(
    replicates: list[list[float]], random: Random
) -> None:
    curves = [RangeTestCurve(THIRTY, row) for row in replicates]
    shuffled = random.sample(curves, len(curves))
    assert recommended_max_lr(shuffled) == recommended_max_lr(curves)


@settings(max_examples=50)
@given(ACCURACIES, st.floats(1e-4, 1e4))
def test_rates_in_another_unit_are_read_in_that_unit(values: list[float], unit: float) -> None:
    top, scaled = top_of(values, THIRTY), top_of(values, THIRTY * unit)
    assert scaled.max_lr == pytest.approx(top.max_lr * unit, rel=0.011)  # three digits, twice
    assert scaled.plateau == pytest.approx([unit * end for end in top.plateau])


@given(
    st.lists(st.integers(12, 47), max_size=12, unique=True),
    st.lists(st.floats(0, 0.8), min_size=12, max_size=12),
)
def test_spikes_down_on_a_flat_top_do_not_move_the_rate(
    places: list[int], depths: list[float]
) -> None:
    # Windows of seven, of which two points must stay: no more than five in a row may be lost.
    top = np.where((np.arange(60) > 9) & (np.arange(60) < 50), 0.85, 0.1)
    spiked = top.copy()
    for place, depth in zip(places, depths, strict=False):
        if place % 3:
            spiked[place] -= depth
    assert top_of(spiked).max_lr == top_of(top).max_lr


@given(ACCURACIES)
def test_the_rates_that_are_read_are_in_order(values: list[float]) -> None:
    top = top_of(values, THIRTY)
    assert top.plateau.low <= top.peak_lr <= top.plateau.high
    assert not top.max_lr > top.plateau.high * 1.01
    assert not top.max_lr > top.collapse_lr / SAFETY * 1.01


# The plateau


def test_the_plateau_is_from_the_first_to_the_last_point_above_95_percent_of_the_peak() -> None:
    robust = np.array([0.1, 0.78, 0.5, 0.77, 0.79, 0.8, 0.76, 0.75, 0.8, 0.1])
    assert plateau_ends(robust).tolist() == [1, 8]  # 0.95 * 0.8 = 0.76; dips do not end it


def test_a_plateau_may_reach_both_ends_of_the_test() -> None:
    assert plateau_ends(np.array([0.79, 0.8, 0.79])).tolist() == [0, 2]


def test_of_equal_peaks_the_middle_one_is_taken() -> None:
    assert top_of(np.full(30, 0.5), THIRTY).peak_lr == THIRTY[14]


# The published tests, at the few points that are known of them


@pytest.mark.parametrize(
    ("peak_lr", "peak", "at_3", "reaches_the_end"),
    [
        (1.2, 0.816, 0.784, True),
        (1.5, 0.831, 0.785, True),
        (0.79, 0.865, 0.722, False),
        (2.3, 0.518, 0.408, False),
    ],
    ids=["CIFAR-10, 5k iterations", "CIFAR-10, 20k", "CIFAR-10, 100k", "CIFAR-100, 20k"],
)
def test_the_plateaus_of_short_published_cifar_10_tests_reach_the_end(
    peak_lr: float, peak: float, at_3: float, reaches_the_end: bool
) -> None:
    rates = np.linspace(0.05, 3, 60)
    top = top_of(np.interp(rates, [0, peak_lr, 3], [0, peak, at_3]), rates)
    assert (top.plateau.high == 3) == reaches_the_end
    assert math.isnan(top.collapse_lr)


# Collapse


@pytest.mark.parametrize(
    ("before", "peak", "after", "collapses"),
    [
        (0.1, 0.8, 0.1, True),
        (0.5, 0.7, 0.5, True),  # two classes: all is lost, though 71 % of the peak is left
        (0.1, 0.8, 0.62, False),  # 78 % of the peak is left
        (0.6, 0.8, 0.55, True),
        (0.1, 0.8, 0.5, False),  # more than half of the rise is left
    ],
)
def test_accuracy_collapses_where_it_stays_low_and_half_of_its_rise_is_lost(
    before: float, peak: float, after: float, collapses: bool
) -> None:
    accuracy = np.repeat([before, peak, after], 20)
    assert top_of(accuracy).collapse_lr == pytest.approx(
        RATES[40] if collapses else math.nan, nan_ok=True
    )


def test_a_slow_fall_is_no_collapse() -> None:
    falling = np.interp(np.arange(60), [0, 20, 40], [0.1, 0.9, 0.1])
    assert math.isnan(top_of(falling).collapse_lr)


def test_an_accuracy_that_comes_back_has_not_collapsed() -> None:
    assert math.isnan(top_of(np.repeat([0.1, 0.8, 0.1, 0.8], 15)).collapse_lr)


def test_the_first_replicate_to_collapse_gives_the_rate() -> None:
    early, late = (np.where(np.arange(60) < end, step(20), 0.1) for end in (40, 50))
    top = read_top(RATES, np.array([late, early]), np.array([math.nan, math.nan]))
    assert top.collapses.tolist() == [RATES[50], RATES[40]]
    assert top.collapse_lr == RATES[40]
