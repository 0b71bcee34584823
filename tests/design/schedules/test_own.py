"""Schedules of the user's own: what they give, and what is refused before anything is trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import from_range_test, tuned
from superconv_ray.design.schedules import Rates, parameters
from superconv_ray.design.study import Arm
from superconv_ray.design.trial import CompleteTrial, Trial
from tests.design.made import error, module_of, study, the_cell
from tests.own_code import mirrored, plain


def complete(policy: Callable[..., Any], **settings: Any) -> CompleteTrial:
    return Trial(data_count=100, max_lr=0.4, steps=4, policy=policy, **settings).complete()


def rates(policy: Callable[..., Any], **settings: Any) -> list[Rates]:
    trial = complete(policy, **settings)
    return [trial.schedule()(step) for step in range(trial.steps)]


def test_a_schedule_may_give_the_learning_rate_alone_and_momentum_is_constant() -> None:
    lr = [0.4 * math.cos(math.pi / 8 * step) for step in range(4)]
    assert rates(plain) == [pytest.approx((rate, 0.9)) for rate in lr]
    assert {momentum for _, momentum in rates(plain, momentum=0.5)} == {0.5}
    assert all(math.isnan(momentum) for _, momentum in rates(plain, optimizer="adagrad"))


def test_a_schedule_may_give_rates_and_take_fields_of_schedules() -> None:
    assert rates(mirrored) == [
        pytest.approx(expected)
        for expected in ((0.4, 0.85), (0.3, 0.875), (0.2, 0.9), (0.1, 0.925))
    ]
    assert rates(mirrored, momentum=0.8)[0].momentum == pytest.approx(0.7)


def test_only_the_fields_of_schedules_that_it_names_are_its_settings() -> None:
    def warmed(step: int, *, steps: int, max_lr: float, warmup_fraction: float = 0.5, to: int = 1):  # type: ignore[no-untyped-def]
        return max_lr * min(to, (step + 1) / (warmup_fraction * steps))

    trial = complete(warmed)
    assert (trial.warmup_fraction, trial.momentum, trial.div_factor) == (0.5, 0.9, None)
    assert [lr for lr, _ in rates(warmed)] == pytest.approx([0.2, 0.4, 0.4, 0.4])
    assert complete(warmed, warmup_fraction=0.25).id != trial.id
    assert complete(warmed, div_factor=7.0).id == trial.id
    assert error(arms={"mine": Arm(policy=warmed, cycles=3)}) == (
        "arm 'mine': 'cycles' is set by the arm but not used with policy 'warmed', which uses "
        "momentum, max_lr, warmup_fraction"
    )


def test_it_is_one_contestant_among_others() -> None:
    plan = make_plan(study(arms={"mine": Arm(policy=plain), "cosine": Arm(policy="cosine")}))
    mine, cosine = plan.cells
    assert [trial.policy for trial in mine.trainings] == ["plain", "plain"]
    assert mine.trainings[0].kind == "training"
    assert mine.trainings[0].policy_digest
    assert cosine.trainings[0].policy_digest is None


@pytest.mark.parametrize("max_lr", [from_range_test(), tuned(0.01, 1.0)])
def test_its_max_lr_can_be_chosen(max_lr: Any) -> None:
    cell = the_cell(arms={"mine": Arm(policy=mirrored, max_lr=max_lr)})
    assert cell.trainings_with(max_lr=0.3)[0].schedule()(0).lr == 0.3
    for test in cell.range_tests or ():
        assert (test.kind, test.policy_digest, test.momentum) == ("range_test", None, 0.95)


def test_functions_of_one_name_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    source = "def mine(step, *, steps, max_lr, {}):\n    return max_lr * {}"
    made = [
        module_of(tmp_path / f"own_{name}.py", source.format(setting, factor)).mine
        for name, setting, factor in (("a", "cycles=2", 0.5), ("b", "div_factor=4.0", 0.25))
    ]
    one, other = (complete(function) for function in made)
    assert (one.cycles, other.cycles, other.div_factor) == (2, None, 4.0)
    assert (one.schedule()(0).lr, other.schedule()(0).lr) == (0.2, 0.1)
    assert one.id != other.id
    assert parameters(one.policy).keys() == {"momentum", "max_lr", "cycles"}


calls = itertools.count()


def _mine(value: Any) -> Callable[..., Any]:
    def mine(step: int, *, steps: int, max_lr: float) -> Any:  # noqa: ARG001
        return value(step) if callable(value) else value

    return mine


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"give a rate in \[0, max_lr\], got -0\.1 in step 0 of 4 with max_lr=0\.4"),
        (0.5, r"give a rate in \[0, max_lr\], got 0\.5 in step 0 of 4"),
        (math.nan, r"give a rate in \[0, max_lr\], got nan"),
        (lambda step: 0.1 if step < 3 else math.inf, r"got inf in step 3 of 4"),
        (0.0, "not give a rate of 0 in all 4 steps"),
        (Rates(0.1, 1.0), r"give a momentum in \[0, 1\), got 1\.0 in step 0"),
        (lambda step: next(calls) / 1e6, "be a function of the step alone, .* checkpoint"),  # noqa: ARG005
        ("fast", "return Rates or a learning rate, but step 0 of 4 gives ValueError: could"),
        ((0.1, 0.9, 1), "but step 0 of 4 gives ValueError: too many values"),
        (lambda step: 1 / step, "but step 0 of 4 gives ZeroDivisionError: division by zero"),
    ],
)
def test_an_impossible_rate_is_found_before_anything_is_trained(value: Any, message: str) -> None:
    own = value if callable(value) else _enclosed(value)
    with pytest.raises(ValueError, match=f"^policy 'mine' must .*{message}"):
        complete(_mine(own))


def _enclosed(value: Any) -> Callable[[int], Any]:
    """Own functions may close over code, but not over every kind of value."""
    return lambda _: value


def test_the_plan_names_the_arm_and_the_ends_of_a_search_are_checked() -> None:
    def absolute(step: int, *, steps: int, max_lr: float) -> float:  # noqa: ARG001
        return 0.1

    arms = {"mine": Arm(policy=absolute, max_lr=tuned(0.01, 1.0))}
    assert error(arms=arms).startswith(
        "arm 'mine': policy 'absolute' must give a rate in [0, max_lr], got 0.1 in step 0 of 400 "
        "with max_lr=0.01"
    )


def test_momentum_that_varies_is_refused_where_the_optimizer_cannot_follow() -> None:
    with pytest.raises(ValueError, match="'mirrored' must keep momentum constant for optimizer "):
        complete(mirrored, optimizer="schedule_free_sgd")
    assert complete(plain, optimizer="schedule_free_sgd").momentum == 0.9


def no_steps(step: int, *, max_lr: float) -> float:
    return max_lr / (step + 1)


def needs_more(step: int, *, steps: int, max_lr: float, factor: float) -> float:
    return factor * max_lr * step / steps


@pytest.mark.parametrize("function", [no_steps, needs_more])
def test_a_function_that_cannot_be_called_as_a_policy_is_refused(function: Any) -> None:
    expected = (
        rf"^policy '{function.__name__}' must be callable as {function.__name__}\(step, "
        r"steps=\.\.\., max_lr=\.\.\.\), with a default for every further parameter"
    )
    with pytest.raises(ValueError, match=expected):
        Trial(policy=function)


def test_a_complete_trial_can_change_to_an_own_schedule_and_back() -> None:
    full = Trial(data_count=100, max_lr=0.4, steps=4).complete()
    own = replace(full, policy=mirrored)
    assert (own.div_factor, own.policy) == (None, "mirrored")
    assert own.changed(policy="constant").policy_digest is None
