"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = {"help_option_names": ["-h", "--help"]}


def amount(text: str) -> float | str:
    """Parse a number or "auto"."""
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor 'auto'") from None


store_option = click.option(
    "--store",
    default="results",
    show_default=True,
    help="Path or URI (s3://, gs://, abfs://) of the store.",
)
data_dir_option = click.option("--data-dir", type=Path, help="Folder with the data set's files.")
address_option = click.option(
    "--address", help="Ray cluster. Default: the one this machine is part of, else a new local one."
)


def run_options(command: Command) -> Command:
    """Add the options that say where and how trials run: the fields of `RunOptions`."""
    options = (
        store_option,
        address_option,
        click.option("--local", is_flag=True, help="Run in this process, without Ray."),
        data_dir_option,
        click.option("--max-trials", type=int, help="Start at most this many trials."),
        click.option(
            "--cpus-per-trial",
            type=amount,
            metavar="NUMBER|auto",
            help="CPUs, and so threads, of a trial. Default: 1 for each process. auto: one CPU "
            "each, and as many trials at a time as fit into memory.",
        ),
        click.option(
            "--gpus-per-trial",
            type=amount,
            metavar="NUMBER|auto",
            help="GPUs of a trial; fractions are allowed. Default: 1 where there are GPUs, else 0. "
            "auto: the fraction that the first trial of the same shape needed.",
        ),
        click.option(
            "--processes-per-trial",
            type=int,
            help="Processes, on one node or several, that train a trial together, each on an equal "
            "part of every batch. Default: one for each of its GPUs.",
        ),
        click.option(
            "--callback",
            "callbacks",
            multiple=True,
            metavar="MODULE:NAME",
            help="Ray Tune callback, such as the one for MLflow. Can be given several times.",
        ),
        click.option(
            "--checkpoint-seconds",
            default=60.0,
            show_default=True,
            help="Time between checkpoints of a trial: the most that a lost worker costs.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def options_of(command: Callable[..., Any]) -> list[click.Option]:
    """Options that decorators have added to a function, in the order in which they are written."""
    return list(reversed(getattr(command, "__click_params__", [])))
