"""A study of a second, for runs on stores; something may happen in its midst."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, from_range_test, iterations
from superconv_ray.design.building import make_plan
from superconv_ray.execution.session import RunOptions, RunSummary, run_plan


def nothing() -> None:
    """No mishap. A function too, so that trials have the same ids with one and without."""


class Linear(nn.Module):
    """A model that does something in the midst of its training, once."""

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        classes: int,
        dropout: float,  # noqa: ARG002
        mishap: Callable[[], None] = nothing,
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.linear = nn.Linear(channels * height * width, classes)
        self._mishap = mishap
        self._steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self._steps += 1
            if self._steps == 5:
                self._mishap()
        logits: Tensor = self.linear(x.flatten(1))
        return logits


def study(mishap: Callable[[], None] = nothing) -> Study:
    """Six trials of ten steps: two seeds of two arms, and of the range tests of one of them."""

    def build(**shape: Any) -> nn.Module:
        return Linear(**shape, mishap=mishap)

    return Study(
        name="tiny",
        base=Trial(dataset="digits", data_count=60, batch_size=16, eval_interval=5),
        arms={
            "one_cycle": Arm(model="small_cnn", max_lr=from_range_test(steps=10, points=5)),
            "own": Arm(model="own", max_lr=0.05),
        },
        budget=iterations(10),
        seeds=2,
        models={"own": build},
    )


def run(given: Study, uri: str, screen: io.StringIO | None = None, **options: Any) -> RunSummary:
    """In this process, unless the options say otherwise."""
    console = Console(file=screen or io.StringIO(), width=200)
    return run_plan(make_plan(given), RunOptions(store=uri, **{"local": True, **options}), console)


def fill(disk: Path) -> None:
    """Leave no room on a disk. It is here, as what a model calls must travel with its file."""
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
