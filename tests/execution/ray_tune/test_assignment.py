"""Which waiting trial a free worker takes."""

from __future__ import annotations

import pytest

from superconv_ray import Trial
from superconv_ray.execution.ray_tune import assignment
from superconv_ray.execution.ray_tune.assignment import START_SECONDS, Assignments

A_TRIAL = Trial(max_lr=0.1, steps=10, data_count=100).complete()


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(assignment, "time", clock)
    return clock


@pytest.fixture
def one_at_work(clock: Clock) -> Assignments:  # noqa: ARG001
    assignments = Assignments()
    assignments.add("at work", A_TRIAL)
    assignments.start("at work")
    return assignments


@pytest.mark.parametrize(
    ("slots", "chosen"),
    [
        (2, "a"),  # this worker and the one that is at work: no other can be started
        (3, "b"),  # a third one is being started, for a
        (4, "c"),
        (9, "c"),
    ],
)
def test_a_free_worker_leaves_alone_the_trials_for_which_workers_are_started(
    one_at_work: Assignments, slots: int, chosen: str
) -> None:
    for name in "abc":
        one_at_work.add(name, A_TRIAL)
    assert one_at_work.for_free_worker("abc", slots) == chosen


def test_a_trial_does_not_wait_for_ever_for_room_that_others_use(
    one_at_work: Assignments, clock: Clock
) -> None:
    one_at_work.add("a", A_TRIAL)
    clock.now += START_SECONDS / 2
    one_at_work.add("b", A_TRIAL)
    assert one_at_work.for_free_worker("ab", slots=3) == "b"
    clock.now += START_SECONDS / 2
    assert one_at_work.for_free_worker("ab", slots=3) == "a"


def test_trials_are_counted_until_they_are_removed(one_at_work: Assignments) -> None:
    one_at_work.add("a", A_TRIAL)
    assert (len(one_at_work), one_at_work.waiting, one_at_work.running) == (2, 1, 1)
    assert one_at_work.remove("at work") == A_TRIAL
    assert one_at_work.remove("a") == A_TRIAL
    assert (len(one_at_work), one_at_work.waiting, one_at_work.running) == (0, 0, 0)
