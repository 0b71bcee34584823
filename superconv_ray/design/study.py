"""A study as a user writes it: one question, its arms, its sweep, its budget and its seeds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from superconv_ray.data.allocation import exact_fraction
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.trial import Trial
from superconv_ray.models import MODELS

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from superconv_ray.data.dataset import Dataset

StudyTables: TypeAlias = "Callable[[pd.DataFrame, pd.DataFrame], Mapping[str, pd.DataFrame]]"
"""A study's trials and curves to frames by title; ValueError where they do not suffice."""


@dataclass(frozen=True)
class Budget:
    """How long a training lasts; made by `iterations`, `epochs`, `samples` or `seconds`."""

    amount: float
    unit: Literal["iterations", "epochs", "samples", "seconds"]
    step_seconds: Mapping[int, float] = field(default_factory=dict, hash=False)
    """Batch size -> measured seconds of an optimiser step; only for a budget in seconds."""

    def __repr__(self) -> str:
        return f"{self.unit}({self.amount:g})"

    def __post_init__(self) -> None:
        number = isinstance(self.amount, (int, float)) and not isinstance(self.amount, bool)
        if not (number and math.isfinite(self.amount)):
            raise ValueError(
                f"budget must be a finite int or float, a number of {self.unit}; "
                f"got {self.amount!r}"
            )
        if self.amount <= 0 or (self.unit == "iterations" and self.amount != int(self.amount)):
            rule = "a whole number > 0" if self.unit == "iterations" else "> 0"
            raise ValueError(f"budget in {self.unit} must be {rule}, got {self.amount!r}")

    def steps(self, training_count: int, batch_size: int) -> int:
        """Optimiser steps that the budget buys; the only place where units become steps.

        Args:
            training_count: Samples trained on, those held out for validation not included.
            batch_size: Samples per step.
        """
        if self.unit == "iterations":
            return int(self.amount)
        if self.unit == "seconds":
            if batch_size not in self.step_seconds:
                known = ", ".join(map(str, self.step_seconds)) or "none"
                raise ValueError(
                    "step_seconds must hold the measured time of a step for every batch size, "
                    f"got none for batch_size {batch_size}; there are: {known}"
                )
            return max(1, round(self.amount / self.step_seconds[batch_size]))
        # Exact: in floats 1.1 epochs of 100 samples are a little more than 110.
        seen = exact_fraction(self.amount) * (training_count if self.unit == "epochs" else 1)
        return max(1, math.ceil(seen / batch_size))


def iterations(count: int) -> Budget:
    """A budget of optimiser steps: equal updates whatever the number of labels."""
    return Budget(count, "iterations")


def epochs(count: float) -> Budget:
    """A budget of passes over the limited labels: fewer labels, fewer steps."""
    return Budget(count, "epochs")


def samples(count: float) -> Budget:
    """A budget of samples seen: equal computation whatever the batch size."""
    return Budget(count, "samples")


def seconds(amount: float, step_seconds: Mapping[int, float]) -> Budget:
    """A budget of training time, made of measured times so that its steps are the same everywhere.

    Args:
        amount: Seconds of training; evaluations come on top.
        step_seconds: Batch size -> seconds of an optimiser step, as `analysis.comparison.
            step_seconds` reads them off trials that were run on the hardware in question.
    """
    for batch_size, time in step_seconds.items():
        if not (math.isfinite(time) and time > 0):
            raise ValueError(f"step_seconds must be finite and > 0, got {time!r} for {batch_size}")
    return Budget(amount, "seconds", dict(step_seconds))


@dataclass(frozen=True)
class FromRangeTest:
    """A max_lr that is read off the cell's own LR range tests; see `from_range_test`."""

    high: float
    low: float | None
    steps: int | None
    scale: Literal["linear", "exponential"]
    validation_fraction: float
    points: int

    rule = "accuracy_peak"


