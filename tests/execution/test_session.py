"""Whole runs in this process: what is trained, what is found, what is left when one is cut off."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from torch import Tensor, nn

from superconv_ray import (
    Arm,
    Study,
    Trial,
    Tuning,
    at_least,
    from_range_test,
    grid,
    iterations,
    open_store,
    tuned,
)
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import DatasetNotFoundError, load_dataset
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution import run as run_module
from superconv_ray.execution import session
from superconv_ray.execution.session import RunOptions, RunSummary
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.storage.store import StoreError
from superconv_ray.training.loop import TrainingRun
from tests.execution.tiny_study import run_study
from tests.execution.tiny_study import tiny_study as study

PATIENCE = 600.0
"""Seconds that a test waits for another process."""


def searching_study() -> Study:
    """Two arms with two or three seeds, each of which is searched for with four trials."""
    tuned_lr = tuned(0.01, 1.0)
    return study(
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=tuned_lr),
            "constant": Arm(policy="constant", max_lr=tuned_lr),
        },
        seeds=at_least(2, up_to=3),
        tuning=Tuning(trials=4),
    )


run = partial(run_study, local=True)


def trained_at(uri: str) -> dict[str, Any]:
    frame = open_store(uri).trials()
    assert frame["trial_id"].is_unique
    return dict(zip(frame["trial_id"], frame["finished_at"], strict=True))


class Linear(nn.Module):
    """A model of the user's."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


