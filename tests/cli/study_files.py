"""Study files that the tests of the command line write."""

from __future__ import annotations

import re

from click.testing import Result

TINY = """
from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="tiny",
    question="Does the command line work?",
    base=Trial(dataset="digits", model="small_cnn", batch_size=16, eval_interval=20),
    sweep=grid(data_count=(60,)),
    arms={
        "one_cycle": Arm(max_lr=from_range_test(steps=10)),
        "constant": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(20),
    seeds=2,
)

if __name__ == "__main__":
    main(study)
"""


WITH_PARAMETERS = """
from pathlib import Path
from typing import Literal

from superconv_ray import Arm, Study, Trial, grid, iterations, main


def study(
    dataset: Literal["digits", "mnist", "cifar10"] = "digits",
    counts: list[int] = [60],
    max_lr: float = 0.05,
    batch_size: int = 16,
    note: Path | None = None,
    nesterov: bool = False,
) -> Study:
    return Study(
        name=f"with_{dataset}",
        question=f"batch {batch_size}, nesterov {nesterov}, note {note!r}",
        base=Trial(dataset=dataset, batch_size=batch_size),
        sweep=grid(data_count=counts),
        arms={"constant": Arm(policy="constant", max_lr=max_lr)},
        budget=iterations(10),
        seeds=1,
    )


if __name__ == "__main__":
    main(study)
"""


WITH_BROKEN_MODEL = """
from torch import nn

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations


class Broken(nn.Module):
    def __init__(self, *, input_shape, classes, dropout):
        super().__init__()
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        if self.training and len(x) > 2:  # not when it is tried
            raise RuntimeError("no luck")
        return self.linear(x.flatten(1))


study = Study(
    name="broken",
    base=Trial(dataset="digits", batch_size=16),
    sweep=grid(data_count=(60,)),
    arms={
        "broken": Arm(model="broken", policy="constant", max_lr=0.05),
        "blocked": Arm(model="broken", max_lr=from_range_test(steps=10)),
        "wild": Arm(policy="constant", max_lr=1e6),
        "whole": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(10),
    seeds=1,
    models={"broken": Broken},
)
"""


def assert_one_line(result: Result, message: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.match(r"error( in a_study\.py, line \d+)?: ", result.stderr)
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
