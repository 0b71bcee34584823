"""Runs one trial after another in one process: restores, trains, saves, and writes results."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import torch
from torch import nn

from superconv_ray.data.batches import ResidentDataset, to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.design.version import VERSION
from superconv_ray.execution.interruption import deferred_ctrl_c
from superconv_ray.execution.memory import peaks, reset_peaks
from superconv_ray.execution.tracebacks import user_traceback
from superconv_ray.execution.worker_failures import BrokenDeviceError, breaks_device, memory_advice
from superconv_ray.storage.filesystem_errors import SHARE_IT, not_shared
from superconv_ray.storage.integrity import set_aside
from superconv_ray.storage.lease import is_held
from superconv_ray.storage.seal import DamagedFileError
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.numerics import prepare_process

SLICE_SECONDS = 5.0
"""Time after which a worker that is still training reports to its runner."""


@dataclass(frozen=True)
class Job:
    """What a worker needs besides trials. It is sent to every worker of a cluster.

    Attributes:
        store: URI of the store.
        models: The user's own models by name.
        checkpoint_seconds: Time between checkpoints of a trial, which is what a killed worker can
            lose; shorter trials write none.
        threads: CPU threads of a trial.
        gpu: Whether the worker has a GPU, or a share of one.
        claim: A file that the driver keeps in the store. A worker that does not find it has
            another store under the same name.
    """

    store: str
    models: Mapping[str, Callable[..., nn.Module]]
    checkpoint_seconds: float
    threads: int = 1
    gpu: bool = False
    claim: str | None = None


class Worker:
    """Runs trials, and keeps a data set on the device from one trial to the next.

    Args:
        job: What is the same for all trials.
        load: Returns a data set by name.
        warn: Called with what the user should know although the trial continues.
    """

    def __init__(
        self, job: Job, load: Callable[[str], Dataset], warn: Callable[[str], None]
    ) -> None:
        torch.set_num_threads(job.threads)
        if job.gpu:
            prepare_process()
        self.device = torch.device("cuda", 0) if job.gpu else torch.device("cpu")
        self._job = job
        self._load = load
        self._warn = warn
        self._resident: dict[str, ResidentDataset] = {}
        self._trial: CompleteTrial | None = None
        self._run: TrainingRun | None = None
        self._between_steps = True
        self._save_at = 0.0

    @cached_property
    def store(self) -> Store:
        """The driver's store. A node that joins while a study runs has not been checked before.

        Raises:
            StoreError: The store cannot be opened, or is not the driver's.
        """
        store = open_store(self._job.store, known=True)
        if self._job.claim and store.files.read(self._job.claim) is None:
            raise StoreError(
                f"{not_shared(store.files.place, platform.node())}, which has joined the cluster: "
                f"{SHARE_IT}"
            )
        return store

    @cached_property
    def writer(self) -> StoreWriter:
        """Writes to the store."""
        return StoreWriter(self.store)

    @property
    def position(self) -> tuple[int, float, float]:
        """How far the trial in progress is: its step, seconds of training and of evaluating."""
        run = self._run
        return (run.step, run.train_seconds, run.eval_seconds) if run else (0, 0.0, 0.0)

    def start(self, trial: CompleteTrial) -> None:
        """Take on a trial, and drop what was in progress."""
        self._trial, self._run = trial, None

    def work(self, seconds: float = float("inf")) -> Outcome | None:
        """Work on the trial for some seconds, and return its outcome once it has ended.

        An exception in the trial ends that trial only, and is noted in the store.

        Raises:
            StoreError: The store cannot be written even after waiting for it; see also `store`.
            BrokenDeviceError: This process can no longer use CUDA and must end.
            KeyboardInterrupt: Ctrl-C was pressed. A first one is raised at the end of the step.
        """
        trial = self._trial
        assert trial is not None, "start a trial first"
        with deferred_ctrl_c() as interrupted:
            try:
                run = self._run or self._begin(trial)
                until = time.monotonic() + seconds  # without the time to load the data
                while not run.finished and not interrupted() and time.monotonic() < until:
                    self._train(run, until, interrupted)
                if not run.finished:
                    return None
                outcome = self._finish(run)
            except StoreError:
                raise  # not the trial's fault: without a store, no result can be kept
            except Exception as error:
                in_full = traceback.format_exc().strip()
                if breaks_device(in_full):
                    raise BrokenDeviceError(in_full.splitlines()[-1]) from None
                outcome = self._fail(trial, in_full, user_traceback(error))
            self._trial, self._run = None, None
            return outcome

    def interrupt(self) -> None:
        """Save the trial in progress, so that the next run continues from here.

        In the middle of a step nothing is saved, and the last checkpoint stays.
        """
        if self._run is not None and self._between_steps and not self._run.finished:
            self._save(self._run)

    def _train(self, run: TrainingRun, until: float, interrupted: Callable[[], bool]) -> None:
        """Train until then, or until the next checkpoint."""
        stop_at = min(until, self._save_at)
        self._between_steps = False
        run.train(pause=lambda: interrupted() or time.monotonic() >= stop_at)
        self._between_steps = True
        if not run.finished and time.monotonic() >= self._save_at:
            self._save(run)

    def _begin(self, trial: CompleteTrial) -> TrainingRun:
        reset_peaks(self.device)
        data = self._data(trial.dataset)
        model = self._job.models.get(trial.model, trial.model)
        run = TrainingRun(trial, data, model)
        content = self._checkpoint(trial.id)
        if content is not None:
            try:
                if move := run.restore(content):
                    self._warn(f"{trial.described()}: {move}")
            except ValueError as error:
                if memory_advice(str(error)) or breaks_device(str(error)):
                    raise
                # It is corrupt, of another trial, of a model that was edited since, or of other
                # hardware in spite of deterministic=True. Train from the start rather than fail
                # forever.
                self._warn(f"{error}; trained from the start")
                self.writer.delete_checkpoint(trial.id)
                run = TrainingRun(trial, data, model)
        self._run, self._between_steps = run, True
        self._save_at = time.monotonic() + self._job.checkpoint_seconds
        return run

    def _checkpoint(self, trial_id: str) -> bytes | None:
        """Return the state of an unfinished trial. A damaged one is set aside."""
        try:
            return self.store.checkpoint(trial_id)
        except DamagedFileError as error:
            self._warn(set_aside(self.store.files, error, "the trial is trained from the start"))
            return None

    def _data(self, name: str) -> ResidentDataset:
        """Return a data set on the device; a trial's share of the memory is for one only."""
        if name not in self._resident:
            self._resident.clear()
            self._resident[name] = to_device(self._load(name), self.device)
        return self._resident[name]

    def _save(self, run: TrainingRun) -> None:
        """Write a checkpoint. If that fails, the trial continues without one.

        If another driver has taken the study over, its workers may have finished the trial.
        """
        try:
            if self._job.claim and not is_held(self.store.files, self._job.claim):
                return
            self.writer.write_checkpoint(run.trial.id, run.state())
        except OSError as error:
            self._warn(f"checkpoint of trial {run.trial.id} cannot be written: {error}")
        self._save_at = time.monotonic() + self._job.checkpoint_seconds

    def _finish(self, run: TrainingRun) -> Outcome:
        outcome = run.outcome()
        outcome = replace(outcome, measurements={**outcome.measurements, **self._surroundings()})
        self.writer.write_result(run.trial, outcome, run.curve)
        self.writer.delete_checkpoint(run.trial.id)
        # The planner reads the curves of range tests only.
        return replace(outcome, curve=run.curve if run.trial.kind == "range_test" else ())

    def _fail(self, trial: CompleteTrial, in_full: str, shown: str) -> Outcome:
        """Note an error in the store, in full; the outcome has what the user is shown."""
        advice = memory_advice(in_full)
        if advice:
            in_full, shown = f"{in_full}\n{advice}", f"{shown}\n{advice}"
        self.writer.write_failure(trial, f"{in_full}\n{trial.described()}")
        return Outcome("failed", error=shown)

    def _surroundings(self) -> dict[str, Any]:
        return {
            **peaks(self.device),
            "finished_at": datetime.now(UTC),
            "host": platform.node(),
            "package_version": VERSION,
        }
