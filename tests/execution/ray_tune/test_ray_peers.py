"""Trials of two processes on real Ray: the numbers of one, and what happens when one dies."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch.distributed as dist
from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, iterations, open_store
from superconv_ray.execution.ray_tune import ray_peers
from superconv_ray.execution.request import Request
from superconv_ray.execution.session import RunSummary
from superconv_ray.execution.worker import Job
from tests.execution.drivers import PATIENCE, driver, wait_for
from tests.execution.tiny_study import run_study as run
from tests.execution.tiny_study import tiny_study

pytestmark = pytest.mark.usefixtures("ray_session")


study = partial(
    tiny_study,
    steps=20,
    name="two_processes",
    base=Trial(
        dataset="digits",
        model="small_cnn",
        batch_size=16,
        augment="crop",
        eval_interval=10,
        precision="fp32",
    ),
)


def by_id(uri: str) -> pd.DataFrame:
    frame = open_store(uri).trials().set_index("trial_id").sort_index()
    frame.index = frame.index.astype(str)
    return frame


def test_a_study_has_the_trials_and_the_numbers_of_one_process(
    tmp_path: Path, store_uri: str
) -> None:
    assert run(study(), store_uri, processes_per_trial=2).trained == 6
    run(study(), str(tmp_path / "alone"), local=True)
    ours, theirs = by_id(store_uri), by_id(str(tmp_path / "alone"))
    for name in ("test_accuracy", "test_loss", "validation_loss", "train_loss", "max_lr"):
        pd.testing.assert_series_equal(ours[name], theirs[name], rtol=1e-2)
    assert (ours["device"] == "2 x " + theirs["device"]).all()
    again = run(study(), store_uri)  # by one process each
    assert (again.trained, again.found) == (0, 6)


class Linear(nn.Module):
    """A model of the user's. It calls `before_step` with the number of the training batch."""

    def __init__(self, before_step: Callable[[int], None]) -> None:
        super().__init__()
        self.before_step = before_step
        self.steps = 0
        self.norm = nn.BatchNorm2d(1)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and dist.is_initialized():  # not when it is tried
            self.steps += 1
            self.before_step(self.steps)
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


def linear(before_step: Callable[[int], None]) -> Callable[..., nn.Module]:
    return lambda **_: Linear(before_step)


@dataclass(frozen=True)
class Mishaps:
    """A run of trials whose first or second process fails."""

    study: Study
    store: str
    summary: RunSummary
    screen: str
    notes: dict[str, list[str]]


