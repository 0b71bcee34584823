"""A study as a user writes it: one question, its arms, its sweep, its budget and its seeds."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.budget import Budget, check_budget
from superconv_ray.design.choices import Tuned, Tuning
from superconv_ray.design.fields import COUNT, FieldType, check_attributes
from superconv_ray.design.metrics import metric_of
from superconv_ray.design.own_functions import named
from superconv_ray.design.seeds import AtLeast, seed_values
from superconv_ray.design.sweep import Sweep, grid
from superconv_ray.design.text import counted
from superconv_ray.design.trial import Trial
from superconv_ray.models import model_choices

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from superconv_ray.api.plan import StudyPlan
    from superconv_ray.api.run import RunResult
    from superconv_ray.data.images import AnyDataset
    from superconv_ray.report.study_results import StudyResults

StudyTables: TypeAlias = "Callable[[pd.DataFrame, pd.DataFrame], Mapping[str, pd.DataFrame]]"
"""Maps a study's trials and curves to frames by title; raises ValueError if they do not suffice."""


class Arm:
    """One contestant of a comparison: the trial fields in which it differs from the base.

    Example: ``Arm(policy="one_cycle", max_lr=from_range_test())``
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: Mapping[str, Any] = {n: named(n, value) for n, value in settings.items()}

    def __repr__(self) -> str:
        return f"Arm({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"


_TYPES: Mapping[str, tuple[type, str]] = {
    "name": (str, "be a text"),
    "question": (str, "be a text"),
    "base": (Trial, "be a Trial(...)"),
    "sweep": (Sweep, "come from grid(...) or paired(...)"),
    "arms": (Mapping, 'map names to arms, such as {"one_cycle": Arm(...)}'),
    "tuning": (Tuning, "be a Tuning(...)"),
    "datasets": (Mapping, 'map names to data sets, such as {"mine": Dataset(...)}'),
    "models": (Mapping, 'map names to models, such as {"net": Net}'),
}
"""Type of an attribute of `Study`, and what it must do or be."""


MOST_LETTERS = 60
"""Of a name that is a column of tables."""


def _check_name(where: str, name: object) -> None:
    """Check the name of an arm, a data set or a model, which is a word in tables.

    Raises:
        TypeError, ValueError: It is no text, or has several lines, or is too long or empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"{where}: names must be texts, got {name!r}")
    if not (name.strip() and name.isprintable() and len(name) <= MOST_LETTERS):
        raise ValueError(
            f"{where}: names must be one line of 1 to {MOST_LETTERS} printable characters, "
            f"got {name!r}"
        )


def _check_tables(tables: object) -> None:
    if not callable(tables):
        raise TypeError(f"tables must be a function of trials and curves, or None, got {tables!r}")
    try:
        inspect.signature(tables).bind("trials", "curves")
    except TypeError as error:
        raise TypeError(f"tables must take two frames, trials and curves: {error}") from None


def _is_tuned(arm: Arm) -> bool:
    return any(isinstance(value, Tuned) for value in arm.settings.values())


