import copy
import inspect
import itertools
import math
import pickle
import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from superconv_ray.design.schedules import (
    POLICIES,
    RANGE_TESTS,
    REQUIRED,
    Rates,
    constant,
    cosine,
    exp_range,
    inv,
    linear,
    one_cycle,
    parameters,
    piecewise,
    range_test_exponential,
    range_test_linear,
    triangular,
    triangular2,
)

TRIANGLES = ("triangular", "triangular2", "exp_range")
MIRRORED = ("one_cycle", "range_test_linear", *TRIANGLES)

# No deadline: a busy machine is not a broken law.
LAW = settings(deadline=None, max_examples=50)


def curve(policy: str, steps: int, **chosen: Any) -> list[Rates]:
    return [POLICIES[policy](step, steps=steps, **chosen) for step in range(steps)]


def lrs(policy: str, steps: int, **chosen: Any) -> list[float]:
    return [rates.lr for rates in curve(policy, steps, **chosen)]


def momenta(policy: str, steps: int, **chosen: Any) -> list[float]:
    return [rates.momentum for rates in curve(policy, steps, **chosen)]


# Whole curves, computed by hand.


def test_one_cycle_is_a_triangle_and_then_a_tail_a_thousand_times_below_min_lr() -> None:
    assert lrs("one_cycle", 10, max_lr=1.0, tail_fraction=0.2) == pytest.approx(
        [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.0001, 0.0001]
    )


def test_one_cycle_momentum_mirrors_the_triangle_and_is_high_in_the_tail() -> None:
    assert momenta("one_cycle", 10, max_lr=1.0, tail_fraction=0.2) == pytest.approx(
        [0.95, 0.925, 0.9, 0.875, 0.85, 0.875, 0.9, 0.925, 0.95, 0.95]
    )


def test_one_cycle_linear_tail_starts_at_min_lr_and_ends_at_the_final_lr() -> None:
    chosen = {"tail": "linear", "tail_fraction": 0.4, "final_div_factor": 10.0}
    assert lrs("one_cycle", 10, max_lr=1.0, **chosen) == pytest.approx(
        [0.1, 0.4, 0.7, 1.0, 0.7, 0.4, 0.1, 0.07, 0.04, 0.01]
    )
    assert momenta("one_cycle", 10, max_lr=1.0, **chosen)[6:] == [0.95] * 4


def test_one_cycle_over_an_odd_number_of_steps_peaks_between_two_of_them() -> None:
    assert lrs("one_cycle", 5, max_lr=1.1, div_factor=11.0, tail_fraction=0.0) == pytest.approx(
        [0.1, 0.5, 0.9, 0.9, 0.5]
    )


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


def test_triangular_repeats_the_same_triangle() -> None:
    chosen = {"div_factor": 5.0, "cycles": 2, "momentum": 0.9, "min_momentum": 0.8}
    assert lrs("triangular", 8, max_lr=1.0, **chosen) == pytest.approx(
        [0.2, 0.6, 1.0, 0.6, 0.2, 0.6, 1.0, 0.6]
    )
    assert momenta("triangular", 8, max_lr=1.0, **chosen) == pytest.approx(
        [0.9, 0.85, 0.8, 0.85, 0.9, 0.85, 0.8, 0.85]
    )


def test_triangular2_halves_the_amplitude_after_each_cycle() -> None:
    chosen = {"div_factor": 5.0, "cycles": 3, "momentum": 0.9, "min_momentum": 0.8}
    assert lrs("triangular2", 12, max_lr=1.0, **chosen) == pytest.approx(
        [0.2, 0.6, 1.0, 0.6, 0.2, 0.4, 0.6, 0.4, 0.2, 0.3, 0.4, 0.3]
    )
    assert momenta("triangular2", 12, max_lr=1.0, **chosen) == pytest.approx(
        [0.9, 0.85, 0.8, 0.85, 0.9, 0.875, 0.85, 0.875, 0.9, 0.8875, 0.875, 0.8875]
    )


def test_exp_range_shrinks_the_amplitude_every_step() -> None:
    chosen = {"exp_range_gamma": 0.5, "momentum": 0.9, "min_momentum": 0.8}
    assert lrs("exp_range", 4, max_lr=1.0, **chosen) == pytest.approx([0.1, 0.325, 0.325, 0.15625])
    assert momenta("exp_range", 4, max_lr=1.0, **chosen) == pytest.approx(
        [0.9, 0.875, 0.875, 0.89375]
    )


def test_cycles_of_a_fractional_length_start_where_real_numbers_put_them() -> None:
    # Two cycles of 2.5 steps: heights 0, .8, .4 | .4, .8 with the second at half the amplitude.
    assert lrs("triangular2", 5, max_lr=1.1, div_factor=11.0, cycles=2) == pytest.approx(
        [0.1, 0.9, 0.5, 0.3, 0.5]
    )


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


