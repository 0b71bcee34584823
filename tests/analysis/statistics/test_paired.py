from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from superconv_ray.analysis.statistics.paired import (
    EXACT_UP_TO,
    PATTERNS,
    hedges_d,
    holm,
    improvement_probability,
    seeds_needed,
    sign_flip_p,
    smallest_p,
)


def p_value(*gaps: float) -> float:
    (p,) = sign_flip_p(np.array([gaps]), np.random.default_rng(0))
    return float(p)


# Sign flips


def test_a_sign_flip_p_value_counts_patterns_at_least_as_far_from_zero() -> None:
    # Of the sums 6, 4, 2, 0 and their opposites, those of 3 + 2 - 1 are 4 and 6: 4 of 8.
    assert p_value(3, 2, -1) == 0.5
    assert p_value(3, 2, 1) == 0.25
    assert p_value(1, -1) == 1
    assert p_value(0.1) == 1
    assert p_value(0, 0, 0) == 1


def test_darwins_plants_have_fishers_p_value() -> None:
    # The Design of Experiments, section 21: 1,726 of 32,768 patterns are as extreme.
    gaps = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert p_value(*gaps) == 1726 / 32768


def test_equal_sums_are_ties_in_spite_of_rounding_errors() -> None:
    # 0.1 + 0.2 - 0.3 is not 0 in floating point
    assert p_value(0.1, 0.2, -0.3) == 1
    assert p_value(0.1, 0.2, 0.3, -0.6) == 1


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=8))
def test_a_p_value_is_that_of_scipys_permutation_test(gaps: list[int]) -> None:
    expected = stats.permutation_test(
        (np.array(gaps, float),), np.sum, permutation_type="samples", n_resamples=10_000
    ).pvalue
    assert p_value(*gaps) == pytest.approx(expected)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_order_direction_and_unit_of_the_gaps_do_not_matter(
    gaps: list[float], random: Random
) -> None:
    gaps = [round(gap, 4) for gap in gaps]
    shuffled = random.sample(gaps, len(gaps))
    assert p_value(*shuffled) == p_value(*gaps)
    assert p_value(*(-100 * gap for gap in gaps)) == p_value(*gaps)


def test_with_many_pairs_the_observed_pattern_counts_among_those_drawn() -> None:
    assert p_value(*np.arange(1.0, 41)) == smallest_p(40) == 1 / (PATTERNS + 1)


def test_drawn_patterns_give_nearly_the_p_value_of_all() -> None:
    gaps = np.random.default_rng(0).normal(0.3, 1, size=EXACT_UP_TO)
    # A gap of 0 changes nothing but the number of pairs.
    assert p_value(*gaps, 0) == pytest.approx(p_value(*gaps), abs=0.02)


@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 0.5), (5, 0.0625), (6, 0.03125)])
def test_few_pairs_have_no_small_p_value(n: int, p: float) -> None:
    assert smallest_p(n) == p == p_value(*np.arange(1.0, n + 1))


# Holm


def test_holm_multiplies_the_smallest_p_value_most_and_keeps_the_order() -> None:
    # 4 x 0.005; 3 x 0.01; 2 x 0.03; max(1 x 0.04, 0.06)
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_a_test_that_could_not_be_made_does_not_count() -> None:
    corrected = holm([math.nan, 0.01, 0.04])
    assert corrected.tolist() == pytest.approx([math.nan, 0.02, 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_no_correction_and_bonferronis(p: list[float]) -> None:
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p))).all()


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


# Power


def test_numbers_of_pairs_are_those_of_textbook_power_tables() -> None:
    # Paired t test, two-sided 5 %, 80 % power (G*Power): d = 0.2, 0.5, 0.8, 1, 2
    needed = seeds_needed([0.2, 0.5, 0.8, 1.0, 2.0], [1.0] * 5, 0.95)
    assert needed.tolist() == [199, 34, 15, 10, 5]


def test_as_many_pairs_decide_in_four_of_five_studies_and_one_less_does_not() -> None:
    effect, (n,) = 0.7, seeds_needed([0.7], [1.0], 0.95).astype(int)
    for pairs, enough in ((n, True), (n - 1, False)):
        critical = stats.t.ppf(0.975, pairs - 1)
        power = stats.nct.sf(critical, pairs - 1, effect * math.sqrt(pairs))
        assert (power >= 0.8) == enough


def test_without_spread_or_within_reason_no_number_is_given() -> None:
    assert np.isnan(seeds_needed([1.0, 1.0, 0.01], [0.0, math.nan, 1.0], 0.95)).all()
