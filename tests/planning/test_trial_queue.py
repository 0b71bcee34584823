from __future__ import annotations

import pytest

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.planning.trial_queue import Signal, TrialQueue

DONE = Outcome("completed")
TRIALS = tuple(
    Trial(max_lr=0.1, steps=10, data_count=100, seed=seed).complete() for seed in range(5)
)
A, B, C, D, E = TRIALS


def queue_of(*recorded: CompleteTrial, max_trials: int | None = None) -> TrialQueue:
    return TrialQueue({trial.id: DONE for trial in recorded}.get, max_trials)


def taken(queue: TrialQueue) -> list[CompleteTrial]:
    found = []
    while isinstance(trial := queue.take(), CompleteTrial):
        found.append(trial)
    return found


def test_trials_come_in_the_order_in_which_they_were_added() -> None:
    queue = queue_of()
    queue.add([A, B])
    queue.add([C])
    queue.add([D, E], first=True)
    assert taken(queue) == [D, E, A, B, C]
    assert len(queue) == 5  # running


def test_a_trial_that_is_known_or_recorded_is_not_given_out_again() -> None:
    queue = queue_of(B)
    queue.add([A, B, A])
    assert taken(queue) == [A]
    queue.end(A.id, DONE)
    queue.add([A, B])
    assert queue.take() is Signal.FINISHED
    assert queue.statuses == {A.id: "completed", B.id: "completed"}
    assert queue.outcomes([B, A]) == [DONE, DONE]


def test_an_action_runs_once_when_the_last_of_its_trials_has_ended() -> None:
    queue, done = queue_of(C), list[str]()
    queue.after([A, B, C], lambda: done.append("all three"))
    queue.after([B], lambda: done.append("b"))
    queue.add(TRIALS)
    taken(queue)
    for trial, expected in ((A, []), (B, ["b", "all three"]), (D, ["b", "all three"])):
        queue.end(trial.id, DONE)
        queue.settle()
        assert sorted(done) == sorted(expected)
    queue.after([A, C], lambda: done.append("at once"))
    queue.settle()
    assert done[-1] == "at once"


def test_a_thousand_actions_in_a_row_do_not_exhaust_the_stack() -> None:
    trials = [
        Trial(max_lr=0.1, steps=10, data_count=100, seed=seed).complete() for seed in range(2000)
    ]
    queue = queue_of(*trials)

    def add(index: int) -> None:
        if index < len(trials):
            queue.add([trials[index]])
            queue.after([trials[index]], lambda: add(index + 1))

    add(0)
    queue.settle()
    assert len(queue.statuses) == len(trials)


def test_the_limit_counts_trials_given_out() -> None:
    queue = queue_of(A, max_trials=2)
    queue.add(TRIALS)
    assert queue.runnable(4) == 2
    assert taken(queue) == [B, C]
    assert queue.take() is Signal.FINISHED
    assert queue.runnable(4) == 2  # those that are running
    queue.end(B.id, DONE)
    assert queue.runnable(3) == 1


def test_only_a_running_trial_can_end() -> None:
    queue = queue_of()
    queue.add([A])
    with pytest.raises(KeyError):
        queue.end(A.id, DONE)
    assert queue.take() is A
    assert queue.take() is Signal.WAIT
