"""``run``: train what the store does not have."""

from __future__ import annotations

import shlex
import warnings
from typing import Any

import click

from superconv_ray.cli.options import run_options
from superconv_ray.design.study import Study


@run_options
@click.option(
    "--replace",
    is_flag=True,
    help="Replace a study of this name that has other settings. The store keeps its results.",
)
def run(study: Study, **options: Any) -> int:
    """Train what the store does not have yet.

    Trials that the store has are not trained again, so the same command continues a run that was
    interrupted. Prints the results at the end. The exit code is 1 if a trial failed.
    """
    from superconv_ray.api.run import IncompleteRunWarning, run_study, summary_text
    from superconv_ray.cli.show import print_results

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)  # the lines below say it
        result = run_study(study, **options)
    click.echo(summary_text(study.name, result.summary))
    for reason in result.summary.blocked:
        click.echo(f"not run: {reason}", err=True)
    print_results(study, result)
    if not result.trainings.empty:
        store = shlex.quote(result.store.files.place)
        click.echo(f"next: superconv report {store} --study {study.name}")
    return 1 if result.summary.failed or result.summary.blocked else 0
