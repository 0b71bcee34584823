"""One run of a study: what is done already is found in the store, what is missing is trained."""

from __future__ import annotations

import pkgutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from superconv_ray.design.definition import define
from superconv_ray.design.plan import Plan
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.record import StudyRecord
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.lease import lease
from superconv_ray.storage.store import Store, open_store
from superconv_ray.storage.versions import check_definition

if TYPE_CHECKING:
    from superconv_ray.data.dataset import Dataset
    from superconv_ray.execution.worker import Job


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how a study is run.

    Attributes:
        store: Path or URI of the store.
        local: In this process, without Ray.
        address: Ray cluster to use; None: the one this machine is part of, else a new local one.
        data_dir: Folder with the data sets' files; None: see `data.readers.load_dataset`.
        max_trials: Start at most this many trials.
        cpus_per_trial: CPUs, and so threads, of a trial; "auto": one thread each, and as many
            trials at a time as their measured memory leaves room for.
        gpus_per_trial: GPUs of a trial, fractions allowed; None: one each where there are any;
            "auto": the part that its measured memory takes.
        callbacks: Names of Tune callbacks, or of functions that make one: "module:name".
        checkpoint_seconds: Time between checkpoints of a trial: what is lost where it is cut off.
        replace: Whether the study may take the place of one of its name with other settings.
    """

    store: str
    local: bool = False
    address: str | None = None
    data_dir: Path | None = None
    max_trials: int | None = None
    cpus_per_trial: float | Literal["auto"] = 1.0
    gpus_per_trial: float | Literal["auto"] | None = None
    callbacks: tuple[str, ...] = ()
    checkpoint_seconds: float = 60.0
    replace: bool = False

    def __post_init__(self) -> None:
        if self.max_trials is not None and self.max_trials < 0:
            raise ValueError(f"max_trials must be >= 0, got {self.max_trials}")
        if self.cpus_per_trial != "auto" and not self.cpus_per_trial > 0:
            raise ValueError(f"cpus_per_trial must be > 0, got {self.cpus_per_trial}")
        gpus = self.gpus_per_trial
        if gpus is not None and gpus != "auto" and gpus < 0:
            raise ValueError(f"gpus_per_trial must be >= 0, got {self.gpus_per_trial}")
        if self.callbacks and self.local:
            raise ValueError(
                f"callbacks are Ray Tune's, which local runs do without; got {self.callbacks}"
            )
        if not self.checkpoint_seconds > 0:
            raise ValueError(f"checkpoint_seconds must be > 0, got {self.checkpoint_seconds}")


@dataclass(frozen=True)
class Summary:
    """How a run went.

    Attributes:
        trained: Trials that ended in this run.
        found: Trials that the store had already.
        diverged: Of both, how many diverged, which is a result.
        failed: Trials that raised, by id; the next run tries them again.
        blocked: Cells that could not go on because of their range tests, and why.
        left: Trials not run, because of max_trials or an interruption.
    """

    trained: int
    found: int
    diverged: int
    failed: tuple[str, ...]
    blocked: tuple[str, ...]
    left: int


def run_plan(plan: Plan, options: RunOptions, console: Console) -> Summary:
    """Train what is missing of a study and write it to the store.

    Raises:
        StoreError, DatasetNotFoundError: Before anything is written.
        StudyConflictError: The store has a study of this name with other settings.
        StudyInUseError: Another driver runs the study on this store.
        ConnectionError, ValueError: No such cluster, or a trial does not fit it.
        KeyboardInterrupt: Ctrl-C was pressed; the next run goes on from there.
    """
    store = open_store(options.store)
    definition = define(plan)
    check_definition(store, definition, replace=options.replace)
    for line in store.set_aside_damaged():
        console.print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    planner = Planner(plan, recorded_outcomes(store, plan), options.max_trials)
    datasets = _load_datasets(planner, options) if planner.to_come else {}
    _check_own_models(plan, datasets)
    store.initialise()
    with lease(store.files, plan.study.name) as claim:
        # What another driver finished before it gave up the lease is not trained again.
        planner = Planner(plan, recorded_outcomes(store, plan), options.max_trials)
        found = len(planner.outcomes)
        changes = check_definition(store, definition, replace=options.replace)
        for line in changes:
            console.print(
                f"study {plan.study.name}: {line}", highlight=False, markup=False, soft_wrap=True
            )
        record = StudyRecord(store, plan)
        record.write(planner)
        try:
            if planner.to_come:
                _train(planner, datasets, store, claim, record, options, console)
        finally:
            record.write(planner)
        store.compact()
    counts = Counter(planner.outcomes.values())
    return Summary(
        trained=len(planner.outcomes) - found - counts["failed"],
        found=found,
        diverged=counts["diverged"],
        failed=tuple(id_ for id_, status in planner.outcomes.items() if status == "failed"),
        blocked=tuple(f"{cell.describe()}: {why}" for cell, why in planner.blocked),
        left=planner.left,
    )


def _train(
    planner: Planner,
    datasets: Mapping[str, Dataset],
    store: Store,
    claim: str,
    record: StudyRecord,
    options: RunOptions,
    console: Console,
) -> None:
    """Run the missing trials; torch and Ray are imported only where there are some."""
    from superconv_ray.execution.worker import Job, Worker

    study = planner.plan.study
    callbacks = [_make_callback(name) for name in options.callbacks]
    cpus = options.cpus_per_trial

    def make_job(gpu: bool) -> Job:
        return Job(
            store=store.files.uri,
            claim=claim,
            models=dict(study.models),
            checkpoint_seconds=options.checkpoint_seconds,
            threads=1 if cpus == "auto" else max(1, round(cpus)),
            gpu=gpu,
        )

    with Progress(planner, console, lambda: record.write(planner)) as progress:
        if options.local:
            import torch

            from superconv_ray.execution.in_process import run_local

            worker = Worker(
                make_job(torch.cuda.is_available()), datasets.__getitem__, progress.warn
            )
            run_local(planner, worker, progress)
        else:
            from superconv_ray.execution.ray_tune.runner import run_ray

            run_ray(
                planner,
                make_job,
                datasets,
                progress,
                address=options.address,
                cpus_per_trial=options.cpus_per_trial,
                gpus_per_trial=options.gpus_per_trial,
                callbacks=callbacks,
            )


def _make_callback(name: str) -> Any:
    """What stands under "module:name", called: a class, or a function of the user's.

    Raises:
        ValueError: There is nothing of that name.
    """
    try:
        make = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(
            f"callback must be MODULE:NAME of a Tune callback or of a function that makes one, in "
            f"a module that is installed or next to the study, got {name!r}: {error}"
        ) from None
    return make()


def _load_datasets(planner: Planner, options: RunOptions) -> Mapping[str, Dataset]:
    from superconv_ray.data.readers import load_dataset

    own = planner.plan.datasets
    return {
        name: own[name] if name in own else load_dataset(name, options.data_dir)
        for name in sorted(planner.datasets_needed())
    }


def _check_own_models(plan: Plan, datasets: Mapping[str, Dataset]) -> None:
    """Try each of the user's models once with each of its data sets, before anything is trained.

    Raises:
        ValueError, TypeError: As `check_model`, or whatever the user's code raises.
    """
    trials = {trial for cell in plan.cells for trial in cell.templates}
    uses = {(t.model, t.dataset, t.dropout) for t in trials if t.model in plan.study.models}
    for model, dataset, dropout in sorted(uses):
        if dataset in datasets:
            from superconv_ray.training.model import check_model

            check_model(plan.study.models[model], datasets[dataset], dropout)
