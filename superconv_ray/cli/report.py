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

FIRST_PAGE = "report.html"
EXTRA = ("altair", "vl_convert", "jinja2", "itables")
"""Packages that come with ``superconv_ray[report]`` only."""

study_option = click.option("--study", help="Name of the study.")


@click.command()
@click.argument("store")
@study_option
@click.option(
    "--output",
    "-o",
    type=Path,
    default=FIRST_PAGE,
    show_default=True,
    help="File to write; needs no network. With several studies, their index.",
)
@click.option("--live", is_flag=True, help="Serve the page on 127.0.0.1, updated as trials end.")
@click.option("--port", default=0, help="Port of --live. Default: a free one.")
def report(store: str, study: str | None, output: Path, live: bool, port: int) -> None:
    """Write the results of STORE as an HTML page.

    If STORE has several studies, the page is an index, and each study has a page beside it.
    """
    with extra_installed():
        from superconv_ray.report.site import write_pages
        from superconv_ray.storage.store import open_store

        if live:
            _serve(store, study, port)
            return
        began = time.monotonic()

        def wrote(path: Path) -> None:
            size, seconds = path.stat().st_size / 2**20, time.monotonic() - began
            click.echo(f"report: {path} ({size:.1f} MB, after {seconds:.1f} s)")

        write_pages(open_store(store), output, study, wrote)


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
    with extra_installed():
        from superconv_ray.report.export import export as write

        for path in write(_read(store, study), charts=charts, latex=latex, markdown=markdown):
            click.echo(path)


def _read(store: str, study: str | None) -> StudyResults:
    from superconv_ray.report.studies import studies_to_show
    from superconv_ray.report.study_results import StudyResults
    from superconv_ray.storage.store import StoreError, open_store

    opened = open_store(store)
    name, *others = studies_to_show(opened, study)
    if others:
        names = ", ".join(map(repr, (name, *others)))
        raise StoreError(
            f"{opened.files.place} has several studies; choose one by --study: {names}"
        )
    return StudyResults(opened, name)


def _serve(store: str, study: str | None, port: int) -> None:
    """Serve the pages; each is built from the store when a browser asks for it."""
    from superconv_ray.report.live import serve
    from superconv_ray.report.site import render_page, store_version
    from superconv_ray.report.studies import studies_to_show
    from superconv_ray.storage.store import open_store

    studies_to_show(open_store(store), study)  # an unknown study is an error before serving

    def render(file: str, version: str) -> str:
        return render_page(open_store(store), file or FIRST_PAGE, FIRST_PAGE, study, version)

    def version() -> str:
        return store_version(open_store(store), study)

    def ready(url: str) -> None:
        click.echo(f"report: {url} (Ctrl-C stops it)")

    serve(render, version, port, ready)


@contextlib.contextmanager
def extra_installed() -> Iterator[None]:
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
