"""Connects Ray Tune to a `Dispatcher`. On the driver, only this module uses Tune.

What makes short trials cheap (measured by benchmarks/study_overhead.py): warm actors that keep
torch and the data set, no per-trial loggers because workers write to the store, one Tune result per
slice of some seconds, and no waiting trials on a Ray that cannot grow.

Tune internals that this module relies on, with the signatures checked in Ray 2.54 and 2.60:

=============================================  =====================================================
`RayActorManager._actor_task_failed`           Patched. It raises at errors other than RayActorError
                                               and RayTaskError. When the memory monitor kills a
                                               worker (OutOfMemoryError), the whole run would end.
`TuneController._get_trial_checkpoints`        Patched. Tune would save its own state of every trial
                                               for a restore that never happens; on Ctrl-C it would
                                               do so before workers save what they have.
`update_max_pending_trials`, reached through   Called. Tune reads TUNE_MAX_PENDING_TRIALS_PG once,
the scheduler's `_tune_controller`             when a cluster may still be small.
`Trial.error_file`, `Trial.last_result`        Read: why a worker died. Cut: the outcome, which the
                                               driver would keep.
`JupyterNotebookReporter`                      Replaced by `Silent`: it clears a cell's output.
environment variables                          See `_TUNE_SETTINGS`: Tune has no other switch.
loggers "ray.tune.tune" and                    Silenced. The first lists restarted trials and
"ray.tune.analysis.experiment_analysis"        advises a restore; the second misses Tune's files.
=============================================  =====================================================
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from ray import tune
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from superconv_ray.execution.capacity import RoomWatch
from superconv_ray.execution.estimate import Position
from superconv_ray.execution.ray_tune.dispatch import Dispatcher
from superconv_ray.execution.ray_tune.trainable import TrialTrainable
from superconv_ray.planning.planner import Signal
from superconv_ray.storage.store import StoreError

Callback: TypeAlias = tune.Callback

_TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # workers write rows to the store
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # the planner is rebuilt from the store
    "TUNE_MAX_PENDING_TRIALS_PG": "1",  # at first; see WarmWorkers
    "RAY_AIR_NEW_OUTPUT": "0",  # the progress display is our own
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # we report a dead worker in one line
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a user's model may read files by relative paths
}
_NOISY_LOGGERS = ("ray.tune.tune", "ray.tune.analysis.experiment_analysis")


class _NotSaved:
    """Tune pickles the arguments of a Tuner for a later restore, which this package never does."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class DispatcherSearch(_NotSaved, Searcher):  # type: ignore[misc]
    """Tune's view of a dispatcher as a search algorithm."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the config of the next trial; None to wait; FINISHED."""
        match self._dispatcher.next(trial_id):
            case Signal.FINISHED:
                return str(Searcher.FINISHED)
            case Signal.WAIT:
                return None
            case assignment:
                return {"assignment": assignment}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take the report of a slice of training."""
        self._dispatcher.warn(result["warnings"])
        self._dispatcher.at(trial_id, Position(*result["position"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take the outcome of a trial. `Events.on_trial_error` handles lost workers."""
        if error:
            return
        assert result is not None, "every trial of ours ends with a result"
        self._dispatcher.warn(result["warnings"])
        if result["store_error"]:
            self._dispatcher.store_failed(trial_id, result["store_error"])
        elif result["lost"]:
            self._dispatcher.lost(trial_id, result["lost"])
        else:
            self._dispatcher.ended(trial_id, result["outcome"])

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the planner is rebuilt from the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing; see `save`."""


class WarmWorkers(_NotSaved, FIFOScheduler):  # type: ignore[misc]
    """Gives free workers to trials; see `Assignments.for_free_worker`."""

    def __init__(self, dispatcher: Dispatcher, room: RoomWatch) -> None:
        super().__init__()
        self._assignments = dispatcher.assignments
        self._room = room

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a waiting trial of Tune's, or None."""
        tune_controller._tune_controller.update_max_pending_trials(self._room.may_wait)
        newest_first = (t for t in reversed(tune_controller.get_trials()) if t.status == t.PENDING)
        pending = list(islice(newest_first, self._assignments.waiting))[::-1]
        if not pending:
            return None
        by_id = {trial.trial_id: trial for trial in pending}
        return by_id[self._assignments.for_free_worker(list(by_id), self._room.slots)]


