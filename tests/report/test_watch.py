"""What `superconv watch` shows, on stores written by hand and of a run that goes on meanwhile."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from click.testing import Result
from rich.console import Console

from superconv_ray import open_store
from superconv_ray.design.definition import CellDefinition, Provenance, StudyDefinition
from superconv_ray.design.outcome import Outcome, Status
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.report.watch import Watcher, trials_a_minute, view, watch
from superconv_ray.storage.seal import write_json
from superconv_ray.storage.store import Store, StoreError
from superconv_ray.storage.writing import StoreWriter

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMMAND = [sys.executable, "-c", "from superconv_ray.cli.app import app; app()"]
PATIENCE = 600.0
"""Seconds that a test waits for another process."""


class Written:
    """A study in a store, whose trials end when and as they are told to."""

    def __init__(
        self,
        store: Store,
        name: str = "made",
        *points: dict[str, Any],
        purpose: Literal["study", "lr_find"] = "study",
    ) -> None:
        self.purpose = purpose
        self.store = store
        self.name = name
        self.points = list(points) or [{"data_count": 72}]
        self.members: list[dict[str, Any]] = []

    def end(
        self,
        accuracy: float,
        *,
        arm: str = "one_cycle",
        point: int = 0,
        seed: int = 0,
        role: str = "training",
        status: Status = "completed",
        at: timedelta = timedelta(),
    ) -> CompleteTrial:
        trial = self.trial(arm, point, seed, role)
        measured = {"steps_done": 100, "train_seconds": 1.5, "finished_at": NOON + at}
        scored = "test_accuracy" if role == "training" else "validation_accuracy"
        StoreWriter(self.store).write_result(
            trial, Outcome(status, {**measured, scored: accuracy}), [{"step": 100}]
        )
        return trial

    def fail(self, seed: int, error: str) -> None:
        trial = self.trial("one_cycle", 0, seed, "training")
        StoreWriter(self.store).write_failure(trial, f"Traceback\n{error}\ntrial {trial.id}: {{}}")

    def trial(self, arm: str, point: int, seed: int, role: str) -> CompleteTrial:
        policy = arm if role == "training" else "range_test_linear"
        settings: dict[str, Any] = {"data_count": 72, **self.points[point]}
        trial = Trial(policy=policy, max_lr=0.1, steps=100, seed=seed, **settings).complete()
        cell = 2 * point + ("one_cycle", "piecewise").index(arm)
        self.members.append({"trial_id": trial.id, "arm": arm, "cell": cell, "role": role})
        return trial

    def keep(self, trials: int, at: timedelta = timedelta()) -> None:
        """What a run writes down of its study now and then."""
        cells = [
            CellDefinition(2 * index + place, arm, point)
            for index, point in enumerate(self.points)
            for place, arm in enumerate(("one_cycle", "piecewise"))
        ]
        definition = StudyDefinition(
            name=self.name,
            question="Which?",
            purpose=self.purpose,
            arms={"one_cycle": {}, "piecewise": {"policy": "piecewise"}},
            sweep=self.points,
            cells=cells,
            trials=trials,
            provenance=Provenance(written_at=(NOON + at).isoformat()),
        )
        StoreWriter(self.store).write_study(definition, self.members)


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def blocks(store: Store, now: datetime = NOON, study: str | None = None) -> list[str]:
    return view(Watcher(store, study).look(), "STORE", now).split("\n\n")


def progress(store: Store, now: datetime = NOON) -> dict[str, str]:
    """The line on a store's only study, by heading."""
    headings, line = blocks(store, now)[1].splitlines()
    names = [name.strip() for name in headings.split("  ") if name.strip()]
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    return dict(zip(names, cells, strict=True))


# What is counted


def test_trials_are_counted_as_done_diverged_failed_or_left(store: Store) -> None:
    study = Written(store)
    study.end(0.9, seed=0)
    study.end(0.1, seed=1, status="diverged")
    study.fail(2, "RuntimeError: no luck")
    study.trial("one_cycle", 0, 3, "training")
    StoreWriter(store).write_checkpoint(study.members[-1]["trial_id"], b"state")
    study.keep(trials=8)
    line = progress(store)
    expected = {"trials": "8", "done": "2", "diverged": "1", "failed": "1", "left": "5"}
    assert {name: line[name] for name in expected} == expected
    assert line["begun"] == "1"


