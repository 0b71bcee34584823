"""`superconv run`, in this process, on a terminal, and interrupted."""

from __future__ import annotations

import os
import pty
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
from superconv_ray.design.choices import Tuning
from tests.cli.study_files import WITH_BROKEN_MODEL, WITH_PARAMETERS, assert_one_line


def test_the_next_run_continues_a_run_of_a_few_trials(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    first = superconv("run", path, "--local", "--store", store_uri, "--max-trials", 1)
    status = superconv("status", path, "--store", store_uri)
    second = superconv("run", path, "--local", "--store", store_uri)
    assert "1 trial trained, 0 found in the store, 0 diverged, 0 failed, 5 left" in first.stdout
    assert "No training has finished yet, so there is no verdict." in first.stdout
    assert "6 trials, 1 done (of which 0 diverged), 0 failed, 5 left" in status.stdout
    assert "5 trials trained, 1 found in the store, 0 diverged, 0 failed, 0 left" in second.stdout
    assert [first.exit_code, second.exit_code] == [0, 0]


def test_failed_diverged_and_blocked_trials_are_counted_separately(
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
        assert ": digits n=60 broken " in line


def test_without_a_terminal_a_run_prints_plain_lines(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    ran = superconv("run", write(), "--local", "--store", store_uri)
    assert "6 of 6 trials done\n" in ran.stdout
    assert "\x1b" not in ran.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-trials", "-1"], "max_trials must be an integer >= 0, got -1"),
        (["--cpus-per-trial", "0"], "cpus_per_trial must be finite and > 0, got 0.0"),
        (["--cpus-per-trial", "100000"], "cpus_per_trial must be at most "),
        (
            ["--gpus-per-trial", "1.5"],
            "gpus_per_trial must be at most 1 for a trial of one process",
        ),
        (
            ["--gpus-per-trial", "2"],
            "in local runs, which use one GPU of this machine if there is any",
        ),
        (["--address", "1.2.3.4:99"], "address must not be set in local runs"),
        (["--store", "xyz://host/folder"], "store must be a local path or a URI"),
        (["--store", ""], "store must be a path or a URI, got ''"),
        (["--store", "gs://"], "got 'gs://' (it names no bucket and no folder)"),
        (["--store", __file__], "(it is a file)"),
    ],
)
def test_an_impossible_option_is_rejected_in_one_line(
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


def test_missing_data_files_are_named_with_where_to_put_them_and_nothing_is_written(
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    tmp_path: Path,
    store_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    assert_untouched: Callable[[str], None],
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    folder = tmp_path / "data"
    flags = ["--dataset", "mnist", "--data-dir", folder, "--store", store_uri]
    result = superconv("run", write(WITH_PARAMETERS), "--local", *flags)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mnist was not found.\n")
    assert f"put them into {folder / 'mnist'}" in result.stderr
    assert_untouched(store_uri)


PATIENCE = 600.0
"""Seconds that a test waits for another process."""
REDRAWN = "1 of 6 trials done"
"""Part of the live display while the second trial runs."""


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
        # The display was redrawn while the second trial sleeps.
        screen = read(
            terminal,
            until=lambda text: (folder / "asleep").exists() and text.count(REDRAWN) > 1,
        )
        process.send_signal(signal.SIGINT)
        screen += read(terminal, until=lambda _: False)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        os.close(terminal)
    return Session(folder, screen, errors, process.returncode)


def read(terminal: int, until: Callable[[str], bool]) -> str:
    """Read what appears on a terminal until it satisfies a condition, or its process has ended."""
    content, give_up = b"", time.monotonic() + PATIENCE
    while not until(content.decode(errors="ignore")) and time.monotonic() < give_up:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                content += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
    return content.decode()


def test_on_a_terminal_the_display_is_live(interrupted: Session) -> None:
    assert "\x1b[?25l" in interrupted.screen
    assert f"range_test_exponential max_lr=10 seed={Tuning.FIRST_SEED}: validation accuracy" in (
        interrupted.screen
    )
    assert f"{REDRAWN}, 1 running, 5 left, " in interrupted.screen
    assert " steps/s, ETA " in interrupted.screen
    assert interrupted.screen.count(REDRAWN) > 1


def test_ctrl_c_prints_how_to_continue_and_that_command_does(
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
