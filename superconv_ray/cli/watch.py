"""``superconv watch``: how far the studies of a store are, while they run."""

from __future__ import annotations

import contextlib

import click


@click.command()
@click.argument("store", default="results")
@click.option("--study", help="Show only this study. Default: all but those of lr-find.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds between two readings of the store.",
)
@click.option("--once", is_flag=True, help="Read the store once and exit.")
def watch(store: str, study: str | None, interval: float, once: bool) -> None:
    """Follow the studies of a store while they run.

    STORE is a path or URI that this machine reaches. Nothing is written to it. The command ends
    when nothing is left to run, or with Ctrl-C.
    """
    from superconv_ray.execution.display import plain_console
    from superconv_ray.report.watch import watch as follow
    from superconv_ray.storage.store import open_store

    with contextlib.suppress(KeyboardInterrupt):
        follow(open_store(store), plain_console(), study, interval, once)
