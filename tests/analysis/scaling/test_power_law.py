from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from superconv_ray.analysis.scaling.power_law import EXPONENTS, Law, fit, relative_weights
from superconv_ray.analysis.statistics.intervals import Floats

LOG_N = np.log(np.array([100, 300, 1000, 3000, 10000]) / 1000)
EVEN = np.full(5, 0.2)


def errors(a: float, b: float, c: float) -> Floats:
    return a * np.exp(-b * LOG_N) + c


def law(*curves: Floats, weights: Floats = EVEN) -> Law:
    return Law(LOG_N, np.array(curves), weights)


@given(st.floats(0.01, 0.5), st.floats(0.03, 2.5), st.floats(0, 0.3))
def test_a_law_without_noise_is_found_again(a: float, b: float, c: float) -> None:
    found = fit([law(errors(a, b, c))])
    assert np.ravel(found) == pytest.approx([a, b, c], rel=1e-3, abs=5e-4)


def test_many_curves_are_each_fitted_as_if_alone() -> None:
    curves = errors(0.2, 0.3, 0.05) + np.random.default_rng(0).normal(size=(4, 5)) * 0.01
    together = fit([law(*curves)])
    for i, curve in enumerate(curves):
        alone = fit([law(curve)])
        assert [x[0, i] for x in together] == pytest.approx(np.ravel(alone))


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_that_of_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    curve = errors(0.2, 0.4, 0.05) * (1 + 0.03 * random.normal(size=5))
    weights = relative_weights(np.array([5, 5, 5, 3, 3]), curve)

    def deviations(parameters: Floats) -> Floats:
        a, b, c = parameters
        return np.sqrt(weights) * (errors(a, b, c) - curve)

    bounds = ([0, EXPONENTS[0], 0], [np.inf, EXPONENTS[1], np.inf])
    expected = optimize.least_squares(deviations, [0.2, 0.4, 0.05], bounds=bounds, xtol=1e-12)
    found = np.ravel(fit([law(curve, weights=weights)]))
    assert (deviations(found) ** 2).sum() == pytest.approx(2 * expected.cost, rel=1e-4)
    assert found == pytest.approx(expected.x, rel=1e-2, abs=1e-4)


def test_a_floor_is_not_negative() -> None:
    # Over log n straight, and so below any law with a floor at large n
    found = fit([law(np.linspace(0.5, 0.02, 5))])
    assert found.c.tolist() == [[0]]


def test_two_laws_may_share_their_floor() -> None:
    found = fit([law(errors(0.2, 0.3, 0.05)), law(errors(0.1, 0.6, 0.05))], share_floor=True)
    assert found.a[:, 0] == pytest.approx([0.2, 0.1], rel=1e-3)
    assert found.b[:, 0] == pytest.approx([0.3, 0.6], rel=1e-3)
    assert found.c[:, 0] == pytest.approx([0.05, 0.05], rel=1e-3)


@pytest.mark.parametrize("floors", [(0.05, 0.05), (0.02, 0.08)])
def test_two_laws_may_share_their_exponent(floors: tuple[float, float]) -> None:
    laws = [law(errors(a, 0.5, c)) for a, c in zip((0.2, 0.1), floors, strict=True)]
    found = fit(laws, share_exponent=True, share_floor=floors[0] == floors[1])
    assert found.a[:, 0] == pytest.approx([0.2, 0.1], rel=1e-3)
    assert found.b[:, 0] == pytest.approx([0.5, 0.5], rel=1e-3)
    assert found.c[:, 0] == pytest.approx(floors, rel=1e-3)


@pytest.mark.parametrize("share_exponent", [True, False])
def test_a_joint_fit_is_that_of_scipy(share_exponent: bool) -> None:
    random = np.random.default_rng(0)
    curves = [errors(a, 0.4, 0.05) * (1 + 0.03 * random.normal(size=5)) for a in (0.2, 0.15)]

    def deviations(parameters: Floats) -> Floats:
        first, second, b, other, c = parameters
        other = b if share_exponent else other
        laws = [errors(first, b, c), errors(second, other, c)]
        return np.asarray(np.sqrt(0.2) * (np.concatenate(laws) - np.concatenate(curves)))

    bounds = ([0, 0, EXPONENTS[0], EXPONENTS[0], 0], [np.inf, np.inf, 3, 3, np.inf])
    start = [0.2, 0.15, 0.4, 0.4, 0.05]
    expected = optimize.least_squares(deviations, start, bounds=bounds, xtol=1e-12)
    laws = [law(curve) for curve in curves]
    found = fit(laws, share_exponent=share_exponent, share_floor=True)
    parameters = np.array([*found.a[:, 0], *found.b[:, 0], found.c[0, 0]])
    assert (deviations(parameters) ** 2).sum() == pytest.approx(2 * expected.cost, rel=1e-4)


def test_laws_of_different_n_are_compared_at_their_reference() -> None:
    other = np.log(np.array([200, 500, 2000, 8000]) / 1000)
    laws = [
        law(errors(0.2, 0.5, 0.05)),
        Law(other, 0.1 * np.exp(-0.5 * other)[np.newaxis] + 0.05, np.full(4, 0.25)),
    ]
    found = fit(laws, share_exponent=True, share_floor=True)
    assert found.a[:, 0] == pytest.approx([0.2, 0.1], rel=1e-3)


def test_weights_are_relative_to_the_error_and_grow_with_seeds() -> None:
    # 4 / 0.2^2 = 100, 1 / 0.1^2 = 100, and 3 / 0.001^2 where the error is below one in a thousand
    assert relative_weights(np.array([4, 1]), np.array([0.2, 0.1])) == pytest.approx([0.5, 0.5])
    assert relative_weights(np.array([3, 3]), np.array([0.001, 0])) == pytest.approx([0.5, 0.5])
