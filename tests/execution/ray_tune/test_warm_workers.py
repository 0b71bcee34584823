"""Which waiting trial a worker takes on when it is free, on a cluster that is written down here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, cast

import pytest

from superconv_ray.execution.capacity import RoomWatch
from superconv_ray.execution.ray_tune.adapter import START_SECONDS, PlannerSearcher, WarmWorkers


@dataclass
class FakeTrial:
    """One of Tune's trials."""

    trial_id: str
    status: str = "PENDING"
    PENDING: ClassVar[str] = "PENDING"


@dataclass
class FakeCluster:
    """Stands for Tune's controller, for the searcher and for the watch on the room."""

    slots: int
    running: set[str] = field(default_factory=set)
    waiting: dict[str, float] = field(default_factory=dict)
    trials: list[FakeTrial] = field(default_factory=list)
    may_wait: int = 8
    told_to_let_wait: int = 1

    def add(self, name: str, status: str = "PENDING", waits: float = 0.0) -> None:
        self.trials.append(FakeTrial(name, status))
        if status == "RUNNING":
            self.running.add(name)
        elif status == "PENDING":
            self.waiting[name] = time.monotonic() - waits

    def get_trials(self) -> list[FakeTrial]:
        return self.trials

    @property
    def _tune_controller(self) -> FakeCluster:
        return self

    def update_max_pending_trials(self, number: int) -> None:
        self.told_to_let_wait = number

    def chosen(self) -> str | None:
        workers = WarmWorkers(cast("PlannerSearcher", self), cast("RoomWatch", self))
        trial = workers.choose_trial_to_run(self)
        return trial.trial_id if trial else None


@pytest.mark.parametrize(
    ("slots", "chosen"),
    [
        (2, "a"),  # of this worker and the one that is at work: no other can be started
        (3, "b"),  # a third one is being started, for a
        (4, "c"),
        (9, "c"),
    ],
)
def test_a_free_worker_leaves_alone_the_trials_for_which_workers_are_started(
    slots: int, chosen: str
) -> None:
    cluster = FakeCluster(slots)
    cluster.add("done", "TERMINATED")
    cluster.add("at work", "RUNNING")
    for name in "abc":
        cluster.add(name)
    assert cluster.chosen() == chosen


def test_a_trial_does_not_wait_for_ever_for_room_that_others_use() -> None:
    cluster = FakeCluster(slots=3)
    cluster.add("at work", "RUNNING")
    cluster.add("a", waits=START_SECONDS + 1)
    cluster.add("b")
    assert cluster.chosen() == "a"


def test_as_many_trials_may_wait_as_there_is_room_for() -> None:
    """What Tune reads only once, when a cluster may still be small."""
    cluster = FakeCluster(slots=2, may_wait=66)
    cluster.chosen()
    assert cluster.told_to_let_wait == 66


def test_where_no_trial_waits_none_is_chosen() -> None:
    cluster = FakeCluster(slots=2)
    cluster.add("at work", "RUNNING")
    assert cluster.chosen() is None
