"""``superconv scorecard``: which claims of the literature a store's studies confirm."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from superconv_ray.cli.report import extra_installed
from superconv_ray.design.text import in_words

if TYPE_CHECKING:
    from superconv_ray.report.scorecard.rows import Scorecard


@click.command()
@click.argument("store")
@click.option("--html", type=Path, help="Write a page to this file instead; needs no network.")
def scorecard(store: str, html: Path | None) -> None:
    """Judge the claims of the literature by the studies in STORE.

    The claims are those of Smith & Topin and their critics. The studies that test them are the
    files of studies/paper. A claim whose study STORE does not have is listed as not run.
    """
    card = _card(store)
    if html is None:
        from superconv_ray.report.scorecard.text import scorecard_text

        click.echo(scorecard_text(card))
        return
    with extra_installed():
        from superconv_ray.report.scorecard.page import render_scorecard

        page = render_scorecard(card, lambda file: _from(html, Path(file)))
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(page, encoding="utf-8")
    click.echo(f"scorecard: {html} ({card.summary})")


def _card(uri: str) -> Scorecard:
    """The scorecard of a store that has a study of one.

    Raises:
        StoreError: There is no store, or it has no such study.
    """
    from superconv_ray.report.scorecard.rows import scorecard as judged
    from superconv_ray.storage.seal import read_json
    from superconv_ray.storage.store import StoreError, open_store

    store = open_store(uri)
    place, names = store.files.place, store.studies()
    card = judged(store)
    if card.runs:
        return card
    if names:
        why = f"the store {place} has no result of a study in studies/paper, only of "
        why += in_words(map(repr, names))
    elif read_json(store.files, "store.json") is None:
        why = f"there is no store in {place}"
    else:
        why = f"the store {place} has no study"
    run = f"superconv run studies/paper/limited_data.py --store {shlex.quote(place)}"
    raise StoreError(f"{why}: run one, such as {run}")


def _from(page: Path, file: Path) -> str | None:
    """The way from a page to a file, if it is here."""
    return Path(os.path.relpath(file, page.parent)).as_posix() if file.is_file() else None