def from_range_test(
    *,
    high: float = 3.0,
    low: float | None = None,
    steps: int | None = None,
    scale: Literal["linear", "exponential"] = "linear",
    validation_fraction: float = 0.2,
    points: int = 50,
) -> FromRangeTest:
    """Let every cell find its max_lr by LR range tests, one per seed (Smith, 1506.01186, §3.3).

    max_lr is the learning rate at the peak of the smoothed validation accuracy, averaged over the
    seeds; BN statistics are re-estimated at every point, because running ones lag behind. The
    accuracy is measured on labels held out of the cell's own limited labels, never on test labels;
    the trainings that follow use all of the limited labels.

    Args:
        high: Learning rate at the end of the test.
        low: Learning rate at its beginning; None: 0 (linear) or 1e-5 (exponential).
        steps: Length of a test; None: a quarter of the budget, at least 100.
        scale: How the learning rate grows.
        validation_fraction: Part of the limited labels that is held out, in (0, 1).
        points: How often accuracy is measured on the way.
    """
    if not 0 < validation_fraction < 1:
        raise ValueError(
            "from_range_test: validation_fraction must be in (0, 1): the test is read on labels "
            f"held out of the limited ones; got {validation_fraction!r}"
        )
    if points < 5:
        raise ValueError(f"from_range_test: points must be >= 5 to show a peak, got {points!r}")
    if scale not in ("linear", "exponential"):
        raise ValueError(
            f"from_range_test: scale must be one of 'linear', 'exponential', got {scale!r}"
        )
    return FromRangeTest(high, low, steps, scale, validation_fraction, points)


@dataclass(frozen=True)
class Tuned:
    """A setting that is chosen by search; see `tuned`."""

    low: float
    high: float
    log: bool


def tuned(low: float, high: float, *, log: bool = True) -> Tuned:
    """Let every cell choose a setting by itself, scored on labels held out of its limited labels.

    All tuned settings of a cell are searched together, with Optuna's TPE sampler, by as many trials
    in every arm: see `Tuning`. The trainings that follow have other seeds and use all of the
    limited labels; no test label is looked at before.

    Args:
        low: Smallest value tried.
        high: Largest value tried.
        log: Whether to search evenly over the logarithm, as fits learning rates.
    """
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"tuned: {name} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"tuned: {name} must be finite, got {value!r}")
    if not low < high:
        raise ValueError(f"tuned: low must be < high, got {low!r} and {high!r}")
    if log and not low > 0:
        raise ValueError(f"tuned: low must be > 0 with log=True, got {low!r}")
    return Tuned(low, high, log)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The effort of choosing by search, the same for every cell with a setting that is `tuned`.

    Attributes:
        trials: Combinations of settings tried.
        replicates: Trainings of each, with different seeds; their mean accuracy is the score.
        validation_fraction: Part of the limited labels that is held out to score on, in (0, 1).
        parallel: Combinations proposed at a time, which know nothing of each other's scores. Fixed
            and not left to how many slots there are, so that every run makes the same proposals.
        seed: Of the search. All cells share it, and so begin at the same places.
    """

    trials: int = 16
    replicates: int = 1
    validation_fraction: float = 0.2
    parallel: int = 4
    seed: int = 0

    FIRST_SEED: ClassVar[int] = 2**30
    """Of the replicates: far from the seeds of any study, so that what is measured is fresh."""

    def __post_init__(self) -> None:
        for name in ("trials", "replicates", "parallel"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"tuning: {name} must be an integer >= 1, got {value!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"tuning: validation_fraction must be in (0, 1), got {self.validation_fraction!r}"
            )

    def seed_values(self) -> tuple[int, ...]:
        """The seeds of the replicates."""
        return tuple(range(self.FIRST_SEED, self.FIRST_SEED + self.replicates))


@dataclass(frozen=True)
class AtLeast:
    """A number of seeds that depends on what they show; see `at_least`."""

    least: int
    up_to: int
    until: Literal["decided"]


def at_least(least: int, *, up_to: int, until: Literal["decided"] = "decided") -> AtLeast:
    """Spend further seeds only where it is open which arm is better.

    Every point of the sweep begins with `least` seeds. One more is added, for all of its arms, as
    long as the sign of the gap between the first arm and another one is open: a sequential interval
    that holds however often one looks (see `analysis.sequential.sign_decided`) contains zero.
    """
    for name, value in (("least", least), ("up_to", up_to)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"at_least: {name} must be an integer, got {value!r}")
    if not 2 <= least <= up_to:
        raise ValueError(
            "at_least: must be 2 <= least <= up_to, because one seed says nothing of its spread; "
            f"got least={least} and up_to={up_to}"
        )
    if until != "decided":
        raise ValueError(f"at_least: until must be 'decided', got {until!r}")
    return AtLeast(least, up_to, until)


class Arm:
    """One contestant of a comparison: the trial fields in which it differs from the base.

    Example: ``Arm(policy="one_cycle", max_lr=from_range_test())``
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: Mapping[str, Any] = settings

    def __repr__(self) -> str:
        return f"Arm({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"


