"""Reservations about a study that can run."""

from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.design.building import make_plan
from superconv_ray.design.cautions import cautions
from superconv_ray.design.choices import from_range_test
from superconv_ray.design.plan import range_tests_alone
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid
from tests.design.made import study


def warned(**reading: Any) -> list[str]:
    return list(cautions(make_plan(study(arms={"a": Arm(max_lr=from_range_test(**reading))}))))


def test_a_linear_range_test_that_is_short_for_its_span_names_the_steps_it_needs() -> None:
    # 100 steps below a tenth of the end: a tenth of all steps if the test starts at 0; if it starts
    # at 0.1, those from 0.1 to 0.3 of 2.9, which are 100 * 2.9 / 0.2.
    (said,) = warned(scale="linear", steps=300)
    assert said == (
        "a linear range test of 300 steps from 0 to 3 passes the rates below 0.3 before much is "
        "learned, and may read a max_lr that is too large: give it 1,000 steps, or use "
        "scale='exponential'"
    )
    assert "give it 1,450 steps" in warned(scale="linear", low=0.1, steps=300)[0]


@pytest.mark.parametrize(
    "reading",
    [
        {},
        {"steps": 20},
        {"scale": "linear", "steps": 1000},
        {"scale": "linear", "low": 0.3, "high": 3.0},  # around the top of another test
    ],
)
def test_other_range_tests_are_not_warned_of(reading: dict[str, Any]) -> None:
    assert warned(**reading) == []


def test_a_caution_is_said_once_and_for_range_tests_alone_as_well() -> None:
    plan = make_plan(
        study(
            arms={"a": Arm(max_lr=from_range_test(scale="linear")), "b": Arm(max_lr=0.2)},
            sweep=grid(dropout=(0.0, 0.1)),
        )
    )
    assert len(list(cautions(plan))) == 1
    assert list(cautions(range_tests_alone(plan))) == list(cautions(plan))
