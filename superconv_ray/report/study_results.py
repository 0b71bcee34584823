"""The results of one study: what text, tables, charts and pages start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from superconv_ray.analysis import compare, gap_trend
from superconv_ray.analysis.comparison.verdicts import MARGIN, default_margin, level_per_row
from superconv_ray.design.metrics import ACCURACY, Metric, metric_of
from superconv_ray.design.text import counted
from superconv_ray.report.against_baselines import against_baselines
from superconv_ray.report.axes import BUDGETS, epochs_of_cells, swept_columns
from superconv_ray.storage.store import Store

NOTABLE = 0.01
"""Smallest difference between accuracies with running and re-estimated BN statistics to report."""


class StudyResults:
    """The results of a study: frames, comparisons, a page, and files for a paper.

    Its ``repr`` is the text that ``superconv show`` prints. Frames are read on first use.

    Args:
        store: The store.
        name: Name of the study.

    Raises:
        StoreError: There is no such study; the message lists those there are.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.definition = store.study(name)

    def __repr__(self) -> str:
        from superconv_ray.report.text import study_text

        return study_text(self)

    def _repr_html_(self) -> str:
        from superconv_ray.report.notebook import notebook_html

        return notebook_html(self)

    def compare(
        self, arm: str | None = None, baseline: str | Sequence[str] | None = None, **options: Any
    ) -> pd.DataFrame:
        """Paired gaps of an arm to baselines at every point; see `analysis.compare`.

        Args:
            arm: Name of the arm. Default: the study's first.
            baseline: Name, or names, of the baselines. Default: all other arms.
            options: Further arguments of `analysis.compare`, such as ``by`` or ``value``.

        Raises:
            ValueError: There is no finished training of another arm, or as `analysis.compare`.
        """
        arm = self.all_arms[0] if arm is None else arm
        others = [name for name in self.arms if name != arm] if baseline is None else baseline
        every = [name for name in self.all_arms if name != arm]
        planned = every if baseline is None else [others] if isinstance(others, str) else others
        given: dict[str, Any] = {"by": self.axes, "value": self.value, "looks": self.looks}
        given["family"] = self._rows_with(planned)
        if "value" not in options:
            given["margin"] = self.margin
        return compare(self.trainings, arm, others, **{**given, **options})

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the study's page, one HTML file that needs no network, and return its path.

        Raises:
            ModuleNotFoundError: ``pip install 'superconv_ray[report]'`` is needed.
            OSError: The file cannot be written.
        """
        from superconv_ray.report.site import write_pages

        write_pages(self.store, Path(path), self.name, wrote=lambda _: None)
        return Path(path)

    def export(
        self,
        *,
        charts: str | Path | None = None,
        latex: str | Path | None = None,
        markdown: str | Path | None = None,
    ) -> list[Path]:
        """Write files for a paper and return their paths.

        Args:
            charts: Folder for every chart as PNG, SVG and PDF.
            latex: File for the tables with intervals, in LaTeX.
            markdown: File for the same tables in Markdown.

        Raises:
            ModuleNotFoundError: ``pip install 'superconv_ray[report]'`` is needed.
            ValueError: Nothing was asked for, or the study has no finished training.
            OSError: A file cannot be written.
        """
        from superconv_ray.report.export import export

        return list(export(self, charts=charts, latex=latex, markdown=markdown))

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The frame of `Store.trials`, with the columns point and those of `measured`.

        point: Index in the sweep of the definition. The swept columns do not identify a point: a
        trial that another study trained has the data_fraction of that study. A study that sweeps
        its budget in epochs has the column epochs: its steps depend on the labels, too.
        """
        trials = self.store.trials(self.name, correctness=True)
        sweep = self.definition.sweep
        point = {cell.cell: sweep.index(cell.point) for cell in self.definition.cells}
        trials["point"] = trials["cell"].map(point)
        if self.epochs:
            trials["epochs"] = trials["cell"].map(self.epochs)
        for name, kind in zip(self.measured, ("", "_reestimated"), strict=True):
            test, held_out = (
                trials[f"{part}_{self.metric.suffix}{kind}"] for part in ("test", "validation")
            )
            trials[name] = test.fillna(held_out)
        return trials

    @cached_property
    def epochs(self) -> Mapping[int, float]:
        """Epochs of each cell, if the study sweeps its budget in epochs."""
        return epochs_of_cells(self.definition)

    @cached_property
    def metric(self) -> Metric:
        """What the study measures."""
        return metric_of(self.definition.base)

    @property
    def measured(self) -> tuple[str, str]:
        """Columns of the metric on test labels, or on validation labels if a trial holds some out.

        With running BN statistics, and with re-estimated ones.
        """
        name = "accuracy" if self.metric == ACCURACY else "held_out_metric"
        return name, f"{name}_reestimated"

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The frame of `Store.curves`."""
        return self.store.curves(self.name)

    @cached_property
    def range_test_points(self) -> pd.DataFrame:
        """Every point of the range tests, as from `join_range_tests`; may be empty."""
        from superconv_ray.analysis import join_range_tests

        tests = self.trials[self.trials["kind"].eq("range_test")]
        if tests.empty:
            return tests
        ids = sorted(set(tests["trial_id"]))
        curves = self.store.curves(self.name, filters=[("trial_id", "in", ids)])
        return join_range_tests(tests, curves)

    @cached_property
    def range_test_readings(self) -> pd.DataFrame:
        """What the range tests show: `range_test_table` by cell; may be empty."""
        from superconv_ray.analysis import range_test_table

        points = self.range_test_points
        return points if points.empty else range_test_table(points, ["cell"])

    @property
    def range_tests(self) -> pd.DataFrame:
        """The readings of range tests that chose a max_lr, with their arm; may be empty."""
        tests = self.trials["kind"].eq("range_test") & self.trials["role"].ne("training")
        chose = self.trials.loc[tests, ["arm", "cell"]].drop_duplicates()
        if chose.empty or self.range_test_readings.empty:  # such as if all curves are damaged
            return pd.DataFrame(columns=["arm", "cell", "verdict"])
        return chose.sort_values(["arm", "cell"]).merge(self.range_test_readings, on="cell")

    @cached_property
    def failures(self) -> Mapping[str, Mapping[str, Any]]:
        """Error and settings of each failed trial, by trial id."""
        members = set(self.store.members(self.name)["trial_id"])
        return {id_: found for id_, found in self.store.failures().items() if id_ in members}

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """Full trainings, without trials that choose settings and without range tests."""
        trials = self.trials
        return trials[(trials["role"] == "training") & (trials["kind"] == "training")]

    @property
    def all_arms(self) -> list[str]:
        """All arms of the study, in its order."""
        return list(self.definition.arms)

    @cached_property
    def arms(self) -> list[str]:
        """Arms with a finished training, in the study's order; the first is the compared one."""
        trained = set(self.trainings["arm"])
        return [arm for arm in self.all_arms if arm in trained]

    @cached_property
    def axes(self) -> list[str]:
        """Swept columns of the trainings, in the order of the sweep; see `swept_columns`."""
        return swept_columns(self.definition, self.trainings)

    @property
    def budget_axis(self) -> str | None:
        """The axis that is the budget: steps or epochs; None if the budget is not swept."""
        return next((axis for axis in self.axes if axis in BUDGETS), None)

    @property
    def axes_but_budget(self) -> list[str]:
        """The axes without the budget."""
        return [axis for axis in self.axes if axis != self.budget_axis]

    @cached_property
    def time_to_accuracy(self) -> pd.DataFrame:
        """Steps of the first arm to the end of each baseline's longest run; see the analysis.

        With a column baseline. Empty unless the study is one of `asks_about_super_convergence`.
        """
        from superconv_ray.analysis import time_to_accuracy

        return against_baselines(self, time_to_accuracy, self.axes_but_budget)

    @cached_property
    def factor_trend(self) -> pd.DataFrame:
        """Whether the factors of `time_to_accuracy` grow as labels become scarce.

        Empty as that, or if the study does not sweep its labels.
        """
        from superconv_ray.analysis import factor_trend

        others = [axis for axis in self.axes_but_budget if axis != "data_count"]
        swept = "data_count" in self.axes
        return against_baselines(self, factor_trend, others) if swept else pd.DataFrame()

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Gaps of the first arm to all others at every point; needs two arms."""
        return self.compare(self.arms[0])

    @property
    def comparison_by_point(self) -> pd.DataFrame:
        """The same with the columns point and `point_columns`, in the order of the sweep."""
        points = self.trainings[["point", *self.point_columns]].drop_duplicates()
        on: Any = {"on": self.axes} if self.axes else {"how": "cross"}
        return points.merge(self.comparison, **on).sort_values("point", kind="stable")

    @property
    def point_columns(self) -> list[str]:
        """The axes, and always the number of labels: the columns that describe a point in text."""
        return list(dict.fromkeys(["data_count", *self.axes]))

    @property
    def axes_but_labels(self) -> list[str]:
        """The axes without the number of labels."""
        return [axis for axis in self.axes if axis != "data_count"]

    @cached_property
    def trend(self) -> pd.DataFrame:
        """Trend of these gaps as labels become scarce; needs a sweep over labels."""
        arm, *baselines = self.arms
        return gap_trend(self.trainings, arm, baselines, by=self.axes_but_labels, value=self.value)

    @cached_property
    def value(self) -> str:
        """Column to compare; that of `measured` if only some trainings hold labels out."""
        labels = self.measured_on
        whole = labels in ("test", "validation")
        return f"{labels}_{self.metric.suffix}" if whole else self.measured[0]

    @cached_property
    def margin(self) -> float:
        """Smallest gain that counts."""
        return self.definition.margin or default_margin(self.trainings, self.value)

    @cached_property
    def notable(self) -> float:
        """Smallest difference between running and re-estimated BN statistics to report."""
        return default_margin(self.trainings, self.value) * NOTABLE / MARGIN

    @property
    def question(self) -> str:
        """The question that the study asks; may be empty."""
        return self.definition.question

    @property
    def state(self) -> str:
        """Progress of the study: "340 of 340 trials done, 2 diverged"."""
        done = self.trials.drop_duplicates("trial_id")
        diverged = int((done["status"] == "diverged").sum())
        further = {"diverged": diverged, "failed": len(self.failures)}
        return ", ".join(
            [
                f"{len(done):,} of {counted(len(done) + self.open_trials, 'trial')} done",
                *(f"{number:,} {what}" for what, number in further.items() if number),
            ]
        )

    @property
    def open_trials(self) -> int:
        """Number of unfinished trials, as far as known."""
        return max(0, self.definition.trials - self.trials["trial_id"].nunique())

    @property
    def measured_on(self) -> str:
        """Labels of `measured`: "test", "validation", or a description of both."""
        held_out = self.trainings[f"test_{self.metric.suffix}"].isna()
        if not held_out.any():
            return "test"
        return "validation" if held_out.all() else "validation (where labels are held out) or test"

    @property
    def family(self) -> int:
        """Number of rows of the whole study's comparison of one arm with all others, at least 1."""
        return self._rows_with(self.all_arms[1:])

    def _rows_with(self, baselines: Sequence[str]) -> int:
        """Number of rows of the whole study's comparison with these baselines, at least 1."""
        return sum(cell.arm in baselines for cell in self.definition.cells) or 1

    @property
    def level(self) -> float:
        """Two-sided level of each gap's interval."""
        return level_per_row(self.family, self.looks)

    @cached_property
    def looks(self) -> Sequence[int]:
        """Numbers of pairs at which the gaps were looked at; empty if that was once.

        These are the looks of `at_least`, and the numbers of seeds of the definitions that the
        current one extends: whoever adds seeds by hand has seen the earlier results.
        """
        versions = self.store.definitions(self.name)
        counts = set[int]()
        for version in (v for v in versions if self.definition.extends(v)):
            rule, seeds = version.further_seeds, len(version.seeds)
            counts |= set(range(rule["least"], rule["up_to"] + 1)) if rule else {seeds}
        looks = sorted(count for count in counts if count >= 2)
        whole = range(looks[0], looks[-1] + 1) if looks else range(0)
        return () if len(looks) < 2 else whole if len(whole) == len(looks) else looks
