from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LinearLR, PolynomialLR, SequentialLR

from superconv_ray.design.schedules import POLICIES, Rates
from superconv_ray.design.schedules.decays import inv
from tests.design.schedules.made import (
    LAW,
    STEPS,
    curve,
    lrs,
    momenta,
    pytorch_curve,
    settings_of,
    sgd,
)

STRETCHED = ("cosine", "linear", "power", "rex")
"""Policies that fall from the end of the warm-up to that of the run."""


def test_piecewise_drops_at_its_milestones() -> None:
    assert lrs("piecewise", 8, max_lr=0.35) == pytest.approx(
        [0.35] * 4 + [0.035] * 2 + [0.0035] * 2
    )
    assert momenta("piecewise", 8, max_lr=0.35) == [0.9] * 8


def test_constant_stays_at_max_lr() -> None:
    assert curve("constant", 3, max_lr=0.1, momentum=0.8) == [Rates(0.1, 0.8)] * 3


def test_inv_falls_as_a_power_of_the_step() -> None:
    assert lrs("inv", 4, max_lr=1.2, inv_gamma=1.0, inv_power=1.0) == pytest.approx(
        [1.2, 0.6, 0.4, 0.3]
    )
    assert momenta("inv", 4, max_lr=1.2) == [0.9] * 4


def test_cosine_falls_along_half_a_cosine_to_just_above_zero() -> None:
    fall = [2.0, 1.7071067811865475, 1.0, 0.2928932188134525]
    assert lrs("cosine", 4, max_lr=2.0) == pytest.approx(fall)
    assert lrs("cosine", 6, max_lr=2.0, warmup_fraction=1 / 3) == pytest.approx([1.0, 2.0, *fall])
    assert momenta("cosine", 4, max_lr=2.0) == [0.9] * 4


def test_linear_falls_along_a_straight_line_to_just_above_zero() -> None:
    assert lrs("linear", 5, max_lr=1.0) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert lrs("linear", 8, max_lr=1.0, warmup_fraction=0.5) == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    )
    assert momenta("linear", 5, max_lr=1.0) == [0.9] * 5


def test_piecewise_has_the_papers_schedule_for_resnet_56() -> None:
    steps = (0, 49_999, 50_000, 69_999, 70_000, 79_999)
    expected = [0.35, 0.35, 0.035, 0.035, 0.0035, 0.0035]
    chosen = {"steps": 80_000, "max_lr": 0.35, "milestones": (5 / 8, 7 / 8)}
    assert [POLICIES["piecewise"](step, **chosen).lr for step in steps] == pytest.approx(expected)


def test_piecewise_has_the_papers_schedule_for_lenet_whose_milestones_are_not_in_order() -> None:
    milestones = (1 / 2, 3 / 4, 7 / 8, 15 / 16, 29 / 32)
    assert lrs(
        "piecewise", 32, max_lr=0.01, milestones=milestones, decay_factor=0.316
    ) == pytest.approx(
        [0.01] * 16
        + [0.00316] * 8
        + [0.00099856] * 4
        + [0.00031554496]
        + [0.00009971220736]
        + [0.00003150905752576] * 2
    )


def test_inv_has_the_rates_that_caffe_prints_for_lenet() -> None:
    # As `Iteration 100, lr = 0.00992565`: six digits.
    printed = {0: 0.01, 100: 0.00992565, 5_000: 0.00737788, 9_900: 0.00596843}
    for step, lr in printed.items():
        assert inv(step, steps=10_000, max_lr=0.01).lr == pytest.approx(lr, rel=1e-6)


@pytest.mark.parametrize("policy", [*STRETCHED, "constant", "inv"])
def test_a_run_that_is_all_warm_up_ends_at_max_lr(policy: str) -> None:
    assert lrs(policy, 2, max_lr=1.0, warmup_fraction=1.0) == [0.5, 1.0]


@pytest.mark.parametrize("policy", ["piecewise", "inv", *STRETCHED, "wsd"])
@LAW
@given(data=st.data(), steps=STEPS)
def test_decays_never_raise_the_lr(policy: str, data: st.DataObject, steps: int) -> None:
    chosen = data.draw(settings_of(policy)) | {"warmup_fraction": 0.0}
    values = lrs(policy, steps, **chosen)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("policy", [*STRETCHED, "wsd", "constant", "inv"])
