"""How far the studies of a store are: what `superconv watch` shows. It only ever reads."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.text import Text

from superconv_ray.analysis import arm_summary
from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.text import duration, percent_interval, short, text_table, trial_line
from superconv_ray.report.study_results import default_studies
from superconv_ray.storage.store import Store

COLUMNS = (
    *("trial_id", "kind", "dataset", "data_count", "model", "policy", "max_lr", "seed", "status"),
    *("test_accuracy", "validation_accuracy", "train_seconds", "finished_at"),
)
PACE_WINDOW = timedelta(minutes=5)
LEAST_FOR_PACE = 5
"""Trials that a pace is of at least, also where they take longer than the window."""
RECENT = 5
"""Trials that ended last and are shown."""
KINDS_OF_FAILURE = 3
PROGRESS = (
    *("study", "trials", "done", "left", "ETA", "last ended", "a minute"),
    *("diverged", "failed", "checkpoints"),
)
"""Headings of the table of studies; a narrow terminal cuts off the last ones."""


@dataclass(frozen=True)
class Standing:
    """How far a study is.

    Attributes:
        definition: As in the store; a run writes it anew every half minute.
        trials: Finished trials of the study, as `Store.trials` has them, with `COLUMNS`.
        errors: What was raised by each trial that failed and has not succeeded since.
        begun: Unfinished trials that have a checkpoint.
    """

    definition: StudyDefinition
    trials: pd.DataFrame
    errors: tuple[str, ...]
    begun: int

    @property
    def done(self) -> int:
        """Trials that are finished, diverged ones included."""
        return int(self.trials["trial_id"].nunique())

    @property
    def left(self) -> int:
        """Trials that the present run has not ended, as far as known; failed ones have ended."""
        return max(0, self.definition.trials - self.done - len(self.errors))

    @property
    def ends(self) -> pd.Series[Any]:
        """When each trial ended, ascending."""
        return self.trials.drop_duplicates("trial_id")["finished_at"].dropna().sort_values()


class Watcher:
    """Reads a store again and again, every trial's row once.

    Args:
        store: The store.
        study: Name of the only study to look at; None: all but those of ``superconv lr-find``.
    """

    def __init__(self, store: Store, study: str | None = None) -> None:
        self._store = store
        self._study = study
        self._rows = store.trials(columns=COLUMNS, ids=())

    def look(self) -> list[Standing]:
        """Every study's standing, the one that ran latest at the end; none before the first run.

        Raises:
            StoreError: There are studies, but none of that name.
        """
        names = default_studies(self._store)
        if names and self._study is not None:
            names = [self._study]
        studies = [(self._store.study(name), self._store.members(name)) for name in names]
        self._read_rows(frozenset().union(*(members["trial_id"] for _, members in studies)))
        failures, begun = self._store.failures(), self._store.begun_ids()
        standings = []
        for definition, members in studies:
            own = set(members["trial_id"])
            errors = tuple(
                failures[trial_id]["error"] for trial_id in sorted(own & failures.keys())
            )
            trials = members.merge(self._rows, on="trial_id")
            standings.append(Standing(definition, trials, errors, len(own & begun)))
        return sorted(standings, key=lambda standing: standing.definition.provenance.written_at)

    def _read_rows(self, wanted: frozenset[str]) -> None:
        fresh = (self._store.finished_ids() & wanted) - set(self._rows["trial_id"])
        if fresh:
            rows = self._store.trials(columns=COLUMNS, ids=fresh)
            self._rows = pd.concat([self._rows, rows]) if len(self._rows) else rows


def watch(
    store: Store,
    console: Console,
    study: str | None = None,
    interval: float = 5.0,
    once: bool = False,
) -> None:
    """Show how far the studies are until nothing is left to run.

    On a terminal the view is live; elsewhere a block is printed whenever a trial has ended.

    Args:
        store: The store; nothing is written to it.
        console: Where to show it.
        study: Name of the only study to show; None: all but those of ``superconv lr-find``.
        interval: Seconds between two looks.
        once: Look once only.

    Raises:
        StoreError: The store cannot be read at the first look, or has no such study.
    """
    shown: object = None
    with _screen(console) as show:
        if console.is_terminal:
            show(f"reading {store.files.place}")  # of ten thousand trials, for some seconds
        watcher = Watcher(store, study)
        standings, trouble = watcher.look(), ""
        while True:
            counts = ([(s.done, len(s.errors), s.left) for s in standings], trouble)
            if console.is_terminal or counts != shown:
                show(view(standings, store.files.place, datetime.now(UTC)) + trouble)
            shown = counts
            if once or not _is_going_on(standings):
                return
            time.sleep(interval)
            try:
                standings, trouble = watcher.look(), ""
            except OSError as error:  # a network may come back
                trouble = f"\n\nnot read this time: {error}"


@contextlib.contextmanager
def _screen(console: Console) -> Iterator[Callable[[str], None]]:
    """Shows one text after another: in place on a terminal, with an empty line between elsewhere.

    As `Text`, or rich would take names in brackets for its markup.
    """
    if not console.is_terminal:
        yield lambda text: console.print(Text(f"{text}\n"), soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)


def view(standings: Sequence[Standing], place: str, now: datetime) -> str:
    """All studies, a line each, then the latest trials, the failures and the means of the last.

    Args:
        standings: From `Watcher.look`.
        place: The store's, to be named.
        now: The time, with its zone.
    """
    if not standings:
        return f"no study in {place} yet: waiting for a run to begin"
    rows = [_progress(standing, now) for standing in standings]
    blocks = [place, text_table(PROGRESS, rows)]
    if not _is_going_on(standings):
        failed = any(standing.errors for standing in standings)
        again = "; the next run tries failed trials again" if failed else ""
        blocks.append(f"nothing is left to run{again}")
    return "\n\n".join([*blocks, *_details(standings[-1])])


def _is_going_on(standings: Sequence[Standing]) -> bool:
    """Whether there may be more to see: a run that has not begun, or has trials left."""
    return not standings or any(standing.left for standing in standings)


def _progress(standing: Standing, now: datetime) -> list[str]:
    ends = standing.ends
    pace = trials_a_minute(ends)
    silence = (now - ends.iloc[-1]).total_seconds() if len(ends) else math.nan
    # Longer than that, and what ran has ended or hangs: there is no telling when it goes on.
    going_on = pace and silence < max(PACE_WINDOW.total_seconds(), 3 * 60 / pace)
    diverged = standing.trials.loc[standing.trials["status"] == "diverged", "trial_id"].nunique()
    return [
        standing.definition.name,
        *(f"{n:,}" for n in (standing.definition.trials, standing.done, standing.left)),
        duration(standing.left / pace * 60) if pace and going_on and standing.left else "-",
        f"{duration(max(0.0, silence))} ago" if len(ends) else "-",
        f"{pace:.3g}" if pace else "-",
        *(f"{n:,}" for n in (diverged, len(standing.errors), standing.begun)),
    ]


def trials_a_minute(ends: pd.Series[Any]) -> float | None:
    """The pace at which the latest trials ended; None if there are too few to tell.

    Of the last `PACE_WINDOW` before the latest end, so that a run that is over keeps its pace.

    Args:
        ends: When each trial ended, ascending.
    """
    if ends.empty:
        return None
    late = int((ends > ends.iloc[-1] - PACE_WINDOW).sum())
    latest = ends.iloc[-max(late, LEAST_FOR_PACE) :]
    minutes = (latest.iloc[-1] - latest.iloc[0]).total_seconds() / 60
    return (len(latest) - 1) / minutes if minutes else None


def _details(standing: Standing) -> list[str]:
    """The blocks on one study, those that grow with its size at the end."""
    question = standing.definition.question
    blocks = [f"{standing.definition.name}: {question}".rstrip(": ")]
    latest = standing.trials.drop_duplicates("trial_id").sort_values("finished_at").tail(RECENT)
    if len(latest):
        lines = [trial_line(dict(row.dropna())) for _, row in latest.iterrows()]
        blocks.append("\n".join(["latest trials", *lines]))
    if standing.errors:
        blocks.append("\n".join(["failed trials", *_failures(standing.errors)]))
    blocks.append(_means(standing))
    return blocks


def _failures(errors: Sequence[str]) -> Iterator[str]:
    """What was raised, and how often: a mistake in a model raises the same in every trial."""
    raised = Counter(_raised(error) for error in errors)
    for text, count in raised.most_common(KINDS_OF_FAILURE):
        yield f"{count:,} x {text}"
    if len(raised) > KINDS_OF_FAILURE:
        yield f"and {len(raised) - KINDS_OF_FAILURE} others: see `superconv status STUDY.py`"


def _raised(error: str) -> str:
    """The last line of a traceback; after it stands which trial it was."""
    lines = [line for line in error.splitlines() if line.strip()]
    return " ".join(lines[-2:-1] or lines)


def _means(standing: Standing) -> str:
    """Every arm's accuracy at every point of the sweep, of the trainings so far."""
    trials, definition = standing.trials, standing.definition
    trainings = trials[(trials["role"] == "training") & (trials["kind"] == "training")]
    accuracy = trainings["test_accuracy"].fillna(trainings["validation_accuracy"])
    measured = trainings.assign(accuracy=accuracy).dropna(subset="accuracy")
    if measured.empty:
        return "no training has ended yet"
    means = arm_summary(measured, ["cell", "data_count"], "accuracy")
    cells = {cell.cell: cell for cell in definition.cells}
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for mean in means.to_dict("records"):
        settings = cells[mean["cell"]].point.items()
        point = ", ".join(f"{name}={short(value)}" for name, value in settings) or "-"
        text = f"{percent_interval(mean)} {mean['n']}"
        rows.setdefault((point, mean["data_count"]), {})[mean["arm"]] = text
    arms = [arm for arm in definition.arms if arm in set(means["arm"])]
    table = [
        [point, f"{labels:,}", *(own.get(arm, "-") for arm in arms)]
        for (point, labels), own in rows.items()
    ]
    title = "accuracy in % so far, mean [95 % interval] and trainings"
    return f"{title}\n{text_table(['point', 'labels', *arms], table)}"
