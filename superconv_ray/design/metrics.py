"""What a study measures: its metric, which direction is better, and how its numbers are written.

Standard library only. Every room takes names of columns, directions and formats from here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from superconv_ray.data.catalog import Task
from superconv_ray.design.text import duration, interval_text, percent_interval, trial_name

GOALS = ("maximize", "minimize")
DEFAULT = "accuracy"
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Metric:
    """A measure of a model's outputs on labels that it was not trained on.

    Attributes:
        name: Name of the trial field's value.
        label: What texts and axes call it.
        maximize: Whether more of it is better.
        share: Whether it lies in [0, 1] and is shown in percent; differences are points then.
        unit: Unit of its numbers; empty if they have none.
        least: Smallest value that it can have.
        most: Largest value that it can have.
        tasks: What it can measure; empty for the user's own, which may measure anything.
    """

    name: str
    label: str
    maximize: bool = True
    share: bool = False
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    tasks: tuple[Task, ...] = ()

    @property
    def suffix(self) -> str:
        """Ending of its columns, as in test_accuracy and test_metric."""
        return DEFAULT if self.name == DEFAULT else "metric"

    @property
    def factor(self) -> float:
        """Factor from a column's values to the numbers that are shown."""
        return 100.0 if self.share else 1.0

    @property
    def sign(self) -> float:
        """Factor with which more is better: 1 or -1."""
        return 1.0 if self.maximize else -1.0

    @property
    def title(self) -> str:
        """Name at the beginning of a sentence."""
        return self.label[0].upper() + self.label[1:]

    @property
    def heading(self) -> str:
        """Name with unit, for axes and captions: "accuracy (%)", "RMSE (mm)"."""
        unit = "%" if self.share else self.unit
        return f"{self.label} ({unit})" if unit else self.label

    @property
    def in_range_tests(self) -> str:
        """Name of the scores that range tests are read from."""
        return self.label if self.share else f"share of the best gain in {self.label}"

    @property
    def worded(self) -> str:
        """Name with unit, for sentences: "accuracy in %", "RMSE in mm"."""
        unit = "%" if self.share else self.unit
        return f"{self.label} in {unit}" if unit else self.label

    @property
    def difference_unit(self) -> str:
        """Unit of differences: "points", "mm", or the name of a metric without a unit."""
        return "points" if self.share else self.unit or self.label

    def difference(self, value: float) -> str:
        """A difference with its unit: "0.5 points", "1.20 mm"."""
        shown = self.factor * value
        return f"{shown:{self.form(shown)}} {self.difference_unit}"

    @property
    def differences(self) -> str:
        """What gaps are in: "points of accuracy", "mm of RMSE", "R²"."""
        return self._of(self.label)

    def differences_on(self, labels: str) -> str:
        """What gaps on some labels are in: "points of test accuracy", "test R²"."""
        return self._of(f"{labels} {self.label}")

    def _of(self, measured: str) -> str:
        unit = "points" if self.share else self.unit
        return f"{unit} of {measured}" if unit else measured

    def gap(self, arm: str, baseline: str) -> str:
        """What a gap is, above 0 where the arm is better: "one_cycle minus cosine"."""
        return f"{arm} minus {baseline}" if self.maximize else f"{baseline} minus {arm}"

    def form(self, *values: float) -> str:
        """Format of numbers that are shown next to each other: three digits of the largest."""
        if self.share:
            return ".1f"
        sizes = [abs(value) for value in values if value and math.isfinite(value)]
        decimals = 2 - math.floor(math.log10(max(sizes))) if sizes else 0
        return f".{min(max(decimals, 0), MOST_DECIMALS)}f"

    def text(self, value: float) -> str:
        """One value with its unit: "97.1 %", "0.431", "54.1 mm"."""
        unit = "%" if self.share else self.unit
        shown = self.factor * value
        return f"{shown:{self.form(shown)}}" + (f" {unit}" if unit else "")

    def interval(self, row: Mapping[Any, Any], sign: str = "") -> str:
        """A mean with its interval, such as ``97.1 [96.2, 97.9]``; - if it is NaN.

        Args:
            row: With mean, low and high; low and high are NaN if there is one seed.
            sign: "+" shows signs, for differences.
        """
        if self.share:
            return percent_interval(row, sign)
        ends = row["mean"], row["low"], row["high"]
        if math.isnan(row["mean"]):
            return "-"
        text = interval_text(*ends, sign + self.form(*ends))
        return text + (" [one seed]" if math.isnan(row["low"]) else "")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(DEFAULT, "accuracy", share=True, tasks=("classification",)),
            Metric("balanced_accuracy", "balanced accuracy", share=True, tasks=("classification",)),
            Metric(
                "f1",
                "macro F1",
                share=True,
                tasks=("classification", "multi-label classification"),
            ),
            Metric("r2", "R²", most=1.0, tasks=("regression",)),
            Metric("rmse", "RMSE", maximize=False, least=0.0, tasks=("regression",)),
        )
    }
)
"""Built-in metrics by name."""

ACCURACY: Final = METRICS[DEFAULT]


def metric_of(settings: Mapping[str, Any]) -> Metric:
    """Return the metric of a trial, from its settings or its row; without any, accuracy.

    Args:
        settings: With metric, metric_goal and metric_unit; any of them may be missing or null.
    """
    name = _known(settings, "metric") or DEFAULT
    unit = _known(settings, "metric_unit") or ""
    if name in METRICS:
        built_in = METRICS[name]
        return built_in if built_in.share else replace(built_in, unit=unit)
    return Metric(
        name, name.replace("_", " "), _known(settings, "metric_goal") != "minimize", unit=unit
    )


def trial_line(row: Mapping[str, Any]) -> str:
    """One line on a trial that has ended, from its row in the store without missing values."""
    metric = metric_of(row)
    measured = [
        f"{part} {metric.label} {metric.text(row[f'{part}_{metric.suffix}'])}"
        for part in ("test", "validation")
        if row.get(f"{part}_{metric.suffix}") is not None
    ]
    ending = [] if row["status"] == "completed" and measured else [row["status"]]
    seconds = row.get("train_seconds")
    spent = [] if seconds is None else [duration(seconds)]
    return f"{trial_name(row)}: {', '.join([*ending, *measured, *spent])}"


def _known(settings: Mapping[str, Any], name: str) -> str | None:
    """A text; None for what tables have for a missing one."""
    value = settings.get(name)
    return str(value) if isinstance(value, str) else None
