"""LR range tests alone: which ones to run, and what every rule reads off them as an object."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superconv_ray.api.run import (
    IncompleteRunWarning,
    incomplete_text,
    plan_to_run,
    run_planned,
    warn_of,
)
from superconv_ray.design.budget import iterations
from superconv_ray.design.choices import FromRangeTest, from_range_test
from superconv_ray.design.metrics import Metric, metric_of
from superconv_ray.design.own_functions import NameOrFunction
from superconv_ray.design.plan import Plan, range_tests_alone
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.trial import Trial
from superconv_ray.report.lr_find import (
    cell_title,
    chart_title,
    range_tests_html,
    range_tests_text,
)

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    from torch import nn

    from superconv_ray.data.images import AnyDataset
    from superconv_ray.execution.session import RunSummary
    from superconv_ray.storage.store import Store

    ModelSource = str | Callable[..., nn.Module]
    DataSource = str | AnyDataset | Callable[[], AnyDataset]


def lr_find(
    study: Study | None = None,
    *,
    model: ModelSource | None = None,
    data: DataSource | None = None,
    optimizer: NameOrFunction | None = None,
    loss: NameOrFunction | None = None,
    metric: NameOrFunction | None = None,
    metric_goal: str | None = None,
    data_fraction: float | None = None,
    batch_size: int | None = None,
    seeds: int | None = None,
    test_labels: bool = False,
    store: str | Path = "results",
    **options: Any,
) -> LRFind:
    """Run LR range tests and return what every known rule reads off them.

    Example: ``lr_find(model=Net, data=dataset).plot()``

    Args:
        study: Test its base and sweep; the arguments below replace what they name. None: test one
            built-in or given model on one built-in or given data set.
        model: Name of a built-in model, or a callable as in `Study.models`. Default: small_cnn.
        data: Name of a built-in data set, a `Dataset`, or a function that loads one. Default:
            digits.
        optimizer: Name of an optimizer, such as "sgd" or "adamw", or your own factory. Default:
            sgd.
        loss: Name of a loss, or your own function. Default: cross_entropy.
        metric: Name of a metric, or your own function. Default: accuracy.
        metric_goal: "maximize" or "minimize", for a metric of your own.
        data_fraction: Fraction of the labels to use, in (0, 1].
        batch_size: Samples per step.
        seeds: Number of replicates. Default: the study's, or 3.
        test_labels: Measure on test labels, to repeat a published chart; never to choose by.
        store: Path or URI of the store; tests that it has are not run again.
        options: The arguments of `from_range_test` (high, low, steps, scale, points,
            validation_fraction), and the options of `Study.run`.

    Raises:
        ValueError, TypeError, OSError: As `Study.run`.

    Warns:
        StudyWarning: A linear test is too short for its span.
        IncompleteRunWarning: Range tests failed.
    """
    defaults = from_range_test.__kwdefaults__
    assert defaults is not None
    names = [name for name in defaults if name in options and name != "confirm"]  # nothing follows
    reading = from_range_test(**{name: options.pop(name) for name in names})
    if test_labels:
        reading = replace(reading, validation_fraction=0.0)
    changes = {
        "optimizer": optimizer,
        "loss": loss,
        "metric": metric,
        "metric_goal": metric_goal,
        "data_fraction": data_fraction,
        "batch_size": batch_size,
    }
    study, given = _with_sources(study, model, data)
    found = lr_find_study(study, {**changes, **given}, reading, seeds)
    plan = range_tests_alone(plan_to_run(found, store))
    warn_of(plan, stacklevel=3)
    summary = run_planned(plan, store, **options)
    if summary.failed or summary.blocked:
        warnings.warn(incomplete_text(summary), IncompleteRunWarning, stacklevel=2)
    from superconv_ray.storage.store import open_store

    return LRFind(plan, open_store(store), summary)


class LRFind:
    """What LR range tests say. Its text has the verdict, the advice, and every rule's rate.

    Attributes:
        study: The study whose range tests were run.
        summary: Counts of the run.
    """

    def __init__(self, plan: Plan, store: Store, summary: RunSummary) -> None:
        self.study = plan.study
        self.summary = summary
        self._plan = plan
        self._store = store

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Every point of every range test, as from `join_range_tests`."""
        from superconv_ray.analysis import join_range_tests

        name = self.study.name
        return join_range_tests(self._store.trials(name), self._store.curves(name))

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a cell, as from `range_test_table`: peak, plateau, verdict, advice."""
        from superconv_ray.analysis import range_test_table

        return range_test_table(self._finished(), ["cell"])

    @cached_property
    def rules(self) -> pd.DataFrame:
        """One row a cell and rule, as from `suggestions`: the learning rate that the rule reads."""
        from superconv_ray.analysis import suggestions

        return suggestions(self._finished(), ["cell"])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Accuracy and losses over the learning rate, averaged over seeds; see `mean_curves`."""
        from superconv_ray.analysis import mean_curves

        return mean_curves(self._finished(), ["cell"])

    @property
    def max_lr(self) -> float:
        """The recommended learning rate, which a study's trainings would use.

        Raises:
            ValueError: The study has several cells; see `table`.
        """
        return float(self._only_row()["max_lr"])

    @property
    def verdict(self) -> str:
        """What kind of range test it is: "plateau", "peak", "collapse", "too noisy", ...

        Raises:
            ValueError: As `max_lr`.
        """
        return str(self._only_row()["verdict"])

    @property
    def advice(self) -> str:
        """What to do next, in words.

        Raises:
            ValueError: As `max_lr`.
        """
        return str(self._only_row()["advice"])

    @property
    def rates(self) -> dict[str, float]:
        """Learning rate by rule; NaN where a rule has none.

        Raises:
            ValueError: As `max_lr`.
        """
        self._only_row()
        return dict(zip(self.rules["rule"], self.rules["lr"], strict=True))

    @property
    def metric(self) -> Metric:
        """What the tests measure."""
        return metric_of(self.study.base.settings())

    @property
    def measured(self) -> bool:
        """Whether there is anything to plot: a range test is finished, and did not fail at once."""
        return not self.tests.empty and bool(self.table["peak_lr"].notna().any())

    def plot(self) -> alt.TopLevelMixin:
        """Return a chart of accuracy and losses over the learning rate, with every rule's rate.

        Raises:
            ModuleNotFoundError: Altair is missing: ``pip install 'superconv_ray[report]'``.
            ValueError: Nothing was measured.
        """
        if not self.measured:
            raise ValueError(f"no chart: the range tests of {self.study.name!r} measured nothing")
        from superconv_ray.report.charts import range_tests

        titles = {index: chart_title(cell) for index, cell in enumerate(self._plan.cells)}
        return range_tests(self.table, self.rules, self.curves, titles, self.metric)

    def save(self, path: str | Path) -> None:
        """Write the chart to a file, whose ending says which kind: .png, .svg, .pdf or .html.

        Raises:
            ModuleNotFoundError, ValueError: As `plot`, or the ending is unknown.
            OSError: The file cannot be written.
        """
        from superconv_ray.report.chart_files import save_chart

        save_chart(self.plot(), Path(path))

    def __repr__(self) -> str:
        if self.tests.empty:
            return f"no finished range test of study {self.study.name!r} yet"
        return range_tests_text(self.table, self.rules, self._titles(), self.metric)

    def _repr_html_(self) -> str:
        if self.tests.empty:
            return f"<p>{self!r}</p>"
        return range_tests_html(self.table, self.rules, self._titles(), self.metric)

    def _finished(self) -> pd.DataFrame:
        if self.tests.empty:
            raise ValueError(f"{self!r}")
        return self.tests

    def _only_row(self) -> Mapping[Any, Any]:
        if len(self.table) > 1:
            raise ValueError(
                f"study {self.study.name!r} has range tests at {len(self.table)} points: "
                "see `table` and `rules`, which have a row for each"
            )
        return self.table.iloc[0].to_dict()

    def _titles(self) -> dict[int, str]:
        return {index: cell_title(cell) for index, cell in enumerate(self._plan.cells)}


