"""Runs one trial after another in one process: restores, trains, saves, and writes results."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from torch import nn

from superconv_ray.data.images import AnyDataset, NoBatchError
from superconv_ray.data.streaming import Load
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.design.version import VERSION
from superconv_ray.execution.interruption import deferred_ctrl_c
from superconv_ray.execution.memory import peaks, reset_peaks
from superconv_ray.execution.peers import Failure, LostPeerError, Peers
from superconv_ray.execution.run_builder import RunBuilder
from superconv_ray.execution.worker_failures import BrokenDeviceError, breaks_device, memory_advice
from superconv_ray.storage.filesystem_errors import SHARE_IT, not_shared
from superconv_ray.storage.integrity import set_aside
from superconv_ray.storage.lease import is_held
from superconv_ray.storage.seal import DamagedFileError
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from superconv_ray.training.loop import TrainingRun

WAITING = 0.05
"""A run that waits for images for more than this share of its steps' time warns its user."""
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
        threads: CPU threads of a process.
        gpu: Whether a process has a GPU, or a share of one.
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
    """Runs trials, alone or as the first of several processes.

    Args:
        job: What is the same for all trials.
        load: Returns a data set by name.
        warn: Called with what the user should know although the trial continues.
        peers: The other processes that train each trial, if there are any.
    """

    def __init__(
        self,
        job: Job,
        load: Callable[[str], AnyDataset],
        warn: Callable[[str], None],
        peers: Peers | None = None,
    ) -> None:
        self._builder = RunBuilder(job.models, load, threads=job.threads, gpu=job.gpu)
        self._job = job
        self._warn = warn
        self._peers = peers
        self._advised = False
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
            LostPeerError: Another process of the trial died; the trial is to start again.
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
            except (StoreError, LostPeerError):
                raise  # not the trial's fault: without a store, no result can be kept
            except Exception as error:
                failure = Failure.of(error)
                if self._peers:
                    failure = self._peers.disband(failure)
                if breaks_device(failure.in_full):
                    raise BrokenDeviceError(failure.in_full.splitlines()[-1]) from None
                outcome = self._fail(trial, failure)
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
        if self._peers:
            self._peers.train()
        try:
            run.train(pause=lambda: interrupted() or time.monotonic() >= stop_at)
        except NoBatchError:  # not what an evaluation raises: its row would be missing
            if not self._peers:
                self._save(run)  # the step has not begun to change the weights
            raise
        self._between_steps = True
        if not run.finished and time.monotonic() >= self._save_at:
            self._save(run)

    def _begin(self, trial: CompleteTrial) -> TrainingRun:
        reset_peaks(self._builder.device)
        state = self._checkpoint(trial.id)
        team = self._peers.begin(trial, state) if self._peers else None
        built = self._builder.build(trial, state, team)
        if built.note:
            self._warn(built.note)
        if built.refused:
            self.writer.delete_checkpoint(trial.id)
        self._run, self._between_steps = built.run, True
        self._save_at = time.monotonic() + self._job.checkpoint_seconds
        return built.run

    def _checkpoint(self, trial_id: str) -> bytes | None:
        """Return the state of an unfinished trial. A damaged one is set aside."""
        try:
            return self.store.checkpoint(trial_id)
        except DamagedFileError as error:
            self._warn(set_aside(self.store.files, error, "the trial is trained from the start"))
            return None

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

    def _advise(self, run: TrainingRun) -> None:
        """Say once that decoding does not keep up, and what it lacks."""
        if run.load and not self._advised and run.load.waited_seconds > WAITING * run.train_seconds:
            self._advised = True
            self._warn(f"{run.trial.described()}: {_lack(run.load, run.train_seconds)}")

    def _finish(self, run: TrainingRun) -> Outcome:
        self._advise(run)
        outcome = run.outcome()
        outcome = replace(outcome, measurements={**outcome.measurements, **self._surroundings()})
        self.writer.write_result(run.trial, outcome, run.curve)
        self.writer.delete_checkpoint(run.trial.id)
        # The planner reads the curves of range tests only.
        return replace(outcome, curve=run.curve if run.trial.kind == "range_test" else ())

    def _fail(self, trial: CompleteTrial, failure: Failure) -> Outcome:
        """Note an error in the store, in full; the outcome has what the user is shown."""
        in_full, shown = failure.in_full, failure.shown
        if advice := memory_advice(in_full):
            in_full, shown = f"{in_full}\n{advice}", f"{shown}\n{advice}"
        self.writer.write_failure(trial, f"{in_full}\n{trial.described()}")
        return Outcome("failed", error=shown)

    def _surroundings(self) -> dict[str, Any]:
        return {
            **peaks(self._builder.device),
            "finished_at": datetime.now(UTC),
            "host": platform.node(),
            "package_version": VERSION,
        }


def _lack(load: Load, seconds: float) -> str:
    """Return how long a run waited for images, and what would help.

    Args:
        load: What decoding took.
        seconds: Time in steps, waiting included.
    """
    needed = load.cpus_needed(seconds)
    way_out = (
        "raise --cpus-per-trial, or make the files smaller"
        if needed > load.threads
        else "reading them is slow, or other processes take the CPUs"
    )
    return (
        f"{load.waited_seconds / seconds:.0%} of the time in steps was waiting for images; to keep "
        f"up, decoding needs {needed:.1f} CPUs and has {load.threads}: {way_out}"
    )
