"""The registry of policies, and laws that hold for all of them."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.schedules import (
    CYCLES,
    POLICIES,
    RANGE_TESTS,
    REQUIRED,
    parameters,
)
from superconv_ray.design.schedules.cycles import exp_range, one_cycle, triangular, triangular2
from superconv_ray.design.schedules.decays import (
    constant,
    cosine,
    inv,
    linear,
    piecewise,
    power,
    rex,
    wsd,
)
from superconv_ray.design.schedules.range_tests import range_test_exponential, range_test_linear
from tests.design.schedules.made import (
    LAW,
    MIRRORED,
    STEPS,
    TRIANGLES,
    curve,
    lrs,
    momenta,
    settings_of,
)


def lowest_lr(policy: str, chosen: dict[str, Any]) -> float:
    lowest: float = 0.0
    if chosen.get("warmup_fraction"):
        return 0.0
    if policy == "one_cycle":
        lowest = chosen["max_lr"] / chosen["div_factor"] / chosen["final_div_factor"]
    elif policy in TRIANGLES:
        lowest = chosen["max_lr"] / chosen["div_factor"]
    elif policy in RANGE_TESTS:
        lowest = chosen["start_lr"]
    elif policy == "piecewise":
        lowest = chosen["max_lr"] * chosen["decay_factor"] ** len(chosen["milestones"])
    elif policy == "constant":
        lowest = chosen["max_lr"]
    return lowest


@pytest.mark.parametrize(
    ("policy", "lr"),
    [
        ("one_cycle", 0.1),
        ("range_test_linear", 0.0),
        ("range_test_exponential", 1e-5),
        ("triangular", 0.1),
        ("triangular2", 0.1),
        ("exp_range", 0.1),
        ("piecewise", 0.1),  # round(0.5) is 0, round(0.75) is 1: one milestone is at step 0
        ("constant", 1.0),
        ("inv", 1.0),
        ("cosine", 1.0),
        ("linear", 1.0),
        ("power", 1.0),
        ("rex", 1.0),
        ("wsd", 1.0),
    ],
)
def test_every_policy_has_a_rate_for_a_run_of_one_step(policy: str, lr: float) -> None:
    assert lrs(policy, 1, max_lr=1.0) == pytest.approx([lr])


@pytest.mark.parametrize("policy", POLICIES)
@LAW
@given(data=st.data(), steps=STEPS)
def test_lr_is_finite_and_stays_between_its_lowest_and_max_lr(
    policy: str, data: st.DataObject, steps: int
) -> None:
    chosen = data.draw(settings_of(policy))
    rounding = 1 + 1e-12
    for lr in lrs(policy, steps, **chosen):
        assert math.isfinite(lr)
        assert lr >= 0
        assert lowest_lr(policy, chosen) / rounding <= lr <= chosen["max_lr"] * rounding


@pytest.mark.parametrize("policy", POLICIES)
@LAW
@given(data=st.data(), steps=STEPS)
def test_momentum_stays_within_its_bounds_and_is_constant_without_a_lower_one(
    policy: str, data: st.DataObject, steps: int
) -> None:
    chosen = data.draw(settings_of(policy))
    high, low = chosen["momentum"], chosen.get("min_momentum")
    values = momenta(policy, steps, **chosen)
    if low is None:
        assert values == [high] * steps
    assert all((low or high) - 1e-12 <= value <= high + 1e-12 for value in values)


@pytest.mark.parametrize("policy", MIRRORED)
@LAW
@given(data=st.data(), steps=STEPS)
def test_momentum_is_as_far_down_as_the_lr_is_up(
    policy: str, data: st.DataObject, steps: int
) -> None:
    chosen = data.draw(settings_of(policy)) | {"min_momentum": 0.5, "cycle_end": "min_lr"}
    chosen = {name: value for name, value in chosen.items() if name in parameters(policy)}
    max_lr, high = chosen["max_lr"], chosen["momentum"]
    min_lr = chosen["start_lr"] if policy in RANGE_TESTS else max_lr / chosen["div_factor"]
    for rates in curve(policy, steps, **chosen):
        up = max(0.0, (rates.lr - min_lr) / (max_lr - min_lr))  # below 0 only in a 1cycle's tail
        assert (high - rates.momentum) / (high - 0.5) == pytest.approx(up, abs=1e-9)


@pytest.mark.parametrize("policy", POLICIES)
@LAW
@given(data=st.data(), steps=STEPS)
def test_rates_do_not_depend_on_earlier_calls(policy: str, data: st.DataObject, steps: int) -> None:
    chosen = data.draw(settings_of(policy))
    order = list(range(steps))
    random.Random(data.draw(st.integers(0, 1000))).shuffle(order)
    shuffled = {step: POLICIES[policy](step, steps=steps, **chosen) for step in order}
    assert [shuffled[step] for step in range(steps)] == curve(policy, steps, **chosen)


def test_policies_are_the_functions_by_their_own_names() -> None:
    functions = (
        one_cycle,
        range_test_linear,
        range_test_exponential,
        triangular,
        triangular2,
        exp_range,
        piecewise,
        constant,
        inv,
        cosine,
        linear,
        power,
        rex,
        wsd,
    )
    assert dict(POLICIES) == {function.__name__: function for function in functions}
    assert {name for name in POLICIES if name.startswith("range_test")} == RANGE_TESTS
    cycles = inspect.getmodule(one_cycle)
    assert {n for n, policy in POLICIES.items() if inspect.getmodule(policy) is cycles} == CYCLES


def test_parameters_name_each_setting_with_its_default() -> None:
    assert parameters("one_cycle") == {
        "max_lr": REQUIRED,
        "div_factor": 10.0,
        "peak_fraction": 0.5,
        "anneal": "linear",
        "cycle_end": "min_lr",
        "tail_fraction": 0.1,
        "tail": "step",
        "final_div_factor": 1000.0,
        "momentum": 0.9,
        "min_momentum": None,
    }
    assert parameters("constant") == {
        "max_lr": REQUIRED,
        "warmup_fraction": 0.0,
        "momentum": 0.9,
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_parameters_cover_exactly_the_signature(policy: str) -> None:
    signature = inspect.signature(POLICIES[policy])
    assert {"step", "steps", *parameters(policy)} == set(signature.parameters)
    assert [name for name, it in parameters(policy).items() if it is REQUIRED] == ["max_lr"]


@pytest.mark.parametrize("policy", POLICIES)
def test_passing_the_defaults_changes_nothing(policy: str) -> None:
    explicit = {**parameters(policy), "max_lr": 0.3}
    assert curve(policy, 30, **explicit) == curve(policy, 30, max_lr=0.3)


def test_parameters_cannot_be_changed_for_others() -> None:
    with pytest.raises(TypeError):
        parameters("constant")["momentum"] = 0.5  # type: ignore[index]
    with pytest.raises(TypeError):
        POLICIES["mine"] = constant  # type: ignore[index]


def test_required_is_still_itself_after_a_copy_or_a_trip_to_another_process() -> None:
    assert copy.deepcopy(REQUIRED) is REQUIRED
    assert pickle.loads(pickle.dumps(REQUIRED)) is REQUIRED


def test_an_unknown_policy_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="policy must be one of") as error:
        parameters("onecycle")
    assert str(error.value) == (
        "policy must be one of 'constant', 'cosine', 'exp_range', 'inv', 'linear', 'one_cycle', "
        "'piecewise', 'power', 'range_test_exponential', 'range_test_linear', 'rex', 'triangular', "
        "'triangular2', 'wsd', got 'onecycle'"
    )
