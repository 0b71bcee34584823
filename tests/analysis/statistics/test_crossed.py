"""Standard errors over seeds and test samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from superconv_ray.analysis.statistics.crossed import crossed_error, crossed_interval


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
    of_seeds, of_samples = (1 / 32) / 2, (11 / 48) / 4
    of_both = (3 / 8) / 3 / 8
    error, freedom, remaining = crossed_error([[1, 1, 0, 0], [1, 0, 0, 0]])
    variance = of_seeds + of_samples - of_both
    assert error == pytest.approx(math.sqrt(variance))
    assert remaining == pytest.approx(math.sqrt(of_samples - of_both))
    squares = of_seeds**2 / 1 + of_samples**2 / 3 + of_both**2 / 3
    assert freedom == pytest.approx(variance**2 / squares)


def test_without_differences_between_samples_it_is_the_standard_error_over_seeds() -> None:
    table = np.repeat([[0.1], [0.2], [0.6]], 50, axis=1)
    error, freedom, remaining = crossed_error(table)
    assert error == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / math.sqrt(3))
    assert (freedom, remaining) == pytest.approx((2, 0), abs=1e-6)


def test_samples_that_differ_less_than_by_chance_do_not_make_it_smaller() -> None:
    table = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.9]])  # each sample about 1/2
    error, freedom, remaining = crossed_error(table)
    assert error == pytest.approx(table.mean(axis=1).std(ddof=1) / math.sqrt(2))
    assert (freedom, remaining) == (1, 0)


def test_equal_seeds_leave_the_error_of_the_samples() -> None:
    """Five seeds of equal results say no more than one about other samples."""
    right = np.arange(100) < 90
    error, freedom, remaining = crossed_error(np.tile(right, (5, 1)))
    assert error == remaining == pytest.approx(right.std(ddof=1) / 10)
    assert freedom == pytest.approx(99)


def test_its_square_is_the_variance_of_the_mean_on_average() -> None:
    tables = made(2000, 5, 40, seed_sd=0.3, sample_sd=1.0, both_sd=1.0)
    variance = 0.3**2 / 5 + 1 / 40 + 1 / 200
    squares = [crossed_error(table).error ** 2 for table in tables]
    assert np.mean(squares) == pytest.approx(variance, rel=0.03)


def test_its_intervals_cover_where_those_over_seeds_alone_do_not() -> None:
    tables = made(1000, 8, 40, seed_sd=0.1, sample_sd=1.0, both_sd=0.5)
    covered = only_seeds = 0
    for table in tables:
        error, freedom, _ = crossed_error(table)
        covered += abs(table.mean()) <= special.stdtrit(freedom, 0.975) * error
        over_seeds = table.mean(axis=1).std(ddof=1) / math.sqrt(8)
        only_seeds += abs(table.mean()) <= special.stdtrit(7, 0.975) * over_seeds
    assert 0.93 < covered / 1000 < 0.97
    assert only_seeds / 1000 < 0.7


def test_an_interval_is_students_with_this_error() -> None:
    table = np.repeat([[0.1], [0.2], [0.6]], 50, axis=1)
    mean, low, high, n = crossed_interval(table)
    half = 4.3027 * np.std([0.1, 0.2, 0.6], ddof=1) / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=1e-4)
    assert n == 3
