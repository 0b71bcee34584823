"""The trials of a run: which are ready, running or ended, and what follows when they end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Template


class Signal(Enum):
    """Why there is no trial to run."""

    WAIT = "nothing is ready until a running trial ends"
    FINISHED = "nothing is left"


@dataclass(frozen=True, slots=True)
class Stage:
    """Trials of one cell that are expected to run; see `Planner.expected`.

    Attributes:
        trial: One of them; settings that are still to be chosen may be missing.
        count: Number of trials.
        rounds: Number of rounds, one after another, in which they run.
    """

    trial: Template
    count: float = 1.0
    rounds: float = 1.0


@dataclass
class _Barrier:
    """An action that waits for a number of trials to end."""

    missing: int
    action: Callable[[], None]


class TrialQueue:
    """Gives out every trial once, unless an earlier run recorded its outcome.

    Args:
        recorded: Maps a trial id to the outcome that an earlier run recorded, or None.
        max_trials: Give out at most this many trials; None means no limit.

    Attributes:
        statuses: Status of every trial that has ended, by id.
    """

    def __init__(
        self, recorded: Callable[[str], Outcome | None], max_trials: int | None = None
    ) -> None:
        self.statuses: dict[str, str] = {}
        self._recorded = recorded
        self._allowance = max_trials
        self._ready: deque[CompleteTrial] = deque()
        self._running: dict[str, CompleteTrial] = {}
        self._known: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self._barriers: dict[str, list[_Barrier]] = {}  # trial id -> what waits for it
        self._due: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        """Number of trials that are ready or running."""
        return len(self._ready) + len(self._running)

    @property
    def ready(self) -> Iterable[CompleteTrial]:
        """Trials that are ready, in their order."""
        return self._ready

    def allowed(self, expected: Iterable[tuple[Stage, ...]]) -> Iterator[tuple[Stage, ...]]:
        """Yield as much of what is expected as `max_trials` lets this run start."""
        allowance = math.inf if self._allowance is None else float(self._allowance)
        for stages in expected:
            if allowance <= 0:
                return
            if stages:
                yield tuple(replace(stage, count=min(stage.count, allowance)) for stage in stages)
            allowance -= sum(stage.count for stage in stages)

    def datasets(self) -> set[str]:
        """Names of the data sets of the trials that are ready."""
        return {trial.dataset for trial in self._ready}

    def runnable(self, left: int) -> int:
        """Number of trials, of those left, that `max_trials` lets this run finish."""
        if self._allowance is None:
            return left
        return min(left, len(self._running) + self._allowance)

    def take(self) -> CompleteTrial | Signal:
        """Give out the next trial, or say why there is none."""
        if self._allowance == 0:
            return Signal.FINISHED
        if not self._ready:
            return Signal.WAIT if self._running else Signal.FINISHED
        trial = self._ready.popleft()
        self._running[trial.id] = trial
        if self._allowance is not None:
            self._allowance -= 1
        return trial

    def end(self, trial_id: str, outcome: Outcome) -> None:
        """Record the outcome of a running trial.

        Raises:
            KeyError: The trial is not running.
        """
        self._note(self._running.pop(trial_id).id, outcome)

    def add(self, trials: Iterable[CompleteTrial], *, first: bool = False) -> None:
        """Make trials ready, except those that were added before or recorded by an earlier run.

        Args:
            trials: In the order in which to run them.
            first: Whether they come before the trials that are ready already.
        """
        fresh = []
        for trial in trials:
            if trial.id in self._known:
                continue
            self._known.add(trial.id)
            outcome = self._recorded(trial.id)
            if outcome is None:
                fresh.append(trial)
            else:
                self._note(trial.id, outcome)
        if first:
            self._ready.extendleft(reversed(fresh))
        else:
            self._ready.extend(fresh)

    def after(self, trials: Iterable[CompleteTrial], action: Callable[[], None]) -> None:
        """Schedule an action for when all of these trials have ended; see `settle`."""
        missing = {trial.id for trial in trials} - self._outcomes.keys()
        if not missing:
            self._due.append(action)
        barrier = _Barrier(len(missing), action)
        for trial_id in missing:
            self._barriers.setdefault(trial_id, []).append(barrier)

    def settle(self) -> None:
        """Run the actions that are due, and those that become due meanwhile.

        A loop rather than recursion, because recorded trials can end a hundred rounds in a row.
        """
        while self._due:
            self._due.popleft()()

    def outcomes(self, trials: Iterable[CompleteTrial]) -> list[Outcome]:
        """Outcomes of trials that have ended."""
        return [self._outcomes[trial.id] for trial in trials]

    def _note(self, trial_id: str, outcome: Outcome) -> None:
        self.statuses[trial_id] = outcome.status
        self._outcomes[trial_id] = outcome
        for barrier in self._barriers.pop(trial_id, ()):
            barrier.missing -= 1
            if not barrier.missing:
                self._due.append(barrier.action)
