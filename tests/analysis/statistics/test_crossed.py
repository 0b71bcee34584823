"""Standard errors over seeds and test samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from superconv_ray.analysis.statistics.crossed import (
    crossed_covariance,
    crossed_error,
    crossed_half_widths,
    crossed_interval,
    crossed_p,
)


def made(
    draws: int, seeds: int, samples: int, *, seed_sd: float, sample_sd: float, both_sd: float
) -> np.ndarray:
    """Tables [draws, seeds, samples] around 0 with these standard deviations."""
    random = np.random.default_rng(0)
    return (
        seed_sd * random.standard_normal((draws, seeds, 1))
        + sample_sd * random.standard_normal((draws, 1, samples))
        + both_sd * random.standard_normal((draws, seeds, samples))
    )


def test_variances_of_seeds_and_samples_add_up_without_their_interaction() -> None:
    # Means of seeds 1/2 and 1/4; of samples 1, 1/2, 0, 0. Sum of squares of the interaction:
    # 3 - 4 (1/4 + 1/16) - 2 (1 + 1/4) + 8 (3/8)^2 = 3/8.
    of_seeds, of_samples = crossed_error([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert of_seeds**2 == pytest.approx((1 / 32) / 2)
    assert of_samples**2 == pytest.approx((11 / 48) / 4 - (3 / 8) / 3 / 8)


def test_samples_that_differ_less_than_by_chance_add_nothing() -> None:
    table = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.9]])  # each sample about 1/2
    of_seeds, of_samples = crossed_error(table)
    assert of_seeds == pytest.approx(table.mean(axis=1).std(ddof=1) / math.sqrt(2))
    assert of_samples == 0


def test_a_contrast_of_means_has_the_variance_of_its_own_table() -> None:
    tables = made(3, 4, 200, seed_sd=0.1, sample_sd=1.0, both_sd=0.5)
    tables[1] += tables[0]
    covariance = crossed_covariance(tables)
    for weights in ([1, 0, 0], [1, 1, 0], [1, -1, 0.5]):
        contrast = np.tensordot(weights, tables, 1)
        assert np.sqrt(weights @ covariance @ weights) == pytest.approx(
            crossed_error(contrast).of_samples, rel=1e-4
        )


def test_equal_seeds_leave_the_error_of_the_samples() -> None:
    """Five seeds of equal results say no more than one about other samples."""
    right = np.arange(100) < 90
    of_seeds, of_samples = crossed_error(np.tile(right, (5, 1)))
    assert of_seeds == 0
    assert of_samples == pytest.approx(right.std(ddof=1) / 10)


def test_the_squares_are_the_variance_of_the_mean_on_average() -> None:
    tables = made(2000, 5, 40, seed_sd=0.3, sample_sd=1.0, both_sd=1.0)
    variance = 0.3**2 / 5 + 1 / 40 + 1 / 200
    squares = [sum(np.square(crossed_error(table))) for table in tables]
    assert np.mean(squares) == pytest.approx(variance, rel=0.03)


def test_without_a_part_of_the_samples_the_interval_is_students() -> None:
    table = np.repeat([[0.1], [0.2], [0.6]], 50, axis=1)
    mean, low, high, n = crossed_interval(table)
    half = 4.3027 * np.std([0.1, 0.2, 0.6], ddof=1) / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=1e-4)
    assert n == 3


def test_each_part_has_its_own_quantile() -> None:
    # t(2, 97.5 %) = 4.302653, z(97.5 %) = 1.959964
    half = crossed_half_widths(0.01, 2, 0.03, 0.05)
    assert half == pytest.approx(math.hypot(0.04302653, 0.05879892))
    # Two seeds that are close by chance must not make a small level easy.
    seeds = crossed_half_widths(0.001, 1, 0.0, 0.001)
    assert crossed_half_widths(0.001, 1, 0.01, 0.001) > seeds > 0.6


def test_p_is_the_level_at_which_the_interval_ends_at_zero() -> None:
    p = crossed_p([0.05, -0.02, 0.0], 0.01, 4, 0.02)
    assert crossed_half_widths(0.01, 4, 0.02, p[:2]) == pytest.approx([0.05, 0.02])
    assert p[2] == pytest.approx(1)
    assert crossed_p(0.03, 0.01, 4, 0.0) == pytest.approx(2 * special.stdtr(4, -3))


def test_intervals_cover_where_those_over_seeds_alone_do_not() -> None:
    tables = made(1000, 8, 40, seed_sd=0.1, sample_sd=1.0, both_sd=0.5)
    covered = only_seeds = 0
    for table in tables:
        _, low, high, _ = crossed_interval(table)
        covered += low <= 0 <= high
        over_seeds = table.mean(axis=1).std(ddof=1) / math.sqrt(8)
        only_seeds += abs(table.mean()) <= special.stdtrit(7, 0.975) * over_seeds
    assert 0.93 < covered / 1000 < 0.98
    assert only_seeds / 1000 < 0.7
