"""Which trials Ray Tune holds, which of them wait, and which one a free worker takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.request import Request

START_SECONDS = 120.0
"""How long a trial waits for a new worker before it takes a warm one that is free."""


@dataclass(frozen=True, repr=False)
class Assignment:
    """A trial in Tune's config. It is opaque: Tune would flatten its fields into every result."""

    trial: CompleteTrial
    request: Request

    def __repr__(self) -> str:
        return self.trial.id

    def __deepcopy__(self, _: object) -> Assignment:
        return self  # immutable, and Tune copies every config


class Assignments:
    """The trials that Tune holds, by the id that Tune gave them."""

    def __init__(self) -> None:
        self._trials: dict[str, CompleteTrial] = {}
        self._waiting_since: dict[str, float] = {}
        self._running: set[str] = set()

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, tune_id: str) -> CompleteTrial:
        return self._trials[tune_id]

    @property
    def waiting(self) -> int:
        """Number of trials that no worker has taken on."""
        return len(self._waiting_since)

    @property
    def running(self) -> int:
        """Number of trials that a worker has taken on."""
        return len(self._running)

    def add(self, tune_id: str, trial: CompleteTrial) -> None:
        """Note that a trial waits for a worker."""
        self._trials[tune_id] = trial
        self._waiting_since[tune_id] = time.monotonic()

    def start(self, tune_id: str) -> CompleteTrial:
        """Note that a worker has taken on a trial, and return the trial."""
        self._waiting_since.pop(tune_id, None)
        self._running.add(tune_id)
        return self._trials[tune_id]

    def remove(self, tune_id: str) -> CompleteTrial:
        """Note that Tune is done with a trial, and return the trial."""
        self._waiting_since.pop(tune_id, None)
        self._running.discard(tune_id)
        return self._trials.pop(tune_id)

    def for_free_worker(self, waiting: Sequence[str], slots: int) -> str:
        """Choose the trial that a free worker takes: the first for which no worker is starting.

        Tune itself would choose the trial that waits longest. Where the cluster has room for more
        workers, that is the trial for which Tune is starting a worker. It would stop the start,
        which takes seconds, and with short trials the second worker would never come up.

        Args:
            waiting: Ids of waiting trials, oldest first; at least one.
            slots: Number of trials that the cluster can run at once.
        """
        waiting_too_long = time.monotonic() - START_SECONDS
        if self._waiting_since.get(waiting[0], waiting_too_long) <= waiting_too_long:
            return waiting[0]  # others use the room
        starting = max(0, slots - self.running - 1)
        return waiting[min(starting, len(waiting) - 1)]
