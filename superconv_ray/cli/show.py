"""``status`` and ``show``: what a store has of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from superconv_ray.cli.options import store_option
from superconv_ray.design.study import Study, StudyTables

if TYPE_CHECKING:
    from superconv_ray.report.study_results import StudyResults


@store_option
def status(study: Study, store: str) -> int:
    """Count the trials that are done, diverged, failed and left."""
    from superconv_ray.api.stored import study_status

    found = study_status(study, store)
    click.echo(
        f"study {study.name} in {found.place}: {found.trials} trials, "
        f"{found.done} done (of which {found.diverged} diverged), "
        f"{len(found.failures)} failed, {found.left} left"
    )
    if found.note:
        click.echo(f"note: {found.note}")
    for error in found.failures.values():
        lines = [line for line in error.splitlines() if line.strip()]
        click.echo(f"failed: {' | '.join(lines[-2:])}")  # the exception, and the trial
    return 0


@store_option
def show(study: Study, store: str) -> int:
    """Print the results: each arm's accuracy, and the gaps.

    Each number has an interval. Gaps are those of the first arm to the others.
    """
    from superconv_ray.api.run import settings_note
    from superconv_ray.report.study_results import StudyResults
    from superconv_ray.storage.store import open_store

    results = StudyResults(open_store(store), study.name)
    if note := settings_note(study, results.store):
        click.echo(f"note: {note}")
    print_results(study, results)
    return 0


def print_results(study: Study, results: StudyResults) -> None:
    """Print what `show` prints: the results, and the study's own tables."""
    from superconv_ray.report.text import study_text

    click.echo(study_text(results))
    if study.tables and not results.trainings.empty:
        _print_tables(study.tables, results)


def _print_tables(tables: StudyTables, results: StudyResults) -> None:
    """Print the study's own tables. Too few finished trials for them are no error."""
    from superconv_ray.report.text import frame_text

    try:
        frames = tables(results.trials, results.curves)
    except ValueError as reason:
        click.echo(f"\nthe study's own tables cannot be made from these trials: {reason}")
        return
    for title, frame in frames.items():
        click.echo(f"\n{title}\n{frame_text(frame)}")