# Values of the papers and of the author's Caffe logs.


def test_triangular_has_the_papers_lr_at_iteration_9900() -> None:
    assert triangular(9_900, steps=10_000, max_lr=3.0, div_factor=30.0).lr == pytest.approx(0.158)
    assert triangular(5_000, steps=10_000, max_lr=3.0, div_factor=30.0).lr == pytest.approx(3.0)


def test_one_cycle_has_the_authors_triangle_and_tail() -> None:
    def lr(step: int) -> float:
        return one_cycle(step, steps=12_000, max_lr=3.0, div_factor=30.0, tail_fraction=1 / 6).lr

    assert lr(9_900) == pytest.approx(0.158)
    assert lr(9_999) == pytest.approx(0.10058)
    assert [lr(10_000), lr(11_999)] == pytest.approx([1e-4, 1e-4])


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


# PyTorch's schedulers, where the definitions coincide.


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.5)


def pytorch_curve(scheduler: LRScheduler, steps: int) -> list[Rates]:
    rates = []
    for _ in range(steps):
        group = scheduler.optimizer.param_groups[0]
        rates.append(Rates(group["lr"], group["momentum"]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def assert_close(ours: list[Rates], theirs: list[Rates]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-9, abs=1e-12)


@LAW
@given(cycle_steps=st.integers(1, 60), tail_steps=st.integers(2, 30))
def test_one_cycle_with_a_linear_tail_is_pytorchs_three_phase_one_cycle_lr(
    cycle_steps: int, tail_steps: int
) -> None:
    # PyTorch's phases end at pct_start*T - 1 (peak), 2*pct_start*T - 2 (min_lr again) and T - 1;
    # ours at cycle_steps/2, cycle_steps and T - 1. Hence pct_start; a tail of one step would make
    # PyTorch divide by zero.
    steps = cycle_steps + tail_steps
    scheduler = OneCycleLR(
        sgd(),
        max_lr=3.0,
        total_steps=steps,
        pct_start=(cycle_steps / 2 + 1) / steps,
        anneal_strategy="linear",
        three_phase=True,
        div_factor=30.0,
        final_div_factor=1000.0,
        base_momentum=0.85,
        max_momentum=0.95,
    )
    ours = curve(
        "one_cycle",
        steps,
        max_lr=3.0,
        div_factor=30.0,
        tail_fraction=tail_steps / steps,
        tail="linear",
    )
    assert_close(ours, pytorch_curve(scheduler, steps))


@pytest.mark.parametrize("policy", TRIANGLES)
@LAW
@given(half_cycle=st.integers(1, 20), cycles=st.integers(1, 5))
def test_triangles_are_pytorchs_cyclic_lr(policy: str, half_cycle: int, cycles: int) -> None:
    steps = 2 * half_cycle * cycles
    gamma = {"exp_range_gamma": 0.97} if policy == "exp_range" else {}
    scheduler = CyclicLR(
        sgd(),
        base_lr=0.1,
        max_lr=3.0,
        step_size_up=half_cycle,
        mode=policy,  # type: ignore[arg-type]  # a str where PyTorch wants a Literal
        gamma=0.97,
        cycle_momentum=True,
        base_momentum=0.8,
        max_momentum=0.95,
    )
    ours = curve(
        policy,
        steps,
        max_lr=3.0,
        div_factor=30.0,
        cycles=cycles,
        momentum=0.95,
        min_momentum=0.8,
        **gamma,
    )
    assert_close(ours, pytorch_curve(scheduler, steps))


# Sizes at which a careless formula divides by zero.


def test_one_cycle_without_a_tail_cycles_to_the_end() -> None:
    assert lrs("one_cycle", 4, max_lr=1.0, tail_fraction=0.0) == pytest.approx(
        [0.1, 0.55, 1.0, 0.55]
    )


def test_one_cycle_that_is_all_tail_has_no_cycle() -> None:
    assert lrs("one_cycle", 2, max_lr=1.0, tail_fraction=1.0) == pytest.approx([1e-4, 1e-4])
    assert lrs("one_cycle", 2, max_lr=1.0, tail_fraction=1.0, tail="linear") == pytest.approx(
        [0.1, 1e-4]
    )


@pytest.mark.parametrize("tail", ["step", "linear"])
def test_a_tail_of_one_step_is_the_final_lr(tail: str) -> None:
    assert lrs("one_cycle", 5, max_lr=1.0, tail_fraction=0.2, tail=tail) == pytest.approx(
        [0.1, 0.55, 1.0, 0.55, 1e-4]
    )


@pytest.mark.parametrize("policy", ["cosine", "linear"])
def test_a_run_that_is_all_warm_up_ends_at_max_lr(policy: str) -> None:
    assert lrs(policy, 2, max_lr=1.0, warmup_fraction=1.0) == [0.5, 1.0]


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
    ],
)
def test_every_policy_has_a_rate_for_a_run_of_one_step(policy: str, lr: float) -> None:
    assert lrs(policy, 1, max_lr=1.0) == pytest.approx([lr])