def test_a_trial_shared_by_cells_counts_once_and_one_of_another_study_does_not(
    store: Store,
) -> None:
    study, other = Written(store), Written(store, "other")
    trial = study.end(0.9)
    study.members.append({**study.members[0], "cell": 1, "arm": "piecewise"})
    study.keep(trials=3, at=timedelta(1))
    other.end(0.5, seed=7)
    other.keep(trials=1)
    ((name, trials, done, *_), *_) = (
        line.split() for line in blocks(store, study="made")[1].splitlines()[1:]
    )
    assert (name, trials, done) == ("made", "3", "1")
    assert len(Watcher(store).look()[-1].trials) == 2  # of both cells
    assert trial.id in set(store.trials("made")["trial_id"])


def test_a_failed_trial_that_succeeds_later_is_done(store: Store) -> None:
    study = Written(store)
    study.fail(0, "RuntimeError: no luck")
    study.keep(trials=1)
    assert progress(store)["failed"] == "1"
    assert blocks(store)[2] == "nothing is left to run; the next run tries failed trials again"
    study.end(0.9, seed=0)
    study.members.pop()
    assert progress(store)["failed"] == "0"
    assert blocks(store)[2] == "nothing is left to run"


def test_each_row_is_read_once_and_only_for_studies_that_are_shown(
    store: Store, store_uri: str
) -> None:
    study, other = Written(store), Written(store, "other")
    elsewhere, first = other.end(0.5, seed=7), study.end(0.9, seed=0)
    study.end(0.8, seed=1)
    study.keep(trials=2)
    other.keep(trials=1)
    path = Path(store_uri) / "trials"
    (path / f"{elsewhere.id}.parquet").write_bytes(b"not to be opened")
    watcher = Watcher(store, "made")
    (path / f"{first.id}.parquet").unlink()
    study.end(0.9, seed=0)
    assert watcher.look()[0].done == 2
    (path / f"{first.id}.parquet").write_bytes(b"not to be opened again")
    study.end(0.7, seed=2)
    study.keep(trials=3)
    assert watcher.look()[0].done == 3


# Pace


def test_pace_and_eta_follow_the_latest_trials(store: Store) -> None:
    study = Written(store)
    for number in range(5):  # an hour ago one a minute, now one in ten seconds
        study.end(0.9, seed=number, at=timedelta(hours=-1, minutes=number))
        study.end(0.9, seed=10 + number, at=timedelta(seconds=10 * number))
    study.keep(trials=130)
    line = progress(store, NOON + timedelta(seconds=45))
    assert line["a minute"] == "6"
    assert line["ETA"] == "20 min"  # 120 trials
    assert line["last ended"] == "5 s ago"


def test_no_eta_is_shown_after_a_long_silence(store: Store) -> None:
    study = Written(store)
    for number in range(3):
        study.end(0.9, seed=number, at=timedelta(minutes=10 * number))
    study.keep(trials=4)
    assert progress(store, NOON + timedelta(minutes=45))["ETA"] == "10 min"  # 25 min of silence
    line = progress(store, NOON + timedelta(minutes=55))  # 35, three and a half times the usual
    assert (line["a minute"], line["ETA"], line["last ended"]) == ("0.1", "-", "35 min ago")


def test_one_trial_gives_no_pace_and_a_slow_clock_no_negative_age(
    store: Store,
) -> None:
    study = Written(store)
    study.end(0.9, at=timedelta(seconds=30))
    study.keep(trials=2)
    line = progress(store)
    assert (line["a minute"], line["ETA"], line["last ended"]) == ("-", "-", "0 s ago")


def test_trials_that_end_at_the_same_moment_give_no_pace() -> None:
    assert trials_a_minute(pd.Series([NOON, NOON])) is None
    assert trials_a_minute(pd.Series([], dtype="datetime64[us, UTC]")) is None


# Results so far


