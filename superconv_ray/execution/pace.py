"""How long a trial keeps a worker busy, from measured times of its steps and its evaluations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from superconv_ray.data.catalog import DATASETS, DatasetFacts
from superconv_ray.design.evaluations import PROBE_COUNT, row_steps
from superconv_ray.design.plan import Plan
from superconv_ray.design.text import counted, duration
from superconv_ray.design.trial import Template
from superconv_ray.execution.shape import MODELED, SHAPE

EVALUATED = ("steps", "eval_interval", "eval_count", "validation_fraction", "data_count")
COST_FIELDS = (*SHAPE, *EVALUATED)
"""Settings on which the time of a trial depends."""
PACE_COLUMNS = (
    *(*COST_FIELDS, "status", "steps_done"),
    *("train_seconds", "eval_seconds", "device", "threads", "finished_at", "peak_gpu_memory_bytes"),
)
"""Columns of the trials from which paces are measured."""
LATEST = 2_000
"""Trials that are read, the latest: a machine may have changed since the others."""
FORWARD_SHARE = 1 / 3
"""Part of a training step that the forward pass takes: the backward pass is about twice as long."""

Facts = Mapping[tuple[str, str | None], DatasetFacts]
"""Data sets by name and digest."""


class Spread(NamedTuple):
    """A quantity that is not known exactly: its least, its likely and its largest value."""

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Spread:
        """A quantity that is known."""
        return cls(value, value, value)

    @classmethod
    def of(cls, values: Iterable[float], likely: float) -> Spread:
        """The middle 80 % of measured values around what is likely."""
        low, high = np.quantile(list(values), (0.1, 0.9)).tolist()
        return cls(min(low, likely), likely, max(high, likely))

    @classmethod
    def mean(cls, spreads: Iterable[Spread]) -> Spread:
        """The mean of several quantities, value by value."""
        return cls(*map(fmean, zip(*spreads, strict=True)))

    def times(self, factor: float) -> Spread:
        """The quantity in another unit."""
        return Spread(*(factor * value for value in self))


@dataclass(frozen=True)
class Pace:
    """Measured times of one workload.

    Attributes:
        step: Seconds of an optimizer step.
        sample: Seconds to evaluate a sample once.
        source: Where they were measured, in words.
        on_gpu: Whether that was a GPU.
    """

    step: Spread
    sample: Spread
    source: str
    on_gpu: bool = False

    def described(self) -> str:
        """The time of a step and its source."""
        low, likely, high = map(_step_text, self.step)
        spread = "" if low == high else f" [{low} to {high}]"
        return f"{likely}{spread} a step, {self.source}"

    @classmethod
    def mean(cls, paces: Sequence[Pace]) -> Pace:
        """The pace of equal parts of a run; they share what they were measured by."""
        step = Spread.mean(pace.step for pace in paces)
        return replace(paces[0], step=step, sample=Spread.mean(pace.sample for pace in paces))

    @classmethod
    def at_rate(cls, images_per_second: float, batch_size: int) -> Pace:
        """The pace of a rate of training that the user knows."""
        sample = 1 / images_per_second
        return cls(
            step=Spread.exactly(batch_size * sample),
            sample=Spread.exactly(FORWARD_SHARE * sample),
            source=f"at the given {images_per_second:,g} images/s",
        )


def _step_text(seconds: float) -> str:
    return f"{1000 * seconds:.2g} ms" if seconds < 0.1 else duration(seconds)


def workload(settings: Mapping[str, Any], facts: Facts) -> Hashable:
    """Return what is equal for trials whose steps take equally long on the same hardware.

    Args:
        settings: Of a trial, or a row of the table of trials.
        facts: The data sets whose shapes are known. Another one is compared by name and contents.
    """
    name, batch = (settings["dataset"], settings["dataset_digest"]), settings["batch_size"]
    known = facts.get(name)
    data = (known.input_shape, known.outputs, known.task) if known else name
    values = dict.fromkeys(MODELED) | {field: settings[field] for field in MODELED}
    values["loss"] = values["loss"] or "cross_entropy"
    if values["ghost_batch_size"] == batch:
        values["ghost_batch_size"] = None
    measured = bool(settings["dropout"]), bool(settings["sharpness"])  # unknown to older stores
    return (data, *measured, *values.values())


def workload_text(trial: Template) -> str:
    """Name the workload of a trial: model, data set, batch size."""
    return f"{trial.model} on {trial.dataset}, batch {trial.batch_size:,}"


def facts_of(plan: Plan) -> Facts:
    """Return the built-in data sets and those of a plan."""
    facts: dict[tuple[str, str | None], DatasetFacts] = {(n, None): f for n, f in DATASETS.items()}
    for cell in plan.cells:
        name, digest = cell.templates.pattern.dataset, cell.templates.pattern.dataset_digest
        if name in plan.datasets and (name, digest) not in facts:
            facts[name, digest] = plan.datasets[name].facts(name)
    return facts


def evaluated_samples(settings: Mapping[str, Any], test_count: int) -> int:
    """Return how many samples a trial evaluates in all, with re-estimated BN statistics too.

    Every evaluation takes the held-out samples twice, with running and with re-estimated
    statistics, and once the training samples that these are estimated on. At the end the training
    samples are evaluated in the same way.

    Args:
        settings: Of a complete trial, or its row; a template's default `eval_interval` is filled
            in.
        test_count: Samples of the test set, which are held out if no labels are.
    """
    labels: int = settings["data_count"]
    steps: int = settings["steps"]
    validation: int = round(labels * settings["validation_fraction"])
    held_out, seen = validation or test_count, min(labels - validation, PROBE_COUNT)
    shown: int = settings["eval_count"] or max(held_out, seen)
    interval: int = settings["eval_interval"] or max(1, steps // 20)
    rows = len(row_steps(steps, interval)) - 1  # the last one is evaluated in full
    return rows * (2 * min(shown, held_out) + min(shown, seen)) + 2 * held_out + 4 * seen


@dataclass(frozen=True)
class _Run:
    """What a trial of the store measured.

    Attributes:
        step: Seconds of a step.
        steps: Steps that were taken.
        sample: Seconds of an evaluated sample; None if the trial diverged.
        evaluated: Samples evaluated.
        on_gpu: Whether it ran on a GPU.
    """

    step: float
    steps: int
    sample: float | None
    evaluated: int
    on_gpu: bool


def measured_paces(rows: Iterable[Mapping[Any, Any]], facts: Facts) -> dict[Hashable, Pace]:
    """Return the pace of every workload in the rows of trials, each on one kind of hardware.

    If trials ran on several, the hardware with the most workloads counts, then that with the most
    trials: a mean of two machines is the pace of neither.

    Args:
        rows: With `PACE_COLUMNS`; a missing value is None.
        facts: As for `workload`.
    """
    found: defaultdict[tuple[Any, Any], defaultdict[Hashable, list[_Run]]]
    found = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["steps_done"] and row["train_seconds"]:
            known = facts.get((row["dataset"], row["dataset_digest"]))
            run = _run_of(row, known.test_count if known else 0)
            found[row["device"], row["threads"]][workload(row, facts)].append(run)
    by_coverage = sorted(
        found, key=lambda place: (len(found[place]), sum(map(len, found[place].values())))
    )
    paces: dict[Hashable, Pace] = {}
    for place in by_coverage:  # the last one overrides the others
        paces |= {key: _pace(runs, *place) for key, runs in found[place].items()}
    return paces


def _run_of(row: Mapping[Any, Any], test_count: int) -> _Run:
    evaluated = evaluated_samples(row, test_count)
    whole = row["status"] == "completed" and row["eval_seconds"] is not None
    return _Run(
        step=row["train_seconds"] / row["steps_done"],
        steps=row["steps_done"],
        sample=row["eval_seconds"] / evaluated if whole else None,
        evaluated=evaluated,
        on_gpu=row["peak_gpu_memory_bytes"] is not None,
    )


def _pace(runs: list[_Run], device: str, threads: float | None) -> Pace:
    """Pace of runs of one workload; what is likely is the mean over all steps, as totals are."""
    steps = sum(run.steps for run in runs)
    step = Spread.of((run.step for run in runs), sum(r.step * r.steps for r in runs) / steps)
    whole = [(run.sample, run.evaluated) for run in runs if run.sample is not None]
    total = sum(count for _, count in whole)
    if total:
        mean = sum(sample * count for sample, count in whole) / total
        sample = Spread.of((sample for sample, _ in whole), mean)
    else:  # all diverged
        sample = step.times(0.0)
    on = device + (f", {counted(int(threads), 'thread')}" if threads else "")
    on_gpu = Counter(run.on_gpu for run in runs).most_common(1)[0][0]
    return Pace(step, sample, f"measured by {counted(len(runs), 'trial')} on {on}", on_gpu)
