"""Running a planner's trials in parallel with Ray Tune.

What makes short trials cheap (measured, see benchmarks/study_overhead.py): warm actors that keep
torch and the data set, no per-trial loggers because rows go to the store, one Tune result per slice
of some seconds, and no trials waiting on a Ray that cannot grow.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from superconv_ray.data.dataset import Dataset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import Trial
from superconv_ray.execution.capacity import RoomWatch, cluster_nodes, slots_at_start
from superconv_ray.execution.connection import connected
from superconv_ray.execution.doctor.collection import check_before_run, smallest_gpu_bytes
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.model_transport import check_models_load, shipped_by_value
from superconv_ray.execution.packing import (
    SHAPE,
    Amount,
    Packing,
    column_of,
    largest_peaks,
    smallest_devices,
)
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.ray_tune.trainable import Assignment, TrialTrainable
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.execution.worker import Job
from superconv_ray.execution.worker_failures import judge, memory_advice
from superconv_ray.planning.planner import Planner, Signal
from superconv_ray.storage.store import Store, StoreError, open_store

START_SECONDS = 120.0
"""Time that a trial waits for a worker of its own to start before it gets one that is free."""
MAX_ATTEMPTS = 4
"""Workers that may die at a trial before it is given up. Those whose node was lost do not count."""
MAX_LOST_NODES = 20
"""Nodes that may be lost under a trial before it is suspected to be what ends them."""


class _NotSaved:
    """Tuner pickles its arguments for a later restore, which this package never does."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PlannerSearcher(_NotSaved, Searcher):  # type: ignore[misc]
    """Shows a `Planner` to Tune, and starts trials again whose workers have died.

    To Tune each start is a trial of its own. Its own way of starting them again counts the loss of
    a node as a failure of the trial, and a worker that dies between two trials twice (Ray 2.60).
    """

    def __init__(
        self, planner: Planner, packing: Packing, progress: Progress, store: Store
    ) -> None:
        super().__init__()
        self._planner = planner
        self._packing = packing
        self.request = packing.largest_request()  # of the latest trial
        self._progress = progress
        self._store = store
        self._given: dict[str, Trial] = {}
        self.waiting: dict[str, float] = {}  # by Tune's id: since when
        self.running: set[str] = set()
        self.store_error: str | None = None
        self._again: deque[Trial] = deque()
        self._deaths: dict[str, list[str]] = {}
        self._lost_nodes: Counter[str] = Counter()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial; None to wait; FINISHED."""
        trial = self._again.popleft() if self._again else self._planner.next()
        if isinstance(trial, Signal):
            # What is in progress may have to be started again, and nothing is after FINISHED.
            over = trial is Signal.FINISHED and not self._given
            return str(Searcher.FINISHED) if over else None
        self._given[trial_id] = trial
        self.waiting[trial_id] = time.monotonic()
        self.request = self._packing.request(trial)
        return {"assignment": Assignment(trial, self.request)}

    def started(self, trial_id: str) -> None:
        """A worker has taken on a trial, perhaps once more."""
        self.waiting.pop(trial_id, None)
        self.running.add(trial_id)
        self._progress.started(self._given[trial_id])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:  # noqa: ARG002
        """A slice of training is over."""
        self._warn(result)
        self._progress.refresh()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass a trial's outcome on to the planner. A trial without one is `lost`: see there."""
        if not error:
            assert result is not None, "every trial of ours ends with a result"
            self._warn(result)
            trial, outcome = self._take(trial_id), result["outcome"]
            if result["store_error"]:
                self.store_error = result["store_error"]
            elif self._give_more_memory(trial, outcome.error):
                self._start_again(trial, "out of memory: its like have a whole device from now on")
            else:
                self._end(trial, outcome)

    def lost(self, trial_id: str, reason: str) -> None:
        """A worker has died at a trial: start it again, or give it up if it may be to blame."""
        trial = self._take(trial_id)
        if outcome := self._recorded(trial):  # it died, or was cut off, a moment after
            self._end(trial, outcome)
            return
        death = judge(reason)
        deaths = self._deaths.setdefault(trial.id, [])
        if death.blameless:
            self._lost_nodes[trial.id] += 1
        else:
            deaths.append(reason)
            self._give_more_memory(trial, reason)
        if len(deaths) < MAX_ATTEMPTS and self._lost_nodes[trial.id] < MAX_LOST_NODES:
            self._start_again(trial, None if death.blameless else death.cause)
            return
        lost = f", and {self._lost_nodes[trial.id]} nodes were lost" * death.blameless
        summary = f"given up: {len(deaths)} workers died at the trial{lost}: {death.cause}"
        in_full = "\n".join((summary, *(deaths or [reason]), trial.described()))
        self._store.write_failure(trial, in_full)
        # Ray has a lot to say, which need not be shown
        self._end(trial, Outcome("failed", error=f"{summary}\n{trial.described()}"))

    def _recorded(self, trial: Trial) -> Outcome | None:
        """What the store knows of a trial whose worker did not live to tell."""
        with contextlib.suppress(StoreError):
            return recorded_outcomes(self._store, self._planner.plan, [trial.id])(trial.id)
        return None

    def _give_more_memory(self, trial: Trial, error: str | None) -> bool:
        """Let a trial have more if it failed for want of memory; whether it can."""
        lacking = error is not None and memory_advice(error) is not None
        return lacking and self._packing.outgrown(trial)

    def _start_again(self, trial: Trial, cause: str | None) -> None:
        self._again.append(trial)
        self._progress.lost(trial, cause)

    def _take(self, trial_id: str) -> Trial:
        """The trial of one of Tune's, which is over."""
        self.waiting.pop(trial_id, None)
        self.running.discard(trial_id)
        return self._given.pop(trial_id)

    def _warn(self, result: dict[str, Any]) -> None:
        for warning in result["warnings"]:
            self._progress.warn(warning)

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        self._deaths.pop(trial.id, None)
        self._packing.learn(trial, outcome)
        self._planner.tell(trial.id, outcome)
        self._progress.ended(trial, outcome)

    def save(self, checkpoint_path: str) -> None:
        """Nothing is saved: the planner is rebuilt from the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is restored; see `save`."""


