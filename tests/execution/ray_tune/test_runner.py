"""Real Ray Tune on two CPUs: the numbers of `run_local`, and what happens when processes die."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory
from rich.console import Console
from torch import Tensor, nn

from superconv_ray import (
    Arm,
    Study,
    Trial,
    Tuning,
    open_store,
    tuned,
)
from superconv_ray.data.batches import to_device
from superconv_ray.data.readers import load_dataset
from superconv_ray.design.building import make_plan
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.ray_tune import retries, runner
from superconv_ray.execution.ray_tune.runner import run_ray
from superconv_ray.execution.run import Run
from superconv_ray.execution.session import RunSummary
from superconv_ray.execution.worker import Job
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.store import StoreError
from tests.execution.hungry_study import ATTEMPTS
from tests.execution.tiny_study import run_study as run
from tests.execution.tiny_study import tiny_study
from tests.own_code import mirrored, noise, sign_descent

short_folder = partial(
    tempfile.TemporaryDirectory, prefix="rt", dir="/tmp", ignore_cleanup_errors=True
)
"""For a Ray of its own: sockets in it need a short path."""

PATIENCE = 600.0
"""Seconds that a test waits for another process."""

pytestmark = pytest.mark.usefixtures("ray_session")


study = partial(
    tiny_study,
    base=Trial(dataset="digits", model="small_cnn", batch_size=16, dropout=0.2, eval_interval=5),
)


def run_with_job(
    given: Study, screen: io.StringIO | None = None, max_trials: int | None = None, **job: Any
) -> Planner:
    """The runner alone, on digits, with any `Job`."""
    planner = Planner(make_plan(given), max_trials=max_trials)
    with Progress(Console(file=screen or io.StringIO(), width=200)) as progress:
        datasets = {"digits": load_dataset("digits")}
        settings = {"checkpoint_seconds": 60.0, **job}
        run_ray(
            Run(planner, progress),
            lambda gpu, threads: Job(gpu=gpu, threads=threads, **settings),
            datasets,
        )
    return planner


class Linear(nn.Module):
    """A model of the user's. It calls `before_step` with the number of the training batch."""

    def __init__(self, before_step: Callable[[int], None]) -> None:
        super().__init__()
        self.before_step = before_step
        self.steps = 0
        self.norm = nn.BatchNorm2d(1)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2:  # not when it is tried
            self.steps += 1
            self.before_step(self.steps)
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


