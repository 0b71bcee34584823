"""Usage lines, help and the place of the study file among the arguments."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray.cli.study_command import STUDY_COMMANDS
from tests.cli.study_files import WITH_PARAMETERS


@pytest.mark.parametrize("file_first", [True, False])
def test_help_lists_the_options_and_with_a_study_its_own(
    file_first: bool, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = [write(WITH_PARAMETERS)] if file_first else []
    result = superconv("run", *path, "--help")
    assert result.exit_code == 0
    assert "--max-trials" in result.stdout
    assert ("--counts" in result.stdout) == file_first


def test_a_usage_line_names_the_study(superconv: Callable[..., Result]) -> None:
    for flag in ("-h", "--help"):
        usage = superconv("run", flag).stdout.splitlines()[0]
        assert usage == "Usage: app run [OPTIONS] STUDY.py"


def test_without_a_study_a_command_asks_for_one(superconv: Callable[..., Result]) -> None:
    for arguments in ([], ["--local"]):
        result = superconv("run", *arguments)
        assert result.exit_code == 2
        assert "Usage: app run [OPTIONS] STUDY.py\n" in result.stderr
        assert result.stderr.endswith("Error: Missing argument 'STUDY.py'.\n")


def test_options_may_stand_before_the_study(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    plan = superconv("plan", "--counts", 60, write(WITH_PARAMETERS), "--batch-size", 8)
    assert "batch 8" in plan.stdout
    unknown = superconv("plan", "--bogus", write(WITH_PARAMETERS))
    assert re.search(r"No such option.*--bogus", unknown.stderr)


def test_a_study_file_has_the_same_commands(write: Callable[..., Path]) -> None:
    done = subprocess.run(
        [sys.executable, str(write()), "-h"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: a_study.py [OPTIONS] COMMAND [ARGS]...\n")
    assert "Plan the study tiny, run it, and print its results." in done.stdout
    for command in STUDY_COMMANDS:
        assert f"\n  {command} " in done.stdout