class WarmWorkers(_NotSaved, FIFOScheduler):  # type: ignore[misc]
    """Gives a worker that has become free to a trial for which none is being started.

    Tune's own choice is the trial that waits longest. Where there is room for more workers, that is
    the one for which a worker is being started, which takes seconds, and Tune then stops the start:
    with short trials the second worker would never come up.
    """

    def __init__(self, searcher: PlannerSearcher, room: RoomWatch) -> None:
        super().__init__()
        self._searcher = searcher
        self._room = room

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A trial that waits, or None."""
        tune_controller._tune_controller.update_max_pending_trials(self._room.may_wait)
        count, running = len(self._searcher.waiting), len(self._searcher.running)
        newest_first = (t for t in reversed(tune_controller.get_trials()) if t.status == t.PENDING)
        waiting = list(islice(newest_first, count))[::-1]
        if not waiting:
            return None
        late = time.monotonic() - START_SECONDS
        if self._searcher.waiting.get(waiting[0].trial_id, late) <= late:
            return waiting[0]  # there is room, but others use it
        being_started = max(0, self._room.slots - running - 1)
        return waiting[min(being_started, len(waiting) - 1)]


class Events(_NotSaved, tune.Callback):  # type: ignore[misc]
    """Passes on what Tune tells only its callbacks: starts, deaths, and that time passes."""

    def __init__(self, searcher: PlannerSearcher, room: RoomWatch) -> None:
        self._searcher = searcher
        self._room = room

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        """Called at least every 0.1 s. What it raises ends the run; other workers save first."""
        if self._searcher.store_error:
            raise StoreError(self._searcher.store_error)
        self._room.request = self._searcher.request
        self._room.look(len(self._searcher.running))

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
        """A worker has died; Tune has noted why in a file."""
        self._searcher.lost(trial.trial_id, Path(trial.error_file).read_text().strip())


class Unpacked(tune.Callback):  # type: ignore[misc]
    """Shows the callbacks that come after it plain settings and measurements, not our objects."""

    def on_trial_start(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        **info: Any,  # noqa: ARG002
    ) -> None:
        """Trackers log a trial's config as its parameters."""
        trial.config.update(trial.config["assignment"].trial.own_settings())

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,  # noqa: ARG002
        result: dict[str, Any],
        **info: Any,  # noqa: ARG002
    ) -> None:
        """Of the last result, whose step is the optimiser's; Tune lets callbacks change it."""
        if outcome := result["outcome"]:
            numbers = {k: v for k, v in outcome.measurements.items() if isinstance(v, (int, float))}
            result.update(numbers, timesteps_total=numbers.get("steps_done"))