def linear(before_step: Callable[[int], None]) -> Callable[..., nn.Module]:
    def build(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        assert (input_shape, classes, dropout) == ((1, 8, 8), 10, 0.2)
        return Linear(before_step)

    return build


# A run without any disturbance


@dataclass(frozen=True)
class Undisturbed:
    """A run of range tests, searches and trainings.

    Four of its 48 trials use a model of the user's, which notes where it runs.
    """

    study: Study
    store: str
    summary: RunSummary
    processes: list[str]
    folders: list[str]


@pytest.fixture(scope="module")
def undisturbed(
    ray_session: Any,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")

    def note(step: int) -> None:
        if step == 1:
            with (folder / "notes").open("a") as file:
                file.write(f"{os.getpid()} {os.getcwd()}\n")

    arms = {
        **study().arms,
        "own": Arm(model="own", policy="constant", max_lr=0.05),
        **{policy: Arm(policy=policy, max_lr=tuned(0.01, 1.0)) for policy in ("linear", "cosine")},
    }
    given = study(arms=arms, models={"own": linear(note)}, seeds=4, tuning=Tuning(trials=3))
    summary = run(given, str(folder / "store"))
    notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
    processes, folders = ([note[k] for note in notes] for k in range(2))
    return Undisturbed(given, str(folder / "store"), summary, processes, folders)


def test_every_trial_is_trained_once_and_none_again(undisturbed: Undisturbed) -> None:
    assert undisturbed.summary == RunSummary(
        trained=48, found=0, diverged=0, failed=(), blocked=(), left=0
    )
    again = run(undisturbed.study, undisturbed.store)
    assert (again.trained, again.found) == (0, 48)


def test_trials_curves_and_numbers_are_those_of_a_local_run(
    undisturbed: Undisturbed, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    run(undisturbed.study, store_uri, local=True)
    assert_same_results(undisturbed.store, store_uri)


def test_a_worker_takes_on_one_trial_after_another(undisturbed: Undisturbed) -> None:
    """A process a trial would cost seconds for each."""
    assert len(undisturbed.processes) == 4
    assert len(set(undisturbed.processes)) <= 2


def test_a_users_model_sees_the_folder_that_the_study_was_started_in(
    undisturbed: Undisturbed,
) -> None:
    """Weights that a model reads by a relative path are found by the driver: by workers too."""
    assert set(undisturbed.folders) == {os.getcwd()}


def test_a_data_set_lies_once_in_the_shared_memory_of_a_node(ray_session: Any) -> None:
    def look(dataset: Any) -> tuple[bool, bool, str]:
        inputs = dataset.train_inputs
        address = to_device(dataset, "cpu").train_inputs.data_ptr()
        (mapping,) = [
            line
            for line in Path("/proc/self/maps").read_text().splitlines()
            for low, _, high in [line.split()[0].partition("-")]
            if int(low, 16) <= address < int(high, 16)
        ]
        return inputs.flags.writeable, address == inputs.ctypes.data, mapping

    reference = ray_session.put(load_dataset("digits"))
    writeable, aliased, mapping = ray_session.get(ray_session.remote(look).remote(reference))
    assert not writeable
    assert aliased
    assert "/plasma" in mapping


# Resources


def test_a_trial_too_large_for_the_cluster_is_an_error_before_anything_is_trained(
    store_uri: str,
) -> None:
    with pytest.raises(
        ValueError,
        match="a trial of 3 CPUs and 0 GPUs does not fit any node of the cluster; its nodes have "
        "2 CPUs and 0 GPUs",
    ):
        run(study(), store_uri, cpus_per_trial=3)
    assert len(open_store(store_uri).trials()) == 0


# Trials that raise, workers that die


@dataclass(frozen=True)
class Mishaps:
    """A run of five trials.

    One raises, one kills its worker each time, one kills it once, and one finds CUDA broken once.
    """

    study: Study
    store: str
    outcomes: dict[str, str]
    screen: str
    deaths: list[str]
    steps: list[str]
    processes: list[str]

    def error_of(self, model: str) -> str:
        failures = open_store(self.store).failures()
        (failure,) = [f for f in failures.values() if f["settings"]["model"] == model]
        trial_id, error = failure["trial_id"], str(failure["error"])
        assert self.outcomes[trial_id] == "failed"
        assert error.splitlines()[-1] == (
            f"trial {trial_id}: digits n=60 {model} constant max_lr=0.05 seed=0"
        )
        return error


@pytest.fixture(scope="module")
def mishaps(
    ray_session: Any,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Mishaps:
    folder = tmp_path_factory.mktemp("mishaps")

    def note(file: str, step: int) -> None:
        with (folder / file).open("a") as lines:
            lines.write(f"{step}\n")

    def fail(step: int) -> None:
        raise RuntimeError(f"no luck in step {step}")

    def die(step: int) -> None:
        note("deaths", step)
        os._exit(1)

    def die_once(step: int) -> None:
        note("steps", step)
        if step == 6 and not (folder / "died").exists():
            (folder / "died").touch()
            os._exit(1)

    def find_cuda_broken_once(step: int) -> None:
        if step == 1:
            note("processes", os.getpid())
            if len((folder / "processes").read_text().split()) == 1:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")

    models = {
        "dies": linear(die),
        "dies_once": linear(die_once),
        "fails": linear(fail),
        "broken": linear(find_cuda_broken_once),
    }
    arms = {name: Arm(model=name, policy="constant", max_lr=0.05) for name in models}
    arms["dies_once"] = Arm(
        model="dies_once", max_lr=0.05, policy=mirrored, optimizer=sign_descent, augment=noise
    )
    given = study(arms={**arms, "in_order": study().arms["constant"]}, models=models, seeds=1)
    store, screen = str(folder / "store"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retries, "MAX_ATTEMPTS", 2)
        planner = run_with_job(given, screen, store=store, models=models, checkpoint_seconds=0.0)
    notes = ((folder / file).read_text().split() for file in ("deaths", "steps", "processes"))
    return Mishaps(given, store, planner.outcomes, screen.getvalue(), *notes)


def test_failing_trials_do_not_stop_the_others(mishaps: Mishaps) -> None:
    assert sorted(mishaps.outcomes.values()) == [*3 * ["completed"], "failed", "failed"]
    assert set(open_store(mishaps.store).trials()["model"]) == {"small_cnn", "dies_once", "broken"}


def test_a_trial_that_raises_is_reported_with_its_settings(mishaps: Mishaps) -> None:
    assert "RuntimeError: no luck in step 1\n" in mishaps.error_of("fails")
    assert "RuntimeError: no luck in step 1\n" in mishaps.screen


def test_a_trial_whose_worker_always_dies_is_given_up_and_reported(mishaps: Mishaps) -> None:
    assert mishaps.deaths == ["1", "1"]
    error = mishaps.error_of("dies")
    assert error.startswith("given up: 2 workers died at the trial: its worker's process ended")
    assert "The actor died" in error
    (told,) = [line for line in mishaps.screen.splitlines() if line.startswith("given up: ")]
    assert told.startswith("given up: 2 workers died at the trial: its worker's process ended")
    assert "failed: digits n=60 dies constant max_lr=0.05 seed=0 (trial " in mishaps.screen


def test_a_process_whose_cuda_is_broken_gets_no_other_trial(mishaps: Mishaps) -> None:
    first, second = mishaps.processes
    assert first != second
    lines = mishaps.screen.splitlines()
    (told,) = [line for line in lines if "BrokenDeviceError" in line]
    assert "CUDA error: an illegal memory access was encountered; started again" in told


def test_a_trial_continues_from_its_checkpoint_after_its_worker_died(mishaps: Mishaps) -> None:
    # The sixth step, in which the first worker died, is the first of the second worker
    assert mishaps.steps == [*"123456", *"12345"]
    assert os.listdir(Path(mishaps.store, "checkpoints")) == []


def test_numbers_are_not_changed_by_the_death_of_a_worker(
    mishaps: Mishaps, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    arms = {name: mishaps.study.arms[name] for name in ("dies_once", "broken", "in_order")}
    run(replace(mishaps.study, arms=arms), store_uri, local=True)
    assert_same_results(mishaps.store, store_uri)


def test_a_worker_that_finds_another_store_ends_the_run(
    ray_session: Any,  # noqa: ARG001
    store_uri: str,
) -> None:
    """As on a node that has joined and does not share the store: its rows would be lost."""
    given = study(arms={"constant": study().arms["constant"]}, seeds=1)
    with pytest.raises(StoreError, match=f"{store_uri} is not shared: what the driver wrote there"):
        run_with_job(given, store=store_uri, models={}, claim="leases/tiny/driver.json")
    assert len(open_store(store_uri).trials()) == 0


def test_the_reason_why_workers_cannot_start_is_reported(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node that lacks a package which a model needs."""
    monkeypatch.setattr(retries, "MAX_ATTEMPTS", 1)
    given = study(arms={"constant": study().arms["constant"]}, seeds=1)
    models = {"needs": NeedsWhatOnlyTheDriverHas()}
    planner = run_with_job(given, store=store_uri, models=models)
    assert set(planner.outcomes.values()) == {"failed"}
    (failure,) = open_store(store_uri).failures().values()
    assert "ModuleNotFoundError: No module named 'only_here'" in failure["error"]


class NeedsWhatOnlyTheDriverHas:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("only_here",)


def test_a_trial_that_takes_all_memory_is_set_aside_and_reported(tmp_path: Path) -> None:
    given = Path(shutil.copy(Path(__file__).parents[1] / "hungry_study.py", tmp_path))
    for _ in range(10):  # if others take the memory, its worker is killed before the trial begins
        store = str(tmp_path / uuid.uuid4().hex)
        done = run_hungry(given, store)
        if given.with_name("eating").exists():
            break
    assert given.with_name("eating").exists(), done.stdout
    assert done.returncode == 1, done.stderr
    (failure,) = open_store(store).failures().values()
    said = f"given up: {ATTEMPTS} workers died at the trial: out of memory: lower batch_size, or"
    assert said in done.stdout
    assert failure["error"].startswith(said)


def run_hungry(study: Path, store: str) -> subprocess.CompletedProcess[str]:
    """Run it on a Ray that kills workers once 3 GiB more are in use than now."""
    limit = (get_used_memory() + 3 * 2**30) / get_system_memory()
    if limit > 0.9:
        pytest.skip("this machine has less than 3 GiB to spare")
    with short_folder() as folder:
        return subprocess.run(
            [sys.executable, study, "run", "--store", store],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "RAY_TMPDIR": folder,
                "RAY_AUTH_MODE": "disabled",
                "RAY_memory_usage_threshold": str(limit),
                "RAY_memory_monitor_refresh_ms": "50",
            },
        )


# Interrupted, killed, continued


@pytest.fixture
def start(sleepy_study: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a study file in a process, until the end of the test at most."""
    started = []
    with short_folder() as folder:

        def run_study(*arguments: str, by: Sequence[str] = ()) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, *by, str(sleepy_study), "run", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled"},
            )
            started.append(process)
            return process

        yield run_study
        for process in started:
            with process:
                process.kill()


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"no {file.name} after {PATIENCE} s"
        time.sleep(0.05)


def test_ctrl_c_saves_trials_in_progress_and_the_same_command_goes_on(
    ray_address: str,
    tmp_path: Path,
    sleepy_study: Path,
    start: Callable[..., subprocess.Popen[str]],
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    store = str(tmp_path / "store")
    process = start("--store", store, "--address", ray_address)
    wait_for(tmp_path / "asleep", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("interrupted; to continue: python ")
    assert "Tuner.restore" not in errors
    assert os.listdir(Path(store, "checkpoints"))
    (tmp_path / "awake").touch()
    result = superconv("run", sleepy_study, "--store", store, "--local")
    assert (result.exit_code, "6 of 6 trials done" in result.stdout) == (0, True), result.output
    assert_same_results(store, never_interrupted)
    assert os.listdir(Path(store, "checkpoints")) == []


NEVER_IMPATIENT = """
import runpy, signal, sys, time, types
from pathlib import Path
from ray.tune import tune
from ray.tune.execution import tune_controller

tune_controller.time = types.SimpleNamespace(**{**vars(time), "monotonic": lambda: 0.0})
catch = tune._setup_signal_catching

def catch_and_note():
    event, take = catch(), signal.getsignal(signal.SIGINT)
    def taken(*signal_and_frame):
        take(*signal_and_frame)
        Path(sys.argv[0]).with_name("interrupted").touch()
    signal.signal(signal.SIGINT, taken)
    return event

tune._setup_signal_catching = catch_and_note
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a study file. After a first Ctrl-C it writes `interrupted`, and for Tune no time passes."""


def test_a_second_ctrl_c_stops_at_once(
    ray_address: str, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """After a first one Tune gives a worker some seconds to come to the end of its step."""
    script = tmp_path / "never_impatient.py"
    script.write_text(NEVER_IMPATIENT)
    process = start("--store", str(tmp_path / "store"), "--address", ray_address, by=[str(script)])
    wait_for(tmp_path / "asleep", process)
    (tmp_path / "stuck").touch()
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "interrupted", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("interrupted; to continue: python ")
    assert os.listdir(tmp_path / "store" / "leases" / "sleepy") == []


def test_files_of_a_worker_that_still_writes_do_not_hide_ctrl_c(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def not_empty(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    monkeypatch.setattr(runner, "run_tune", interrupted)
    monkeypatch.setattr(os, "rmdir", not_empty)
    with pytest.raises(KeyboardInterrupt):
        run_with_job(study(), store=store_uri, models={})


def test_ctrl_c_works_as_before_when_a_run_is_over(store_uri: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    run_with_job(study(), max_trials=0, store=store_uri, models={})
    assert signal.getsignal(signal.SIGINT) is before
