from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.statistics.intervals import half_widths, mean_interval
from superconv_ray.analysis.statistics.sequential import (
    confidence_per_look,
    sequential_interval,
    sign_decided,
)

AT_LEAST, UP_TO = 3, 12
LOOKS = UP_TO - AT_LEAST + 1


def decided_at_any_look(gaps: npt.NDArray[np.float64], confidence: float) -> npt.NDArray[np.bool_]:
    """Whether t intervals of [studies, n] exclude 0 at any look; the package's rule, vectorised."""
    decided = np.zeros(len(gaps), dtype=bool)
    for n in range(AT_LEAST, UP_TO + 1):
        mean, sd = gaps[:, :n].mean(axis=1), gaps[:, :n].std(axis=1, ddof=1)
        half = half_widths(sd, np.full(len(gaps), n), confidence)
        decided |= (np.abs(mean) > half) & (np.ptp(gaps[:, :n], axis=1) > 0)
    return decided


def coarse(gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Gaps of accuracies on 360 samples, with a deviation of a point."""
    return np.round(360 * 0.01 * gaps) / 360


@pytest.mark.parametrize("measured", [lambda gaps: gaps, coarse])
def test_peeking_decides_falsely_in_at_most_five_percent(
    measured: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
) -> None:
    gaps = measured(np.random.default_rng(0).normal(size=(20_000, UP_TO)))
    naive = decided_at_any_look(gaps, 0.95).mean()
    sequential = decided_at_any_look(gaps, confidence_per_look(LOOKS)).mean()
    # Found: 18 % and 2.4 %
    assert naive > 0.15
    assert sequential < 0.05


def test_the_simulated_rule_is_that_of_the_package() -> None:
    gaps = np.random.default_rng(1).normal(0.8, 1, size=(100, UP_TO))
    expected = decided_at_any_look(gaps, confidence_per_look(LOOKS))
    found = [
        any(
            sign_decided(study[:n], at_least=AT_LEAST, up_to=UP_TO)
            for n in range(AT_LEAST, UP_TO + 1)
        )
        for study in gaps
    ]
    assert found == expected.tolist()
    assert 0 < sum(found) < len(found)


def test_a_sequential_interval_is_students_at_a_smaller_error() -> None:
    # t(0.995, 2) = 9.924843: five looks share 5 %; 9.924843 / sqrt(3) = 5.730111
    assert sequential_interval([1, 2, 3], looks=5) == pytest.approx((2, -3.730111, 7.730111, 3))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 40))
def test_more_looks_never_make_a_narrower_interval(values: list[float], looks: int) -> None:
    fewer, more = (sequential_interval(values, k) for k in (looks, looks + 1))
    assert sequential_interval(values, 1) == pytest.approx(mean_interval(values), nan_ok=True)
    assert not more.low > fewer.low
    assert not more.high < fewer.high


def test_a_sign_is_decided_once_the_interval_leaves_zero() -> None:
    # Mean 0.02, s = 0.001, three of ten looks: t(0.9975, 2) = 14.089; half = 0.0081
    gaps = np.array([0.019, 0.020, 0.021])
    assert sign_decided(gaps, at_least=3, up_to=12)
    assert sign_decided(-gaps, at_least=3, up_to=12)
    # 0.0081 > 0.008
    assert not sign_decided(gaps - 0.012, at_least=3, up_to=12)
    assert sign_decided(gaps - 0.012, at_least=3, up_to=12, confidence=0.9)


def test_nothing_is_decided_before_the_first_look() -> None:
    assert not sign_decided([0.1], at_least=3, up_to=12)
    assert not sign_decided([0.100, 0.101], at_least=3, up_to=12)


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_gaps_without_spread_decide_nothing(gap: float) -> None:
    assert not sign_decided([gap] * 5, at_least=3, up_to=12)
    # differences as accuracies leave them behind, equal but for rounding errors
    assert not sign_decided([0.7 - 0.6, 0.8 - 0.7, 0.9 - 0.8], at_least=3, up_to=12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at_least": 1}, r"at_least must be >= 2, one value has no interval, got 1"),
        ({"up_to": 2}, r"up_to must be >= at_least \(3\), got 2"),
        ({"gaps": [0.1] * 13}, r"gaps must be at most up_to \(12\), got 13"),
        ({"gaps": [0.1, math.nan, 0.2]}, r"values must be at least one, and finite"),
        ({"gaps": []}, r"values must be at least one, and finite"),
        ({"confidence": 95}, r"confidence must be in \(0, 1\), got 95"),
    ],
)
def test_an_impossible_question_is_rejected(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"gaps": [0.1, 0.2, 0.3], "at_least": 3, "up_to": 12, **arguments}
    with pytest.raises(ValueError, match=message):
        sign_decided(given.pop("gaps"), **given)


def test_a_number_of_looks_is_positive() -> None:
    with pytest.raises(ValueError, match="looks must be >= 1, got 0"):
        sequential_interval([1, 2], looks=0)
