"""Running a planner's trials in parallel with Ray Tune.

What makes short trials cheap (measured, see benchmarks/study_overhead.py): warm actors that keep
torch and the data set, no per-trial loggers because rows go to the store, one Tune result per slice
of some seconds, and no trials waiting on a Ray that cannot grow.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from superconv_ray.data.dataset import Dataset
from superconv_ray.execution.connection import connected
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.shipping import check_models_load, shipped_by_value
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.outcome import Outcome
from superconv_ray.planner import Planner, Signal
from superconv_ray.store import Store, open_store
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

    def __deepcopy__(self, _: object) -> Assignment:
        return self  # immutable, and Tune copies every config


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

    def get_auto_filled_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        """None of Tune's own metrics: nobody reads them, and the driver would keep them all."""
        return {}

    def cleanup(self) -> None:
        """Called when the actor is stopped; after Ctrl-C that is in the midst of a trial."""
        self._worker.interrupt()


class PlannerSearcher(Searcher):  # type: ignore[misc]
    """Shows a `Planner` to Tune."""

    def __init__(self, planner: Planner, progress: Progress, store: Store) -> None:
        super().__init__()
        self._planner = planner
        self._progress = progress
        self._store = store
        self._given: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial; None to wait; FINISHED."""
        trial = self._planner.next()
        if trial is Signal.WAIT:
            return None
        if isinstance(trial, Signal):
            return str(Searcher.FINISHED)
        self._given[trial_id] = trial
        return {"assignment": Assignment(trial)}

    def started(self, trial_id: str) -> None:
        """A worker has taken on a trial, perhaps once more."""
        self._progress.started(self._given[trial_id])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:  # noqa: ARG002
        """A slice of training is over."""
        self._progress.refresh()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass a trial's outcome on to the planner. A trial without one is `lost`: see there."""
        if not error:
            assert result is not None, "every trial of ours ends with a result"
            self._end(trial_id, result["outcome"])

    def lost(self, trial_id: str, reasons: str) -> None:
        """Give up a trial that no worker has brought to its end."""
        trial = self._given[trial_id]
        settings = {name: value for name, value in trial.settings().items() if value is not None}
        error = (
            f"given up: in {MAX_FAILURES + 1} attempts no worker came to the trial's end\n"
            f"{reasons}\ntrial {trial.id}: {settings}"
        )
        self._store.write_failure(trial, error)
        self._end(trial_id, Outcome("failed", error=error))

    def _end(self, trial_id: str, outcome: Outcome) -> None:
        trial = self._given.pop(trial_id)
        self._planner.tell(trial.id, outcome)
        self._progress.ended(trial, outcome)

    def __getstate__(self) -> dict[str, Any]:
        """Tuner pickles its arguments for a later restore, which this package never does."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing is saved: the planner is rebuilt from the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is restored; see `save`."""


class WorkerEvents(tune.Callback):  # type: ignore[misc]
    """Tells the searcher what Tune tells only its callbacks: a start, and why a trial was lost."""

    def __init__(self, searcher: PlannerSearcher) -> None:
        self._searcher = searcher

    def on_trial_start(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        """A worker takes on a trial."""
        self._searcher.started(trial.trial_id)

    def on_trial_complete(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        """The planner has the outcome: Tune need not keep it, or write it into its own state."""
        trial.last_result.pop("outcome", None)

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        """A trial is not started again any more; Tune has noted why in a file."""
        self._searcher.lost(trial.trial_id, Path(trial.error_file).read_text().strip())


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
        ValueError: No node of the cluster has room for a trial of that size, or one cannot load a
            model of the study's.
        KeyboardInterrupt: Ctrl-C was pressed; trials in progress have been saved.
    """
    with (
        connected(address) as fixed_size,
        _tune_environment(),
        shipped_by_value(planner.plan.study.models.values()),
        tempfile.TemporaryDirectory() as scratch,
    ):
        if not fixed_size:  # else there is this machine alone
            check_models_load(planner.plan.study.models)
        gpus = gpus_per_trial
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU") else 0.0
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        # Where the cluster can grow, trials that wait are what makes it; elsewhere they only cost.
        slots = _slots(nodes, cpus_per_trial, gpus)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
        job = make_job(gpus > 0)
        trainable = tune.with_parameters(
            TrialTrainable,
            job=job,
            datasets={name: ray.put(dataset) for name, dataset in datasets.items()},
        )
        searcher = PlannerSearcher(planner, progress, open_store(job.store))
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": cpus_per_trial, "gpu": gpus}),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,
                max_concurrent_trials=slots if fixed_size else None,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=scratch,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                # Workers keep their own in the store; Tune's would need a disk that all nodes share
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[WorkerEvents(searcher)],
            ),
        )
        with (
            _ctrl_c_given_back(),
            _quiet("ray.tune.analysis.experiment_analysis"),  # misses Tune's per-trial files
            _quiet("ray.tune.tune"),  # after Ctrl-C advises Tuner.restore
        ):
            tuner.fit()
    if planner.to_come:  # Tune takes the first Ctrl-C for itself
        raise KeyboardInterrupt


def _slots(nodes: Iterable[Mapping[str, float]], cpus: float, gpus: float) -> int:
    """How many trials the nodes can run at once; a trial cannot be spread over two nodes."""
    wanted = {name: amount for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount}
    nodes = list(nodes)
    slots = sum(
        min((int(node.get(name, 0.0) / amount) for name, amount in wanted.items()), default=1)
        for node in nodes
    )
    if not slots:
        sizes = {
            f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes
        }
        raise ValueError(
            f"a trial of {cpus:g} CPUs and {gpus:g} GPUs does not fit any node of the cluster, "
            f"which have {', or '.join(sorted(sizes))}"
        )
    return slots


@contextlib.contextmanager
def _ctrl_c_given_back() -> Iterator[None]:
    """Tune catches Ctrl-C, and would go on to do so when it has ended."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGINT, handler)


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
        "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a user's model may read files by relative paths
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