@dataclass(frozen=True, kw_only=True)
class Study:
    """One question about super-convergence, and everything needed to answer it.

    Attributes:
        name: Short name that identifies the study in a store.
        question: What the study asks, in one sentence.
        base: Settings that all arms share.
        sweep: Points at which the arms are compared, from `grid` and `paired`.
        arms: The contestants by name. All get the same seeds and the same budget. The first is the
            arm under test: results compare it with each of the others.
        budget: Length of each training, from `iterations`, `epochs`, `samples` or `seconds`. The
            sweep may set it instead, as in ``grid(budget=(iterations(300), iterations(1000)))``;
            schedules are stretched to it.
        seeds: Number of replicates, or the seeds themselves, or `at_least`. A seed fixes initial
            weights, subset (unless `base` sets subset_seed) and batch order, for all arms alike.
        tuning: Effort spent on each cell's `tuned` settings.
        tables: What to print besides the arms' accuracies: a function of the study's trials and
            curves, as `Store.trials` and `Store.curves` return them, that returns frames by title.
        datasets: Your own data sets by name: a `Dataset`, images in files (`image_folder` and its
            siblings), or a function that loads one.
        models: Your own models by name. Each is called as
            ``build(input_shape=..., classes=..., dropout=...)`` and returns an `nn.Module`. Trial
            ids change with the source text of the function or class given here, but not with the
            source of what it calls: rename a model that changed elsewhere.
        margin: Smallest gap that counts, in units of the metric; of accuracies, a fraction: 0.005
            is half a point. Arms whose gap certainly lies within it are equivalent. State it before
            you see results. None: 0.005 for shares and R², this fraction of the mean for others.
        trial_limit: The largest number of trials that is planned. It guards against slips, such as
            one zero too many; raise it for a study that is meant to be larger.

    Raises:
        ValueError, TypeError: A value is missing, contradicts another, or has the wrong type.
    """

    name: str
    budget: Budget | None = None
    question: str = ""
    base: Trial = field(default_factory=Trial)
    sweep: Sweep = field(default_factory=grid)
    arms: Mapping[str, Arm] = field(default_factory=lambda: {"one_cycle": Arm()})
    seeds: int | Sequence[int] | AtLeast = 3
    tuning: Tuning = field(default_factory=Tuning)
    datasets: Mapping[str, AnyDataset | Callable[[], AnyDataset]] = field(default_factory=dict)
    models: Mapping[str, Callable[..., nn.Module]] = field(default_factory=dict)
    tables: StudyTables | None = None
    margin: float | None = None
    trial_limit: int = 1_000_000

    def __post_init__(self) -> None:
        self._check_types()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{,99}", self.name):
            raise ValueError(
                "name must be at most 100 letters, digits, '_', '-' or '.', because a file is "
                f"named after it; got {self.name!r}"
            )
        self._check_arms()
        self._check_size()
        self._check_budget()
        self._check_margin()
        for taken in self.datasets.keys() & DATASETS.keys():
            raise ValueError(f"datasets: {taken!r} is the name of a built-in data set")
        for name in self.models:
            if name in model_choices(name):
                raise ValueError(f"models: {name!r} is the name of a built-in model")

    def _check_types(self) -> None:
        for name, (kind, needed) in _TYPES.items():
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"{name} must {needed}, got {value!r}")
        check_attributes(self, {"trial_limit": (int, COUNT)})
        for name, arm in self.arms.items():
            if not isinstance(arm, Arm):
                raise TypeError(f"arms: {name!r} must be an Arm(...), got {arm!r}")
        for name in ("arms", "datasets", "models"):
            for key in getattr(self, name):
                _check_name(name, key)
        if self.tables is not None:
            _check_tables(self.tables)

    def _check_budget(self) -> None:
        swept = self.sweep.values("budget")
        if self.budget is not None and swept:
            raise ValueError("budget is set by the study and by the sweep; choose one")
        for budget in swept or [self.budget]:
            check_budget(budget)
        for name, arm in self.arms.items():
            if "budget" in arm.settings:
                raise ValueError(f"arms: {name!r} cannot set the budget, because all arms share it")

    def _check_margin(self) -> None:
        if self.margin is None:
            return
        object.__setattr__(self, "margin", FieldType.of(float).cast("margin", self.margin))
        most = 1 if metric_of(self.base.settings()).share else math.inf
        if not 0 < self.margin < most:
            raise ValueError(
                f"margin must be > 0 and {'< 1, as a fraction' if most == 1 else 'finite'}, "
                f"got {self.margin!r}"
            )

    def _check_arms(self) -> None:
        if not self.arms:
            raise ValueError("arms must name at least one arm, got none")
        if isinstance(self.seeds, AtLeast) and len(self.arms) < 2:
            raise ValueError(
                "seeds: at_least(...) needs two arms, because it asks which is better; "
                f"got {len(self.arms)}"
            )

    def _check_size(self) -> None:
        """Count the trials before any is made: a million takes a minute, a billion no machine."""
        points, arms, seeds = len(self.sweep), len(self.arms), len(self.seed_values())
        searches = sum(_is_tuned(arm) for arm in self.arms.values())
        tuned = searches * self.tuning.searches(seeds) * self.tuning.total_trials
        trials = points * (arms * seeds + tuned)
        if trials > self.trial_limit:
            tuning = f" + {counted(self.tuning.total_trials, 'tuning trial')} a search"
            raise ValueError(
                f"trial_limit: study {self.name!r} must have at most {self.trial_limit:,} trials, "
                f"got {trials:,} ({counted(points, 'point')} x {counted(arms, 'arm')} x "
                f"{counted(seeds, 'seed')}{tuning if searches else ''}): make it smaller, or raise "
                f"the limit with Study(..., trial_limit={trials})"
            )

    def budget_at(self, point: Mapping[str, Any]) -> Budget:
        """Return the budget at a point of the sweep."""
        budget: Budget = point.get("budget", self.budget)
        return budget

    def seed_values(self) -> Sequence[int]:
        """Return one seed per replicate; for `at_least`, all seeds that may be needed."""
        return self._seed_values

    @cached_property
    def _seed_values(self) -> Sequence[int]:
        return seed_values(self.seeds)

    def first_seeds(self) -> int:
        """Return how many of `seed_values` every cell runs in any case."""
        return self.seeds.least if isinstance(self.seeds, AtLeast) else len(self.seed_values())

    def plan(
        self,
        store: str | Path | None = None,
        data_dir: str | Path | None = None,
        *,
        slots: int | None = None,
        price_per_hour: float | None = None,
        probe: bool | None = None,
        images_per_second: float | None = None,
    ) -> StudyPlan:
        """Check the study and return its cells, trials and steps, and what they cost.

        Args:
            store: Path or URI of a store, to see what it has already and how long its trials took.
            data_dir: Folder with the data sets' files, to check that they are there and complete.
            slots: Trials that run at a time, for the estimated time; None: as many as this machine
                has CPUs or, if a GPU's times are known, GPUs.
            price_per_hour: Price of all slots together for an hour, for the estimated price.
            probe: Whether to measure on this machine, by a few steps on made-up samples, what the
                store does not know; None: if slots or a price are given.
            images_per_second: Rate at which one slot trains, if you know it. It takes the place of
                what is measured.

        Raises:
            ValueError, TypeError: The study is not valid, or one of your models does not build.
            OSError: The store or the data set cannot be read.
        """
        from superconv_ray.api.plan import plan_study

        return plan_study(
            self,
            store,
            data_dir,
            slots=slots,
            price_per_hour=price_per_hour,
            probe=probe,
            images_per_second=images_per_second,
        )

    def run(
        self, store: str | Path = "results", *, progress: bool = True, **options: Any
    ) -> RunResult:
        """Train what the store does not have yet, and return the study's results.

        Works in a script, in a notebook, and after ``ray.init(...)``. Interrupt it whenever you
        like: the next run continues where this one stopped.

        Args:
            store: Path or URI of the store.
            progress: Whether to show progress.
            options: Any of local, address, data_dir, max_trials, cpus_per_trial, gpus_per_trial,
                processes_per_trial, callbacks, checkpoint_seconds and replace; see `RunOptions`.

        Raises:
            ValueError, TypeError: The study or an option is not valid; nothing was trained.
            OSError: The store, the data set or the cluster cannot be reached.

        Warns:
            StudyWarning: The study can run, but may not answer well.
            IncompleteRunWarning: Trials failed. The results are those of the others, and
                `RunResult.summary` counts both.
        """
        from superconv_ray.api.run import run_study

        return run_study(self, store, progress=progress, **options)

    def results(self, store: str | Path = "results") -> StudyResults:
        """Return what a store has of the study, finished or not.

        Raises:
            StoreError: The store does not have the study, or cannot be read.
        """
        from superconv_ray.api.run import study_results

        return study_results(self, store)