@dataclass(frozen=True)
class Sweep:
    """Points of a design: settings that every arm is run with, in turn."""

    points: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("sweep must have at least one point, got none")

    def __mul__(self, other: Sweep) -> Sweep:
        """Every point of this sweep with every point of the other."""
        pairs = itertools.product(self.points, other.points)
        return Sweep(tuple(_merge_points(a, b) for a, b in pairs))


def _merge_points(a: Mapping[str, Any], b: Mapping[str, Any]) -> Mapping[str, Any]:
    if both := sorted(a.keys() & b.keys()):
        raise ValueError(f"sweep: {both[0]!r} is swept twice")
    return {**a, **b}


def grid(**values: Iterable[Any]) -> Sweep:
    """Every combination of the fields' values, the last field varying fastest."""
    columns = _columns("grid", values)
    combinations = itertools.product(*columns.values())
    return Sweep(tuple(dict(zip(columns, point, strict=True)) for point in combinations))


def paired(**values: Iterable[Any]) -> Sweep:
    """The fields' first values together, then their second values together, and so on."""
    columns = _columns("paired", values)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"paired: all fields must have the same number of values, got {lengths}")
    return Sweep(
        tuple(
            dict(zip(columns, point, strict=True)) for point in zip(*columns.values(), strict=True)
        )
    )


def _check_budget(budget: object) -> None:
    if not isinstance(budget, Budget):
        raise TypeError(
            "budget must come from iterations(...), epochs(...), samples(...) or seconds(...), "
            f"got {budget!r}"
        )


def _columns(where: str, values: Mapping[str, Iterable[Any]]) -> dict[str, tuple[Any, ...]]:
    columns = {}
    for name, column in values.items():
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise ValueError(f"{where}: {name} must be a sequence of values, got {column!r}")
        columns[name] = tuple(column)
        if not columns[name]:
            raise ValueError(f"{where}: {name} must have at least one value, got none")
    return columns


