"""One run of a study: finds in the store what is done, and trains what is missing."""

from __future__ import annotations

import os
import pkgutil
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from superconv_ray.design.definition import define
from superconv_ray.design.fields import SWITCH, Rule, check_attributes
from superconv_ray.design.plan import Plan
from superconv_ray.execution.amounts import Amount, Amounts
from superconv_ray.execution.compactor import Compactor
from superconv_ray.execution.model_check import check_models, check_precisions
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.record import StudyRecord
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.execution.run import Run
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.integrity import set_aside_damaged
from superconv_ray.storage.lease import lease
from superconv_ray.storage.store import Store, open_store
from superconv_ray.storage.trial_claims import TrialClaims
from superconv_ray.storage.versions import check_definition
from superconv_ray.storage.writing import StoreWriter

if TYPE_CHECKING:
    from superconv_ray.data.images import AnyDataset


_RULES = {
    "max_trials": (int | None, Rule("an integer >= 0", lambda v: v >= 0)),
    "checkpoint_seconds": (float, Rule("> 0", lambda v: v > 0)),  # infinity: no checkpoints
    "local": (bool, SWITCH),
    "replace": (bool, SWITCH),
}
"""Type and rule of the options of a run."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how to run a study.

    Attributes:
        store: Path or URI of the store.
        local: Run in this process, without Ray.
        address: Ray cluster to use. None: the one this machine is part of, else a new local one.
        data_dir: Folder with the data sets' files; None: see `data.readers.load_dataset`.
        max_trials: Start at most this many trials.
        cpus_per_trial: CPUs, and so threads, of a trial. None: one for each process; "auto": one
            thread each, and as many trials at a time as fit the memory, by what was measured.
        gpus_per_trial: GPUs of a trial; fractions are allowed. None: one each if there are any;
            "auto": the fraction that the measured memory takes.
        processes_per_trial: Processes that train a trial together, each on an equal part of every
            batch. None: one for each of the GPUs of a trial.
        callbacks: Names of Tune callbacks, or of functions that make one: "module:name".
        checkpoint_seconds: Time between checkpoints of a trial, which is what a lost worker costs.
        replace: Whether the study may take the place of one with its name and other settings.
    """

    store: str
    local: bool = False
    address: str | None = None
    data_dir: Path | None = None
    max_trials: int | None = None
    cpus_per_trial: Amount | None = None
    gpus_per_trial: Amount | None = None
    processes_per_trial: int | None = None
    callbacks: tuple[str, ...] = ()
    checkpoint_seconds: float = 60.0
    replace: bool = False

    @property
    def amounts(self) -> Amounts:
        """What every trial requests."""
        return Amounts(self.cpus_per_trial, self.gpus_per_trial, self.processes_per_trial)

    def __post_init__(self) -> None:
        _ = self.amounts  # checks them
        check_attributes(self, _RULES)
        if self.local:
            self._check_local()

    def _check_local(self) -> None:
        """Reject what a run in one process, without Ray, does not have."""
        if (self.processes_per_trial or 1) > 1:
            raise ValueError(
                "processes_per_trial must be 1 in local runs, which have one process, "
                f"got {self.processes_per_trial}"
            )
        for name in ("address", "callbacks"):
            if value := getattr(self, name):
                raise ValueError(
                    f"{name} must not be set in local runs, which do not use Ray; got {value!r}"
                )
        cpus, most = self.cpus_per_trial, os.cpu_count() or 1
        if isinstance(cpus, float | int) and cpus > most:
            raise ValueError(
                f"cpus_per_trial must be at most {most} in local runs, the CPUs of this machine, "
                f"got {cpus:g}"
            )
        gpus = self.gpus_per_trial
        if isinstance(gpus, float | int) and gpus > 0:  # else torch need not be imported
            there = int(_has_gpu())
            if gpus > there:
                raise ValueError(
                    f"gpus_per_trial must be at most {there} in local runs, which use one GPU of "
                    f"this machine if there is any, got {gpus:g}"
                )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@dataclass(frozen=True)
class RunSummary:
    """Counts of a run.

    Attributes:
        trained: Trials that ended in this run.
        found: Trials that the store had already.
        diverged: Trials that diverged, which is a result, of both.
        failed: Ids of trials that raised; the next run tries them again.
        blocked: Cells that could not go on because of their range tests or search, and why.
        left: Trials not run, because of max_trials or an interruption.
    """

    trained: int
    found: int
    diverged: int
    failed: tuple[str, ...]
    blocked: tuple[str, ...]
    left: int


