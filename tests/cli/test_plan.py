"""`superconv plan`: what it prints and checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from superconv_ray.execution.probe import Probe
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
        "in all cells: data_count=60\n"
        "arm        labels  steps  max_lr      to choose  seeds\n"
        "one_cycle      60     20  range test          2      2\n"
        "constant       60     20  0.05                0      2\n"
        "estimated time: unknown (no store and no probe)\n"
    )
    assert os.listdir(tmp_path) == ["a_study.py"]


def test_with_a_store_it_says_what_is_done_and_what_is_left(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    superconv("run", path, "--local", "--store", store_uri, "--max-trials", 2)
    plan = superconv("plan", path, "--store", store_uri)
    *_, place, pace, estimate, allows = plan.stdout.splitlines()
    assert place == f"in {store_uri}: 2 done, 4 left"
    assert pace.startswith("pace: ")
    assert re.match(r"estimated time: \S+ \w+ \[\S+ \w+ to \S+ \w+\] on \d+ slots? \(", estimate)
    assert allows.startswith("the intervals allow for range tests")


def test_time_and_price_are_told_before_anything_ran(
    superconv: Callable[..., Result], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Probe(torch.device("cpu"), seconds=0.1)
    monkeypatch.setattr(Probe, "here", lambda: short)
    given = ("--slots", 4, "--price-per-hour", 2.5)
    plan = superconv("plan", write(), *given)
    assert plan.exit_code == 0, plan.stderr
    *_, pace, estimate, price, _ = plan.stdout.splitlines()
    assert "by a probe on" in pace
    assert " on 4 slots (" in estimate
    assert re.fullmatch(r"estimated price: 0\.\d\d \[0\.0\d to 0\.\d\d\] at 2\.5 an hour", price)
    unknown = superconv("plan", write(), *given, "--no-probe").stdout.splitlines()[-1]
    assert unknown.startswith("estimated time: unknown (no pace of ")
    assert superconv("plan", write(), "--slots", 0).exit_code == 2


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
