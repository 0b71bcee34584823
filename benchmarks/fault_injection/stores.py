"""A tiny study, and stores of it that together hold a file of every kind."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from rich.console import Console
from torch import Tensor

from benchmarks.models import Linear
from superconv_ray import Arm, Dataset, Study, Trial, from_range_test, iterations
from superconv_ray.data.batches import to_device
from superconv_ray.design.building import make_plan
from superconv_ray.design.plan import Plan
from superconv_ray.execution import session
from superconv_ray.execution.session import RunOptions, run_plan
from superconv_ray.storage.lease import lease
from superconv_ray.storage.store import open_store
from superconv_ray.storage.writing import StoreWriter
from superconv_ray.training.loop import TrainingRun

NAME = "faults"
STEPS = 6
SAVED_AT = 3
"""Step of the checkpoint in the unfinished store."""
QUIET = Console(quiet=True)


class Broken(Linear):
    """A model that raises in its third training step, so that its trial leaves a failure."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__(input_shape=input_shape, classes=classes, dropout=dropout)
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the first two steps."""
        self.steps += self.training
        if self.steps == 3:
            raise RuntimeError("this model fails in its third step")
        return super().forward(x)


ARMS = {
    "one_cycle": Arm(max_lr=from_range_test(steps=STEPS, high=0.5)),
    "constant": Arm(policy="constant", max_lr=0.1),
    "broken": Arm(policy="constant", max_lr=0.1, model="broken"),
}


@cache
def tiny_data() -> Dataset:
    """Return 60 training and 30 test samples of two classes that can be told apart."""
    draw = np.random.default_rng(0)
    labels = np.arange(90) % 2
    inputs = draw.normal(labels[:, None, None, None], 1.0, (90, 2, 2, 1)).astype(np.float32)
    return Dataset(
        train_inputs=inputs[:60],
        train_labels=labels[:60],
        test_inputs=inputs[60:],
        test_labels=labels[60:],
    )


@cache
def plan(seeds: int, *arms: str) -> Plan:
    """Return the plan of a study with some of the arms. "one_cycle" has two trials per seed."""
    base = Trial(
        dataset="tiny",
        data_count=48,
        batch_size=16,
        dropout=0.2,
        model="linear",
        precision="fp32",
    )
    return make_plan(
        Study(
            name=NAME,
            base=base,
            arms={name: ARMS[name] for name in arms},
            budget=iterations(STEPS),
            seeds=seeds,
            models={"linear": Linear, "broken": Broken},
            datasets={"tiny": tiny_data()},
        )
    )


def run(
    store: Path,
    plan: Plan,
    console: Console = QUIET,
    *,
    checkpoint_seconds: float = 60.0,
    max_trials: int | None = None,
) -> None:
    """Run a study in this process, as its command would."""
    options = RunOptions(
        store=str(store),
        local=True,
        checkpoint_seconds=checkpoint_seconds,
        max_trials=max_trials,
    )
    run_plan(plan, options, console)


@dataclass(frozen=True)
class Sample:
    """A store in which files are damaged.

    Attributes:
        folder: Of the undamaged store.
        repaired: Of the same store after a run that was not disturbed.
        plan: Its study.
        pending: Trials that the next run trains although nothing is damaged.
        damaged: Patterns of the files to damage.
        held: Whether another driver holds the lease on the study.
    """

    folder: Path
    repaired: Path
    plan: Plan
    pending: frozenset[str]
    damaged: tuple[str, ...]
    held: bool = False


def make_samples(folder: Path) -> dict[str, Sample]:
    """Write the stores to a folder."""
    finished = _finished(folder / "finished")
    return {
        "finished": finished,
        "unfinished": _unfinished(folder / "unfinished"),
        "held": _held(finished, folder / "held"),
    }


def _finished(folder: Path) -> Sample:
    """A finished study: half of its trials are in compact files, half are not yet.

    All of them are in the study's plan. What a study has left behind, such as a training at a rate
    that further range tests have changed, is not trained again when it is damaged.
    """
    run(folder, plan(1, "constant"))
    extended = plan(2, "one_cycle", "constant")
    run(folder, extended, max_trials=2)
    with mock.patch.object(session, "compact"):
        run(folder, extended)
    repaired = _repaired(folder, extended)
    return Sample(folder, repaired, extended, frozenset(), ("**/*",))


def _unfinished(folder: Path) -> Sample:
    """A study with a trial that failed, and one that was cut off and has a checkpoint."""
    run(folder, plan(1, "one_cycle", "broken"))
    extended = plan(1, "one_cycle", "constant", "broken")
    run(folder, extended, max_trials=0)
    (trial,) = (cell.templates[0] for cell in extended.cells if cell.arm == "constant")
    begun = TrainingRun(trial.complete(), to_device(tiny_data(), "cpu"), Linear)
    begun.train(pause=lambda: begun.step == SAVED_AT)
    StoreWriter(open_store(folder)).write_checkpoint(begun.trial.id, begun.state())
    repaired = _repaired(folder, extended)
    damaged = ("failures/*", "checkpoints/*")
    return Sample(folder, repaired, extended, frozenset({begun.trial.id}), damaged)


def _held(finished: Sample, folder: Path) -> Sample:
    """The finished store while this process, as another driver, holds the lease."""
    shutil.copytree(finished.folder, folder)
    with lease(open_store(folder).files, NAME):
        shutil.copytree(folder / "leases", folder / "kept")
    shutil.rmtree(folder / "leases")
    (folder / "kept").rename(folder / "leases")
    return Sample(folder, folder, finished.plan, frozenset(), ("leases/**/*",), held=True)


def _repaired(folder: Path, plan: Plan) -> Path:
    """Run the study on a copy of the store."""
    copy = folder.with_name(f"{folder.name}-repaired")
    shutil.copytree(folder, copy)
    run(copy, plan)
    return copy
