"""``plan``: what a study would train."""

from __future__ import annotations

from pathlib import Path

import click

from superconv_ray.cli.options import data_dir_option
from superconv_ray.design.study import Study


@click.option(
    "--store",
    help="Path or URI of a store: say what it has already, and estimate the time of the rest.",
)
@data_dir_option
def plan(study: Study, store: str | None, data_dir: Path | None) -> int:
    """Check a study and print what it would train.

    Prints its cells, trials and steps; nothing is trained or written. The study's own models are
    built once; with --data-dir, the data set's files are read, too.
    """
    from superconv_ray.api.plan import plan_study

    click.echo(repr(plan_study(study, store, data_dir)))
    return 0
