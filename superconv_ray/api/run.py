"""Run a study from Python, and read what a store has of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from superconv_ray.data.notes import noted_in
from superconv_ray.design.building import make_plan
from superconv_ray.design.cautions import cautions
from superconv_ray.design.definition import define
from superconv_ray.design.plan import Plan
from superconv_ray.design.study import Study
from superconv_ray.design.text import counted, did_you_mean
from superconv_ray.execution.display import plain_console
from superconv_ray.execution.session import RunOptions, RunSummary, run_plan
from superconv_ray.report.study_results import StudyResults
from superconv_ray.storage.store import Store, open_store
from superconv_ray.storage.versions import difference_note


class IncompleteRunWarning(UserWarning):
    """Trials of a run failed, or could not start because others did."""


class StudyWarning(UserWarning):
    """The study can run, but may not answer well; see `cautions`."""


class OtherSettingsWarning(UserWarning):
    """The results are of a study of the same name with other settings."""


class RunResult(StudyResults):
    """The results of a study that has just been run, and how the run went.

    Attributes:
        summary: Counts of the run: trials trained, found, diverged, failed, blocked and left.
    """

    def __init__(self, store: str, name: str, summary: RunSummary) -> None:
        super().__init__(open_store(store), name)
        self.summary = summary


def run_study(
    study: Study, store: str | Path = "results", *, progress: bool = True, **options: Any
) -> RunResult:
    """Train what the store does not have of a study, and return the study's results.

    Args:
        study: What to run.
        store: Path or URI of the store.
        progress: Whether to show a progress bar, or lines where there is no terminal.
        options: The fields of `RunOptions`.

    Raises:
        TypeError: An option does not exist.
        ValueError: The study, an option or a file is not valid; nothing was trained.
        OSError: The store, the data set or the cluster cannot be reached.
        KeyboardInterrupt: The run was interrupted. The next run continues where it stopped.

    Warns:
        StudyWarning: The study may not answer well. It is issued before anything is trained.
        IncompleteRunWarning: Trials failed. The results are those of the other trials; the next run
            tries the failed ones again.
    """
    plan = plan_to_run(study, store)
    warn_of(plan, stacklevel=4)
    summary = run_planned(plan, store, progress=progress, **options)
    if summary.failed or summary.blocked:
        warnings.warn(incomplete_text(summary), IncompleteRunWarning, stacklevel=3)
    return RunResult(str(store), study.name, summary)


def plan_to_run(study: Study, store: str | Path) -> Plan:
    """Return the plan of a study; the store keeps which image files were checked.

    Raises:
        ValueError, TypeError: As `make_plan`.
        ValueError, StoreError: As `open_store`, or the store cannot be written; both only if the
            study has image files.
    """
    with noted_in(lambda: open_store(store).files):
        return make_plan(study)


def warn_of(plan: Plan, stacklevel: int) -> None:
    """Issue a `StudyWarning` for each reservation about a plan."""
    for caution in cautions(plan):
        warnings.warn(caution, StudyWarning, stacklevel)


def run_planned(
    plan: Plan, store: str | Path = "results", *, progress: bool = True, **options: Any
) -> RunSummary:
    """Train what the store does not have of a plan; see `run_study`."""
    return run_plan(plan, _run_options(store, options), plain_console(quiet=not progress))


def study_results(study: Study, store: str | Path = "results") -> StudyResults:
    """Return what the store has of a study by now.

    Raises:
        StoreError: The store does not have the study, or cannot be read.

    Warns:
        OtherSettingsWarning: The store's study of this name has other settings.
    """
    results = StudyResults(open_store(store), study.name)
    if note := settings_note(study, results.store):
        warnings.warn(note, OtherSettingsWarning, stacklevel=3)
    return results


def settings_note(study: Study, store: Store) -> str | None:
    """How a study's settings differ from the store's, in one line; None if they do not."""
    try:
        return difference_note(store, define(make_plan(study)))
    except (ValueError, TypeError, FileNotFoundError) as error:  # its data may be elsewhere
        return f"the settings of study {study.name!r} cannot be compared with the store's: {error}"


def summary_text(name: str, summary: RunSummary) -> str:
    """How a run went, in one line."""
    return (
        f"study {name}: {counted(summary.trained, 'trial')} trained, {summary.found} found in the "
        f"store, {summary.diverged} diverged, {len(summary.failed)} failed, {summary.left} left"
    )


def incomplete_text(summary: RunSummary) -> str:
    """What did not run, and why."""
    lines = [f"{counted(len(summary.failed), 'trial')} failed; the next run tries again"]
    lines += [f"not run: {reason}" for reason in summary.blocked]
    lines.append("the errors are in the `failures` of the results")
    return "\n".join(lines)


def _run_options(store: str | Path, given: Mapping[str, Any]) -> RunOptions:
    """The options of a run.

    Raises:
        TypeError: There is no such option; the message has the nearest one and all of them.
    """
    known = [field.name for field in fields(RunOptions)]
    for name in given:
        if name not in known:
            raise TypeError(
                f"run: {name!r} is not an option{did_you_mean(name, known) or '.'} Options: "
                + ", ".join(known)
            )
    return RunOptions(store=str(store), **given)
