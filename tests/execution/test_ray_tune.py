"""Real Ray Tune on two CPUs: the numbers of `run_local`, and what happens when processes die."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import Result
from rich.console import Console
from torch import Tensor, nn

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations, open_store
from superconv_ray.data.batches import to_device
from superconv_ray.data.readers import load_dataset
from superconv_ray.execution import ray_tune
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.session import RunOptions, Summary, run_plan
from superconv_ray.execution.worker import Job
from superconv_ray.plan import Plan, make_plan
from superconv_ray.planner import Planner

SLEEPY_STUDY = Path(__file__).with_name("sleepy_study.py")
PATIENCE = 180.0
"""Seconds that a test waits for another process."""

pytestmark = pytest.mark.usefixtures("ray_session")


def study(**changes: Any) -> Study:
    """Six trials of ten steps: two seeds of two arms, and of the range tests of one of them."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "base": Trial(
            dataset="digits", model="small_cnn", batch_size=16, dropout=0.2, eval_interval=5
        ),
        "sweep": grid(data_count=(60,)),
        "arms": {
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test(steps=10, points=5)),
            "constant": Arm(policy="constant", max_lr=0.05),
        },
        "budget": iterations(10),
        "seeds": 2,
    }
    return Study(**{**settings, **changes})


def own_model(build: Callable[..., nn.Module], seeds: int = 1) -> Study:
    """One arm, which uses the user's model."""
    own = Arm(model="own", policy="constant", max_lr=0.05)
    return study(arms={"own": own}, models={"own": build}, seeds=seeds)


def run(given: Study, uri: str, screen: io.StringIO | None = None, **options: Any) -> Summary:
    console = Console(file=screen or io.StringIO(), width=200)
    return run_plan(make_plan(given), RunOptions(store=uri, **options), console)


def run_with_job(plan: Plan, *, max_trials: int | None = None, **job: Any) -> Planner:
    """The runner alone, on digits, with any `Job`."""
    planner = Planner(plan, max_trials=max_trials)
    with Progress(planner, Console(file=io.StringIO())) as progress:
        datasets = {"digits": load_dataset("digits")}
        ray_tune.run_ray(planner, lambda gpu: Job(gpu=gpu, **job), datasets, progress)
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
        if self.training:
            self.steps += 1
            self.before_step(self.steps)
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


def linear(before_step: Callable[[int], None]) -> Callable[..., nn.Module]:
    def build(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        assert (input_shape, classes, dropout) == ((1, 8, 8), 10, 0.2)
        return Linear(before_step)

    return build


# The same as in one process


def test_trials_curves_and_numbers_are_those_of_a_local_run_and_are_not_trained_again(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    given = study()
    assert run(given, store_uri) == Summary(
        trained=6, found=0, diverged=0, failed=(), blocked=(), left=0
    )
    run(given, str(tmp_path / "local"), local=True)
    assert_same_results(store_uri, str(tmp_path / "local"))
    again = run(study(), store_uri)
    assert (again.trained, again.found) == (0, 6)


# Workers


@pytest.fixture(scope="module")
def notes(
    ray_session: Any,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> pd.DataFrame:
    """What eight trials of two CPUs saw around them: process, folder, threads."""
    file = tmp_path_factory.mktemp("notes") / "notes"

    def note(step: int) -> None:
        if step == 1:
            with file.open("a") as lines:
                lines.write(f"{os.getpid()},{os.getcwd()},{torch.get_num_threads()}\n")

    given = own_model(linear(note), seeds=8)
    assert run(given, str(file.with_name("store")), cpus_per_trial=2).trained == 8
    return pd.read_csv(file, names=["process", "folder", "threads"])


def test_a_worker_takes_on_one_trial_after_another(notes: pd.DataFrame) -> None:
    """A process a trial would cost seconds for each."""
    assert len(notes) == 8
    assert notes["process"].nunique() == 1


def test_a_users_model_sees_the_folder_that_the_study_was_started_in(notes: pd.DataFrame) -> None:
    """Weights that a model reads by a relative path are found by the driver: by workers too."""
    assert set(notes["folder"]) == {os.getcwd()}


def test_a_trial_computes_with_as_many_threads_as_it_has_cpus(notes: pd.DataFrame) -> None:
    assert set(notes["threads"]) == {2}


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


def test_a_trial_that_is_too_big_for_the_cluster_is_told_before_anything_is_trained(
    store_uri: str,
) -> None:
    with pytest.raises(
        ValueError,
        match="a trial of 3 CPUs and 0 GPUs does not fit any node of the cluster, which have "
        "2 CPUs and 0 GPUs",
    ):
        run(study(), store_uri, cpus_per_trial=3)
    assert len(open_store(store_uri).trials()) == 0


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "slots"),
    [
        ([{"CPU": 2.0}], 1.0, 0.0, 2),
        ([{"CPU": 2.0}], 0.5, 0.0, 4),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 2.0, 0.0, 2),
        ([{}, {"CPU": 8.0}], 4.0, 0.0, 2),  # a head node that is to run no trials
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0}], 1.0, 0.25, 8),
        ([{"CPU": 4.0, "GPU": 8.0}], 1.0, 0.25, 4),
    ],
)
def test_slots_are_the_trials_that_fit_the_nodes_at_once(
    nodes: Sequence[dict[str, float]], cpus: float, gpus: float, slots: int
) -> None:
    assert ray_tune._slots(nodes, cpus, gpus) == slots


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus"),
    [
        ([{"CPU": 2.0}, {"CPU": 2.0}], 3.0, 0.0),
        ([{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}], 2.0, 1.0),
        ([{"CPU": 8.0}], 1.0, 0.5),
        ([], 1.0, 0.0),
    ],
)
def test_a_trial_is_never_spread_over_two_nodes(
    nodes: Sequence[dict[str, float]], cpus: float, gpus: float
) -> None:
    with pytest.raises(ValueError, match=f"a trial of {cpus:g} CPUs and {gpus:g} GPUs does not"):
        ray_tune._slots(nodes, cpus, gpus)