@pytest.fixture(scope="module")
def mishaps(
    ray_session: Any,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Mishaps:
    folder = tmp_path_factory.mktemp("mishaps")

    def dies_once(rank: int) -> Callable[[int], None]:
        def before_step(step: int) -> None:
            if dist.get_rank() != rank:
                return
            with (folder / f"process {rank}").open("a") as notes:
                notes.write(f"{step}\n")
            died = folder / f"{rank} has died"
            if step == 40 and not died.exists():
                died.touch()
                os._exit(1)

        return before_step

    def second_fails(step: int) -> None:
        if step == 5 and dist.get_rank() == 1:
            raise RuntimeError("no luck in the second process")

    def second_eats(step: int) -> None:
        if step == 5 and dist.get_rank() == 1:
            raise MemoryError("Unable to allocate 2.00 GiB for an array")

    models = {
        "first_dies": linear(dies_once(0)),
        "second_dies": linear(dies_once(1)),
        "second_fails": linear(second_fails),
        "second_eats": linear(second_eats),
    }
    arms = {name: Arm(model=name, policy="constant", max_lr=0.05) for name in models}
    given = study(arms=arms, models=models, seeds=1, budget=iterations(60))
    store, screen = str(folder / "store"), io.StringIO()
    summary = run(given, store, screen, processes_per_trial=2, checkpoint_seconds=1e-9)
    notes = {file.name: file.read_text().split() for file in folder.glob("process *")}
    return Mishaps(given, store, summary, screen.getvalue(), notes)


def test_failing_trials_do_not_stop_the_others(mishaps: Mishaps) -> None:
    assert set(by_id(mishaps.store)["model"]) == {"first_dies", "second_dies"}
    assert len(mishaps.summary.failed) == 2


@pytest.mark.parametrize("rank", [0, 1])
def test_a_trial_goes_on_from_its_checkpoint_when_a_process_dies(
    mishaps: Mishaps, rank: int
) -> None:
    steps = [int(step) for step in mishaps.notes[f"process {rank}"]]
    again = steps.index(1, 1)
    assert steps[again - 1] == 40
    assert len(steps) - again < 40  # the last checkpoint was not the start


def test_numbers_are_not_changed_by_the_death_of_a_process(
    mishaps: Mishaps, store_uri: str
) -> None:
    arms = {name: mishaps.study.arms[name] for name in ("first_dies", "second_dies")}
    undisturbed = study(
        arms=arms, models={name: linear(print) for name in arms}, seeds=1, budget=iterations(60)
    )
    run(undisturbed, store_uri, processes_per_trial=2)
    ours = by_id(mishaps.store).reset_index(drop=True)
    theirs = by_id(store_uri).reset_index(drop=True)
    assert len(ours) == len(theirs)
    for name in ("test_loss", "train_loss", "test_accuracy"):
        assert sorted(ours[name]) == sorted(theirs[name])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("second_fails", "RuntimeError: no luck in the second process"),
        ("second_eats", "out of memory: lower batch_size"),
    ],
)
def test_an_exception_in_another_process_is_reported_as_the_trials(
    mishaps: Mishaps, model: str, message: str
) -> None:
    (failure,) = [
        found
        for found in open_store(mishaps.store).failures().values()
        if found["settings"]["model"] == model
    ]
    assert message in failure["error"]
    assert message in mishaps.screen
    assert "gloo" not in mishaps.screen


def test_a_batch_that_cannot_be_shared_is_refused_before_anything_is_trained(
    store_uri: str,
) -> None:
    odd = study(base=Trial(dataset="digits", model="small_cnn", batch_size=15))
    with pytest.raises(ValueError, match="batch_size must be a multiple of the processes of a"):
        run(odd, store_uri, processes_per_trial=2)
    assert len(open_store(store_uri).trials()) == 0


def test_a_process_that_waits_for_a_lost_one_ends(
    ray_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node that vanishes: its connections stay open."""

    def die() -> None:
        os.abort()

    ended: list[int] = []
    lost = ray_session.remote(max_retries=0)(die).remote()
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(ray_peers, "NOTICE_SECONDS", 0.0)
    peers = ray_peers.RayPeers(Job("nowhere", {}, 60.0), {}, Request(2.0, 0.0, processes=2))
    for calls in ([lost], [ray_session.put(None)]):
        peers._calls = calls
        peers._end_if_stuck(calls)
    assert ended == [1]
    peers._calls = []  # the loss was noticed, and the trial has ended
    peers._end_if_stuck([lost])
    assert ended == [1]


def test_ctrl_c_saves_a_trial_of_two_processes(
    ray_address: str, tmp_path: Path, sleepy_study: Path
) -> None:
    store = tmp_path / "store"
    options = ("--address", ray_address, "--processes-per-trial", "2")
    with driver(sleepy_study, str(store), *options) as process:
        wait_for("a trial in progress", (tmp_path / "asleep").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert os.listdir(store / "checkpoints")
    (tmp_path / "awake").touch()
    with driver(sleepy_study, str(store), *options) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert "6 of 6 trials done" in output
    assert "trained from the start" not in output
    assert os.listdir(store / "checkpoints") == []


def test_trials_of_one_and_of_two_processes_share_a_cluster(
    ray_address: str, tmp_path: Path, sleepy_study: Path, store_uri: str
) -> None:
    (tmp_path / "awake").touch()
    with driver(sleepy_study, str(tmp_path / "small"), "--address", ray_address) as small:
        assert run(study(), store_uri, processes_per_trial=2).trained == 6
        output, _ = small.communicate(timeout=PATIENCE)
    assert "6 of 6 trials done" in output