def test_every_arm_has_a_mean_with_its_interval_at_every_point(store: Store) -> None:
    study = Written(store, "made", {"dropout": 0.0}, {"dropout": 0.5})
    for seed, accuracy in enumerate((0.80, 0.90, 0.85)):
        study.end(accuracy, seed=seed)
    study.end(0.5, point=1, arm="piecewise")
    study.end(0.3, role="range_test")
    study.keep(trials=9)
    # t(0.975, 2) = 4.302653, s = 0.05: logit 1.734601 +- 4.302653 s / sqrt(3) / (0.85 x 0.15)
    assert blocks(store)[-1].splitlines() == [
        "accuracy in % so far, mean [95 % interval over seeds]",
        "point        labels  seeds          one_cycle        piecewise",
        "dropout 0        72      3  85.0 [68.1, 93.8]                -",
        "dropout 0.5      72      1                  -  50.0 [one seed]",
    ]


def test_the_latest_trials_are_listed_most_recent_last(store: Store) -> None:
    study = Written(store)
    for seed in range(7):
        study.end(0.9123, seed=seed, at=timedelta(minutes=-seed))
    study.end(0.4, role="range_test", at=timedelta(minutes=1))
    study.keep(trials=9)
    block = next(block for block in blocks(store) if "latest" in block)
    lines = block.replace("\n  ", " ").splitlines()[1:]
    assert [line.split("seed=")[1][0] for line in lines] == ["3", "2", "1", "0", "0"]
    assert lines[-2].endswith("one_cycle max_lr=0.1 seed=0: test accuracy 91.2 %, 1.5 s")
    assert lines[-1].endswith("seed=0: validation accuracy 40.0 %, 1.5 s")


def test_failures_are_grouped_by_error_and_counted(store: Store) -> None:
    study = Written(store)
    raised = ["ValueError: [red]", "KeyError: 'a'", "KeyError: 'a'", "OSError", "TypeError", "E: f"]
    for seed, error in enumerate(raised):
        study.fail(seed, error)
    study.keep(trials=9)
    failed = next(block for block in blocks(store) if "failed trials" in block).splitlines()
    assert failed[1] == "2 x KeyError: 'a'"
    assert len(failed) == 5
    assert failed[-1] == "and 2 more: see `superconv status STUDY.py`"


def test_a_study_without_a_finished_training_says_so(store: Store) -> None:
    Written(store).keep(trials=4)
    assert blocks(store)[2:] == ["made: Which?", "no training has finished yet"]
    study = Written(store)
    study.end(0.4, role="range_test")
    study.keep(trials=4)
    assert blocks(store)[-1] == "no training has finished yet"


def test_the_study_that_ran_last_is_shown_in_detail(store: Store) -> None:
    for name, day in (("late", 2), ("early", 1)):
        Written(store, name).keep(trials=4, at=timedelta(day))
    _, table, detailed, *_ = blocks(store)
    assert [line.split()[0] for line in table.splitlines()] == ["study", "early", "late"]
    assert detailed == "late: Which?"
    assert blocks(store, study="early")[2] == "early: Which?"


def test_studies_of_lr_find_are_hidden_if_there_are_others(store: Store) -> None:
    finder = Written(store, "lr_find_made", purpose="lr_find")
    finder.end(0.5)
    finder.keep(trials=1)
    assert [standing.definition.name for standing in Watcher(store).look()] == ["lr_find_made"]
    Written(store).keep(trials=1)
    assert [standing.definition.name for standing in Watcher(store).look()] == ["made"]
    named = Watcher(store, "lr_find_made").look()
    assert [standing.definition.name for standing in named] == ["lr_find_made"]


# The command


def test_an_empty_store_is_waited_for_and_not_created(
    superconv: Callable[..., Result], store_uri: str
) -> None:
    shown = superconv("watch", store_uri, "--once")
    assert shown.exit_code == 0
    assert shown.stdout.strip() == f"no study in {store_uri} yet: waiting for a run to begin"
    assert not Path(store_uri).exists()


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(
    superconv: Callable[..., Result], store: Store, store_uri: str
) -> None:
    Written(store, "made").keep(trials=1)
    Written(store, "other").keep(trials=1)
    shown = superconv("watch", store_uri, "--study", "mode", "--once")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("error: no study 'mode' in the store")
    assert shown.stderr.endswith("there are: 'made', 'other'; did you mean 'made'?\n")


