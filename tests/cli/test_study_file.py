"""Study files, and the flags that the parameters of a study become."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.study_files import TINY, WITH_PARAMETERS, assert_one_line


def test_a_study_may_import_what_lies_beside_it(
    superconv: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "beside_the_study.py").write_text("SEEDS = 4\n")
    path = write(TINY, "seeds=2", "seeds=__import__('beside_the_study').SEEDS")
    assert "12 trials" in superconv("plan", path).stdout


def test_an_edit_that_changes_neither_length_nor_time_of_the_file_counts(
    superconv: Callable[..., Result], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = write(TINY)
    assert "6 trials" in superconv("plan", path).stdout
    written = path.stat().st_mtime_ns
    path.write_text(path.read_text().replace("seeds=2", "seeds=4"))
    os.utime(path, ns=(written, written))
    assert "12 trials" in superconv("plan", path).stdout
    assert os.listdir(path.parent) == [path.name]


def test_a_studys_parameters_are_flags_of_every_command(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write(WITH_PARAMETERS)
    flags = ["--counts", 60, "--counts", 100, "--batch-size", 8, "--nesterov", "--note", "a/b"]
    plan = superconv("plan", path, *flags, "--max-lr", "0.1")
    assert "study with_digits: batch 8, nesterov True, note PosixPath('a/b')" in plan.stdout
    assert "2 cells, 2 trials (2 trainings), 20 steps" in plan.stdout
    run = superconv("run", path, "--local", "--store", store_uri, *flags)
    assert "2 trials trained" in run.stdout
    status = superconv("status", path, "--store", store_uri)  # the defaults: one of the two cells
    assert "1 trials, 0 done" in status.stdout
    status = superconv("status", path, "--store", store_uri, *flags)
    assert "2 trials, 2 done" in status.stdout


def test_a_parameter_without_a_type_has_that_of_its_default(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = write(WITH_PARAMETERS, "batch_size: int = 16", "batch_size=16")
    path.write_text(path.read_text().replace("nesterov: bool = False", "nesterov=False"))
    plan = superconv("plan", path, "--batch-size", 8)
    assert "study with_digits: batch 8, nesterov False, " in plan.stdout


@pytest.mark.parametrize("name", ["statistics", "numpy"])
def test_a_file_with_the_name_of_a_module_is_rejected(
    name: str, superconv: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(TINY)
    assert_one_line(superconv("plan", path), f"has the name of the module '{name}'")


@pytest.mark.parametrize("dataset", ["cifar10", "mnist"])
def test_a_parameter_may_be_the_data_set(
    dataset: str, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    plan = superconv("plan", write(WITH_PARAMETERS), "--dataset", dataset)
    assert plan.stdout.startswith(f"study with_{dataset}: ")


def test_a_parameter_with_few_values_lists_them(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = write(WITH_PARAMETERS)
    assert "--dataset [digits|mnist|cifar10]" in superconv("plan", path, "--help").stdout
    wrong = superconv("plan", path, "--dataset", "svhn")
    assert wrong.exit_code == 2
    assert "'svhn' is not one of 'digits', 'mnist', 'cifar10'" in wrong.stderr


@pytest.mark.parametrize("name", ["missing.py", "notes.txt", "folder"])
def test_a_path_that_is_no_study_file_is_rejected_in_one_line(
    name: str, superconv: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    assert_one_line(superconv("plan", tmp_path / name), f"no study file {tmp_path / name}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size", "store", "a study cannot have a parameter 'store'"),
        ("nesterov: bool = False", "*, needed: str", "'needed' must have a default"),
        ("note: Path | None = None", "note: dict = {}", "got <class 'dict'>"),
        ("note: Path | None = None", "note: Literal[1, 2] = 1", "got typing.Literal[1, 2]"),
        ("note: Path | None = None", "note: int | str = 1", "got int | str"),
        ("note: Path | None = None", 'note: "Missing" = 1', "name 'Missing' is not defined"),
    ],
)
def test_a_parameter_that_cannot_be_a_flag_is_rejected_in_one_line(
    old: str, new: str, message: str, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    assert_one_line(superconv("plan", write(WITH_PARAMETERS, old, new)), message)
