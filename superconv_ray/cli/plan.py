"""``plan``: what a study would train, how long that takes and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from superconv_ray.cli.options import data_dir_option
from superconv_ray.design.study import Study


@click.option(
    "--store",
    help="Path or URI of a store: say what it has already, and estimate the time of the rest by "
    "its trials.",
)
@data_dir_option
@click.option(
    "--slots",
    type=click.IntRange(min=1),
    help="Trials that run at a time. Default: the CPUs of this machine or, if times of a GPU are "
    "known, its GPUs.",
)
@click.option(
    "--price-per-hour",
    type=click.FloatRange(min=0, min_open=True),
    help="Price of all slots together for an hour: estimate the price.",
)
@click.option(
    "--probe/--no-probe",
    default=None,
    help="Measure on this machine, by a few steps, what the store does not know. Default: with "
    "--slots or --price-per-hour.",
)
@click.option(
    "--images-per-second",
    type=click.FloatRange(min=0, min_open=True),
    help="Rate at which one slot trains, if you know it, in place of measured times.",
)
def plan(study: Study, store: str | None, data_dir: Path | None, **costing: Any) -> int:
    """Check a study and print what it would train.

    Prints its cells, trials and steps, and the time and price of what is left. Nothing is written,
    and no trial is trained. The study's own models are built once; with --data-dir, the data set's
    files are read, too.
    """
    from superconv_ray.api.plan import plan_study

    click.echo(repr(plan_study(study, store, data_dir, **costing)))
    return 0