# Laws that hold for all runs.

SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "max_lr": st.floats(1e-3, 10.0),
    "start_lr": st.floats(1e-8, 1e-4),
    "div_factor": st.floats(1.5, 100.0),
    "tail_fraction": st.floats(0.0, 1.0),
    "tail": st.sampled_from(["step", "linear"]),
    "final_div_factor": st.floats(1.0, 1e5),
    "cycles": st.integers(1, 10),
    "exp_range_gamma": st.floats(0.9, 1.0),
    "milestones": st.lists(st.floats(0.0, 1.0), max_size=5).map(tuple),
    "decay_factor": st.floats(0.01, 1.0),
    "inv_gamma": st.floats(0.0, 1.0),
    "inv_power": st.floats(0.0, 2.0),
    "warmup_fraction": st.floats(0.0, 1.0),
    "momentum": st.floats(0.86, 0.99),
    "min_momentum": st.none() | st.floats(0.5, 0.85),
}


def settings_of(policy: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: SETTINGS[name] for name in parameters(policy)})


STEPS = st.integers(1, 100)


def lowest_lr(policy: str, chosen: dict[str, Any]) -> float:
    lowest: float = 0.0
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
    chosen = data.draw(settings_of(policy)) | {"min_momentum": 0.5}
    max_lr, high = chosen["max_lr"], chosen["momentum"]
    min_lr = chosen["start_lr"] if policy in RANGE_TESTS else max_lr / chosen["div_factor"]
    for rates in curve(policy, steps, **chosen):
        up = max(0.0, (rates.lr - min_lr) / (max_lr - min_lr))  # below 0 only in a 1cycle's tail
        assert (high - rates.momentum) / (high - 0.5) == pytest.approx(up, abs=1e-9)


@LAW
@given(data=st.data(), steps=STEPS)
def test_one_cycle_goes_down_as_it_went_up(data: st.DataObject, steps: int) -> None:
    chosen = data.draw(settings_of("one_cycle"))
    cycle = lrs("one_cycle", steps, **chosen)[: steps - round(chosen["tail_fraction"] * steps)]
    assert cycle[1:] == pytest.approx(cycle[:0:-1])


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


@pytest.mark.parametrize("policy", ["piecewise", "inv"])
@LAW
@given(data=st.data(), steps=STEPS)
def test_decays_never_raise_the_lr(policy: str, data: st.DataObject, steps: int) -> None:
    values = lrs(policy, steps, **data.draw(settings_of(policy)))
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("policy", ["cosine", "linear"])
@LAW
@given(data=st.data(), steps=STEPS)
def test_warmed_up_decays_rise_to_max_lr_and_then_fall(
    policy: str, data: st.DataObject, steps: int
) -> None:
    chosen = data.draw(settings_of(policy))
    values = lrs(policy, steps, **chosen)
    warmup_steps = round(chosen["warmup_fraction"] * steps)
    assert values[:warmup_steps] == sorted(values[:warmup_steps])
    assert values[warmup_steps:] == sorted(values[warmup_steps:], reverse=True)
    assert max(values) == pytest.approx(chosen["max_lr"])


@pytest.mark.parametrize("policy", POLICIES)
@LAW
@given(data=st.data(), steps=STEPS)
def test_rates_do_not_depend_on_earlier_calls(policy: str, data: st.DataObject, steps: int) -> None:
    chosen = data.draw(settings_of(policy))
    order = list(range(steps))
    random.Random(data.draw(st.integers(0, 1000))).shuffle(order)
    shuffled = {step: POLICIES[policy](step, steps=steps, **chosen) for step in order}
    assert [shuffled[step] for step in range(steps)] == curve(policy, steps, **chosen)


def test_one_cycle_of_one_triangle_without_a_tail_is_triangular() -> None:
    ours = curve("one_cycle", 50, max_lr=1.0, tail_fraction=0.0, momentum=0.9, min_momentum=None)
    assert ours == curve("triangular", 50, max_lr=1.0)


# The registry.


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
    )
    assert dict(POLICIES) == {function.__name__: function for function in functions}
    assert {name for name in POLICIES if name.startswith("range_test")} == RANGE_TESTS


def test_parameters_name_each_setting_with_its_default() -> None:
    assert parameters("one_cycle") == {
        "max_lr": REQUIRED,
        "div_factor": 10.0,
        "tail_fraction": 0.1,
        "tail": "step",
        "final_div_factor": 1000.0,
        "momentum": 0.95,
        "min_momentum": 0.85,
    }
    assert parameters("constant") == {"max_lr": REQUIRED, "momentum": 0.9}


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
        "'piecewise', 'range_test_exponential', 'range_test_linear', 'triangular', 'triangular2', "
        "got 'onecycle'"
    )
