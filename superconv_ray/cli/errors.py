"""How commands end on a user's mistake: in one line, not in a traceback."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """The user's mistakes end in a message and exit code 2; Ctrl-C says how to go on.

    With SUPERCONV_TRACEBACK set in the environment the whole traceback is shown.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        if os.environ.get("SUPERCONV_TRACEBACK"):
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo(f"interrupted, to go on: {_own_command()}", err=True)
        sys.exit(130)


def _own_command() -> str:
    """The command that this process was started with, without secrets."""
    from superconv_ray.storage.filesystem import without_secrets

    program, *arguments = sys.argv
    start = ["python", program] if program.endswith(".py") else [Path(program).name]
    return shlex.join([*start, *map(without_secrets, arguments)])