def _with_sources(
    study: Study | None, model: ModelSource | None, data: DataSource | None
) -> tuple[Study, dict[str, str]]:
    """The study with the given model and data set among its own, and the names of the two."""
    names: dict[str, str] = {}
    own: dict[str, dict[str, Any]] = {"model": {}, "dataset": {}}
    for field, source, otherwise in (("model", model, "model"), ("dataset", data, "data")):
        if isinstance(source, str):
            names[field] = source
        elif source is not None:
            names[field] = _name_of(source, otherwise)
            own[field] = {names[field]: source}
    study = study or default_study(names)
    return replace(
        study,
        models={**study.models, **own["model"]},
        datasets={**study.datasets, **own["dataset"]},
    ), names


def _name_of(source: object, otherwise: str) -> str:
    """A name for a study's own model or data set: that of the function or class."""
    return re.sub(r"\W", "_", getattr(source, "__name__", otherwise)).strip("_") or otherwise


def default_study(names: Mapping[str, str]) -> Study:
    """Return what is tested if no study is given, named after its data set and model."""
    base = Trial()
    parts = [names.get(name) or getattr(base, name) for name in ("dataset", "model")]
    return Study(name="_".join(parts), budget=iterations(2000))


def lr_find_study(
    study: Study, changes: Mapping[str, Any], reading: FromRangeTest, seeds: int | None
) -> Study:
    """Return the study whose range tests are asked for; `range_tests_alone` plans only these.

    Args:
        study: Whose base, sweep, budget, data sets and models to use.
        changes: Trial fields to set in the base and to leave out of the sweep, such as dataset,
            model, data_fraction and batch_size. None leaves a field as the study has it.
        reading: The range test, from `from_range_test`. With validation_fraction 0 it is measured
            on test labels.
        seeds: Number of replicates; None: the study's.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    if "data_fraction" in changes:
        changes["data_count"] = None
    if "metric" in changes:  # these two describe the metric that it takes the place of
        changes = {"metric_goal": None, "metric_unit": None, **changes}
    return replace(
        study,
        name=f"lr_find_{study.name}",
        question="Which learning rates does an LR range test find?",
        base=study.base.changed(**changes),
        sweep=study.sweep.without(("max_lr", *changes)),
        arms={"range_test": Arm(max_lr=reading)},
        seeds=study.seed_values()[: study.first_seeds()] if seeds is None else seeds,
        tables=None,
    )
