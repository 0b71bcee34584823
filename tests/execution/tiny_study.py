"""A study of six short trainings on digits, and how tests run one."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations
from superconv_ray.design.building import make_plan
from superconv_ray.execution.session import RunOptions, RunSummary, run_plan


def tiny_study(*, steps: int = 10, **changes: Any) -> Study:
    """Two seeds of two arms, and of the range tests of one of them: six trials of so many steps."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "base": Trial(dataset="digits", model="small_cnn", batch_size=16, eval_interval=5),
        "sweep": grid(data_count=(60,)),
        "arms": {
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test(steps=steps, points=5)),
            "constant": Arm(policy="constant", max_lr=0.05),
        },
        "budget": iterations(steps),
        "seeds": 2,
    }
    return Study(**{**settings, **changes})


def run_study(
    given: Study, uri: str, screen: io.StringIO | None = None, **options: Any
) -> RunSummary:
    console = Console(file=screen or io.StringIO(), width=200)
    return run_plan(make_plan(given), RunOptions(store=uri, **options), console)