# Trials that raise, workers that die


@dataclass(frozen=True)
class Mishaps:
    """A run of three trials: one raises, one kills its worker each time, and one is in order."""

    summary: Summary
    screen: str
    failures: dict[str, dict[str, Any]]
    deaths: int

    def error_of(self, model: str) -> str:
        (failure,) = [f for f in self.failures.values() if f["settings"]["model"] == model]
        trial_id, error = failure["trial_id"], str(failure["error"])
        assert trial_id in self.summary.failed
        assert error.splitlines()[-1].startswith(f"trial {trial_id}: {{'dataset': 'digits', ")
        return error


@pytest.fixture(scope="module")
def mishaps(
    ray_session: Any,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Mishaps:
    folder = tmp_path_factory.mktemp("mishaps")

    def fail(step: int) -> None:
        raise RuntimeError(f"no luck in step {step}")

    def die(step: int) -> None:
        with (folder / "deaths").open("a") as file:
            file.write(f"{step}\n")
        os._exit(1)

    given = study(
        arms={
            "dies": Arm(model="dies", policy="constant", max_lr=0.05),
            "fails": Arm(model="fails", policy="constant", max_lr=0.05),
            "in_order": Arm(policy="constant", max_lr=0.05),
        },
        models={"dies": linear(die), "fails": linear(fail)},
        seeds=1,
    )
    screen = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_tune, "MAX_FAILURES", 1)
        summary = run(given, str(folder / "store"), screen)
    failures = open_store(folder / "store").failures()
    deaths = len((folder / "deaths").read_text().split())
    return Mishaps(summary, screen.getvalue(), failures, deaths)


def test_trials_that_fail_do_not_keep_others_from_their_end(mishaps: Mishaps) -> None:
    assert mishaps.summary.trained == 1
    assert len(mishaps.summary.failed) == 2
    assert mishaps.summary.left == 0


def test_a_trial_that_raises_is_reported_with_its_settings(mishaps: Mishaps) -> None:
    assert "RuntimeError: no luck in step 1\n" in mishaps.error_of("fails")
    assert "RuntimeError: no luck in step 1\n" in mishaps.screen


def test_a_trial_whose_worker_always_dies_is_given_up_and_reported(mishaps: Mishaps) -> None:
    assert mishaps.deaths == 2
    error = mishaps.error_of("dies")
    assert error.startswith("given up: in 2 attempts no worker came to the trial's end\n")
    assert "The actor died" in error
    assert "dies constant max_lr=0.05 seed=0: failed" in mishaps.screen