class Events(_NotSaved, tune.Callback):  # type: ignore[misc]
    """Passes on what Tune reports to callbacks only: starts, deaths, and that time passes."""

    def __init__(self, dispatcher: Dispatcher, room: RoomWatch) -> None:
        self._dispatcher = dispatcher
        self._room = room

    def on_step_end(self, **_: Any) -> None:
        """Watch the cluster; called at least every 0.1 s.

        Raises:
            StoreError: The store has failed. Tune ends the run; other workers save first.
        """
        if self._dispatcher.store_error:
            raise StoreError(self._dispatcher.store_error)
        self._room.request = self._dispatcher.request
        self._room.look(self._dispatcher.assignments.running)
        self._dispatcher.has_room_for(self._room.slots)

    def on_trial_start(self, *, trial: Any, **_: Any) -> None:
        """Note that a worker has taken on a trial."""
        self._dispatcher.started(trial.trial_id)

    def on_trial_complete(self, *, trial: Any, **_: Any) -> None:
        """Drop the outcome, which the planner has: Tune would keep it and write it to its state."""
        trial.last_result.pop("outcome", None)

    def on_trial_error(self, *, trial: Any, **_: Any) -> None:
        """Report a lost worker; Tune has written the reason to a file."""
        self._dispatcher.lost(trial.trial_id, Path(trial.error_file).read_text().strip())


class Unpacked(tune.Callback):  # type: ignore[misc]
    """Shows the callbacks after it plain settings and measurements instead of our objects."""

    def on_trial_start(self, *, trial: Any, **_: Any) -> None:
        """Put the settings into the config, which trackers log as parameters."""
        trial.config.update(trial.config["assignment"].trial.own_settings())

    def on_trial_result(self, *, result: dict[str, Any], **_: Any) -> None:
        """Put the measurements into the last result, with the optimizer's step as its step."""
        if outcome := result["outcome"]:
            numbers = {k: v for k, v in outcome.measurements.items() if isinstance(v, (int, float))}
            result.update(numbers, timesteps_total=numbers.get("steps_done"))


class Silent(tune.ProgressReporter):  # type: ignore[misc]
    """Reports nothing. In a notebook, Tune's own reporter would clear our output."""

    def should_report(self, *_: Any, **__: Any) -> bool:
        """Return that there is nothing to report."""
        return False


def run_tune(
    dispatcher: Dispatcher,
    room: RoomWatch,
    parameters: Mapping[str, Any],
    folder: str,
    *,
    max_concurrent_trials: int | None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run until the dispatcher is finished.

    Args:
        dispatcher: Gives the trials.
        room: Watches how many trials the cluster can run.
        parameters: Arguments of `TrialTrainable.setup`.
        folder: For Tune's own files.
        max_concurrent_trials: Trials that Tune holds at once; None: as many as `room` says.
        callbacks: The user's own; see `Unpacked`.

    Raises:
        StoreError: A worker could not write to the store.
    """
    own = [Events(dispatcher, room), *([Unpacked()] if callbacks else [])]
    tuner = tune.Tuner(
        tune.with_parameters(TrialTrainable, **parameters),
        tune_config=tune.TuneConfig(
            search_alg=DispatcherSearch(dispatcher),
            scheduler=WarmWorkers(dispatcher, room),
            num_samples=-1,
            max_concurrent_trials=max_concurrent_trials,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="study",
            storage_path=folder,
            verbose=0,
            # Workers write their own to the store; Tune's would need a disk that all nodes share.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[*own, *callbacks],
            progress_reporter=Silent(),
        ),
    )
    with patched_tune(), contextlib.ExitStack() as quiet:
        for name in _NOISY_LOGGERS:
            quiet.enter_context(_silenced(name))
        tuner.fit()


@contextlib.contextmanager
def tune_environment() -> Iterator[None]:
    """Set Tune's environment variables, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in _TUNE_SETTINGS}
    os.environ.update(_TUNE_SETTINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def patched_tune() -> Iterator[None]:
    """Replace two methods of Tune, and restore them afterwards; see the table of this module."""
    failed, states = RayActorManager._actor_task_failed, TuneController._get_trial_checkpoints

    def as_actor_error(
        self: RayActorManager, tracked_actor_task: Any, exception: Exception
    ) -> None:
        known = isinstance(exception, RayActorError | RayTaskError)
        if isinstance(exception, RayError) and not known:
            exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
        failed(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = as_actor_error
    TuneController._get_trial_checkpoints = lambda _: {}
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = failed
        TuneController._get_trial_checkpoints = states


@contextlib.contextmanager
def _silenced(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