class Broken(Linear):
    """Can be built and tried with a few samples, but not be trained."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2:  # not when it is tried
            raise RuntimeError(f"no luck with {len(x)} samples")
        return super().forward(x)


class Mended(Linear):
    """The same under a name that it also had before."""


def two_models(first: Callable[..., nn.Module]) -> Study:
    return study(
        arms={
            "own": Arm(model="own", policy="constant", max_lr=0.05),
            "built_in": Arm(policy="constant", max_lr=0.05),
        },
        models={"own": first},
    )


# Nothing is trained twice


def test_a_run_trains_every_trial_and_a_second_run_none(store_uri: str) -> None:
    assert run(study(), store_uri) == RunSummary(
        trained=6, found=0, diverged=0, failed=(), blocked=(), left=0
    )
    first = trained_at(store_uri)
    assert run(study(), store_uri) == RunSummary(
        trained=0, found=6, diverged=0, failed=(), blocked=(), left=0
    )
    assert trained_at(store_uri) == first


def test_a_larger_study_trains_only_what_is_missing(store_uri: str) -> None:
    run(study(), store_uri)
    first = trained_at(store_uri)
    arms = {**study().arms, "slower": Arm(policy="constant", max_lr=0.01)}
    larger = study(sweep=grid(data_count=(60, 100)), arms=arms)
    summary = run(larger, store_uri)
    assert (summary.trained, summary.found) == (2 + 6 + 2, 6)
    assert first.items() <= trained_at(store_uri).items()


def test_more_seeds_train_only_the_new_ones(store_uri: str) -> None:
    fixed = study(arms={"constant": study().arms["constant"]})
    run(fixed, store_uri)
    summary = run(replace(fixed, seeds=5), store_uri)
    assert (summary.trained, summary.found) == (3, 2)


def test_another_study_that_shares_cells_trains_nothing(store_uri: str) -> None:
    run(study(), store_uri)
    other = study(name="other", arms={"steady": Arm(policy="constant", max_lr=0.05)})
    summary = run(other, store_uri)
    assert (summary.trained, summary.found) == (0, 2)
    assert set(open_store(store_uri).trials("other")["arm"]) == {"steady"}


def test_what_another_study_finishes_after_the_store_was_read_is_not_trained_again(
    store_uri: str,
) -> None:
    others: list[RunSummary] = []

    def run_other_once() -> None:
        if not others:  # the models are checked between the reading and the first trial
            with torch.enable_grad():
                others.append(run(study(name="other"), store_uri))

    def build(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        run_other_once()
        return Linear(input_shape=input_shape, classes=classes, dropout=dropout)

    summary = run(two_models(build), store_uri)
    assert (others[0].trained, summary.trained, summary.found) == (6, 2, 2)


def test_the_next_run_continues_a_run_of_a_few_trials(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    whole = str(tmp_path / "whole")
    run(study(), whole)
    summaries = [run(study(), store_uri, max_trials=2) for _ in range(4)]
    assert [(s.trained, s.found, s.left) for s in summaries] == [
        (2, 0, 4),
        (2, 2, 2),
        (2, 4, 0),
        (0, 6, 0),
    ]
    assert_same_results(store_uri, whole)


def test_a_second_run_imports_neither_torch_nor_ray(
    tmp_path: Path, superconv: Callable[..., Result]
) -> None:
    path = tmp_path / "plain_study.py"
    path.write_text(
        "from superconv_ray import Arm, Study, Trial, grid, iterations, main\n"
        "study = Study(name='plain', sweep=grid(data_count=(60,)), budget=iterations(5),"
        " base=Trial(dataset='digits', batch_size=16),"
        " arms={'a': Arm(max_lr=0.1), 'b': Arm(max_lr=0.05)}, seeds=1)\n"
        "if __name__ == '__main__':\n"
        "    main(study)\n"
    )
    store = tmp_path / "store"
    assert superconv("run", path, "--local", "--store", store).exit_code == 0
    probe = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print(sorted({'torch', 'ray'} & set(sys.modules))))\n"
        f"sys.argv = [{str(path)!r}, 'run', '--store', {str(store)!r}]\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "study plain: 0 trials trained, 2 found in the store" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# What a run leaves behind


def test_the_study_is_recorded_with_its_definition_and_all_its_trials(store_uri: str) -> None:
    run(study(), store_uri)
    store = open_store(store_uri)
    definition = store.study("tiny")
    assert definition.arms["constant"] == {"policy": "constant", "max_lr": 0.05}
    assert definition.budget == {"iterations": 10}
    assert (definition.seeds, definition.trials) == ((0, 1), 6)
    members = store.members("tiny")
    assert set(members["trial_id"]) == set(trained_at(store_uri))
    assert set(members["chosen_by"].dropna()) == {"plateau_middle"}


def test_finished_trials_are_compacted_into_one_file_a_table(store_uri: str) -> None:
    run(study(), store_uri)
    for folder in ("trials", "curves"):
        (name,) = os.listdir(Path(store_uri, folder))
        assert name.startswith("compact-")


def test_a_trial_that_diverges_is_a_result(store_uri: str) -> None:
    wild = study(arms={"wild": Arm(policy="constant", max_lr=1e6)})
    summary = run(wild, store_uri)
    assert (summary.trained, summary.diverged, summary.failed) == (2, 2, ())
    assert run(wild, store_uri).found == 2


# Trials that raise


def test_a_trial_that_raises_fails_alone_and_its_settings_are_in_the_store(
    store_uri: str,
) -> None:
    summary = run(two_models(Broken), store_uri)
    assert (summary.trained, len(summary.failed), summary.left) == (2, 2, 0)
    failures = open_store(store_uri).failures()
    assert set(failures) == set(summary.failed)
    for trial_id, failure in failures.items():
        *traceback, raised, name = failure["error"].splitlines()
        assert any("training/loop.py" in line for line in traceback)
        assert raised == "RuntimeError: no luck with 16 samples"
        assert name.startswith(f"trial {trial_id}: digits n=60 own constant max_lr=0.05 seed=")
        assert failure["settings"]["model"] == "own"
    assert set(open_store(store_uri).trials()["model"]) == {"small_cnn"}


def test_an_error_in_a_users_model_is_shown_once_with_the_users_lines_alone(
    store_uri: str,
) -> None:
    screen = io.StringIO()
    summary = run(two_models(Broken), store_uri, screen)
    lines = screen.getvalue().splitlines()
    assert sum(line.startswith("Traceback") for line in lines) == 1
    (file,) = [line for line in lines if line.startswith("  File ")]
    assert file.endswith(", in forward")
    failed = [line for line in lines if line.startswith("failed: digits n=60 own constant ")]
    assert len(failed) == 2
    assert all(any(trial_id in line for line in failed) for trial_id in summary.failed)
    assert failed[1].endswith("): RuntimeError: no luck with 16 samples")


def test_after_a_fix_of_the_model_only_its_trials_are_trained(store_uri: str) -> None:
    run(two_models(Broken), store_uri)
    summary = run(two_models(Mended), store_uri)
    assert (summary.trained, summary.found, summary.failed) == (2, 2, ())


def test_a_failure_is_tried_again_and_forgotten_on_success(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    disk = tmp_path / "disk"
    works = disk.exists

    def build(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        if works():
            return Linear(input_shape=input_shape, classes=classes, dropout=dropout)
        return Broken(input_shape=input_shape, classes=classes, dropout=dropout)

    given = two_models(build)
    first = run(given, store_uri)
    disk.touch()
    second = run(given, store_uri)
    assert (len(first.failed), second.trained, second.found) == (2, 2, 2)
    assert open_store(store_uri).failures() == {}
    run(given, str(tmp_path / "whole"))
    assert_same_results(store_uri, str(tmp_path / "whole"))


def test_a_failed_range_test_blocks_its_cell_and_no_other(store_uri: str) -> None:
    given = study(
        arms={
            "broken": Arm(model="own", max_lr=from_range_test(steps=10, points=5)),
            "whole": Arm(max_lr=from_range_test(steps=10, points=5)),
        },
        models={"own": Broken},
    )
    summary = run(given, store_uri)
    assert (summary.trained, len(summary.failed)) == (4, 2)
    assert len(summary.blocked) == 1
    assert summary.blocked[0].startswith("arm 'broken' at data_count=60: a range test of this cell")


# Mistakes that are found before anything is written


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.socket.connect", fail)


@pytest.mark.usefixtures("no_network")
def test_missing_data_is_an_error_before_anything_is_written(
    tmp_path: Path, store_uri: str, assert_untouched: Callable[[str], None]
) -> None:
    given = study(
        base=Trial(dataset="fashion_mnist", batch_size=16), sweep=grid(data_fraction=(0.01,))
    )
    with pytest.raises(DatasetNotFoundError, match="fashion_mnist was not found"):
        run(given, store_uri, data_dir=tmp_path / "empty")
    assert_untouched(store_uri)


@pytest.mark.usefixtures("no_network")
def test_data_is_not_looked_for_if_no_trial_may_be_started(tmp_path: Path, store_uri: str) -> None:
    given = study(
        base=Trial(dataset="fashion_mnist", batch_size=16), sweep=grid(data_fraction=(0.01,))
    )
    summary = run(given, store_uri, data_dir=tmp_path / "empty", max_trials=0)
    assert (summary.trained, summary.left) == (0, 6)


def test_a_model_that_cannot_be_built_is_an_error_before_anything_is_written(
    store_uri: str, assert_untouched: Callable[[str], None]
) -> None:
    def build(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        raise ValueError(f"cannot be built for {input_shape}, {classes} classes, {dropout=}")

    with pytest.raises(ValueError, match=r"for \(1, 8, 8\), 10 classes, dropout=0.0"):
        run(two_models(build), store_uri)
    assert_untouched(store_uri)


def test_a_store_that_cannot_be_written_is_an_error_before_training(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be"):
        run(study(), str(tmp_path / "file" / "store"))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("max_trials", -1, "an integer >= 0"),
        ("max_trials", "3", "of type int"),
        ("cpus_per_trial", 0.0, "finite and > 0"),
        ("cpus_per_trial", float("nan"), "finite and > 0"),
        ("cpus_per_trial", "two", "of type float"),
        ("gpus_per_trial", -1.0, "finite and >= 0"),
        ("processes_per_trial", 0, "an integer in [1, 2**63)"),
        ("checkpoint_seconds", 0.0, "> 0"),
        ("local", "False", "of type bool"),
    ],
)
def test_impossible_options_are_rejected(name: str, value: Any, rule: str) -> None:
    message = re.escape(f"{name} must be {rule}, got {value!r}")
    with pytest.raises((ValueError, TypeError), match=f"^{message}$"):
        RunOptions(store="store", **{name: value})


# Cut off


@pytest.fixture
def digits() -> Dataset:
    return load_dataset("digits")


def test_a_trial_continues_from_its_checkpoint_to_the_same_numbers(
    tmp_path: Path,
    store_uri: str,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_results: Callable[[str, str], None],
) -> None:
    given = study(arms={"constant": study().arms["constant"]}, seeds=1, budget=iterations(100))
    ((trial,),) = [cell.trainings for cell in make_plan(given).cells]
    killed = Worker(
        Job(store=store_uri, models={}, checkpoint_seconds=0.0), lambda _: digits, print
    )
    killed.start(trial)
    while open_store(store_uri).checkpoint(trial.id) is None:
        assert killed.work(0.01) is None
    taken_up = []
    restore = TrainingRun.restore

    def note(self: TrainingRun, content: bytes) -> None:
        restore(self, content)
        taken_up.append(self.step)

    monkeypatch.setattr(TrainingRun, "restore", note)
    assert run(given, store_uri).trained == 1
    assert len(taken_up) == 1
    assert 0 < taken_up[0] < 100
    run(given, str(tmp_path / "whole"))
    assert_same_results(store_uri, str(tmp_path / "whole"))


def test_ctrl_c_saves_the_progress_of_trial_and_study(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    undisturbed = tmp_path / "undisturbed"

    class Interrupting(Linear):
        steps = 0

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                self.steps += 1
                if self.steps == 5 and not undisturbed.exists():
                    signal.raise_signal(signal.SIGINT)
            return super().forward(x)

    given = study(
        arms={
            "own": Arm(model="own", max_lr=0.05),
            "unlocked": study().arms["one_cycle"],
        },
        models={"own": Interrupting},
        seeds=(7,),
    )
    with pytest.raises(KeyboardInterrupt):
        run(given, store_uri)
    assert len(os.listdir(Path(store_uri, "checkpoints"))) == 1
    assert trained_at(store_uri) == {}
    undisturbed.touch()
    assert run(given, store_uri).trained == 3
    run(given, str(tmp_path / "whole"))
    assert_same_results(store_uri, str(tmp_path / "whole"))


def test_a_study_continues_after_its_process_was_killed(
    tmp_path: Path,
    sleepy_study: Path,
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    store = str(tmp_path / "store")
    command = [sys.executable, str(sleepy_study), "run", "--local", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_for(tmp_path / "asleep", process)
        process.kill()
    (tmp_path / "awake").touch()
    assert len(trained_at(store)) == 1  # the first range test; it came before
    result = superconv("run", sleepy_study, "--local", "--store", store)
    assert "study sleepy: 5 trials trained, 1 found in the store" in result.stdout, result.output
    assert_same_results(store, never_interrupted)


def wait_for(file: Path, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not file.exists():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < until, f"no {file.name} after {PATIENCE} s"
        time.sleep(0.05)


# Searches, and seeds that are added


def test_a_search_that_is_interrupted_repeatedly_trains_the_same_trials(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    whole = run(searching_study(), str(tmp_path / "whole"))
    assert whole.left == 0
    assert whole.trained in (20, 30)  # the third seed is added for both arms, or for none
    parts = [run(searching_study(), store_uri, max_trials=6) for _ in range(5)]
    assert [part.trained for part in parts[:3]] == [6, 6, 6]
    assert sum(part.trained for part in parts) == whole.trained
    assert_same_results(store_uri, str(tmp_path / "whole"))
    members = [open_store(uri).members("tiny") for uri in (store_uri, str(tmp_path / "whole"))]
    for found in members:
        assert set(found["role"]) == {"tuning", "training"}
        measured = found[found["role"] == "training"]
        assert measured["chosen"].map(list).tolist() == [["max_lr"]] * len(measured)
        assert {len(trials) for trials in measured["chosen_from"]} == {4}
    assert set(members[0]["trial_id"]) == set(members[1]["trial_id"])


def test_a_search_with_optuna_that_is_cut_proposes_the_same(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    given = study(
        arms={name: Arm(policy=name, max_lr=tuned(0.01, 1.0)) for name in ("cosine", "constant")},
        seeds=1,
        tuning=Tuning(trials=4, sampler="tpe", parallel=2),
    )
    whole = run(given, str(tmp_path / "whole"))
    assert (whole.trained, whole.left) == (10, 0)
    # Cut within the first round, within the second, and before the trainings.
    parts = [run(given, store_uri, max_trials=3) for _ in range(4)]
    assert [part.trained for part in parts] == [3, 3, 3, 1]
    assert_same_results(store_uri, str(tmp_path / "whole"))


def test_rate_weight_decay_and_momentum_are_tuned_together(store_uri: str) -> None:
    space = {
        "max_lr": tuned(0.01, 1.0),
        "weight_decay": tuned(1e-5, 1e-2),
        "momentum": tuned(0.8, 0.98, log=False),
    }
    arms = {policy: Arm(policy=policy, **space) for policy in ("one_cycle", "constant")}
    assert run(study(arms=arms, seeds=1, tuning=Tuning(trials=3)), store_uri).trained == 8
    trials = open_store(store_uri).trials("tiny")
    chosen = trials[trials["role"] == "training"]
    assert chosen["chosen"].map(sorted).tolist() == [sorted(space)] * 2
    search = trials[trials["role"] == "tuning"]
    tried = [search.loc[search["policy"] == p, list(space)].to_numpy().tolist() for p in arms]
    assert sorted(tried[0]) == sorted(tried[1])


def test_a_search_sees_no_test_label(store_uri: str) -> None:
    run(searching_study(), store_uri)
    trials = open_store(store_uri).trials("tiny")
    search = trials[trials["role"] == "tuning"]
    assert search["test_accuracy"].isna().all()
    assert search["validation_accuracy"].notna().all()
    assert set(search["seed"]).isdisjoint(trials.loc[trials["role"] == "training", "seed"])
    assert set(trials["data_count"]) == {60}


def test_the_trials_of_a_study_are_recorded_while_it_runs(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "RECORD_SECONDS", 0.0)
    known: list[set[str]] = []

    class Watched(run_module.Run):
        def ended(self, trial: CompleteTrial, outcome: Outcome) -> None:
            super().ended(trial, outcome)
            known.append(set(open_store(store_uri).members("tiny")["role"]))

    monkeypatch.setattr(session, "Run", Watched)
    run(searching_study(), store_uri)
    # Four searches have four trials each: the 13th at the latest ends one, and a training follows.
    assert known[0] == {"tuning"}
    assert known[12] == {"tuning", "training"}


def test_tf32_is_refused_before_anything_is_trained_where_there_is_no_gpu(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    given = study()
    with pytest.raises(ValueError, match=r"precision must be one of .* which has no TF32"):
        run(study(base=replace(given.base, precision="tf32")), store_uri)
    assert len(open_store(store_uri).trials()) == 0
    assert open_store(store_uri).failures() == {}
