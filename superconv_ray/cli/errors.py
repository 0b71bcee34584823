"""Errors as users of the command line see them."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from superconv_ray.execution.tracebacks import (
    in_users_code,
    is_deliberate,
    is_ours,
    is_users,
    user_traceback,
)

REPORT_IT = (
    "This is an error inside superconv_ray, not in your study. Please report it with the whole "
    "traceback."
)


@contextlib.contextmanager
def errors_for_users() -> Iterator[None]:
    """End the process with what helps its user; see `explain` for which error is shown how.

    A user's mistake exits with code 2, an interruption with 130. An error inside this package is
    raised as it is. With SUPERCONV_TRACEBACK set in the environment, every error is. Warnings of
    this package are one line each, and shown once.
    """
    try:
        with _warnings_in_one_line():
            yield
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise  # for click, which also ends quietly if nobody reads the output any more
    except KeyboardInterrupt:
        click.echo(f"interrupted; to continue: {_own_command()}", err=True)
        sys.exit(130)
    except Exception as error:
        if os.environ.get("SUPERCONV_TRACEBACK"):
            raise
        text = explain(error)
        if text is None:
            error.add_note(REPORT_IT)
            raise
        click.echo(text, err=True)
        sys.exit(2)


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    shown_otherwise, shown = warnings.showwarning, set()

    def show(message: Warning | str, category: type[Warning], filename: str, *rest: Any) -> None:
        if not is_ours(filename):
            shown_otherwise(message, category, filename, *rest)
        elif (text := str(message)) not in shown:
            shown.add(text)
            click.echo(f"warning: {text}", err=True)

    warnings.showwarning = show  # type: ignore[assignment]  # passed on as it came
    try:
        yield
    finally:
        warnings.showwarning = shown_otherwise


def explain(error: Exception) -> str | None:
    """Return what to tell the user about an error, or None if it is one inside this package.

    The user's own code raised it: its traceback, without the frames of click and of this package.
    This package rejected something: the message in one line, and where in the user's files that
    was. The operating system refused something: its message in one line.
    """
    if isinstance(error, SyntaxError):
        if is_users(error.filename or ""):
            return user_traceback(error)
    elif in_users_code(error):
        return user_traceback(error)
    if not isinstance(error, OSError) and not is_deliberate(error):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_users(frame.filename)]
    if not own:
        return f"error: {error}"
    place = own[-1]
    return f"error in {Path(place.filename).name}, line {place.lineno}: {error}"


def _own_command() -> str:
    """The command that started this process, without secrets."""
    from superconv_ray.data.uris import without_secrets

    program, *arguments = sys.argv
    start = ["python", program] if program.endswith(".py") else [Path(program).name]
    return shlex.join([*start, *map(without_secrets, arguments)])
