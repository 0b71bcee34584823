from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

from superconv_ray.design.schedules import Rates
from superconv_ray.design.schedules.cycles import one_cycle, triangular
from tests.design.schedules.made import (
    LAW,
    STEPS,
    TRIANGLES,
    assert_close,
    curve,
    lrs,
    momenta,
    pytorch_curve,
    settings_of,
    sgd,
)

MOMENTA = {"momentum": 0.95, "min_momentum": 0.85}
"""Of the paper, PyTorch and fastai."""


def test_one_cycle_is_a_triangle_and_then_a_tail_a_thousand_times_below_min_lr() -> None:
    assert lrs("one_cycle", 10, max_lr=1.0, tail_fraction=0.2) == pytest.approx(
        [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.0001, 0.0001]
    )


def test_one_cycle_momentum_mirrors_the_triangle_and_is_high_in_the_tail() -> None:
    assert momenta("one_cycle", 10, max_lr=1.0, tail_fraction=0.2, **MOMENTA) == pytest.approx(
        [0.95, 0.925, 0.9, 0.875, 0.85, 0.875, 0.9, 0.925, 0.95, 0.95]
    )


def test_one_cycle_linear_tail_starts_at_min_lr_and_ends_at_the_final_lr() -> None:
    chosen = {"tail": "linear", "tail_fraction": 0.4, "final_div_factor": 10.0}
    assert lrs("one_cycle", 10, max_lr=1.0, **chosen) == pytest.approx(
        [0.1, 0.4, 0.7, 1.0, 0.7, 0.4, 0.1, 0.07, 0.04, 0.01]
    )
    assert momenta("one_cycle", 10, max_lr=1.0, **chosen, **MOMENTA)[6:] == [0.95] * 4


def test_one_cycle_over_an_odd_number_of_steps_peaks_between_two_of_them() -> None:
    assert lrs("one_cycle", 5, max_lr=1.1, div_factor=11.0, tail_fraction=0.0) == pytest.approx(
        [0.1, 0.5, 0.9, 0.9, 0.5]
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


def test_triangular_has_the_papers_lr_at_iteration_9900() -> None:
    assert triangular(9_900, steps=10_000, max_lr=3.0, div_factor=30.0).lr == pytest.approx(0.158)
    assert triangular(5_000, steps=10_000, max_lr=3.0, div_factor=30.0).lr == pytest.approx(3.0)


def test_one_cycle_has_the_authors_triangle_and_tail() -> None:
    def lr(step: int) -> float:
        return one_cycle(step, steps=12_000, max_lr=3.0, div_factor=30.0, tail_fraction=1 / 6).lr

    assert lr(9_900) == pytest.approx(0.158)
    assert lr(9_999) == pytest.approx(0.10058)
    assert [lr(10_000), lr(11_999)] == pytest.approx([1e-4, 1e-4])


@pytest.mark.parametrize(("anneal", "strategy"), [("linear", "linear"), ("cosine", "cos")])
@LAW
@given(cycle_steps=st.integers(1, 60), tail_steps=st.integers(2, 30))
def test_one_cycle_with_a_falling_tail_is_pytorchs_three_phase_one_cycle_lr(
    anneal: str, strategy: Literal["linear", "cos"], cycle_steps: int, tail_steps: int
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
        anneal_strategy=strategy,
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
        **MOMENTA,
        div_factor=30.0,
        tail_fraction=tail_steps / steps,
        anneal=anneal,
        tail=anneal,
    )
    assert_close(ours, pytorch_curve(scheduler, steps))


@pytest.mark.parametrize("anneal", ["linear", "cos"])
@LAW
@given(steps=st.integers(10, 100), pct_start=st.floats(0.2, 0.9))
def test_one_cycle_that_falls_to_the_final_lr_is_pytorchs_two_phase_one_cycle_lr(
    anneal: Literal["linear", "cos"], steps: int, pct_start: float
) -> None:
    scheduler = OneCycleLR(
        sgd(), max_lr=3.0, total_steps=steps, pct_start=pct_start, anneal_strategy=anneal
    )
    ours = curve(
        "one_cycle",
        steps,
        max_lr=3.0,
        **MOMENTA,
        div_factor=25.0,
        final_div_factor=1e4,
        anneal={"linear": "linear", "cos": "cosine"}[anneal],
        cycle_end="final_lr",
        # PyTorch's phases end at pct_start*T - 1 and at T - 1.
        peak_fraction=(pct_start * steps - 1) / (steps - 1),
        tail_fraction=1 / steps,
    )
    assert_close(ours, pytorch_curve(scheduler, steps))


@LAW
@given(steps=st.integers(1, 100), pct_start=st.sampled_from([0.1, 0.25, 0.3, 0.5]))
def test_one_cycle_can_be_fastais_fit_one_cycle(steps: int, pct_start: float) -> None:
    def annealed(pct: float, start: float, middle: float, end: float) -> float:
        """fastai's combined_cos(pct_start, start, middle, end)."""
        if pct < pct_start:
            done, begin, finish = pct / pct_start, start, middle
        else:
            done, begin, finish = (pct - pct_start) / (1 - pct_start), middle, end
        return begin + (1 + math.cos(math.pi * (1 - done))) * (finish - begin) / 2

    # fit_one_cycle: div=25, div_final=1e5, moms=(.95, .85, .95); pct is step / n_iter
    theirs = [
        Rates(
            annealed(step / steps, 2.0 / 25, 2.0, 2.0 / 1e5),
            annealed(step / steps, 0.95, 0.85, 0.95),
        )
        for step in range(steps)
    ]
    ours = curve(
        "one_cycle",
        steps,
        max_lr=2.0,
        **MOMENTA,
        anneal="cosine",
        peak_fraction=pct_start,
        div_factor=25.0,
        final_div_factor=4000.0,
        cycle_end="final_lr",
        tail_fraction=0.0,
    )
    assert_close(ours, theirs)


def test_one_cycle_can_fall_to_the_final_lr_in_a_straight_line() -> None:
    chosen = {"cycle_end": "final_lr", "peak_fraction": 0.25, "final_div_factor": 100.0}
    assert lrs("one_cycle", 10, max_lr=1.0, tail_fraction=0.2, **chosen) == pytest.approx(
        [0.1, 0.55, 1.0, 0.8335, 0.667, 0.5005, 0.334, 0.1675, 0.001, 0.001]
    )
    for tail in ("step", "linear", "cosine"):
        assert lrs("one_cycle", 10, max_lr=1.0, tail=tail, **chosen)[-1] == pytest.approx(0.001)


def test_a_peak_at_the_start_leaves_only_the_fall() -> None:
    chosen = {"peak_fraction": 0.0, "tail_fraction": 0.0}
    assert lrs("one_cycle", 3, max_lr=1.0, **chosen) == pytest.approx([1.0, 0.7, 0.4])


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


@LAW
@given(data=st.data(), steps=STEPS)
def test_one_cycle_goes_down_as_it_went_up(data: st.DataObject, steps: int) -> None:
    chosen = data.draw(settings_of("one_cycle")) | {"peak_fraction": 0.5, "cycle_end": "min_lr"}
    cycle = lrs("one_cycle", steps, **chosen)[: steps - round(chosen["tail_fraction"] * steps)]
    assert cycle[1:] == pytest.approx(cycle[:0:-1])


def test_one_cycle_of_one_triangle_without_a_tail_is_triangular() -> None:
    ours = curve("one_cycle", 50, max_lr=1.0, tail_fraction=0.0, momentum=0.9, min_momentum=None)
    assert ours == curve("triangular", 50, max_lr=1.0)
