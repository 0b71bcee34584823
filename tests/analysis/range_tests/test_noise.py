"""What the noise of a range test hides, and simulated tests like the published ones."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.range_test_curves import NOISES, SHAPES, measured
from benchmarks.range_test_reading import test_of as one_seed
from superconv_ray.analysis.range_tests.advice import judge
from superconv_ray.analysis.range_tests.frames import RangeTest
from superconv_ray.analysis.range_tests.noise import NO_NOISE, Noise, read_noise, redrawn
from superconv_ray.analysis.range_tests.robust import robust_accuracy
from tests.analysis.range_tests.made import RATES, hill, step


def noise_of(*accuracies: npt.ArrayLike) -> Noise:
    matrix = np.array(accuracies, dtype=np.float64)
    unknown = np.full_like(matrix, math.nan)
    test = RangeTest("validation", RATES, matrix, unknown, unknown, unknown[:, 0])
    return read_noise(test, np.random.default_rng(0))


def white(deviation: float, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, deviation, len(RATES))


# Redrawn curves


def test_a_curve_that_is_its_own_closing_is_redrawn_as_it_is() -> None:
    rising = step(59)[None]
    rising[:, -10:] = rising[:, -10, None]
    drawn = redrawn(rising, 5, np.random.default_rng(0))
    assert drawn == pytest.approx(np.repeat(rising, 5, axis=0))


def test_redrawn_curves_scatter_around_the_robust_one() -> None:
    noisy = (hill() + white(0.05))[None].clip(0, 1)
    drawn = redrawn(noisy, 300, np.random.default_rng(0))
    assert drawn.mean(axis=0) == pytest.approx(robust_accuracy(noisy), abs=0.04)
    assert 0.005 < drawn.std(axis=0).mean() < 0.05


def test_noise_stays_near_the_rates_where_it_was() -> None:
    # Spikes in every third point of the last third.
    spiked = np.full(60, 0.8)
    spiked[42::3] = 0.2
    spiked[43::3] = 0.2
    drawn = redrawn(spiked[None], 300, np.random.default_rng(0))
    assert np.ptp(drawn[:, :25]) == 0
    assert np.ptp(drawn[:, 45:]) > 0.3


def test_a_replicate_ends_where_it_did() -> None:
    lost = hill() + 0.01
    lost[40:] = 0
    drawn = redrawn(lost[None], 20, np.random.default_rng(0))
    assert (drawn[:, 39] > 0).all()
    assert (drawn[:, 40:] == 0).all()


def test_replicates_that_differ_make_the_noise_that_one_cannot_show() -> None:
    alone = redrawn(hill(20)[None], 100, np.random.default_rng(0))
    both = redrawn(np.array([hill(20), hill(40)]), 100, np.random.default_rng(0))
    assert both.std(axis=0).max() > 10 * alone.std(axis=0).max()


# What is read of it


def test_more_noise_makes_the_interval_wider_and_the_rate_less_certain() -> None:
    calm, wild = noise_of(hill() + white(0.01)), noise_of(hill() + white(0.08))
    assert wild.peak.ratio > 1.5 * calm.peak.ratio
    assert wild.spread > calm.spread >= 1


def test_two_hills_are_no_plateau() -> None:
    assert noise_of(np.maximum(hill(15, 5), hill(45, 5))).broken
    assert not noise_of(np.maximum(hill(28, 8), hill(32, 8))).broken


def test_what_measured_nothing_has_no_noise() -> None:
    assert noise_of(np.zeros(60)) is NO_NOISE


@pytest.mark.parametrize("seed", range(5))
def test_the_peaks_interval_holds_the_true_peak_and_the_highest_point(seed: int) -> None:
    for accuracy in (hill(), step(20), step(20, 50)):
        noisy = accuracy + white(0.02, seed)
        found = noise_of(noisy).peak
        assert found.low <= RATES[accuracy.argmax()] <= found.high
        assert found.low <= RATES[noisy.argmax()] <= found.high


# Like the published tests


@pytest.mark.parametrize("points", [100, 800])
@pytest.mark.parametrize("name", SHAPES)
def test_known_shapes_are_told_from_one_seed(name: str, points: int) -> None:
    shape = SHAPES[name]
    rates = shape.rates(points)
    true = shape.accuracy(rates)
    noisy = measured(true, NOISES["low"], np.random.default_rng(1))
    test, truth = one_seed(rates, noisy), one_seed(rates, true)
    noise = read_noise(test, np.random.default_rng(0))
    assert judge(test, noise)[0] == shape.verdict
    if shape.verdict != "too noisy":
        assert test.top.max_lr == pytest.approx(truth.top.max_lr, rel=0.25)
        assert noise.peak.low <= truth.top.peak_lr <= noise.peak.high


@pytest.mark.parametrize("name", [name for name in SHAPES if name.startswith("R56 CIFAR-10,")])
def test_plateaus_that_are_published_survive_dips_of_tens_of_points(name: str) -> None:
    shape = SHAPES[name]
    rates = shape.rates(400)
    noisy = measured(shape.accuracy(rates), NOISES["high"], np.random.default_rng(2))
    test = one_seed(rates, noisy)
    noise = read_noise(test, np.random.default_rng(0))
    assert judge(test, noise)[0] == "plateau"
    assert test.top.plateau.ratio > 3
    assert noise.share_inside < 0.8  # dips do not end it, but are counted
    assert noise.raggedness > 0.03