def test_a_store_of_a_newer_version_is_refused(
    superconv: Callable[..., Result], store: Store, store_uri: str
) -> None:
    write_json(store.files, "store.json", {"schema_version": 99})
    shown = superconv("watch", store_uri)
    assert shown.exit_code == 2
    assert "schema version 99" in shown.stderr
    assert "use a version of the package that reads it" in shown.stderr


def test_an_interval_must_be_positive(superconv: Callable[..., Result], store_uri: str) -> None:
    assert superconv("watch", store_uri, "--interval", "0").exit_code == 2


def test_on_a_terminal_the_view_is_live_and_names_are_not_markup(store: Store) -> None:
    study = Written(store, "[bold]made")
    study.end(0.9)
    study.keep(trials=1)
    screen = io.StringIO()
    watch(store, Console(file=screen, force_terminal=True, width=200))
    assert "\x1b[?25l" in screen.getvalue()  # the cursor is hidden meanwhile
    assert screen.getvalue().rstrip().endswith("\x1b[?25h")  # and shown again
    assert "[bold]made" in screen.getvalue()
    assert "nothing is left to run" in screen.getvalue()


def test_every_line_fits_a_terminal(store: Store) -> None:
    sample = open_store(Path(__file__).parents[2] / "studies" / "results")
    study = Written(store, "a_study_with_a_very_long_name_of_its_own", {"dropout": 0.25})
    study.end(0.9, role="range_test", seed=2**30)
    study.end(0.9, seed=2**30)
    study.fail(1, "RuntimeError: " + "a long message " * 20)
    study.keep(trials=12_345)
    for one in (sample, store):
        lines = view(Watcher(one).look(), "STORE", NOON).splitlines()
        assert max(map(len, lines)) <= 80


def test_watching_writes_nothing(store: Store, store_uri: str) -> None:
    study = Written(store)
    study.end(0.9)
    study.fail(1, "RuntimeError")
    study.keep(trials=2)
    before = {path: path.stat().st_mtime_ns for path in Path(store_uri).rglob("*")}
    watch(store, Console(file=io.StringIO(), width=200))
    assert {path: path.stat().st_mtime_ns for path in Path(store_uri).rglob("*")} == before


def test_a_failed_read_is_retried(
    store: Store, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, definition = Written(store), Path(store_uri) / "studies" / "made.json"
    study.keep(trials=1)

    def happen() -> Iterator[None]:
        definition.rename(definition.with_suffix(".gone"))
        Written(store, "other").keep(trials=1)
        yield
        definition.with_suffix(".gone").rename(definition)
        study.end(0.9)
        study.keep(trials=1)
        yield

    events = happen()
    monkeypatch.setattr(time, "sleep", lambda _: next(events))
    screen = io.StringIO()
    watch(store, Console(file=screen, width=200), "made")
    assert "this read failed: no study 'made'" in screen.getvalue()
    assert screen.getvalue().count("nothing is left to run") == 1


def test_a_missing_study_is_an_error_at_the_first_read(store: Store) -> None:
    Written(store).keep(trials=1)
    with pytest.raises(StoreError, match="no study 'other'"):
        watch(store, Console(file=io.StringIO()), "other")


def test_a_run_in_another_process_is_followed_to_its_end(
    sleepy_study: Path, store: Store, store_uri: str
) -> None:
    command = [*COMMAND, "run", str(sleepy_study), "--local", "--store", store_uri]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        try:
            watcher, until = Watcher(store), time.monotonic() + PATIENCE
            while not (standings := watcher.look()):
                assert time.monotonic() < until, "the run has not begun"
                time.sleep(0.2)
            # 2 range tests and 2 trainings after them, 2 of an arm that sleeps until it is woken
            assert standings[0].definition.trials == 6
            assert standings[0].left > 0
            (sleepy_study.parent / "awake").touch()
            screen = io.StringIO()
            watch(store, Console(file=screen, width=200), interval=0.2)
            assert "nothing is left to run" in screen.getvalue()
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()


def test_ctrl_c_ends_it_cleanly(store_uri: str) -> None:
    command = [*COMMAND, "watch", store_uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert "waiting" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 0
