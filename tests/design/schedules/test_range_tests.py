from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.schedules import RANGE_TESTS
from tests.design.schedules.made import LAW, STEPS, curve, lrs, momenta, settings_of


def test_linear_range_test_rises_in_equal_steps_and_stops_one_short_of_max_lr() -> None:
    assert lrs("range_test_linear", 4, max_lr=0.8) == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert lrs("range_test_linear", 4, max_lr=0.9, start_lr=0.1) == pytest.approx(
        [0.1, 0.3, 0.5, 0.7]
    )


def test_exponential_range_test_rises_by_equal_factors_and_stops_one_short_of_max_lr() -> None:
    assert lrs("range_test_exponential", 4, max_lr=1.0, start_lr=1e-4) == pytest.approx(
        [1e-4, 1e-3, 1e-2, 1e-1]
    )


@pytest.mark.parametrize("policy", sorted(RANGE_TESTS))
def test_range_tests_lower_momentum_linearly_if_min_momentum_is_set(policy: str) -> None:
    assert momenta(policy, 4, max_lr=1.0) == [0.9] * 4
    assert momenta(policy, 4, max_lr=1.0, momentum=0.95, min_momentum=0.75) == pytest.approx(
        [0.95, 0.9, 0.85, 0.8]
    )


@pytest.mark.parametrize("policy", sorted(RANGE_TESTS))
@LAW
@given(data=st.data(), steps=STEPS)
def test_range_tests_raise_the_lr_and_never_the_momentum(
    policy: str, data: st.DataObject, steps: int
) -> None:
    rates = curve(policy, steps, **data.draw(settings_of(policy)))
    for now, then in itertools.pairwise(rates):
        assert now.lr < then.lr
        assert now.momentum >= then.momentum
