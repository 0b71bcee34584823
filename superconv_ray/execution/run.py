"""A run in progress: whatever happens to a trial reaches the planner, the display and the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.sharing import SharedTrials
from superconv_ray.planning.planner import Planner, Signal
from superconv_ray.storage.filesystem_errors import StoreError
from superconv_ray.storage.trial_claims import TrialClaims

RECORD_SECONDS = 30.0
"""Least time between two records of which trials the study uses. Settings that are chosen on the
way decide which trainings follow; readers of the store would learn of them at the end only."""


class Run:
    """What the runners, local or on Ray, report to.

    Args:
        planner: Decides which trial is next.
        progress: Shows the run.
        record: Writes to the store which trials the study uses by now.
        trial_ended: Is called after each trial.

    Attributes:
        found: Number of trials that drivers of other studies finished meanwhile.
    """

    def __init__(
        self,
        planner: Planner,
        progress: Progress,
        record: Callable[[], None] = lambda: None,
        trial_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.found = 0
        self.planner = planner
        self.progress = progress
        progress.follow(planner)
        self._record = record
        self._trial_ended = trial_ended
        self._recorded_at = time.monotonic()
        self._next = planner.next

    def share(
        self,
        claims: TrialClaims,
        recorded: Callable[[Collection[str]], Callable[[str], Outcome | None]],
    ) -> None:
        """Leave to drivers of other studies what they train; see `SharedTrials`."""
        shared = SharedTrials(self.planner, claims, recorded, self._take, self.progress.note)
        self._next = shared.next

    def _take(self, trial: CompleteTrial, outcome: Outcome) -> None:
        self.found += 1
        self.ended(trial, outcome)

    def next(self) -> CompleteTrial | Signal:
        """Return the next trial, or why there is none."""
        return self._next()

    def ended(self, trial: CompleteTrial, outcome: Outcome) -> None:
        """Take the end of a trial."""
        self.planner.tell(trial.id, outcome)
        self.progress.ended(trial, outcome)
        self._trial_ended()
        if time.monotonic() - self._recorded_at >= RECORD_SECONDS:
            self._recorded_at = time.monotonic()
            try:
                self._record()
            except StoreError as error:  # workers notice, and stop the run if it lasts
                self.progress.warn(f"the study's list of trials cannot be updated: {error}")
