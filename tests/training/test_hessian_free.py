"""Estimates on functions whose best learning rate is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from superconv_ray.training.hessian_free import HessianFreeEstimate


def descend(
    curvatures: list[float], lr: float, interval: int = 2, steps: int = 2, momentum: float = 0.0
) -> HessianFreeEstimate:
    """Gradient descent on sum h w^2 / 2 from w = 1, one parameter per curvature h."""
    weights = [nn.Parameter(torch.tensor([1.0])) for _ in curvatures]
    optimizer = torch.optim.SGD(weights, lr=lr, momentum=momentum)
    estimate = HessianFreeEstimate(weights, interval)
    for step in range(steps):
        for weight, curvature in zip(weights, curvatures, strict=True):
            weight.grad = curvature * weight.detach()
        with estimate.watch(step, lr):
            optimizer.step()
    return estimate


@given(curvature=st.floats(0.1, 10.0), share=st.floats(0.1, 1.9))
def test_on_a_parabola_it_is_one_over_the_curvature(curvature: float, share: float) -> None:
    # lr is a share of 1 / curvature; from 2 on descent diverges
    estimate = descend([curvature], lr=share / curvature)
    assert estimate.latest == pytest.approx(1 / curvature, rel=1e-4)


def test_over_several_weights_it_is_the_sum_of_moves_over_the_sum_of_bends() -> None:
    # lr 0.1: w1 = 1 - 0.1 h, so moves are 0.1 h: 0.1 and 0.4; 2 w1 - w0 - w2 = -(0.1 h)^2
    estimate = descend([1.0, 4.0], lr=0.1)
    assert estimate.latest == pytest.approx(0.1 * (0.1 + 0.4) / (0.01 + 0.16), rel=1e-5)


def test_momentum_is_part_of_the_path() -> None:
    # h = 1, lr 0.1, momentum 0.9: w0 = 1, w1 = 0.9, w2 = 0.9 - 0.1 (0.9 * 1 + 0.9) = 0.72
    estimate = descend([1.0], lr=0.1, momentum=0.9)
    assert estimate.latest == pytest.approx(0.1 * 0.1 / 0.08, rel=1e-5)


@pytest.mark.parametrize(
    ("interval", "steps", "taken"),
    [(2, 1, 0), (2, 2, 1), (2, 5, 2), (3, 2, 0), (3, 3, 1), (5, 14, 2)],
)
def test_an_estimate_is_taken_with_every_last_step_of_an_interval(
    interval: int, steps: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimates: list[float] = []
    monkeypatch.setattr(HessianFreeEstimate, "_take", lambda _, value: estimates.append(value))
    descend([2.0], lr=0.1, interval=interval, steps=steps)
    assert estimates == pytest.approx([0.5] * taken, rel=1e-4)


def move(estimate: HessianFreeEstimate, weight: nn.Parameter, *path: float) -> None:
    """Put the weight to the places of a path, each in a step at learning rate 1."""
    for step, place in enumerate(path):
        with torch.no_grad(), estimate.watch(step, 1.0):
            weight.fill_(place)


@pytest.mark.parametrize(
    "path",
    [(1.0, 2.0), (0.0, 1.0), (0.0, 0.0), (math.inf, 1.0), (1.0, math.inf), (1.0, math.nan)],
    ids=["straight", "moves late", "rests", "infinite", "infinite later", "not a number"],
)
def test_where_there_is_no_estimate_it_is_nan_and_the_smoothed_one_stays(
    path: tuple[float, float],
) -> None:
    weight = nn.Parameter(torch.zeros(1))
    estimate = HessianFreeEstimate([weight], 2)
    move(estimate, weight, *path)
    assert math.isnan(estimate.latest)
    assert math.isnan(estimate.smoothed)
    estimate.smoothed = 0.5
    with torch.no_grad():
        weight.zero_()
    move(estimate, weight, *path)
    assert math.isnan(estimate.latest)
    assert estimate.smoothed == 0.5


def test_the_smoothed_estimate_starts_at_the_first_and_takes_a_tenth_of_every_other() -> None:
    weight = nn.Parameter(torch.zeros(1))
    estimate = HessianFreeEstimate([weight], 2)
    move(estimate, weight, 2.0, 3.0)  # moves by 2, then by 1: 2 / |2 - 1|
    assert (estimate.latest, estimate.smoothed) == (2.0, 2.0)
    move(estimate, weight, 4.0, 3.0)  # moves by 1, then back: 1 / |1 + 1|
    assert estimate.latest == 0.5
    assert estimate.smoothed == pytest.approx(0.1 * 0.5 + 0.9 * 2.0)


def test_between_its_two_steps_it_can_be_saved_and_goes_on_to_the_same_number() -> None:
    weight = nn.Parameter(torch.zeros(1))
    estimate, again = HessianFreeEstimate([weight], 2), HessianFreeEstimate([weight], 2)
    move(estimate, weight, 2.0)
    again.restore(estimate.state())
    with torch.no_grad(), again.watch(1, 1.0):
        weight.fill_(3.0)
    assert (again.latest, again.smoothed) == (2.0, 2.0)


def test_nothing_is_computed_between_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def weights(_: HessianFreeEstimate) -> Tensor:
        nonlocal looks
        looks += 1
        return torch.zeros(1)

    monkeypatch.setattr(HessianFreeEstimate, "_weights", weights)
    descend([1.0], lr=0.1, interval=10, steps=100)
    assert looks == 3 * 10
