"""Progress of a store's studies, as `superconv watch` shows it. Nothing is written."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.text import Text

from superconv_ray.analysis import arm_summary
from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.metrics import metric_of, trial_line
from superconv_ray.design.text import duration, exception_line, paragraph, point_text, text_table
from superconv_ray.report.studies import studies_to_show
from superconv_ray.report.table_formats import table_text
from superconv_ray.report.tables import accuracy_table
from superconv_ray.storage.store import Store

COLUMNS = (
    *("trial_id", "kind", "dataset", "data_count", "model", "policy", "max_lr", "seed"),
    *("subset_seed", "status"),
    *("metric", "metric_goal", "metric_unit"),
    *("test_accuracy", "validation_accuracy", "test_metric", "validation_metric"),
    *("train_seconds", "finished_at"),
)
PACE_WINDOW = timedelta(minutes=5)
LEAST_FOR_PACE = 5
"""Fewest trials that a pace is computed from, also if they span more than the window."""
RECENT = 5
"""Number of latest trials to show."""
KINDS_OF_FAILURE = 3
PROGRESS = (
    *("study", "trials", "done", "diverged", "failed", "left", "begun"),
    *("a minute", "ETA", "last ended"),
)
"""Headings of the table of studies."""


@dataclass(frozen=True)
class Standing:
    """Progress of a study.

    Attributes:
        definition: As in the store; a run rewrites it every half minute.
        trials: Finished trials of the study, as from `Store.trials`, with `COLUMNS`.
        errors: Error of each trial that failed and has not succeeded since.
        begun: Number of unfinished trials that have a checkpoint.
    """

    definition: StudyDefinition
    trials: pd.DataFrame
    errors: tuple[str, ...]
    begun: int

    @property
    def done(self) -> int:
        """Number of finished trials, including diverged ones."""
        return int(self.trials["trial_id"].nunique())

    @property
    def left(self) -> int:
        """Number of trials still to run, as far as known; failed trials count as ended."""
        return max(0, self.definition.trials - self.done - len(self.errors))

    @property
    def ends(self) -> pd.Series[Any]:
        """End of each trial, ascending."""
        return self.trials.drop_duplicates("trial_id")["finished_at"].dropna().sort_values()


class Watcher:
    """Reads a store repeatedly, but each trial's row only once.

    Args:
        store: The store.
        study: Name of the only study to read; None: all but those of ``superconv lr-find``.
    """

    def __init__(self, store: Store, study: str | None = None) -> None:
        self._store = store
        self._study = study
        self._rows = store.trials(columns=COLUMNS, ids=())

    def look(self) -> list[Standing]:
        """Progress of every study, the most recent one last; empty before the first run.

        Raises:
            StoreError: The store has studies, but none of that name.
        """
        names = studies_to_show(self._store, self._study) if self._store.studies() else []
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
    """Show the progress of studies until nothing is left to run.

    On a terminal the view is live. Elsewhere, a block is printed whenever a trial ends.

    Args:
        store: The store; nothing is written to it.
        console: Where to show it.
        study: Name of the only study to show; None: all but those of ``superconv lr-find``.
        interval: Seconds between two reads.
        once: Read and show once only.

    Raises:
        StoreError: The first read fails, or the store has no such study.
    """
    shown: object = None
    with _screen(console) as show:
        if console.is_terminal:
            show(f"reading {store.files.place}")  # takes seconds with ten thousand trials
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
            except OSError as error:  # the network may recover
                trouble = "\n\n" + paragraph(f"this read failed: {error}")


@contextlib.contextmanager
def _screen(console: Console) -> Iterator[Callable[[str], None]]:
    """Show texts in place on a terminal; elsewhere one after another, with an empty line between.

    Texts are `Text`, because rich would take names in brackets for markup.
    """
    if not console.is_terminal:
        yield lambda text: console.print(Text(f"{text}\n"), soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)


def view(standings: Sequence[Standing], place: str, now: datetime) -> str:
    """A line for each study, then latest trials, failures and accuracies of the most recent study.

    No line is longer than 80 characters.

    Args:
        standings: From `Watcher.look`.
        place: Path or URI of the store.
        now: The time, with time zone.
    """
    if not standings:
        return f"no study in {place} yet: waiting for a run to begin"
    rows = [_progress(standing, now) for standing in standings]
    blocks = [place, text_table(PROGRESS, rows, wrap=["study"])]
    if not _is_going_on(standings):
        failed = any(standing.errors for standing in standings)
        again = "; the next run tries failed trials again" if failed else ""
        blocks.append(f"nothing is left to run{again}")
    return "\n\n".join([*blocks, *_details(standings[-1])])


def _is_going_on(standings: Sequence[Standing]) -> bool:
    """Whether a run has not begun yet, or has trials left."""
    return not standings or any(standing.left for standing in standings)


def _progress(standing: Standing, now: datetime) -> list[str]:
    ends = standing.ends
    pace = trials_a_minute(ends)
    silence = (now - ends.iloc[-1]).total_seconds() if len(ends) else math.nan
    # After a longer silence the run has ended or hangs, so that no time left can be told.
    going_on = pace and silence < max(PACE_WINDOW.total_seconds(), 3 * 60 / pace)
    diverged = standing.trials.loc[standing.trials["status"] == "diverged", "trial_id"].nunique()
    planned, done, failed = standing.definition.trials, standing.done, len(standing.errors)
    return [
        standing.definition.name,
        *(f"{n:,}" for n in (planned, done, diverged, failed, standing.left, standing.begun)),
        f"{pace:.3g}" if pace else "-",
        duration(standing.left / pace * 60) if pace and going_on and standing.left else "-",
        f"{duration(max(0.0, silence))} ago" if len(ends) else "-",
    ]


def trials_a_minute(ends: pd.Series[Any]) -> float | None:
    """Pace at which the latest trials ended; None if there are too few.

    The window ends with the latest trial, so that a finished run keeps its pace.

    Args:
        ends: End of each trial, ascending.
    """
    if ends.empty:
        return None
    late = int((ends > ends.iloc[-1] - PACE_WINDOW).sum())
    latest = ends.iloc[-max(late, LEAST_FOR_PACE) :]
    minutes = (latest.iloc[-1] - latest.iloc[0]).total_seconds() / 60
    return (len(latest) - 1) / minutes if minutes else None


def _details(standing: Standing) -> list[str]:
    """Blocks of text on one study; blocks that grow with its size come last."""
    question = standing.definition.question
    blocks = [paragraph(f"{standing.definition.name}: {question}".rstrip(": "))]
    latest = standing.trials.drop_duplicates("trial_id").sort_values("finished_at").tail(RECENT)
    if len(latest):
        lines = [paragraph(trial_line(dict(row.dropna())), "  ") for _, row in latest.iterrows()]
        blocks.append("\n".join(["latest trials", *lines]))
    if standing.errors:
        blocks.append("\n".join(["failed trials", *_failures(standing.errors)]))
    blocks.append(_means(standing))
    return blocks


def _failures(errors: Sequence[str]) -> Iterator[str]:
    """Each error and its count: a mistake in a model raises the same error in every trial."""
    raised = Counter(map(exception_line, errors))
    for text, count in raised.most_common(KINDS_OF_FAILURE):
        yield paragraph(f"{count:,} x {text}", "  ")
    if len(raised) > KINDS_OF_FAILURE:
        yield f"and {len(raised) - KINDS_OF_FAILURE} more: see `superconv status STUDY.py`"


def _means(standing: Standing) -> str:
    """Metric of every arm at every point of the sweep, over the trainings so far."""
    trials, definition = standing.trials, standing.definition
    trainings = trials[(trials["role"] == "training") & (trials["kind"] == "training")]
    metric = metric_of(definition.base)
    value = f"test_{metric.suffix}"
    found = trainings[value].fillna(trainings[f"validation_{metric.suffix}"])
    measured = trainings.assign(**{value: found}).dropna(subset=value)
    if measured.empty:
        return "no training has finished yet"
    points = _points(definition)
    by = ["point", "data_count"]
    rows = measured.assign(point=measured["cell"].map(points))
    arms = [arm for arm in definition.arms if arm in set(rows["arm"])]
    table = accuracy_table(arm_summary(rows, by, value), by, arms, metric=metric)
    return f"{metric.worded} so far, mean [95 % interval over seeds]\n{table_text(table)}"


def _points(definition: StudyDefinition) -> Mapping[int, str]:
    """The point of every cell, without what all points share."""
    points = {cell.cell: cell.point for cell in definition.cells}
    names = {name for point in points.values() for name in point}
    same = {n for n in names if len({repr(point.get(n)) for point in points.values()}) == 1}
    return {
        cell: point_text({name: value for name, value in point.items() if name not in same})
        for cell, point in points.items()
    }
