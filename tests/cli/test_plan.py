"""`superconv plan`: what it prints and checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.study_files import WITH_BROKEN_MODEL, WITH_PARAMETERS, assert_one_line

SUPERCONV = str(Path(sys.executable).with_name("superconv"))


@pytest.mark.parametrize(
    "command", [[SUPERCONV, "plan", "a_study.py"], [sys.executable, "a_study.py", "plan"]]
)
def test_plan_prints_cells_trials_and_steps(
    command: list[str], tmp_path: Path, write: Callable[..., Path]
) -> None:
    write()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == (
        "study tiny: Does the command line work?\n"
        "2 cells, 6 trials (2 range tests, 4 trainings), 100 steps\n"
        "arm        point          labels  steps  max_lr      to choose  trainings\n"
        "one_cycle  data_count=60      60     20  range test          2          2\n"
        "constant   data_count=60      60     20  0.05                0          2\n"
        "estimated time: unknown (no store given)\n"
    )
    assert os.listdir(tmp_path) == ["a_study.py"]


def test_with_a_store_it_says_what_is_done_and_what_is_left(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    superconv("run", path, "--local", "--store", store_uri, "--max-trials", 2)
    plan = superconv("plan", path, "--store", store_uri)
    *_, place, estimate = plan.stdout.splitlines()
    assert place == f"in {store_uri}: 2 done, 4 left"
    assert re.fullmatch(r"estimated time: [0-9.]+ s, one trial at a time", estimate)


def test_with_a_data_folder_missing_files_are_found(
    superconv: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(WITH_PARAMETERS)
    assert superconv("plan", path, "--data-dir", tmp_path).exit_code == 0  # digits need no files
    result = superconv("plan", path, "--dataset", "mnist", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mnist was not found.\n")
    assert f"put them into {tmp_path / 'mnist'}" in result.stderr


def test_a_model_that_does_not_fit_the_data_is_rejected(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = write(WITH_BROKEN_MODEL, "nn.Linear(64, classes)", "nn.Linear(64, 3)")
    assert_one_line(superconv("plan", path), "model must give logits [n, 10] for inputs [n, 1, 8")
