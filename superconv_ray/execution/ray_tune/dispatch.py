"""Gives a planner's trials to Ray Tune and reports their ends to the planner; knows no Tune."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.estimate import Position
from superconv_ray.execution.packing import Packing
from superconv_ray.execution.ray_tune.assignment import Assignment, Assignments
from superconv_ray.execution.ray_tune.retries import Retries
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.execution.run import Run
from superconv_ray.execution.worker_failures import memory_advice
from superconv_ray.planning.planner import Signal
from superconv_ray.storage.store import Store, StoreError
from superconv_ray.storage.writing import StoreWriter


class Dispatcher:
    """Hands out trials, and starts those again whose worker was lost.

    Args:
        run: Gives the trials, and takes what happens to them.
        packing: Decides what each trial requests.
        store: Where workers write.

    Attributes:
        assignments: The trials that Tune holds.
        request: What the latest trial requests.
        store_error: Why a worker could not write to the store, which ends the run.
    """

    def __init__(self, run: Run, packing: Packing, store: Store) -> None:
        self.assignments = Assignments()
        self.request = packing.largest_request()
        self.store_error: str | None = None
        self._run = run
        self._packing = packing
        self._store = store
        self._retries = Retries()
        self._start_again: deque[CompleteTrial] = deque()

    def next(self, tune_id: str) -> Assignment | Signal:
        """Return the next trial, or why there is none."""
        trial = self._start_again.popleft() if self._start_again else self._run.next()
        if isinstance(trial, Signal):
            # Tune asks for nothing after FINISHED, and a trial in progress may have to start again.
            return Signal.WAIT if self.assignments else trial
        self.assignments.add(tune_id, trial)
        self.request = self._packing.request(trial)
        return Assignment(trial, self.request)

    def started(self, tune_id: str) -> None:
        """Note that a worker has taken on a trial."""
        self._run.progress.started(self.assignments.start(tune_id))

    def at(self, tune_id: str, position: Position) -> None:
        """Note how far a trial in progress is."""
        self._run.progress.at(self.assignments[tune_id], position)

    def warn(self, warnings: Iterable[str]) -> None:
        """Show what workers warn of."""
        for warning in warnings:
            self._run.progress.warn(warning)

    def has_room_for(self, slots: int) -> None:
        """Note how many trials the cluster can run at once."""
        self._run.progress.slots(slots)

    def store_failed(self, tune_id: str, error: str) -> None:
        """Note that a worker gave a trial back because it could not write to the store."""
        self.assignments.remove(tune_id)
        self.store_error = error

    def ended(self, tune_id: str, outcome: Outcome) -> None:
        """Report the outcome of a trial, or start it again with more memory."""
        trial = self.assignments.remove(tune_id)
        if self._gets_more_memory(trial, outcome.error):
            self._again(trial, "out of memory: trials of this shape now get a whole device")
        else:
            self._end(trial, outcome)

    def lost(self, tune_id: str, reason: str) -> None:
        """Start a trial again whose worker was lost, or give it up.

        Args:
            tune_id: Tune's id of the trial.
            reason: What Ray said about the worker.
        """
        trial = self.assignments.remove(tune_id)
        if outcome := self._recorded(trial):  # the worker died after it wrote the result
            self._end(trial, outcome)
            return
        decision = self._retries.lost(trial.id, reason)
        if decision.trial_to_blame:
            self._gets_more_memory(trial, reason)
        if decision.start_again:
            self._again(trial, decision.cause if decision.trial_to_blame else None)
            return
        in_full = "\n".join((decision.cause, *decision.reasons, trial.described()))
        StoreWriter(self._store).write_failure(trial, in_full)
        self._end(trial, Outcome("failed", error=decision.cause))

    def _recorded(self, trial: CompleteTrial) -> Outcome | None:
        """Outcome of a trial in the store."""
        with contextlib.suppress(StoreError):
            return recorded_outcomes(self._store, self._run.planner.plan, [trial.id])(trial.id)
        return None

    def _gets_more_memory(self, trial: CompleteTrial, error: str | None) -> bool:
        """Raise a trial's request if it ran out of memory; return whether that was possible."""
        out_of_memory = error is not None and memory_advice(error) is not None
        return out_of_memory and self._packing.outgrown(trial)

    def _again(self, trial: CompleteTrial, cause: str | None) -> None:
        self._start_again.append(trial)
        self._run.progress.lost(trial, cause)

    def _end(self, trial: CompleteTrial, outcome: Outcome) -> None:
        self._retries.forget(trial.id)
        self._packing.learn(trial, outcome)
        self._run.ended(trial, outcome)