def run_ray(
    planner: Planner,
    make_job: Callable[[bool], Job],
    datasets: Mapping[str, Dataset],
    progress: Progress,
    *,
    address: str | None = None,
    cpus_per_trial: Amount = 1.0,
    gpus_per_trial: Amount | None = None,
    callbacks: Sequence[tune.Callback] = (),
) -> None:
    """Run until the planner is finished.

    Args:
        planner: What to run.
        make_job: Gives the workers' job; told whether they have GPUs.
        datasets: All data sets needed; put into Ray's object store once.
        progress: Told what starts and ends.
        address: Of a running cluster; None: the one this process is on, else a new local one.
        cpus_per_trial: CPUs, and so threads, of a trial; "auto": see `Packing`.
        gpus_per_trial: GPUs of a trial, fractions allowed; None: one each where there are any;
            "auto": see `Packing`.
        callbacks: The user's own, such as Tune's for MLflow; see `Unpacked`.

    Raises:
        ConnectionError: No cluster at the address.
        ValueError: No node of the cluster has room for a trial of that size, or a node would
            spoil the study (see `check_before_run`) or cannot load a model of its own.
        StoreError: The store cannot be written any more.
        KeyboardInterrupt: Ctrl-C was pressed; trials in progress have been saved.
    """
    with (
        connected(address, progress.warn) as fixed_size,
        sigterm_is_ctrl_c(),
        _tune_environment(),
        _amended_tune(),
        shipped_by_value(planner.plan.study.models.values()),
        tempfile.TemporaryDirectory() as scratch,
    ):
        gpus = gpus_per_trial
        if gpus in (None, "auto") and not ray.cluster_resources().get("GPU"):
            gpus = 0.0
        job = make_job(gpus != 0)
        check_before_run(job.store)
        if not fixed_size:  # else there is this machine alone
            check_models_load(planner.plan.study.models)
        store = open_store(job.store)
        packing = _packing(store, cpus_per_trial, 1.0 if gpus is None else gpus)
        request = packing.largest_request()
        slots = slots_at_start(request, progress.warn)
        trainable = tune.with_parameters(
            TrialTrainable,
            job=job,
            datasets={name: ray.put(dataset) for name, dataset in datasets.items()},
        )
        searcher = PlannerSearcher(planner, packing, progress, store)
        room = RoomWatch(request, progress.warn)
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=WarmWorkers(searcher, room),
                num_samples=-1,
                # Where the cluster can grow, trials that wait make it; elsewhere they only cost.
                max_concurrent_trials=slots if fixed_size and not packing.measures else None,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="study",
                storage_path=scratch,
                verbose=0,
                # Workers keep their own in the store; Tune's would need a disk that all nodes share
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[
                    Events(searcher, room),
                    *([Unpacked(), *callbacks] if callbacks else []),
                ],
            ),
        )
        with (
            _quiet("ray.tune.analysis.experiment_analysis"),  # misses Tune's per-trial files
            _quiet("ray.tune.tune"),  # lists what was started again; after Ctrl-C advises a restore
        ):
            tuner.fit()
    if planner.to_come:  # Tune takes the first Ctrl-C for itself
        raise KeyboardInterrupt


def _packing(store: Store, cpus: Amount, gpus: Amount) -> Packing:
    """What trials ask for; where that is measured, earlier runs have measured too."""
    column = column_of(gpus)
    measured = "auto" in (cpus, gpus)
    rows: list[dict[Any, Any]] = []
    if measured:
        frame = store.trials(columns=[*SHAPE, column]).astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
    gpu_bytes = smallest_gpu_bytes() if gpus == "auto" else None
    devices = smallest_devices(cluster_nodes(), gpu_bytes)
    return Packing(devices, cpus, gpus, largest_peaks(rows, column))


@contextlib.contextmanager
def _amended_tune() -> Iterator[None]:
    """Tune (of Ray 2.60) with two of its methods changed.

    It knows some of Ray's errors only: where the memory monitor kills a worker, which is an
    OutOfMemoryError, the whole run would end. And it would write down its own state of every trial
    for a restart that never comes, on Ctrl-C before any worker is told to save what it has.
    """
    failed, states = RayActorManager._actor_task_failed, TuneController._get_trial_checkpoints

    def taken_for_death(
        self: RayActorManager, tracked_actor_task: Any, exception: Exception
    ) -> None:
        known = isinstance(exception, RayActorError | RayTaskError)
        if isinstance(exception, RayError) and not known:
            exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
        failed(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = taken_for_death
    TuneController._get_trial_checkpoints = lambda _: {}
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = failed
        TuneController._get_trial_checkpoints = states


@contextlib.contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
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
        "TUNE_MAX_PENDING_TRIALS_PG": "1",  # at first; see WarmWorkers
        "RAY_AIR_NEW_OUTPUT": "0",  # the display is our own
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a dead worker is a line of ours, not of a traceback
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
