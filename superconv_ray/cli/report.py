"""``superconv report`` and ``superconv export``: a study's page, charts and tables as files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from superconv_ray.report.study_results import StudyResults

EXTRA = ("altair", "vl_convert", "jinja2", "itables")
"""Packages that come with ``superconv_ray[report]`` only."""

study_option = click.option(
    "--study", help="Name of the study. Default: the store's only one, not counting lr-find's."
)


@click.command()
@click.argument("store")
@study_option
@click.option(
    "--output",
    "-o",
    type=Path,
    default="report.html",
    show_default=True,
    help="File to write: one page that needs no network.",
)
@click.option("--live", is_flag=True, help="Serve the page on 127.0.0.1, updated as trials end.")
@click.option("--port", default=0, help="Port of --live. Default: a free one.")
def report(store: str, study: str | None, output: Path, live: bool, port: int) -> None:
    """Write the results of a study as one HTML page."""
    with _extra_installed():
        if live:
            _serve(store, study, port)
            return
        began = time.monotonic()
        page = _page(_read(store, study))
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
        size, seconds = output.stat().st_size / 2**20, time.monotonic() - began
        click.echo(f"report: {output} ({size:.1f} MB, written in {seconds:.1f} s)")


@click.command()
@click.argument("store")
@study_option
@click.option("--charts", type=Path, help="Folder for every chart as PNG, SVG and PDF.")
@click.option("--latex", type=Path, help="File for the tables with intervals, in LaTeX.")
@click.option("--markdown", type=Path, help="File for the same tables in Markdown.")
def export(
    store: str, study: str | None, charts: Path | None, latex: Path | None, markdown: Path | None
) -> None:
    """Write charts and tables for a paper."""
    with _extra_installed():
        if not (charts or latex or markdown):
            raise ValueError("say what to export: --charts DIR, --latex FILE or --markdown FILE")
        from superconv_ray.report.export import write_charts, write_tables

        results = _read(store, study)
        if charts:
            for path in write_charts(results, charts):
                click.echo(path)
        for path in filter(None, (latex, markdown)):
            write_tables(results, path, "latex" if path is latex else "markdown")
            click.echo(path)


def _read(store: str, study: str | None) -> StudyResults:
    from superconv_ray.report.build import study_to_report
    from superconv_ray.report.study_results import StudyResults
    from superconv_ray.storage.store import open_store

    opened = open_store(store)
    return StudyResults(opened, study_to_report(opened, study))


def _page(results: StudyResults, version: str = "") -> str:
    from superconv_ray.report.build import build_report
    from superconv_ray.report.page import render

    return render(build_report(results), version=version)


def _serve(store: str, study: str | None, port: int) -> None:
    """Serve the page, built from the store whenever a browser asks for it."""
    from superconv_ray.report.live import serve
    from superconv_ray.storage.store import open_store

    name = _read(store, study).name  # an unknown study is an error before anything is served

    def version() -> str:
        opened = open_store(store)
        return f"{opened.study(name).provenance.written_at}, {len(opened.finished_ids())} trials"

    def ready(url: str) -> None:
        click.echo(f"report: {url} (Ctrl-C stops it)")

    serve(lambda shown: _page(_read(store, name), shown), version, port, ready)


@contextlib.contextmanager
def _extra_installed() -> Iterator[None]:
    """Say what to install if a package of the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise ValueError(
            f"{error.name} is missing, which pages and charts need: "
            "pip install 'superconv_ray[report]'"
        ) from None