def test_a_trial_goes_on_from_its_checkpoint_when_its_worker_has_died(
    tmp_path: Path, store_uri: str, assert_same_results: Callable[[str, str], None]
) -> None:
    died = tmp_path / "died"

    def die_once(step: int) -> None:
        with (tmp_path / "steps").open("a") as file:
            file.write(f"{step}\n")
        if step == 6 and not died.exists():
            died.touch()
            os._exit(1)

    given = own_model(linear(die_once))
    planner = run_with_job(
        make_plan(given), store=store_uri, models=given.models, checkpoint_seconds=0.0
    )
    assert set(planner.outcomes.values()) == {"completed"}
    steps = (tmp_path / "steps").read_text().split()
    assert steps == [*"123456", *"12345"]  # the sixth, which was cut off, is the second's first
    run(given, str(tmp_path / "whole"), local=True)
    assert_same_results(store_uri, str(tmp_path / "whole"))
    assert os.listdir(Path(store_uri, "checkpoints")) == []


def test_why_workers_cannot_be_set_up_is_told(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node that lacks a package which a model needs."""
    monkeypatch.setattr(ray_tune, "MAX_FAILURES", 0)
    given = study(arms={"constant": study().arms["constant"]}, seeds=1)
    planner = run_with_job(
        make_plan(given), store=store_uri, models={"needs": NeedsWhatOnlyTheDriverHas()}
    )
    assert set(planner.outcomes.values()) == {"failed"}
    (failure,) = open_store(store_uri).failures().values()
    assert "ModuleNotFoundError: No module named 'only_here'" in failure["error"]


class NeedsWhatOnlyTheDriverHas:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("only_here",)


# Interrupted, killed, continued


@pytest.fixture
def sleepy_study(tmp_path: Path) -> Path:
    return Path(shutil.copy(SLEEPY_STUDY, tmp_path))


@pytest.fixture
def start(sleepy_study: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a study file in a process, until the end of the test at most."""
    started = []
    folder = tempfile.mkdtemp(prefix="rt", dir="/tmp")  # sockets in it need a short path

    def run_study(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(sleepy_study), "run", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled"},
        )
        started.append(process)
        return process

    yield run_study
    for process in started:
        process.kill()
        process.communicate()
    shutil.rmtree(folder, ignore_errors=True)


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"no {file.name} after {PATIENCE} s"
        time.sleep(0.05)


def test_ctrl_c_saves_trials_in_progress_and_the_same_command_goes_on(
    ray_session: Any,
    tmp_path: Path,
    sleepy_study: Path,
    start: Callable[..., subprocess.Popen[str]],
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
) -> None:
    store, whole = str(tmp_path / "store"), str(tmp_path / "whole")
    address = ray_session.get_runtime_context().gcs_address
    process = start("--store", store, "--address", address)
    wait_for(tmp_path / "asleep", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert "Tuner.restore" not in errors
    assert os.listdir(Path(store, "checkpoints"))
    (tmp_path / "awake").touch()
    result = superconv("run", sleepy_study, "--store", store, "--local")
    assert (result.exit_code, "6 of 6 trials done" in result.stdout) == (0, True), result.output
    superconv("run", sleepy_study, "--store", whole, "--local")
    assert_same_results(store, whole)
    assert os.listdir(Path(store, "checkpoints")) == []


def test_ctrl_c_works_as_before_when_a_run_is_over(store_uri: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    run_with_job(make_plan(study()), max_trials=0, store=store_uri, models={})
    assert signal.getsignal(signal.SIGINT) is before


def test_a_study_whose_driver_is_killed_goes_on_as_if_nothing_had_happened(
    tmp_path: Path,
    sleepy_study: Path,
    start: Callable[..., subprocess.Popen[str]],
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
) -> None:
    store, whole = str(tmp_path / "store"), str(tmp_path / "whole")
    process = start("--store", store)  # on a Ray of its own, which dies with it
    wait_for(tmp_path / "asleep", process)
    process.kill()
    process.communicate()
    (tmp_path / "awake").touch()
    result = superconv("run", sleepy_study, "--store", store)
    assert (result.exit_code, "6 of 6 trials done" in result.stdout) == (0, True), result.output
    superconv("run", sleepy_study, "--store", whole, "--local")
    assert_same_results(store, whole)


def test_an_address_at_which_nobody_listens_is_told_at_once(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("--store", str(tmp_path / "store"), "--address", "127.0.0.1:1")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.startswith("error: no Ray cluster at address '127.0.0.1:1': ")
    assert len(errors.splitlines()) == 1
