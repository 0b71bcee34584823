"""Running a planner's trials in parallel with Ray Tune.

What makes short trials cheap (measured, see benchmarks/study_overhead.py): warm actors that keep
torch and the data set, no per-trial loggers because rows go to the store, one Tune result per slice
of some seconds, and as many trials pending as there are slots.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher
from torch import nn

from superconv_ray.data.dataset import Dataset
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.outcome import Outcome
from superconv_ray.planner import Planner, Signal
from superconv_ray.trial import Trial

SLICE_SECONDS = 5.0
MAX_FAILURES = 3
"""Times that a trial is started again after its worker or node has died."""


@dataclass(frozen=True, repr=False)
class Assignment:
    """A trial inside Tune's config: opaque, or Tune would flatten its fields into every result."""

    trial: Trial

    def __repr__(self) -> str:
        return self.trial.id


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A warm actor that trains one trial after another; see `Worker`."""

    def setup(
        self, config: dict[str, Any], job: Job, datasets: Mapping[str, ray.ObjectRef]
    ) -> None:
        """Called once an actor; reads data sets from Ray's object store, without a copy."""
        self._worker = Worker(job, lambda name: ray.get(datasets[name]))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take on the next trial."""
        self._worker.start(new_config["assignment"].trial)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a slice of time."""
        outcome = self._worker.work(SLICE_SECONDS)
        return {"done": outcome is not None, "outcome": outcome}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:  # noqa: ARG002
        """Tune insists on this; the worker keeps its own checkpoints in the store."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to do: the worker finds its checkpoint in the store."""


class PlannerSearcher(Searcher):  # type: ignore[misc]
    """Shows a `Planner` to Tune."""

    def __init__(self, planner: Planner, progress: Progress) -> None:
        super().__init__()
        self._planner = planner
        self._progress = progress
        self._running: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial; None to wait; FINISHED."""
        trial = self._planner.next()
        if trial is Signal.WAIT:
            return None
        if isinstance(trial, Signal):
            return str(Searcher.FINISHED)
        self._running[trial_id] = trial
        self._progress.started(trial)
        return {"assignment": Assignment(trial)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:  # noqa: ARG002
        """A slice of training is over."""
        self._progress.refresh()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass a trial's outcome on to the planner."""
        trial = self._running.pop(trial_id)
        outcome = (result or {}).get("outcome")
        if error or outcome is None:
            outcome = Outcome("failed", error=_lost(trial))
        self._planner.tell(trial.id, outcome)
        self._progress.ended(trial, outcome)

    def __getstate__(self) -> dict[str, Any]:
        """Tuner pickles its arguments for a later restore, which this package never does."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing is saved: the planner is rebuilt from the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is restored; see `save`."""


def _lost(trial: Trial) -> str:
    return (
        f"trial {trial.id} did not end: its worker died {MAX_FAILURES + 1} times (out of memory?) "
        f"or the run was interrupted. Settings: {trial.settings()}"
    )


def run_ray(
    planner: Planner,
    make_job: Callable[[bool], Job],
    datasets: Mapping[str, Dataset],
    progress: Progress,
    *,
    address: str | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
) -> None:
    """Run until the planner is finished.

    Args:
        planner: What to run.
        make_job: Gives the workers' job; told whether they have GPUs.
        datasets: All data sets needed; put into Ray's object store once.
        progress: Told what starts and ends.
        address: Of a running cluster; None: the one this process is on, else a new local one.
        cpus_per_trial: CPUs, and so threads, of a trial.
        gpus_per_trial: GPUs of a trial, fractions allowed; None: one each where there are any.

    Raises:
        ConnectionError: No cluster at the address.
        ValueError: No node of the cluster can ever run a trial of that size.
    """
    with (
        _connection(address),
        _tune_environment(),
        _shipped_by_value(planner.plan.study.models.values()),
        tempfile.TemporaryDirectory() as scratch,
    ):
        resources = ray.cluster_resources()
        gpus = gpus_per_trial
        if gpus is None:
            gpus = 1.0 if resources.get("GPU") else 0.0
        slots = _slots(resources, cpus_per_trial, gpus)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
        trainable = tune.with_parameters(
            TrialTrainable,
            job=make_job(gpus > 0),
            datasets={name: ray.put(dataset) for name, dataset in datasets.items()},
        )
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": cpus_per_trial, "gpu": gpus}),
            tune_config=tune.TuneConfig(
                search_alg=PlannerSearcher(planner, progress),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=scratch,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            ),
        )
        with _quiet("ray.tune.analysis.experiment_analysis"):  # misses Tune's per-trial files
            tuner.fit()


def _slots(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many trials the cluster can run at once now."""
    room = [resources.get("CPU", 0.0) / cpus] if cpus else []
    room += [resources.get("GPU", 0.0) / gpus] if gpus else []
    slots = int(min(room, default=1.0))
    if slots < 1:
        raise ValueError(
            f"a trial of {cpus} CPUs and {gpus} GPUs does not fit the cluster, which has "
            f"{resources.get('CPU', 0.0):g} CPUs and {resources.get('GPU', 0.0):g} GPUs"
        )
    return slots


@contextlib.contextmanager
def _connection(address: str | None) -> Iterator[None]:
    """Use the Ray that is there; one that is started here is stopped here."""
    if ray.is_initialized():
        yield
        return
    ray.init(
        address=address,
        include_dashboard=None if address else False,
        log_to_driver=False,
        logging_level="warning",
    )
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _shipped_by_value(models: Iterable[Callable[..., nn.Module]]) -> Iterator[None]:
    """Let the user's models travel as code: other machines have not got the study's folder."""
    modules = {sys.modules[model.__module__] for model in models if hasattr(model, "__module__")}
    own = [m for m in modules if m.__name__ != "__main__" and not _is_installed(m)]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType) -> bool:
    """Whether a module is part of an installed package, and so to be expected on every node."""
    parts = Path(module.__file__ or "").parts
    return "site-packages" in parts or "dist-packages" in parts or module.__file__ is None


@contextlib.contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _tune_environment() -> Iterator[None]:
    """Tune's settings that exist as environment variables only; restored afterwards."""
    wanted = {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # rows go to the store
        "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # the planner is rebuilt from the store
        "TUNE_MAX_PENDING_TRIALS_PG": "1",
        "RAY_AIR_NEW_OUTPUT": "0",  # the display is our own
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
