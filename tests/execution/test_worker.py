"""A worker on digits: what it leaves in the store, and how it goes on after a kill."""

from __future__ import annotations

import platform
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from superconv_ray import __version__
from superconv_ray.data.batches import to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import load_dataset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from superconv_ray.training.loop import TrainingRun

STEPS = 30


@cache
def digits() -> Dataset:
    return load_dataset("digits")


def make_trial(**changes: Any) -> CompleteTrial:
    defaults: dict[str, Any] = {
        "steps": STEPS,
        "max_lr": 0.1,
        "data_count": 100,
        "batch_size": 16,
        "eval_interval": 10,
        "eval_count": 50,
        "dropout": 0.2,
        "precision": "fp32",
    }
    return Trial(**defaults | changes).complete()


class Traps:
    """What happens in the forward pass of the model `trapped`, by training batch.

    Attributes:
        raises: What is raised.
        signals: How often Ctrl-C is pressed.
        warnings: What the user was told meanwhile.
    """

    def __init__(self) -> None:
        self.batches = 0
        self.warnings: list[str] = []
        self.raises: dict[int, BaseException] = {}
        self.signals: dict[int, int] = {}

    def build(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        return Trapped(self, input_shape[1] * input_shape[2], classes, dropout)


class Trapped(nn.Module):
    def __init__(self, traps: Traps, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.traps = traps
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm1d(features)  # a forward pass changes its statistics
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.norm(self.dropout(x.flatten(1))))
        if self.training:
            self.traps.batches += 1
            if error := self.traps.raises.get(self.traps.batches):
                raise error
            for _ in range(self.traps.signals.get(self.traps.batches, 0)):
                signal.raise_signal(signal.SIGINT)
        return logits


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


@pytest.fixture
def traps() -> Traps:
    return Traps()


@pytest.fixture
def new_worker(store_uri: str, traps: Traps) -> Callable[..., Worker]:
    def make(**changes: Any) -> Worker:
        settings = {"store": store_uri, "checkpoint_seconds": 60.0, **changes}
        job = Job(models={"trapped": traps.build}, **settings)
        return Worker(job, lambda _: digits(), traps.warnings.append)

    return make


def job(uri: str, **models: Callable[..., nn.Module]) -> Job:
    return Job(store=uri, models=models, checkpoint_seconds=60.0)


def run(worker: Worker, trial: CompleteTrial) -> Outcome:
    worker.start(trial)
    outcome = worker.work()
    assert outcome is not None
    return outcome


def results(store: Store, trial: CompleteTrial) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trial's row and curve, without what differs between two runs of it: times."""
    filters = [("trial_id", "==", trial.id)]
    row = store.trials(filters=filters)
    curve = store.curves(filters=filters).astype({"trial_id": str})
    times = ["train_seconds", "eval_seconds", "finished_at", "peak_memory_bytes"]
    return row.drop(columns=times), curve.drop(columns="train_seconds")


def assert_equal_results(one: Store, other: Store, trial: CompleteTrial) -> None:
    for got, expected in zip(results(one, trial), results(other, trial), strict=True):
        assert len(expected)
        pd.testing.assert_frame_equal(got, expected, check_exact=True)


@pytest.fixture
def reference(
    tmp_path: Path, new_worker: Callable[..., Worker]
) -> Callable[[CompleteTrial], Store]:
    """A store in which a trial was trained without any disturbance."""

    def make(trial: CompleteTrial) -> Store:
        uri = str(tmp_path / "reference")
        assert run(new_worker(store=uri), trial).status == "completed"
        return open_store(uri)

    return make


# A trial that goes well


def test_a_finished_trial_leaves_its_row_and_its_curve_and_nothing_else(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    trial = make_trial()
    outcome = run(new_worker(), trial)
    assert outcome.status == "completed"
    assert outcome.error is None
    assert store.finished_ids() == {trial.id}
    (row,) = store.trials().to_dict("records")
    assert row["status"] == "completed"
    assert row["steps_done"] == STEPS
    assert row["seed"] == trial.seed
    curve = store.curves()
    assert curve["step"].tolist() == [1, 2, 4, 8, 10, 20, 30]
    assert curve["test_accuracy"].iloc[-1] == row["test_accuracy"]
    assert row["test_accuracy"] == outcome.measurements["test_accuracy"]
    assert store.failures() == {}
    folders = {path.name for path in Path(store.files.uri).iterdir()}
    assert folders == {"trials", "curves"}


def test_the_row_records_where_when_and_with_what_it_was_computed(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    run(new_worker(), make_trial())
    (row,) = store.trials().to_dict("records")
    assert row["host"] == platform.node()
    assert row["device"]
    assert row["threads"] == 1
    assert row["precision_used"] == "fp32"
    assert row["package_version"] == __version__
    assert row["torch_version"] == str(torch.__version__)
    assert timedelta(0) <= datetime.now(UTC) - row["finished_at"] < timedelta(minutes=1)


def test_it_uses_the_threads_of_its_job(new_worker: Callable[..., Worker], store: Store) -> None:
    try:
        new_worker(threads=2)
        assert torch.get_num_threads() == 2
        run(new_worker(threads=1), make_trial())
        assert store.trials()["threads"].tolist() == [1]
    finally:
        torch.set_num_threads(1)


def test_a_worker_with_a_gpu_prepares_cublas_for_deterministic_trials(
    new_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    new_worker()
    assert environment == {}
    new_worker(gpu=True)
    assert environment == {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def test_the_numbers_are_those_of_the_training_loop(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    trial = make_trial()
    run(new_worker(), trial)
    alone = TrainingRun(trial, to_device(digits(), "cpu"), trial.model)
    alone.train()
    curve = store.curves()
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr"):
        assert curve[name].tolist() == [row[name] for row in alone.curve]


def test_validation_runs_have_no_test_results(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    run(new_worker(), make_trial(validation_fraction=0.2))
    for frame in (store.trials(), store.curves()):
        assert frame.filter(like="test_").isna().all(axis=None)
        assert frame["validation_accuracy"].notna().all()


def test_a_diverged_trial_is_a_result(new_worker: Callable[..., Worker], store: Store) -> None:
    outcome = run(new_worker(), make_trial(policy="constant", max_lr=1e6))
    assert outcome.status == "diverged"
    (row,) = store.trials().to_dict("records")
    assert row["status"] == "diverged"
    assert row["steps_done"] < STEPS
    assert 0 <= row["test_accuracy"] <= 1
    assert len(store.curves())
    assert store.failures() == {}


def test_only_range_tests_return_their_curve(new_worker: Callable[..., Worker]) -> None:
    worker = new_worker()
    assert run(worker, make_trial()).curve == ()
    test = make_trial(policy="range_test_linear", start_lr=0.0, validation_fraction=0.2)
    outcome = run(worker, test)
    assert [row["step"] for row in outcome.curve] == [1, 2, 4, 8, 10, 20, 30]
    assert {"lr", "validation_accuracy"} <= outcome.curve[0].keys()


def test_a_worker_reads_a_data_set_once_however_many_trials_need_it(store_uri: str) -> None:
    loaded: list[str] = []

    def load(name: str) -> Dataset:
        loaded.append(name)
        return digits()

    worker = Worker(job(store_uri), load, print)
    for seed in range(3):
        run(worker, make_trial(seed=seed))
    assert loaded == ["digits"]


def test_one_trial_after_another_gives_the_same_as_each_alone(
    new_worker: Callable[..., Worker], store: Store, reference: Callable[[CompleteTrial], Store]
) -> None:
    worker = new_worker()
    for trial in (make_trial(seed=1), make_trial(model="trapped"), make_trial()):
        run(worker, trial)
    assert_equal_results(store, reference(make_trial()), make_trial())


# Time slices and checkpoints


def test_work_in_slices_of_time_ends_in_the_same_numbers(
    new_worker: Callable[..., Worker], store: Store, reference: Callable[[CompleteTrial], Store]
) -> None:
    trial = make_trial()
    worker = new_worker()
    worker.start(trial)
    slices = 0
    while worker.work(0.005) is None:
        slices += 1
        assert slices < 1000
    assert slices > 1
    assert_equal_results(store, reference(trial), trial)


def test_short_trials_write_no_checkpoint(
    new_worker: Callable[..., Worker], store: Store, traps: Traps
) -> None:
    traps.raises = {STEPS: KeyboardInterrupt()}
    worker, trial = new_worker(), make_trial(model="trapped")
    worker.start(trial)
    with pytest.raises(KeyboardInterrupt):
        worker.work()
    assert store.checkpoint(trial.id) is None


@pytest.mark.parametrize("killed_in", [2, 10, 11, 17, STEPS])
def test_another_worker_continues_from_the_checkpoint_to_the_same_numbers(
    killed_in: int,
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    reference: Callable[[CompleteTrial], Store],
) -> None:
    trial = make_trial(model="trapped", augment="flip_crop")
    expected = reference(trial)
    traps.batches, traps.raises = 0, {killed_in: KeyboardInterrupt()}
    first = new_worker(checkpoint_seconds=0.0)
    first.start(trial)
    with pytest.raises(KeyboardInterrupt):
        first.work()
    assert store.checkpoint(trial.id)
    assert store.finished_ids() == frozenset()

    traps.batches = 0
    traps.raises = {}
    assert run(new_worker(), trial).status == "completed"
    assert traps.batches == STEPS - (killed_in - 1)
    assert_equal_results(store, expected, trial)
    assert store.checkpoint(trial.id) is None


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end_and_then_saves_the_trial(
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    reference: Callable[[CompleteTrial], Store],
) -> None:
    trial = make_trial(model="trapped")
    expected = reference(trial)
    traps.batches, traps.signals = 0, {13: 1}
    worker = new_worker()
    worker.start(trial)
    with pytest.raises(KeyboardInterrupt):
        worker.work()
    worker.interrupt()
    traps.batches, traps.signals = 0, {}
    run(new_worker(), trial)
    assert traps.batches == STEPS - 13
    assert_equal_results(store, expected, trial)


def test_a_second_ctrl_c_is_raised_at_once_and_half_a_step_is_not_saved(
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    reference: Callable[[CompleteTrial], Store],
) -> None:
    trial = make_trial(model="trapped")
    expected = reference(trial)
    traps.batches, traps.signals = 0, {13: 2}
    worker = new_worker()
    worker.start(trial)
    with pytest.raises(KeyboardInterrupt):
        worker.work()
    assert traps.batches == 13
    worker.interrupt()
    assert store.checkpoint(trial.id) is None
    traps.signals = {}
    run(new_worker(), trial)
    assert_equal_results(store, expected, trial)


def test_ctrl_c_in_the_last_step_loses_nothing(
    new_worker: Callable[..., Worker], store: Store, traps: Traps
) -> None:
    traps.signals = {STEPS: 1}
    worker, trial = new_worker(), make_trial(model="trapped")
    worker.start(trial)
    with pytest.raises(KeyboardInterrupt):
        worker.work()
    worker.interrupt()
    assert store.finished_ids() == {trial.id}
    assert store.checkpoint(trial.id) is None


def test_ctrl_c_works_as_before_when_the_worker_has_nothing_to_do(
    new_worker: Callable[..., Worker],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    run(new_worker(), make_trial())
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_worker_may_work_in_another_thread(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    thread = threading.Thread(target=run, args=(new_worker(), make_trial()))
    thread.start()
    thread.join()
    assert store.finished_ids() == {make_trial().id}


def test_an_interruption_before_the_first_step_is_no_error(
    new_worker: Callable[..., Worker], store: Store
) -> None:
    worker = new_worker()
    worker.interrupt()
    worker.start(make_trial())
    worker.interrupt()
    assert store.checkpoint(make_trial().id) is None


def state_of(trial: CompleteTrial, model: Any, steps: int) -> bytes:
    training = TrainingRun(trial, to_device(digits(), "cpu"), model)
    training.train(pause=lambda: training.step == steps)
    return training.state()


def narrow(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
    del dropout
    inputs = input_shape[1] * input_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 5), nn.Linear(5, classes))


@pytest.mark.parametrize(
    "kind", ["empty", "rubbish", "cut off", "of another trial", "of another model"]
)
def test_a_checkpoint_that_is_of_no_use_is_dropped_said_so_and_the_trial_trained_from_the_start(
    kind: str,
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    reference: Callable[[CompleteTrial], Store],
) -> None:
    trial = make_trial(model="trapped")
    content = {
        "empty": b"",
        "rubbish": b"rubbish",
        "cut off": state_of(trial, traps.build, 9)[:-100],
        "of another trial": state_of(make_trial(model="trapped", seed=1), traps.build, 9),
        "of another model": state_of(trial, narrow, 9),
    }[kind]
    expected = reference(trial)
    StoreWriter(store).write_checkpoint(trial.id, content)
    traps.batches = 0
    assert run(new_worker(), trial).status == "completed"
    assert traps.batches == STEPS
    assert_equal_results(store, expected, trial)
    assert store.checkpoint(trial.id) is None
    (warning,) = traps.warnings
    assert warning.startswith(f"checkpoint of trial {trial.id} cannot be restored: ")
    assert warning.endswith("; trained from the start")


@pytest.mark.parametrize("deterministic", [False, True])
def test_on_other_hardware_a_trial_continues_and_a_deterministic_one_starts_anew(
    deterministic: bool,
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def on(device: str) -> None:
        monkeypatch.setattr("superconv_ray.training.numerics.device_name", lambda _: device)

    trial = make_trial(model="trapped", deterministic=deterministic)
    on("A")
    StoreWriter(store).write_checkpoint(trial.id, state_of(trial, traps.build, 9))
    on("B")
    traps.batches = 0
    assert run(new_worker(), trial).status == "completed"
    (row,) = store.trials().to_dict("records")
    (warning,) = traps.warnings
    assert "it was on A (1 CPU thread, torch" in warning
    assert row["deterministic"] is deterministic
    if deterministic:
        assert warning.endswith("trained from the start")
        assert (traps.batches, row["device"]) == (STEPS, "B")
    else:
        assert warning.startswith(f"trial {trial.id}: ")
        assert warning.endswith("now; it continues in fp32")
        assert (traps.batches, row["device"]) == (STEPS - 9, "A + B")


def test_a_checkpoint_that_cannot_be_written_is_a_warning_and_the_trial_continues(
    new_worker: Callable[..., Worker], traps: Traps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    worker, trial = new_worker(checkpoint_seconds=0.0), make_trial()
    monkeypatch.setattr(worker.writer, "write_checkpoint", refuse)
    assert run(worker, trial).status == "completed"
    assert set(traps.warnings) == {
        f"checkpoint of trial {trial.id} cannot be written: [Errno 28] No space left on device"
    }


def test_a_store_of_the_same_name_that_is_not_the_drivers_is_refused(
    store: Store, store_uri: str, new_worker: Callable[..., Worker], traps: Traps
) -> None:
    worker = new_worker(claim="leases/tiny/driver.json")
    worker.start(make_trial())
    with pytest.raises(StoreError, match=f"{store_uri} is not shared: what the driver wrote"):
        worker.work()
    assert traps.batches == 0
    store.files.write("leases/tiny/driver.json", b"{}")
    assert worker.work() is not None


# Trials that raise


def test_a_trial_that_raises_fails_alone_with_traceback_and_settings(
    new_worker: Callable[..., Worker], store: Store, traps: Traps
) -> None:
    worker = new_worker()
    bad = make_trial(model="trapped", seed=5)
    traps.raises = {12: RuntimeError("no such thing")}
    outcome = run(worker, bad)
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith("Traceback (most recent call last)")
    assert "in forward" in outcome.error
    assert "training/loop.py" not in outcome.error  # no line of it is the user's
    assert outcome.error.endswith("\nRuntimeError: no such thing")
    failure = store.failures()[bad.id]
    *in_full, name = failure["error"].splitlines()
    assert any("training/loop.py" in line for line in in_full)
    assert in_full[-1] == "RuntimeError: no such thing"
    assert name == f"trial {bad.id}: digits n=100 trapped one_cycle max_lr=0.1 seed=5"
    assert failure["settings"] == bad.settings()
    assert store.finished_ids() == frozenset()

    assert run(worker, make_trial()).status == "completed"
    assert store.finished_ids() == {make_trial().id}
    assert list(store.failures()) == [bad.id]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 bytes"),
        MemoryError(),
    ],
)
def test_the_error_of_a_trial_out_of_memory_says_what_to_change(
    error: Exception, new_worker: Callable[..., Worker], store: Store, traps: Traps
) -> None:
    traps.raises = {12: error}
    trial = make_trial(model="trapped")
    run(new_worker(), trial)
    *_, advice, last = store.failures()[trial.id]["error"].splitlines()
    assert advice.startswith("out of memory: lower batch_size, or ")
    assert last.startswith(f"trial {trial.id}: ")


def test_success_clears_the_failure_and_the_numbers_are_as_if_it_had_never_been(
    new_worker: Callable[..., Worker],
    store: Store,
    traps: Traps,
    reference: Callable[[CompleteTrial], Store],
) -> None:
    trial = make_trial(model="trapped")
    expected = reference(trial)
    traps.batches, traps.raises = 0, {12: RuntimeError("once")}
    worker = new_worker(checkpoint_seconds=0.0)
    assert run(worker, trial).status == "failed"
    traps.batches, traps.raises = 0, {}
    assert run(worker, trial).status == "completed"
    assert store.failures() == {}
    assert traps.batches == STEPS - 11
    assert_equal_results(store, expected, trial)


def test_a_model_that_cannot_be_built_is_a_failed_trial(store_uri: str, store: Store) -> None:
    def broken(**_: Any) -> nn.Module:
        raise ZeroDivisionError("in the constructor")

    worker = Worker(job(store_uri, broken=broken), lambda _: digits(), print)
    outcome = run(worker, make_trial(model="broken"))
    assert outcome.status == "failed"
    assert (
        "ZeroDivisionError: in the constructor"
        in store.failures()[make_trial(model="broken").id]["error"]
    )
    assert run(worker, make_trial()).status == "completed"


def test_a_data_set_that_cannot_be_read_is_a_failed_trial(store_uri: str, store: Store) -> None:
    def load(name: str) -> Dataset:
        raise FileNotFoundError(f"no {name} here")

    outcome = run(Worker(job(store_uri), load, print), make_trial())
    assert outcome.status == "failed"
    assert "no digits here" in store.failures()[make_trial().id]["error"]
