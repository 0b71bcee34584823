from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from superconv_ray.analysis.statistics.intervals import half_widths
from superconv_ray.analysis.statistics.sequential import confidence_per_look, sign_decided

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


def test_looks_share_the_chance_of_an_error() -> None:
    assert confidence_per_look(1) == pytest.approx(0.95)
    assert confidence_per_look(5) == pytest.approx(0.99)


def test_a_sign_is_decided_once_the_interval_leaves_zero() -> None:
    # Mean 0.02, s = 0.001, three of ten looks: t(0.9975, 2) = 14.089; half = 0.0081
    gaps = np.array([0.019, 0.020, 0.021])
    assert sign_decided(gaps, at_least=3, up_to=12)
    assert sign_decided(-gaps, at_least=3, up_to=12)
    # 0.0081 > 0.008
    assert not sign_decided(gaps - 0.012, at_least=3, up_to=12)
    # One look: t(0.975, 2) = 4.303; half = 0.0025
    assert sign_decided(gaps - 0.012, at_least=3, up_to=3)


def test_nothing_is_decided_before_the_first_look() -> None:
    assert not sign_decided([0.1], at_least=3, up_to=12)
    assert not sign_decided([0.100, 0.101], at_least=3, up_to=12)


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_gaps_without_spread_decide_nothing(gap: float) -> None:
    assert not sign_decided([gap] * 5, at_least=3, up_to=12)
    # differences as accuracies leave them behind, equal but for rounding errors
    assert not sign_decided([0.7 - 0.6, 0.8 - 0.7, 0.9 - 0.8], at_least=3, up_to=12)


@pytest.mark.parametrize("gaps", [[0.1, math.nan, 0.2], []])
def test_gaps_must_be_finite(gaps: list[float]) -> None:
    with pytest.raises(ValueError, match="values must be at least one, and finite"):
        sign_decided(gaps, at_least=3, up_to=12)


def test_a_number_of_looks_is_positive() -> None:
    with pytest.raises(ValueError, match="looks must be >= 1, got 0"):
        confidence_per_look(0)
