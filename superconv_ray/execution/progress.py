"""What a run shows while it goes on: what is done, what is running, how long the rest takes."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.text import Text

from superconv_ray.design.metrics import trial_line
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.text import duration, trial_name
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.display import View, display_for
from superconv_ray.execution.estimate import Estimate, Forecast, Position
from superconv_ray.planning.planner import Planner

RECENT = 5
"""Finished trials that a live display lists."""
ERRORS_IN_FULL = 5
"""Different errors that are shown with their tracebacks."""


class Progress:
    """Shows a run on a console; use it as a context manager around the run.

    Args:
        console: Where to show it.
        phase: What is going on at first.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        console: Console,
        phase: str = "reading the store",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._display = display_for(console)
        self._phase: str | None = phase
        self._clock = clock
        self._planner: Planner | None = None
        self._estimate = Estimate(clock)
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._begun_at = clock()
        self._shown_at = float("-inf")
        self._cost = 0.0  # seconds that the latest view took
        self._errors: set[str] = set()
        self._restarts = 0

    def __enter__(self) -> Progress:
        self._display.start(self._view())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.stop(self._view())

    def follow(self, planner: Planner) -> None:
        """Show the counts of a planner from now on."""
        self._planner = planner

    def phase(self, text: str) -> None:
        """Say what is going on before the first trial starts."""
        self._phase = text
        self._display.show(self._view())

    def slots(self, number: int) -> None:
        """Note how many trials the cluster has room for."""
        self._estimate.slots = number

    def started(self, trial: CompleteTrial) -> None:
        """Show a trial as running."""
        self._phase = None
        self._estimate.started(trial)
        self._show_if_due(self._display.idle_interval)

    def at(self, trial: CompleteTrial, position: Position) -> None:
        """Note how far a trial in progress is."""
        self._estimate.at(trial, position)
        self._show_if_due(self._display.idle_interval)

    def ended(self, trial: CompleteTrial, outcome: Outcome) -> None:
        """Show how a trial ended; an error at once."""
        self._phase = None
        self._estimate.ended(trial, outcome)
        self._recent.append(
            trial_line({**trial.settings(), "status": outcome.status, **outcome.measurements})
        )
        if outcome.error:
            self._show_error(trial, outcome.error.strip())
        self._show_if_due(self._display.interval, first_at_once=True)

    def lost(self, trial: CompleteTrial, cause: str | None) -> None:
        """Show that a trial is started again, and why if the trial may be to blame."""
        self._estimate.cut_off(trial)
        self._restarts += 1
        if cause:
            self.warn(f"{trial_name(trial.settings())}: {cause}; started again")

    def note(self, text: str) -> None:
        """Show a line that stays."""
        self._console.print(Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show a warning while the run goes on."""
        self._console.print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)

    def _show_if_due(self, interval: float, *, first_at_once: bool = False) -> None:
        """Show the present state, unless that would cost more than some percent of the time."""
        now = self._clock()
        shown_at = self._shown_at if first_at_once else max(self._shown_at, self._begun_at)
        if now - shown_at >= max(interval, 30 * self._cost):
            self._shown_at = now
            self._display.show(self._view())
            self._cost = self._clock() - now

    def _show_error(self, trial: CompleteTrial, error: str) -> None:
        """Show each different error in full once: a bug in a model fails every trial alike."""
        text = f"failed: {trial_name(trial.settings())} (trial {trial.id})"
        if error not in self._errors and len(self._errors) < ERRORS_IN_FULL:
            text += f"\n{error}"
        else:
            text += f": {error.splitlines()[-1]}"
        self._errors.add(error)
        self._console.print(Text(text, style="red"), soft_wrap=True)

    def _view(self) -> View:
        if self._phase is not None or self._planner is None:
            return View(self._phase or "")
        forecast = self._estimate.forecast(self._planner.expected())
        share = forecast.share_done if forecast else 0.0
        return View(self._status(self._planner, forecast), share, tuple(self._recent))

    def _status(self, planner: Planner, forecast: Forecast | None) -> str:
        counts = Counter(planner.outcomes.values())
        parts = [f"{len(planner.outcomes)} of {planner.total} trials done"]
        parts += [f"{counts[name]} {name}" for name in ("diverged", "failed") if counts[name]]
        parts += [f"{self._restarts} started again"] if self._restarts else []
        parts += [f"{self._estimate.running} running"] if self._estimate.running else []
        if planner.to_come:
            rate = self._estimate.steps_per_second()
            parts += [f"{planner.left} left"]
            parts += (
                [f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"] if rate else []
            )
            parts += [f"ETA {duration(forecast.seconds_left) if forecast else 'unknown'}"]
        return ", ".join(parts)
