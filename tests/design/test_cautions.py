"""Reservations about a study that can run."""

from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.design.building import make_plan
from superconv_ray.design.cautions import cautions
from superconv_ray.design.choices import from_range_test, tuned
from superconv_ray.design.plan import range_tests_alone
from superconv_ray.design.schedules import Rates
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid
from tests.design.made import base, study


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


# Momentum that nobody chose


def steady(step: int, *, steps: int, max_lr: float) -> float:
    return max_lr * (1 - step / steps)


def moving(step: int, *, steps: int, max_lr: float) -> Rates:
    return Rates(max_lr, 0.95 - 0.1 * step / steps)


def of_momentum(arms: dict[str, Arm], **changes: Any) -> list[str]:
    plan = make_plan(study(arms=arms, **changes))
    return [said for said in cautions(plan) if "momentum" in said]


ONE_CYCLE = Arm(policy="one_cycle")
LINEAR = Arm(policy="linear")


def test_arms_that_differ_in_momentum_by_default_are_named_with_what_they_use() -> None:
    (said,) = of_momentum(
        {
            "cycle": Arm(policy="one_cycle", max_lr=from_range_test()),
            **{f"decay_{rate}": Arm(policy="cosine", max_lr=rate) for rate in (1, 2, 3, 4)},
            "searched": Arm(policy="linear", max_lr=tuned(0.01, 1)),
        },
        sweep=grid(dropout=(0.0, 0.1)),
    )
    assert said == (
        "arms differ in momentum only by the defaults of their policies (cycle 0.95 to 0.85; "
        "decay_1, decay_2, decay_3 and 2 more 0.9): make them alike with "
        "base=Trial(momentum=0.9, min_momentum=0.9), tune momentum in every arm, or state it in "
        "the arms"
    )


def test_what_the_caution_proposes_makes_momentum_alike_and_ends_it() -> None:
    arms = {"a": ONE_CYCLE, "b": LINEAR, "c": Arm(optimizer="schedule_free_sgd")}
    assert of_momentum(arms)
    alike = make_plan(study(arms=arms, base=base(momentum=0.9, min_momentum=0.9)))
    assert not list(cautions(alike))
    for cell in alike.cells:
        schedule, steps = cell.trainings[0].schedule(), cell.trainings[0].steps
        assert {round(schedule(step).momentum, 9) for step in range(steps)} == {0.9}


@pytest.mark.parametrize(
    "arms",
    [
        {"a": Arm(policy="one_cycle", momentum=0.95, min_momentum=0.85), "b": LINEAR},
        {"a": Arm(policy="one_cycle", momentum=tuned(0.8, 0.98, log=False)), "b": LINEAR},
        {"a": LINEAR, "b": Arm(policy="cosine"), "c": Arm(policy=steady)},
        {"a": ONE_CYCLE, "b": Arm(policy="one_cycle", optimizer="adamw")},
        {"a": ONE_CYCLE, "b": Arm(policy="linear", optimizer="adagrad")},
        {"a": ONE_CYCLE, "b": Arm(policy=moving)},
    ],
    ids=["stated", "tuned", "alike", "one policy", "none", "in code"],
)
def test_momentum_that_is_chosen_alike_or_absent_is_not_warned_of(arms: dict[str, Arm]) -> None:
    assert of_momentum(arms) == []


def test_a_sweep_over_momentum_states_it() -> None:
    arms = {"a": ONE_CYCLE, "b": LINEAR}
    assert of_momentum(arms, sweep=grid(momentum=(0.8, 0.9))) == []


def test_a_schedule_of_the_users_own_without_momentum_holds_the_default() -> None:
    (said,) = of_momentum({"a": ONE_CYCLE, "b": Arm(policy=steady)})
    assert "(a 0.95 to 0.85; b 0.9)" in said


def test_range_tests_alone_are_warned_of_as_far_as_they_differ() -> None:
    read = from_range_test()
    one_read = study(arms={"a": Arm(policy="one_cycle", max_lr=read), "b": LINEAR})
    assert not list(cautions(range_tests_alone(make_plan(one_read))))
    both = study(arms={p: Arm(policy=p, max_lr=read) for p in ("one_cycle", "linear")})
    (said,) = cautions(range_tests_alone(make_plan(both)))
    assert "(one_cycle 0.95 to 0.85; linear 0.9)" in said
