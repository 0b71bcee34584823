"""What a running study shows: a live line on a terminal, plain lines elsewhere.

To those who look into its store meanwhile it shows which trials it uses by now.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.text import duration, trial_line, trial_name
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.filesystem import StoreError

PLAIN_INTERVAL = 2.0
"""Least seconds between two plain lines, so that thousands of short trials do not flood a log."""
KEEP_INTERVAL = 30.0
"""Least seconds between two times that a study's trials are written down while it runs: what is
chosen on the way, and so which trainings follow, is else known at its end only."""
RECENT = 5
ERRORS_IN_FULL = 5
"""Different errors that are shown with their tracebacks."""


class Progress:
    """Counts what starts and ends; use it as a context manager around a run.

    Args:
        planner: What is run.
        console: Where to show it.
        keep: Writes down which trials the study uses; called now and then.
    """

    def __init__(
        self, planner: Planner, console: Console, keep: Callable[[], None] = lambda: None
    ) -> None:
        self._planner = planner
        self._console = console
        self._keep = keep
        self._kept_at = time.monotonic()
        self._begun = time.monotonic()
        self._found = len(planner.outcomes)
        self._running: dict[str, CompleteTrial] = {}
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._printed_at = 0.0
        self._errors: set[str] = set()
        self._restarts = 0
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        elif self._recent:
            self._console.print(self._status(), highlight=False, soft_wrap=True)

    def started(self, trial: CompleteTrial) -> None:
        """A trial was given to a worker."""
        self._running[trial.id] = trial

    def ended(self, trial: CompleteTrial, outcome: Outcome) -> None:
        """A trial has ended; an error is shown at once, with the trial's settings."""
        self._running.pop(trial.id, None)  # unless its worker could not be set up
        line = trial_line({**trial.settings(), "status": outcome.status, **outcome.measurements})
        self._recent.append(line)
        if outcome.error:
            # In full once: a mistake in a model raises the same in every trial, and the store
            # keeps them all. The last line is the trial.
            error = outcome.error.strip()
            kind = error.rpartition("\n")[0] or error
            new = kind not in self._errors and len(self._errors) < ERRORS_IN_FULL
            self._errors.add(kind)
            text = error if new else f"failed: {line}"
            self._console.print(Text(text, style="red"), soft_wrap=True)
        now = time.monotonic()
        if now - self._kept_at >= KEEP_INTERVAL:
            self._kept_at = now
            try:
                self._keep()
            except StoreError as error:  # a convenience; those whom it stops are the workers
                self.warn(f"which trials the study uses cannot be written down: {error}")
        if not self._console.is_terminal and now - self._printed_at >= PLAIN_INTERVAL:
            self._printed_at = now
            self._console.print(f"{self._status()} | last: {line}", highlight=False, soft_wrap=True)

    def lost(self, trial: CompleteTrial, cause: str | None) -> None:
        """A trial is started again; why, if something about it may be to blame."""
        self._running.pop(trial.id, None)
        self._restarts += 1
        if cause:
            self.warn(f"{trial_name(trial.settings())}: {cause}; started again")

    def warn(self, text: str) -> None:
        """Show a line about something that is not as it should be, while the run goes on."""
        self._console.print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)

    def refresh(self) -> None:
        """Time has passed."""
        if self._console.is_terminal:
            self._live.refresh()

    def _status(self) -> str:
        counts = Counter(self._planner.outcomes.values())
        parts = [f"{len(self._planner.outcomes)} of {self._planner.total} trials done"]
        parts += [f"{counts[name]} {name}" for name in ("diverged", "failed") if counts[name]]
        parts += [f"{self._restarts} started again"] if self._restarts else []
        parts += [f"{len(self._running)} running"] if self._running else []
        if self._planner.to_come:
            parts += [f"{self._planner.left} left", f"ETA {self._eta()}"]
        return ", ".join(parts)

    def _eta(self) -> str:
        """Time left at the pace of this run so far, in which recorded trials do not count."""
        done = len(self._planner.outcomes) - self._found
        if not done:
            return "unknown"
        seconds = (time.monotonic() - self._begun) / done * self._planner.to_come
        return duration(seconds)

    def _render(self) -> Text:
        return Text("\n".join([*self._recent, self._status()]))
