"""``superconv lr-find``: LR range tests alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superconv_ray.cli.options import run_options
from superconv_ray.cli.study_file import load_study, make_study

if TYPE_CHECKING:
    from superconv_ray.api.lr_find import LRFind


@click.command("lr-find")
@click.argument("study", type=Path, required=False, metavar="[STUDY.py]")
@click.option("--dataset", help="Used instead of the study's. Default without a study: digits.")
@click.option("--model", help="Used instead of the study's. Default without a study: small_cnn.")
@click.option("--optimizer", help="Used instead of the study's. Default without a study: sgd.")
@click.option("--loss", help="Used instead of the study's. Default without a study: cross_entropy.")
@click.option("--metric", help="Used instead of the study's. Default without a study: accuracy.")
@click.option("--data-fraction", type=float, help="Fraction of the labels, in (0, 1].")
@click.option("--batch-size", type=int, help="Samples per step.")
@click.option("--seeds", type=int, help="Number of range tests. Default without a study: 3.")
@click.option("--high", type=float, help="Learning rate at the end. Default: 10, or 3 if linear.")
@click.option(
    "--low", type=float, help="Learning rate at the start. Default: 1e-4, or 0 if linear."
)
@click.option("--scale", default="exponential", show_default=True, help="linear or exponential.")
@click.option(
    "--steps",
    type=int,
    help="Length. Default: a quarter of the study's budget, at least 200; 500 without a study.",
)
@click.option("--points", default=50, show_default=True, help="Number of measurements.")
@click.option(
    "--validation-fraction",
    default=0.2,
    show_default=True,
    help="Fraction of the labels to hold out and measure on.",
)
@click.option("--test-labels", is_flag=True, help="Measure on test labels, as papers do.")
@click.option(
    "--chart",
    type=Path,
    multiple=True,
    default=["lr_find.png"],
    show_default=True,
    help="File ending in .png, .svg, .pdf or .html. Can be given several times.",
)
@run_options
def lr_find(study: Path | None, chart: tuple[Path, ...], **given: Any) -> None:
    """Run LR range tests and print what each rule reads.

    The tests are of a built-in data set and model, or of STUDY.py's base and sweep, in which the
    flags replace what they name. Nothing else is trained. The store keeps the tests like those of
    any study.
    """
    from superconv_ray.api.lr_find import lr_find as find
    from superconv_ray.api.run import summary_text
    from superconv_ray.report.chart_files import check_chart_files

    check_chart_files(chart)
    tested = make_study(load_study(study)) if study else None
    found = find(tested, data=given.pop("dataset"), **given)
    click.echo(summary_text(found.study.name, found.summary))
    click.echo(f"\n{found!r}\n")
    _save(found, chart)
    raise click.exceptions.Exit(1 if found.summary.failed or found.summary.blocked else 0)


def _save(found: LRFind, paths: Iterable[Path]) -> None:
    """Write the chart to files; say so, or why there is none."""
    if not found.measured:
        click.echo("no chart: nothing was measured")
        return
    try:
        for path in paths:
            found.save(path)
            click.echo(f"chart: {path}")
    except ModuleNotFoundError as error:
        click.echo(f"no chart: {error.name} is missing; pip install 'superconv_ray[report]'")
