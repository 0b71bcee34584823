"""The first screens of the `superconv` command."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

import superconv_ray
from superconv_ray.cli.app import app


def test_the_version_is_printed(superconv: Callable[..., Result]) -> None:
    assert superconv("--version").stdout == f"superconv {superconv_ray.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands_in_the_order_of_a_study(
    arguments: list[str], superconv: Callable[..., Result]
) -> None:
    screen = superconv(*arguments).output
    _, commands = screen.split("Commands:\n")
    names = [line.split()[0] for line in commands.splitlines()]
    assert " ".join(names) == "plan run status show report export scorecard watch lr-find doctor"
    assert "..." not in commands  # no summary is cut off
    assert "superconv run STUDY.py --store results" in screen


@pytest.mark.parametrize("command", ["", *app.commands])
def test_every_help_screen_fits_80_columns(command: str, superconv: Callable[..., Result]) -> None:
    screen = superconv(*filter(None, [command]), "--help").stdout
    assert screen.startswith("Usage: ")
    assert max(map(len, screen.splitlines())) <= 80