def run_plan(plan: Plan, options: RunOptions, console: Console) -> RunSummary:
    """Train what is missing of a study and write it to the store.

    The lease is taken first: from then on no other driver trains or moves what this one reads. All
    that the driver itself writes afterwards is fenced by the lease.

    Raises:
        StudyConflictError: The store has a study of this name with other settings.
        StudyInUseError: Another driver runs the study on this store.
        StoreError: The store cannot be read or written.
        DatasetNotFoundError: A data set's files are missing.
        ConnectionError: No cluster answers at the address.
        ValueError: An option does not fit the study or the cluster.
        KeyboardInterrupt: Ctrl-C was pressed; the next run continues from there.
    """
    with Progress(console) as progress:
        store = open_store(options.store)
        StoreWriter(store).initialize()
        with lease(store.files, plan.study.name) as held:
            store = Store(held.files)
            for line in set_aside_damaged(store.files, plan.study.name):
                progress.warn(line)
            for line in check_definition(store, define(plan), replace=options.replace):
                progress.note(f"study {plan.study.name}: {line}")
            claims = TrialClaims(held)  # before the store is read: it notes who writes from now on
            planner = Planner(plan, recorded_outcomes(store, plan), options.max_trials)
            found = len(planner.outcomes)
            record = StudyRecord(store, plan)
            with Compactor(store.files) as compactor:
                run = Run(planner, progress, lambda: record.write(planner), compactor.trial_ended)
                run.share(claims, lambda ids: recorded_outcomes(store, plan, ids))
                inputs = _load_inputs(run, options) if planner.to_come else None
                record.write(planner)
                if inputs:
                    try:
                        _train(run, inputs, store, held.claim, options)
                    finally:
                        record.write(planner)
            compact(store.files)
    return _summary(planner, found + run.found)


def _summary(planner: Planner, found: int) -> RunSummary:
    counts = Counter(planner.outcomes.values())
    return RunSummary(
        trained=len(planner.outcomes) - found - counts["failed"],
        found=found,
        diverged=counts["diverged"],
        failed=tuple(id_ for id_, status in planner.outcomes.items() if status == "failed"),
        blocked=tuple(f"{cell.describe()}: {why}" for cell, why in planner.blocked),
        left=planner.left,
    )


@dataclass(frozen=True)
class _Inputs:
    """What a run needs besides the plan, loaded and checked before the study is written."""

    datasets: Mapping[str, AnyDataset]
    callbacks: Sequence[Any]


def _load_inputs(run: Run, options: RunOptions) -> _Inputs:
    callbacks = [_make_callback(name) for name in options.callbacks]
    run.progress.phase("loading torch")
    import torch  # noqa: F401 - what comes next needs it, and is another phase

    run.progress.phase("loading data")
    datasets = _load_datasets(run.planner, options)
    check_models(run.planner.plan, datasets)
    return _Inputs(datasets, callbacks)


def _train(run: Run, inputs: _Inputs, store: Store, claim: str, options: RunOptions) -> None:
    """Run the missing trials. torch and Ray are imported only if there are any."""
    from superconv_ray.execution.worker import Job, Worker

    def make_job(gpu: bool, threads: int) -> Job:
        if not gpu:
            check_precisions(run.planner.plan, "cpu")
        return Job(
            store=store.files.uri,
            claim=claim,
            models=dict(run.planner.plan.study.models),
            checkpoint_seconds=options.checkpoint_seconds,
            threads=threads,
            gpu=gpu,
        )

    if options.local:
        from superconv_ray.execution.in_process import run_local

        gpu = _has_gpu()
        job = make_job(gpu, options.amounts.filled_in(has_gpus=gpu).threads)
        run_local(run, Worker(job, inputs.datasets.__getitem__, run.progress.warn))
    else:
        run.progress.phase("starting Ray")
        with warnings.catch_warnings():  # of tqdm, which Ray imports, in a notebook
            warnings.filterwarnings("ignore", message="IProgress not found")
            from superconv_ray.execution.ray_tune.runner import run_ray

        run_ray(
            run,
            make_job,
            inputs.datasets,
            address=options.address,
            amounts=options.amounts,
            callbacks=inputs.callbacks,
        )


def _make_callback(name: str) -> Any:
    """Call what "module:name" names: a Tune callback class, or a function of the user's.

    Raises:
        ValueError: Nothing has that name.
    """
    try:
        make = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(
            f"callback {name!r} cannot be loaded ({error}); it must be MODULE:NAME of a Tune "
            "callback or of a function that makes one, in a module that is installed or next to "
            "the study"
        ) from None
    return make()


def _load_datasets(planner: Planner, options: RunOptions) -> Mapping[str, AnyDataset]:
    from superconv_ray.data.readers import load_dataset

    own = planner.plan.datasets
    return {
        name: own[name] if name in own else load_dataset(name, options.data_dir)
        for name in sorted(planner.datasets_needed())
    }
