"""Trials that studies share: while another study's driver trains one, this one waits for it."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.text import counted
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.planner import Planner, Signal
from superconv_ray.storage.trial_claims import TrialClaims

LOOK_SECONDS = 5.0
"""Time between two looks for results of trials that another driver trains."""


class SharedTrials:
    """Gives out a planner's trials, without those that a driver of another study trains.

    What the other driver finishes is taken from the store. What it leaves when it ends or dies is
    given out here.

    Args:
        planner: Decides which trial is next.
        claims: The drivers' claims.
        recorded: Reads from the store the outcomes of some trials.
        ended: Called with each trial that was found finished.
        say: Called with a line when this run begins to wait for another one.
    """

    def __init__(
        self,
        planner: Planner,
        claims: TrialClaims,
        recorded: Callable[[Collection[str]], Callable[[str], Outcome | None]],
        ended: Callable[[CompleteTrial, Outcome], None],
        say: Callable[[str], None],
    ) -> None:
        self._planner = planner
        self._claims = claims
        self._recorded = recorded
        self._ended = ended
        self._say = say
        self._own: set[str] = set()
        self._found: dict[str, Outcome] = {}
        self._elsewhere: dict[str, str] = {}
        self._aside: dict[str, CompleteTrial] = {}
        self._free: deque[CompleteTrial] = deque()
        self._look_at = 0.0

    def next(self) -> CompleteTrial | Signal:
        """Return the next trial, or why there is none.

        Raises:
            StudyInUseError: Another driver has taken this study over.
        """
        if self._aside and time.monotonic() >= self._look_at:
            self._look()
        while True:
            trial = self._free.popleft() if self._free else self._planner.next()
            if isinstance(trial, Signal):
                return trial
            if not self._is_known(trial):
                self._claim([trial, *self._free, *self._planner.ready])
            if trial.id in self._found:
                self._ended(trial, self._found.pop(trial.id))
            elif trial.id in self._own:
                self._claims.held.check_if_overdue()  # or a driver that wakes up may train it again
                return trial
            else:
                self._aside[trial.id] = trial

    def _is_known(self, trial: CompleteTrial) -> bool:
        return any(trial.id in ids for ids in (self._own, self._found, self._elsewhere))

    def _claim(self, trials: Iterable[CompleteTrial]) -> None:
        ids = {trial.id for trial in trials if not self._is_known(trial)}
        taken = self._claims.claim(ids)
        for who, number in Counter(taken.values()).items():
            self._say(f"{who} trains {counted(number, 'trial')} of this study: waiting for results")
        self._elsewhere |= taken
        self._own |= ids - taken.keys()
        self._look_at = time.monotonic() + LOOK_SECONDS * random.uniform(0.5, 1.0)
        if self._claims.others_were_active():  # and may have finished some before we claimed them
            recorded = self._recorded(ids)
            self._found |= {id_: outcome for id_ in ids if (outcome := recorded(id_))}

    def _look(self) -> None:
        """Take the results that have come, and the trials that the other driver has left."""
        self._look_at = time.monotonic() + LOOK_SECONDS * random.uniform(0.5, 1.0)
        taken, recorded = self._claims.taken(self._aside), self._recorded(self._aside)
        for id_, trial in list(self._aside.items()):
            outcome = recorded(id_)
            if outcome is None and id_ in taken:
                continue
            del self._aside[id_], self._elsewhere[id_]
            if outcome:
                self._ended(trial, outcome)
            else:
                self._free.append(trial)
