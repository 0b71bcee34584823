"""One trial after another in one process: restored, trained, checkpointed, written to the store."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from superconv_ray.data.batches import ResidentDataset, to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.design.version import VERSION
from superconv_ray.execution.interruption import deferred_ctrl_c
from superconv_ray.execution.memory import forget_peaks, peaks
from superconv_ray.execution.worker_failures import BrokenDeviceError, breaks_device, memory_advice
from superconv_ray.storage.filesystem import SHARE_IT, not_shared
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.training.loop import TrainingRun

SLICE_SECONDS = 5.0
"""Time after which whoever runs a worker hears of it again while it trains."""


@dataclass(frozen=True)
class Job:
    """What a worker needs besides trials; it travels to every worker of a cluster.

    Attributes:
        store: URI of the store.
        models: The user's own models by name.
        checkpoint_seconds: Time between checkpoints of one trial, which is what a killed worker
            can lose; shorter trials write none.
        threads: CPU threads a trial may use.
        gpu: Whether the worker has been given a GPU, or a share of one.
        claim: A file that the driver keeps in the store; a worker that does not find it has another
            store under the same name.
    """

    store: str
    models: Mapping[str, Callable[..., nn.Module]]
    checkpoint_seconds: float
    threads: int = 1
    gpu: bool = False
    claim: str | None = None


class Worker:
    """Runs trials; keeps a data set on the device from one trial to the next.

    Args:
        job: See `Job`.
        load: Gives a data set by name.
        warn: Told what the user should know although the trial goes on.
    """

    def __init__(
        self, job: Job, load: Callable[[str], Dataset], warn: Callable[[str], None]
    ) -> None:
        torch.set_num_threads(job.threads)
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
        """The driver's store. Nodes that join while a study runs have not been asked before.

        Raises:
            StoreError: It cannot be opened, or is not the driver's.
        """
        store = open_store(self._job.store, known=True)
        if self._job.claim and store.files.read(self._job.claim) is None:
            raise StoreError(
                f"{not_shared(store.files.place, platform.node())}, which has joined the cluster: "
                f"{SHARE_IT}"
            )
        return store

    def start(self, trial: CompleteTrial) -> None:
        """Take on a trial, whatever was in progress before."""
        self._trial, self._run = trial, None

    def work(self, seconds: float = float("inf")) -> Outcome | None:
        """Work on the trial for some seconds; its outcome once it has ended.

        An exception of the trial ends that trial alone: it is noted in the store.

        Raises:
            StoreError: The store cannot be written, even after waiting for it; or see `store`.
            BrokenDeviceError: CUDA is of no more use to this process, which is to be ended.
            KeyboardInterrupt: Ctrl-C was pressed; a first one waits for the end of the step.
        """
        trial = self._trial
        assert trial is not None, "start a trial first"
        with deferred_ctrl_c() as interrupted:
            try:
                run = self._run or self._begin(trial)
                until = time.monotonic() + seconds  # from here: a first trial's data may take long
                while not run.finished and not interrupted() and time.monotonic() < until:
                    self._train(run, until, interrupted)
                if not run.finished:
                    return None
                outcome = self._finish(run)
            except StoreError:
                raise  # no fault of the trial's: without a store nothing can be kept of any
            except Exception:
                trace = traceback.format_exc()
                if breaks_device(trace):
                    raise BrokenDeviceError(trace.strip().splitlines()[-1]) from None
                outcome = self._fail(trial, trace)
            self._trial, self._run = None, None
            return outcome

    def interrupt(self) -> None:
        """Save the trial in progress, so that the next run goes on from here.

        Half a step cannot be gone on from: then the last checkpoint stays.
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
        forget_peaks(self.device)
        data = self._data(trial.dataset)
        model = self._job.models.get(trial.model, trial.model)
        run = TrainingRun(trial, data, model)
        content = self.store.checkpoint(trial.id)
        if content is not None:
            try:
                run.restore(content)
            except ValueError as error:
                if memory_advice(str(error)) or breaks_device(str(error)):
                    raise
                # Corrupt, of another trial, or of a model that was edited since: of no use to
                # anyone. Train from the start rather than fail for ever.
                self._warn(f"{error}; trained from the start")
                self.store.delete_checkpoint(trial.id)
                run = TrainingRun(trial, data, model)
        self._run, self._between_steps = run, True
        self._save_at = time.monotonic() + self._job.checkpoint_seconds
        return run

    def _data(self, name: str) -> ResidentDataset:
        """A data set on the device; one at a time, as a trial's share of the memory is for one."""
        if name not in self._resident:
            self._resident.clear()
            self._resident[name] = to_device(self._load(name), self.device)
        return self._resident[name]

    def _save(self, run: TrainingRun) -> None:
        """Write a checkpoint. It is an insurance: a trial goes on if the store cannot take it."""
        try:
            self.store.write_checkpoint(run.trial.id, run.state())
        except OSError as error:
            self._warn(f"checkpoint of trial {run.trial.id} cannot be written: {error}")
        self._save_at = time.monotonic() + self._job.checkpoint_seconds

    def _finish(self, run: TrainingRun) -> Outcome:
        outcome = run.outcome()
        outcome = replace(outcome, measurements={**outcome.measurements, **self._surroundings()})
        self.store.write_result(run.trial, outcome, run.curve)
        self.store.delete_checkpoint(run.trial.id)
        # Only a range test's curve is read by the planner; do not send it the others.
        return replace(outcome, curve=run.curve if run.trial.kind == "range_test" else ())

    def _fail(self, trial: CompleteTrial, trace: str) -> Outcome:
        error = "\n".join(filter(None, (trace, memory_advice(trace), trial.described())))
        self.store.write_failure(trial, error)
        return Outcome("failed", error=error)

    def _surroundings(self) -> dict[str, Any]:
        return {
            "device": _device_name(self.device),
            "threads": torch.get_num_threads(),
            **peaks(self.device),
            "finished_at": datetime.now(UTC),
            "host": platform.node(),
            "package_version": VERSION,
            "torch_version": str(torch.__version__),
        }


@cache
def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
