from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from superconv_ray.analysis.statistics.paired import (
    hedges_d,
    improvement_probability,
    paired_t,
    standard_errors,
)

# t tests


@given(
    st.lists(st.floats(-1, 1).map(lambda gap: round(gap, 3)), min_size=2, max_size=8).filter(
        lambda gaps: len(set(gaps)) > 1
    ),
    st.floats(0.001, 0.2),
)
def test_p_and_interval_are_those_of_scipys_t_test(gaps: list[float], level: float) -> None:
    mean, sd = np.mean(gaps), np.std(gaps, ddof=1)
    half, p = paired_t(mean, standard_errors(sd, len(gaps)), level)
    expected = stats.ttest_1samp(gaps, 0)
    assert p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(1 - level)
    assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high))


def test_darwins_plants_have_fishers_t() -> None:
    # The Design of Experiments, section 17: t = 2.148 with 14 degrees of freedom, p just below 5 %.
    gaps = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    errors = standard_errors(np.std(gaps, ddof=1), len(gaps))
    assert np.mean(gaps) / errors.error == pytest.approx(2.148, abs=5e-4)
    assert errors.freedom == 14
    assert paired_t(np.mean(gaps), errors, 0.05)[1] == pytest.approx(0.0497, abs=5e-5)


def test_neither_one_pair_nor_equal_gaps_have_a_p() -> None:
    half, p = paired_t([0.1, 0.1], standard_errors([math.nan, 0.0], [1, 3]), 0.05)
    assert half == pytest.approx([math.nan, 0.0], nan_ok=True)
    assert np.isnan(p).all()


# Effect sizes


def test_an_effect_size_is_corrected_for_few_pairs() -> None:
    # J(df) = gamma(df / 2) / (sqrt(df / 2) gamma((df - 1) / 2)):
    # J(2) = 1 / sqrt(pi) = 0.564190; J(4) = 1 / (sqrt(2) gamma(1.5)) = 0.797885
    effects = hedges_d([2.0, 2.0, -1.0], [1.0, 2.0, 2.0], [3, 5, 5])
    assert effects == pytest.approx([1.128379, 0.797885, -0.398942], abs=1e-6)


def test_an_effect_size_needs_three_pairs_and_a_spread() -> None:
    assert np.isnan(hedges_d([1.0, 1.0, 1.0], [1.0, math.nan, 0.0], [2, 1, 5])).all()


def test_corrected_effect_sizes_are_unbiased() -> None:
    gaps = np.random.default_rng(0).normal(0.5, 1, size=(40_000, 5))
    effects = hedges_d(gaps.mean(axis=1), gaps.std(axis=1, ddof=1), np.full(40_000, 5))
    assert effects.mean() == pytest.approx(0.5, abs=0.01)


def test_the_probability_of_improvement_counts_ties_half() -> None:
    gaps = np.array([[0.1, -0.2, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    assert improvement_probability(gaps).tolist() == [0.625, 0.5, 1]
