from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.robust import (
    close_replicate,
    closing,
    robust_accuracy,
    window,
)


def closed(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    (found,) = closing(np.array([values], dtype=np.float64))
    return np.asarray(found)


HITS = st.integers(0, 100).map(lambda hits: hits / 100)


@pytest.mark.parametrize(
    ("points", "width"),
    [(1, 1), (14, 1), (20, 3), (50, 5), (60, 7), (100, 11), (400, 41), (800, 81)],
)
def test_the_window_is_about_a_tenth_of_the_points_and_odd(points: int, width: int) -> None:
    assert window(points) == width


def test_spikes_that_leave_a_fifth_of_each_window_alone_vanish() -> None:
    # Windows of eleven: three points must stay. Spikes of eight, at a distance of three.
    flat = np.full(100, 0.8)
    spiked = flat.copy()
    for start in range(3, 90, 11):
        spiked[start : start + 8] = 0.1
    assert closed(spiked).tolist() == flat.tolist()


def test_lucky_points_do_not_count_unless_they_last() -> None:
    values = np.full(100, 0.5)
    values[[20, 21, 70]] = 1.0
    assert closed(values).tolist() == [0.5] * 100
    values[50:70] = 0.9
    assert closed(values).max() == 0.9


@given(st.lists(HITS, min_size=20, max_size=80))
def test_a_curve_that_rises_is_left_alone_but_for_its_end(values: list[float]) -> None:
    rising = np.sort(values)
    inner = slice(len(rising) - window(len(rising)))
    assert closed(rising)[inner].tolist() == rising[inner].tolist()
    falling = rising[::-1]
    assert closed(falling)[inner].tolist() == falling[inner].tolist()


@given(st.lists(HITS, min_size=1, max_size=80))
def test_a_curve_stays_within_its_extremes(values: list[float]) -> None:
    found = closed(values)
    assert min(values) - 1e-9 <= found.min() <= found.max() <= max(values) + 1e-9


def test_the_end_of_a_replicate_stays_where_it_is() -> None:
    # The last two points of sixty are less than a fifth of a window.
    accuracy = np.array([*[0.8] * 58, 0, 0])
    assert close_replicate(accuracy).tolist() == accuracy.tolist()
    assert close_replicate(np.zeros(4)).tolist() == [0] * 4


def test_replicates_are_averaged_after_their_spikes_are_gone() -> None:
    spiked = np.full(50, 0.6)
    spiked[25:27] = 0.0
    assert robust_accuracy(np.array([spiked, np.full(50, 0.8)])).tolist() == [0.7] * 50


@pytest.mark.parametrize("points", [60, 300])
def test_many_curves_are_closed_at_once(points: int) -> None:
    curves = np.random.default_rng(0).random((3, points))
    assert closing(curves).tolist() == [closed(curve).tolist() for curve in curves]
