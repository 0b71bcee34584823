"""Two processes that train one trial together: the numbers of one process."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.team import DistributedTeam, check_parts
from tests.training.made import (
    CPU,
    SoftmaxRegression,
    SpoiltAfter20Steps,
    digits,
    everything,
    make_trial,
    trained,
)

SAME: dict[str, dict[str, Any]] = {
    "batch norm": {},
    "ghost batches": {"ghost_batch_size": 4},
    "augmentation, nesterov": {"augment": "crop", "optimizer": "nesterov"},
    "adamw, label smoothing": {"optimizer": "adamw", "max_lr": 0.002, "label_smoothing": 0.1},
    "range test": {"policy": "range_test_exponential", "validation_fraction": 0.2},
    "schedule-free": {"optimizer": "schedule_free_sgd", "policy": "constant", "max_lr": 0.1},
    "hessian-free": {"hessian_free_interval": 5},
}
"""Trials without dropout, which each process draws for its own part."""


def short_trial(**changes: Any) -> CompleteTrial:
    """Processes wait for each other several times a step."""
    return make_trial(**{"steps": 20} | changes)


def joined(rank: int, address: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)


def in_team(trial: CompleteTrial, model: Any = None, pause_at: int | None = None) -> TrainingRun:
    """Train to the end; if it is to pause, go on from its state in new objects."""
    team = DistributedTeam(CPU)
    run = TrainingRun(trial, digits(), model or trial.model, team)
    if pause_at is not None:
        run.train(pause=lambda: team.rank == 0 and run.step >= pause_at)
        assert not run.finished
        run.model.train()
        again = TrainingRun(trial, digits(), model or trial.model, team)
        again.restore(run.state())
        run = again
    run.train()
    return run


def summary(trial: CompleteTrial, model: Any = None, pause_at: int | None = None) -> dict[str, Any]:
    """What is sent back: of the first process its numbers, of each its weights."""
    run = in_team(trial, model, pause_at)
    found = {
        "weights": {name: value.numpy() for name, value in run.model.state_dict().items()},
        "step": run.step,
        "diverged": run.diverged,
        "rows": run.curve,
    }
    if dist.get_rank() == 0:
        found |= {"outcome": run.outcome().measurements, "everything": everything(run)}
    return found


class Pair:
    """Two processes that have joined a group."""

    def __init__(self, address: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes = [
            ProcessPoolExecutor(1, spawn, initializer=joined, initargs=(rank, address))
            for rank in range(2)
        ]

    def train(self, *arguments: Any) -> list[dict[str, Any]]:
        calls = [process.submit(summary, *arguments) for process in self._processes]
        return [call.result(timeout=300) for call in calls]

    def end(self) -> None:
        for process in self._processes:
            process.shutdown()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("pair")
    pair = Pair(f"file://{folder}/meeting")
    yield pair
    pair.end()


def assert_close(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        if isinstance(value, float) and not name.endswith("_seconds"):
            assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-3, nan_ok=True), name


@pytest.mark.parametrize("variant", SAME)
def test_two_processes_give_the_numbers_of_one(pair: Pair, variant: str) -> None:
    trial = short_trial(**SAME[variant])
    first, second = pair.train(trial)
    alone = trained(trial)
    assert first["step"] == second["step"] == alone.step
    for name, value in alone.model.state_dict().items():
        np.testing.assert_allclose(first["weights"][name], value.numpy(), rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(first["weights"][name], second["weights"][name])
    assert len(first["rows"]) == len(alone.curve)
    for ours, theirs in zip(alone.curve, first["rows"], strict=True):
        assert_close(ours, theirs)
    assert second["rows"] == []


def test_the_outcome_says_how_many_processes_there_were(pair: Pair) -> None:
    trial = short_trial(steps=2)
    device = trained(trial).outcome().measurements["device"]
    assert pair.train(trial)[0]["outcome"]["device"] == f"2 x {device}"


@pytest.mark.parametrize("variant", ["dropout", "batch norm", "ghost batches", "schedule-free"])
def test_a_team_that_pauses_goes_on_to_the_same_bits(pair: Pair, variant: str) -> None:
    trial = short_trial(**SAME.get(variant, {"dropout": 0.3}))
    through, paused = pair.train(trial), pair.train(trial, None, 10)
    assert through[0]["everything"] == paused[0]["everything"]


def test_processes_drop_out_different_units(pair: Pair) -> None:
    trial = make_trial(dropout=0.5, steps=1, batch_size=2, eval_interval=1)
    first, _ = pair.train(trial)
    # If both dropped the same, two equal images would be as one; instead the loss is another.
    assert first["rows"][0]["train_loss"] != trained(trial).curve[0]["train_loss"]


def test_all_processes_stop_when_the_loss_of_one_is_not_finite(pair: Pair) -> None:
    first, second = pair.train(make_trial(), SpoiltInOneProcess)
    assert (first["diverged"], second["diverged"]) == (True, True)
    assert first["step"] == second["step"] < make_trial().steps


class SpoiltInOneProcess(SpoiltAfter20Steps):
    """Its logits are NaN after 20 steps, but only in the second process."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = SoftmaxRegression.forward(self, x)
        return super().forward(x) if dist.get_rank() else whole


def test_a_batch_norm_of_the_users_own_class_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="a trial of several processes needs batch norms of class"):
        pair.train(make_trial(), own_batch_norm)


class OwnNorm(nn.BatchNorm2d):
    pass


def own_batch_norm(**arguments: Any) -> nn.Module:
    return nn.Sequential(OwnNorm(1), SoftmaxRegression(**arguments))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"batch_size": 9},
            "batch_size must be a multiple of the processes of a trial (2), got 9",
        ),
        (
            {"batch_size": 12, "ghost_batch_size": 4},
            "ghost_batch_size must divide each process's part of a batch (12 / 2 = 6), got 4",
        ),
    ],
)
def test_batches_that_cannot_be_shared_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_parts([Trial(**settings)], 2)
