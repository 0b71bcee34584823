"""The command line, in this process and as a user starts it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import open_store

SUPERCONV = str(Path(sys.executable).with_name("superconv"))
PATIENCE = 120.0
"""Seconds that a test waits for another process."""

TINY = """
from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, main

study = Study(
    name="tiny",
    question="Does the command line work?",
    base=Trial(dataset="digits", model="small_cnn", batch_size=16),
    sweep=grid(data_count=(60,)),
    arms={
        "one_cycle": Arm(max_lr=from_range_test(steps=10)),
        "constant": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(20),
    seeds=2,
)

if __name__ == "__main__":
    main(study)
"""

WITH_PARAMETERS = """
from pathlib import Path

from superconv_ray import Arm, Study, Trial, grid, iterations, main


def study(
    dataset: str = "digits",
    counts: list[int] = [60],
    max_lr: float = 0.05,
    batch_size: int = 16,
    note: Path | None = None,
    nesterov: bool = False,
) -> Study:
    return Study(
        name=f"with_{dataset}",
        question=f"batch {batch_size}, nesterov {nesterov}, note {note!r}",
        base=Trial(dataset=dataset, batch_size=batch_size),
        sweep=grid(data_count=counts),
        arms={"constant": Arm(policy="constant", max_lr=max_lr)},
        budget=iterations(10),
        seeds=1,
    )


if __name__ == "__main__":
    main(study)
"""

WITH_BROKEN_MODEL = """
from torch import nn

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations


class Broken(nn.Module):
    def __init__(self, *, input_shape, classes, dropout):
        super().__init__()
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        if self.training:
            raise RuntimeError("no luck")
        return self.linear(x.flatten(1))


study = Study(
    name="broken",
    base=Trial(dataset="digits", batch_size=16),
    sweep=grid(data_count=(60,)),
    arms={
        "broken": Arm(model="broken", policy="constant", max_lr=0.05),
        "blocked": Arm(model="broken", max_lr=from_range_test(steps=10)),
        "wild": Arm(policy="constant", max_lr=1e6),
        "whole": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(10),
    seeds=1,
    models={"broken": Broken},
)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a study file, with a part of its text replaced."""

    def write_study(text: str = TINY, old: str = "", new: str = "") -> Path:
        assert old in text
        path = tmp_path / "a_study.py"
        path.write_text(text.replace(old, new) if old else text)
        return path

    return write_study


# The four commands


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
        "arm                point  labels  steps      max_lr  to choose  trainings\n"
        "one_cycle  data_count=60      60     20  range test          2          2\n"
        "constant   data_count=60      60     20        0.05          0          2\n"
        "2 cells, 6 trials (2 range tests, 4 trainings), 100 steps\n"
        "estimated time: unknown (no store given)\n"
    )
    assert os.listdir(tmp_path) == ["a_study.py"]


def test_run_status_and_show_tell_of_one_study(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    before = superconv("status", path, "--store", store_uri)
    ran = superconv("run", path, "--local", "--store", store_uri)
    after = superconv("status", path, "--store", store_uri)
    shown = superconv("show", path, "--store", store_uri)
    assert [result.exit_code for result in (before, ran, after, shown)] == [0, 0, 0, 0]
    count = "6 trials, {} done (of which 0 diverged), 0 failed, {} left\n"
    assert before.stdout == f"study tiny in {store_uri}: {count.format(0, 6)}"
    assert after.stdout == f"study tiny in {store_uri}: {count.format(6, 0)}"
    assert (
        "study tiny: 6 trials trained, 0 found in the store, 0 diverged, 0 failed, 0 left\n"
        in ran.stdout
    )
    assert "gap: one_cycle minus baseline" in shown.stdout
    assert f"tables: {store_uri}" in shown.stdout
    hint = f"next: superconv report {store_uri} --study tiny\n"
    assert ran.stdout.endswith(shown.stdout + hint)


def test_a_run_of_a_few_trials_is_gone_on_from(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    first = superconv("run", path, "--local", "--store", store_uri, "--max-trials", 1)
    status = superconv("status", path, "--store", store_uri)
    second = superconv("run", path, "--local", "--store", store_uri)
    assert "1 trial trained, 0 found in the store, 0 diverged, 0 failed, 5 left" in first.stdout
    assert "no finished trainings of study 'tiny' yet" in first.stdout
    assert "6 trials, 1 done (of which 0 diverged), 0 failed, 5 left" in status.stdout
    assert "5 trials trained, 1 found in the store, 0 diverged, 0 failed, 0 left" in second.stdout
    assert [first.exit_code, second.exit_code] == [0, 0]


def test_failed_diverged_and_blocked_trials_are_told_apart(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write(WITH_BROKEN_MODEL)
    ran = superconv("run", path, "--local", "--store", store_uri)
    status = superconv("status", path, "--store", store_uri)
    assert ran.exit_code == 1
    assert "2 trials trained, 0 found in the store, 1 diverged, 2 failed, 0 left" in ran.stdout
    assert ran.stderr.startswith("not run: arm 'blocked' at data_count=60: a range test")
    count, *failures = status.stdout.splitlines()
    # The training that was not run is left, and so are those that failed
    assert count.endswith("5 trials, 2 done (of which 1 diverged), 2 failed, 3 left")
    assert len(failures) == 2
    for line in failures:
        assert line.startswith("failed: RuntimeError: no luck | trial ")
        assert "'model': 'broken'" in line


def test_without_a_terminal_a_run_prints_plain_lines(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    ran = superconv("run", write(), "--local", "--store", store_uri)
    assert "6 of 6 trials done\n" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_study_may_import_what_lies_beside_it(
    superconv: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "beside_the_study.py").write_text("SEEDS = 4\n")
    path = write(TINY, "seeds=2", "seeds=__import__('beside_the_study').SEEDS")
    assert "12 trials" in superconv("plan", path).stdout


# Flags


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


@pytest.mark.parametrize("dataset", ["cifar10", "mnist"])
def test_a_parameter_may_be_the_data_set(
    dataset: str, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    plan = superconv("plan", write(WITH_PARAMETERS), "--dataset", dataset)
    assert plan.stdout.startswith(f"study with_{dataset}: ")


@pytest.mark.parametrize("file_first", [True, False])
def test_help_lists_the_options_and_with_a_study_its_own(
    file_first: bool, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = [write(WITH_PARAMETERS)] if file_first else []
    result = superconv("run", *path, "--help")
    assert result.exit_code == 0
    assert "--max-trials" in result.stdout
    assert ("--counts" in result.stdout) == file_first


# Mistakes

MISTAKES = [
    ('policy="constant"', 'polcy="constant"', "'polcy' is not a field of a trial; did you mean"),
    ("data_count=(60,)", "data_fraction=(1.5,)", "data_fraction must be in (0, 1], got 1.5"),
    ("data_count=(60,)", "data_fraction=(0.001,)", "class"),
    ('model="small_cnn"', 'model="smal_cnn"', "got 'smal_cnn'; did you mean 'small_cnn'?"),
    ('dataset="digits"', 'dataset="digit"', "got 'digit'; did you mean 'digits'?"),
    ("iterations(20)", "20", "budget must come from iterations(...)"),
    ("study = Study", "other = Study", "must define `study`, a Study or a function that makes one"),
    ("study = Study", "study = main\nother = Study", "must have a default"),
]


@pytest.mark.parametrize("command", ["plan", "run", "status"])
@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_in_a_study_is_told_in_one_line_and_nothing_is_written(
    command: str,
    old: str,
    new: str,
    message: str,
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = superconv(command, write(TINY, old, new))
    assert_one_line(result, message)
    assert set(os.listdir(tmp_path)) <= {"a_study.py", "__pycache__"}


def assert_one_line(result: Result, message: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.match(r"error( in a_study\.py, line \d+)?: ", result.stderr)
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr


def test_a_mistake_is_told_in_one_line_by_a_study_file_too(write: Callable[..., Path]) -> None:
    path = write(TINY, 'policy="constant"', 'polcy="constant"')
    done = subprocess.run(
        [sys.executable, str(path), "plan"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: arm 'constant' at data_count=60: Arm(...): 'polcy' is")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.py", "notes.txt", "folder"])
def test_what_is_no_study_file_is_told_in_one_line(
    name: str, superconv: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    assert_one_line(superconv("plan", tmp_path / name), f"no study file {tmp_path / name}")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-trials", "-1"], "max_trials must be >= 0, got -1"),
        (["--cpus-per-trial", "0"], "cpus_per_trial must be > 0, got 0.0"),
        (["--store", "xyz://host/folder"], "store must be a local path or a URI"),
    ],
)
def test_impossible_options_are_told_in_one_line(
    flags: list[str],
    message: str,
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(superconv("run", write(), "--local", *flags), message)
    assert set(os.listdir(tmp_path)) <= {"a_study.py", "__pycache__"}


@pytest.mark.parametrize("command", ["run", "status", "show"])
def test_a_store_of_a_newer_version_is_told_in_one_line_and_left_alone(
    command: str, superconv: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    marker = json.dumps({"schema_version": 10**6})
    (store / "store.json").write_text(marker)
    result = superconv(command, write(), "--store", store)
    assert_one_line(result, "has schema version 1000000")
    assert os.listdir(store) == ["store.json"]
    assert (store / "store.json").read_text() == marker


def test_missing_data_files_are_told_with_what_to_put_where_and_nothing_is_written(
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    tmp_path: Path,
    store_uri: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    folder = tmp_path / "data"
    flags = ["--dataset", "fashion_mnist", "--data-dir", folder, "--store", store_uri]
    result = superconv("run", write(WITH_PARAMETERS), "--local", *flags)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: fashion_mnist was not found.\n")
    assert f"put them into {folder / 'fashion_mnist'}" in result.stderr
    assert not Path(store_uri).exists()


def test_a_study_that_was_never_run_cannot_be_shown(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    assert_one_line(superconv("show", write(), "--store", store_uri), "no study 'tiny'")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size", "store", "a study cannot have a parameter 'store'"),
        ("nesterov: bool = False", "*, needed: str", "'needed' is <class 'str'>"),
        ("note: Path | None = None", "note: dict = {}", "'note' is <class 'dict'>"),
    ],
)
def test_a_parameter_that_cannot_be_a_flag_is_told_in_one_line(
    old: str, new: str, message: str, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    assert_one_line(superconv("plan", write(WITH_PARAMETERS, old, new)), message)


def test_the_whole_traceback_is_shown_on_demand(
    superconv: Callable[..., Result], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERCONV_TRACEBACK", "1")
    result = superconv("plan", write(TINY, "data_count=(60,)", "data_fraction=(1.5,)"))
    assert isinstance(result.exception, ValueError)


# A terminal, and Ctrl-C


@dataclass(frozen=True)
class Session:
    """What a user saw who ran a study on a terminal and pressed Ctrl-C."""

    folder: Path
    screen: str
    errors: str
    exit_code: int


@pytest.fixture(scope="module")
def interrupted(
    copy_sleepy_study: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Session:
    folder = tmp_path_factory.mktemp("interrupted")
    path = copy_sleepy_study(folder)
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(path), "run", "--local", "--store", str(folder / "store")],
        stdin=inside,
        stdout=inside,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(inside)
    try:
        screen = read(terminal, until=(folder / "asleep").exists)
        process.send_signal(signal.SIGINT)
        screen += read(terminal, until=lambda: False)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        os.close(terminal)
    return Session(folder, screen, errors, process.returncode)


def read(terminal: int, until: Callable[[], bool]) -> str:
    """What appears on a terminal until something is so, or until its process has ended."""
    text, give_up = b"", time.monotonic() + PATIENCE
    while not until() and time.monotonic() < give_up:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                text += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
    return text.decode()


def test_on_a_terminal_the_display_is_live(interrupted: Session) -> None:
    assert "\x1b[?25l" in interrupted.screen
    assert "range_test_linear max_lr=3 seed=0: completed, validation accuracy" in interrupted.screen
    assert "1 of 6 trials done, 1 running, 5 left, ETA " in interrupted.screen
    assert interrupted.screen.count("1 of 6 trials done") > 1  # drawn anew as time passes


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    interrupted: Session,
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    assert interrupted.exit_code == 130
    store = str(interrupted.folder / "store")
    (line,) = interrupted.errors.splitlines()
    assert line.startswith("interrupted; to continue: python ")
    assert line.endswith(f"run --local --store {store}")
    assert len(open_store(store).trials()) == 1
    assert len(os.listdir(Path(store, "checkpoints"))) == 1
    (interrupted.folder / "awake").touch()
    path = interrupted.folder / "sleepy_study.py"
    result = superconv("run", path, "--local", "--store", store)
    assert (result.exit_code, "6 of 6 trials done" in result.stdout) == (0, True)
    assert os.listdir(Path(store, "checkpoints")) == []
    assert_same_results(store, never_interrupted)