@LAW
@given(data=st.data(), steps=STEPS)
def test_warmed_up_decays_rise_to_max_lr_and_then_fall(
    policy: str, data: st.DataObject, steps: int
) -> None:
    chosen = data.draw(settings_of(policy))
    if policy == "wsd":
        chosen["cooldown_fraction"] = min(
            chosen["cooldown_fraction"], 1 - chosen["warmup_fraction"]
        )
    values = lrs(policy, steps, **chosen)
    warmup_steps = round(chosen["warmup_fraction"] * steps)
    assert values[:warmup_steps] == sorted(values[:warmup_steps])
    assert values[warmup_steps:] == sorted(values[warmup_steps:], reverse=True)
    assert max(values) == pytest.approx(chosen["max_lr"])


def test_power_falls_as_a_power_of_the_part_left() -> None:
    assert lrs("power", 4, max_lr=1.6) == pytest.approx([1.6, 0.9, 0.4, 0.1])
    assert lrs("power", 5, max_lr=1.0, decay_power=1.0) == pytest.approx(lrs("linear", 5, max_lr=1))
    assert momenta("power", 4, max_lr=1.6) == [0.9] * 4


@LAW
@given(steps=st.integers(1, 60), decay_power=st.floats(0.2, 4.0))
def test_power_is_pytorchs_polynomial_lr(steps: int, decay_power: float) -> None:
    scheduler = PolynomialLR(sgd(), total_iters=steps, power=decay_power)
    theirs = [rates.lr for rates in pytorch_curve(scheduler, steps)]
    assert lrs("power", steps, max_lr=1.0, decay_power=decay_power) == pytest.approx(theirs)


def test_rex_falls_slowly_first_and_fast_at_the_end() -> None:
    # (1 - x) / (1/2 + (1 - x) / 2) at x = 0, 1/4, 1/2, 3/4
    assert lrs("rex", 4, max_lr=1.0) == pytest.approx([1.0, 6 / 7, 2 / 3, 2 / 5])
    assert lrs("rex", 6, max_lr=1.0, warmup_fraction=1 / 3) == pytest.approx(
        [0.5, 1.0, 1.0, 6 / 7, 2 / 3, 2 / 5]
    )


@pytest.mark.parametrize(
    ("cooldown", "left"),
    [
        ("linear", [1.0, 0.75, 0.5, 0.25]),
        ("1-sqrt", [1.0, 0.5, 1 - math.sqrt(0.5), 1 - math.sqrt(0.75)]),
        ("cosine", [1.0, 0.8535533905932737, 0.5, 0.14644660940672624]),
    ],
)
def test_wsd_warms_up_holds_and_cools_down(cooldown: str, left: list[float]) -> None:
    chosen = {"warmup_fraction": 0.2, "cooldown_fraction": 0.4, "cooldown": cooldown}
    expected = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, *(2 * part for part in left)]
    assert lrs("wsd", 10, max_lr=2.0, **chosen) == pytest.approx(expected)
    assert momenta("wsd", 10, max_lr=2.0, **chosen) == [0.9] * 10


def test_wsd_is_pytorchs_warm_up_constant_and_linear_decay_in_sequence() -> None:
    optimizer = sgd()
    warmup = LinearLR(optimizer, start_factor=1 / 10, total_iters=9)
    stable = LinearLR(optimizer, start_factor=1.0, total_iters=1)
    decay = LinearLR(optimizer, start_factor=1.0, end_factor=1e-12, total_iters=30)
    scheduler = SequentialLR(optimizer, [warmup, stable, decay], milestones=[10, 70])
    theirs = [rates.lr for rates in pytorch_curve(scheduler, 100)]
    ours = lrs("wsd", 100, max_lr=1.0, warmup_fraction=0.1, cooldown_fraction=0.3)
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_warm_up_leads_to_max_lr_and_then_the_policy_goes_on() -> None:
    assert lrs("constant", 4, max_lr=1.0, warmup_fraction=0.5) == [0.5, 1.0, 1.0, 1.0]
    assert lrs("inv", 4, max_lr=1.2, inv_gamma=1.0, inv_power=1.0, warmup_fraction=0.5) == (
        pytest.approx([0.6, 1.2, 1.2, 0.6])
    )
    # Milestones count from the start of the run.
    assert lrs("piecewise", 8, max_lr=1.0, warmup_fraction=0.25) == pytest.approx(
        [0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    )