@dataclass(frozen=True, kw_only=True)
class Study:
    """One question about super-convergence, and all that is needed to answer it.

    Attributes:
        name: Short name; the store's tables and `status` know the study by it.
        question: What the study asks, in a sentence.
        base: Settings that all arms share.
        sweep: Points at which the arms are compared, from `grid` and `paired`.
        arms: The contestants by name; all get the same seeds and the same budget.
        budget: How long each training lasts, from `iterations`, `epochs`, `samples` or `seconds`.
            May be left to the sweep, as in ``grid(budget=(iterations(300), iterations(1000)))``:
            schedules are stretched to it.
        seeds: How many replicates, or which seeds, or `at_least`. A seed fixes initial weights,
            subset (unless `base` sets subset_seed) and batch order, for all arms alike.
        tuning: The effort spent on each cell's settings that are `tuned`.
        tables: What to print besides the arms' accuracies: a function of the study's trials and
            curves, as `Store.trials` and `Store.curves` give them, that returns frames by title.
        datasets: The user's own data sets by name: a `Dataset`, or a function that loads one.
        models: The user's own models by name: called as
            ``build(input_shape=..., classes=..., dropout=...)``, return an `nn.Module`. Ids change
            with the source text of the function or class given here, not with that of what it
            calls: give a model that changed elsewhere a new name.
    """

    name: str
    budget: Budget | None = None
    question: str = ""
    base: Trial = field(default_factory=Trial)
    sweep: Sweep = field(default_factory=grid)
    arms: Mapping[str, Arm] = field(default_factory=lambda: {"one_cycle": Arm()})
    seeds: int | Sequence[int] | AtLeast = 3
    tuning: Tuning = field(default_factory=Tuning)
    datasets: Mapping[str, Dataset | Callable[[], Dataset]] = field(default_factory=dict)
    models: Mapping[str, Callable[..., nn.Module]] = field(default_factory=dict)
    tables: StudyTables | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                "name must be letters, digits, '_', '-' or '.', because a file is named after it; "
                f"got {self.name!r}"
            )
        self._check_types()
        if not self.arms:
            raise ValueError("arms must name at least one arm, got none")
        for taken in self.datasets.keys() & DATASETS.keys():
            raise ValueError(f"datasets: {taken!r} is the name of a built-in data set")
        for taken in self.models.keys() & MODELS.keys():
            raise ValueError(f"models: {taken!r} is the name of a built-in model")

    def _check_types(self) -> None:
        for point in self.sweep.points if isinstance(self.sweep, Sweep) else ():
            if self.budget is not None and "budget" in point:
                raise ValueError("budget is set by the study and by the sweep; choose one")
            _check_budget(point.get("budget", self.budget))
        if not isinstance(self.base, Trial):
            raise TypeError(f"base must be a Trial(...), got {self.base!r}")
        if not isinstance(self.tuning, Tuning):
            raise TypeError(f"tuning must be a Tuning(...), got {self.tuning!r}")
        if not isinstance(self.sweep, Sweep):
            raise TypeError(f"sweep must come from grid(...) or paired(...), got {self.sweep!r}")
        for name, arm in self.arms.items():
            if not isinstance(arm, Arm):
                raise TypeError(f"arms: {name!r} must be an Arm(...), got {arm!r}")
            if "budget" in arm.settings:
                raise ValueError(f"arms: {name!r} cannot set the budget, all arms share it")
        if isinstance(self.seeds, AtLeast) and len(self.arms) < 2:
            raise ValueError(
                "seeds: at_least(...) needs two arms, it asks which is better; "
                f"got {len(self.arms)}"
            )

    def budget_at(self, point: Mapping[str, Any]) -> Budget:
        """The budget of a point of the sweep."""
        budget: Budget = point.get("budget", self.budget)
        return budget

    def seed_values(self) -> tuple[int, ...]:
        """The seeds, one per replicate; of `at_least` all that may be needed."""
        if isinstance(self.seeds, AtLeast):
            return tuple(range(self.seeds.up_to))
        if isinstance(self.seeds, bool) or not isinstance(self.seeds, (int, Sequence)):
            raise TypeError(f"seeds must be a count or a sequence of integers, got {self.seeds!r}")
        values = tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise TypeError(f"seeds must be a count or a sequence of integers, got {self.seeds!r}")
        if not values:
            raise ValueError(f"seeds must be at least one, got {self.seeds!r}")
        if len(set(values)) < len(values):
            raise ValueError(f"seeds must differ from one another, got {values}")
        return values

    def first_seeds(self) -> int:
        """How many of `seed_values` every cell is run with in any case."""
        return self.seeds.least if isinstance(self.seeds, AtLeast) else len(self.seed_values())
