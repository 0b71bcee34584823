"""Curves of policies, and what hypothesis may set."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LRScheduler

from superconv_ray.design.schedules import POLICIES, Rates, parameters

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


SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "max_lr": st.floats(1e-3, 10.0),
    "start_lr": st.floats(1e-8, 1e-4),
    "div_factor": st.floats(1.5, 100.0),
    "tail_fraction": st.floats(0.0, 1.0),
    "peak_fraction": st.just(0.5) | st.floats(0.0, 0.99),
    "anneal": st.sampled_from(["linear", "cosine"]),
    "cycle_end": st.sampled_from(["min_lr", "final_lr"]),
    "tail": st.sampled_from(["step", "linear", "cosine"]),
    "final_div_factor": st.floats(1.0, 1e5),
    "cycles": st.integers(1, 10),
    "exp_range_gamma": st.floats(0.9, 1.0),
    "milestones": st.lists(st.floats(0.0, 1.0), max_size=5).map(tuple),
    "decay_factor": st.floats(0.01, 1.0),
    "inv_gamma": st.floats(0.0, 1.0),
    "inv_power": st.floats(0.0, 2.0),
    "decay_power": st.floats(0.1, 4.0),
    "warmup_fraction": st.floats(0.0, 1.0),
    "cooldown_fraction": st.floats(0.01, 1.0),
    "cooldown": st.sampled_from(["linear", "1-sqrt", "cosine"]),
    "momentum": st.floats(0.86, 0.99),
    "min_momentum": st.none() | st.floats(0.5, 0.85),
}


def settings_of(policy: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: SETTINGS[name] for name in parameters(policy)})


STEPS = st.integers(1, 100)
