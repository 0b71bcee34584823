"""How Tune's calls reach a dispatcher, on fakes of Tune's objects; and the patches of Tune."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pytest
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.search import Searcher

from superconv_ray import Trial
from superconv_ray.design.outcome import Outcome
from superconv_ray.execution.capacity import RoomWatch
from superconv_ray.execution.estimate import Position
from superconv_ray.execution.ray_tune.adapter import (
    DispatcherSearch,
    Events,
    WarmWorkers,
    patched_tune,
    tune_environment,
)
from superconv_ray.execution.ray_tune.assignment import Assignment, Assignments
from superconv_ray.execution.ray_tune.dispatch import Dispatcher
from superconv_ray.execution.request import Request
from superconv_ray.planning.planner import Signal
from superconv_ray.storage.store import StoreError

A_TRIAL = Trial(max_lr=0.1, steps=10, data_count=100).complete()
A_REQUEST = Request(1.0, 0.0)


@dataclass
class FakeTuneTrial:
    """One of Tune's trials."""

    trial_id: str
    status: str = "PENDING"
    PENDING: ClassVar[str] = "PENDING"


@dataclass
class FakeController:
    """Tune's controller, and Tune's wrapper around it."""

    trials: list[FakeTuneTrial]
    max_pending: int = 1

    def get_trials(self) -> list[FakeTuneTrial]:
        return self.trials

    @property
    def _tune_controller(self) -> FakeController:
        return self

    def update_max_pending_trials(self, number: int) -> None:
        self.max_pending = number


@dataclass
class FakeRoom:
    """The watch on the cluster's room."""

    slots: int
    may_wait: int = 8
    request: Request = A_REQUEST

    def look(self, running: int) -> None:
        pass


@dataclass
class FakeDispatcher:
    """Gives what it is told to give, and notes what it hears."""

    gives: Assignment | Signal = Signal.WAIT
    assignments: Assignments = field(default_factory=Assignments)
    request: Request = A_REQUEST
    store_error: str | None = None
    heard: list[tuple[Any, ...]] = field(default_factory=list)

    def next(self, tune_id: str) -> Assignment | Signal:  # noqa: ARG002
        return self.gives

    def warn(self, warnings: tuple[str, ...]) -> None:
        self.heard += [("warning", warning) for warning in warnings]

    def at(self, tune_id: str, position: Position) -> None:
        self.heard.append(("at", tune_id, position))

    def lost(self, tune_id: str, reason: str) -> None:
        self.heard.append(("lost", tune_id, reason))

    def ended(self, tune_id: str, outcome: Outcome) -> None:
        self.heard.append(("ended", tune_id, outcome.status))

    def store_failed(self, tune_id: str, error: str) -> None:
        self.heard.append(("store_failed", tune_id, error))


def search(dispatcher: FakeDispatcher) -> DispatcherSearch:
    return DispatcherSearch(cast("Dispatcher", dispatcher))


def test_tune_is_given_a_trial_nothing_yet_or_the_end() -> None:
    assignment = Assignment(A_TRIAL, A_REQUEST)
    assert search(FakeDispatcher(assignment)).suggest("0") == {"assignment": assignment}
    assert search(FakeDispatcher(Signal.WAIT)).suggest("0") is None
    assert search(FakeDispatcher(Signal.FINISHED)).suggest("0") == Searcher.FINISHED


def test_results_reach_the_dispatcher() -> None:
    dispatcher = FakeDispatcher()
    searcher = search(dispatcher)
    slice_ = {
        "warnings": ("slow disk",),
        "store_error": None,
        "lost": None,
        "outcome": None,
        "position": (7, 1.5, 0.5),
    }
    searcher.on_trial_result("0", slice_)
    searcher.on_trial_complete("0", {**slice_, "outcome": Outcome("diverged")})
    searcher.on_trial_complete("1", {**slice_, "warnings": (), "store_error": "no space"})
    searcher.on_trial_complete("3", {**slice_, "warnings": (), "lost": "its node has died"})
    searcher.on_trial_complete("2", error=True)  # its death was reported already
    assert dispatcher.heard == [
        ("warning", "slow disk"),
        ("at", "0", Position(7, 1.5, 0.5)),
        ("warning", "slow disk"),
        ("ended", "0", "diverged"),
        ("store_failed", "1", "no space"),
        ("lost", "3", "its node has died"),
    ]


def test_a_store_that_fails_ends_the_run() -> None:
    dispatcher = FakeDispatcher(store_error="no space")
    events = Events(cast("Dispatcher", dispatcher), cast("RoomWatch", FakeRoom(slots=2)))
    with pytest.raises(StoreError, match="no space"):
        events.on_step_end(iteration=0, trials=[])


# Which trial a free worker takes; for the rule see test_assignment


def chosen(room: FakeRoom, controller: FakeController, waiting: str = "abc") -> str | None:
    """Of trials that Tune holds, with one at work."""
    dispatcher = FakeDispatcher()
    for name in ("at work", *waiting):
        dispatcher.assignments.add(name, A_TRIAL)
    dispatcher.assignments.start("at work")
    workers = WarmWorkers(cast("Dispatcher", dispatcher), cast("RoomWatch", room))
    trial = workers.choose_trial_to_run(controller)
    return trial.trial_id if trial else None


def test_a_free_worker_chooses_among_the_trials_that_wait() -> None:
    states = {"done": "TERMINATED", "at work": "RUNNING", "a": "PENDING", "b": "PENDING"}
    controller = FakeController([FakeTuneTrial(*pair) for pair in states.items()])
    assert chosen(FakeRoom(slots=2), controller, "ab") == "a"
    assert chosen(FakeRoom(slots=9), controller, "ab") == "b"


def test_where_no_trial_waits_none_is_chosen() -> None:
    assert chosen(FakeRoom(2), FakeController([FakeTuneTrial("at work", "RUNNING")]), "") is None


def test_as_many_trials_may_wait_as_there_is_room_for() -> None:
    """What Tune reads only once, when a cluster may still be small."""
    controller = FakeController([])
    chosen(FakeRoom(slots=2, may_wait=66), controller, "")
    assert controller.max_pending == 66


# Patches


def test_a_worker_that_rays_memory_monitor_kills_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tune raises at errors that it does not know, such as this one."""
    passed_on: list[Exception] = []

    def know(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:  # noqa: ARG001
        passed_on.append(exception)

    monkeypatch.setattr(RayActorManager, "_actor_task_failed", know)
    with patched_tune():
        for error in (OutOfMemoryError("the node running low on memory"), RayActorError()):
            RayActorManager._actor_task_failed(None, tracked_actor_task=None, exception=error)
    killed, died = passed_on
    assert isinstance(killed, RayActorError)
    assert str(killed) == "OutOfMemoryError: the node running low on memory"
    assert died is error
    assert RayActorManager._actor_task_failed is know


def test_tunes_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "1")
    monkeypatch.delenv("TUNE_GLOBAL_CHECKPOINT_S", raising=False)
    with tune_environment():
        assert os.environ["RAY_AIR_NEW_OUTPUT"] == "0"
        assert os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "1000000000"
    assert os.environ["RAY_AIR_NEW_OUTPUT"] == "1"
    assert "TUNE_GLOBAL_CHECKPOINT_S" not in os.environ
