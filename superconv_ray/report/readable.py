"""Frames as people read them: headings in words, numbers in their units, intervals in cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.design.metrics import Metric
from superconv_ray.design.text import column_name, duration, interval_text, value_text

PERCENT = 100.0
ESTIMATE = ("mean", "low", "high")
NOT_COUNTS = ("seed", "subset_seed", "cell")
"""Whole numbers that are names: they have no thousands separators."""
SECONDS = {"hours": 3600.0, "train_seconds": 1.0, "eval_seconds": 1.0}
"""Columns of durations, and the seconds of their unit."""

Words = Mapping[str, Mapping[Any, str]]
"""What to write for the values of a column."""


def _three_digits(*_: float) -> str:
    return ".3g"


@dataclass(frozen=True)
class Quantity:
    """Columns of a frame that people read as one: a number, an interval, or an estimate with one.

    Attributes:
        heading: What it is, with its unit.
        columns: The number; the interval's ends; or the estimate and the ends.
        factor: From the numbers of the frame to those shown; one for each row if they differ.
        sign: "+" shows signs, for differences.
        form: Format of the numbers that are shown, from all of them.
        bound: Column with "<" or ">" for a number that is a bound, and "" for others.
    """

    heading: str
    columns: tuple[str, ...] = ESTIMATE
    factor: float | pd.Series[float] = 1.0
    sign: str = ""
    form: Callable[..., str] = _three_digits
    bound: str = ""

    @property
    def merged(self) -> tuple[str, ...]:
        """Columns that are shown with the first one."""
        return (*self.columns[1:], *([self.bound] if self.bound else []))

    def texts(self, frame: pd.DataFrame) -> list[str | None]:
        """The text of each row; None where the number is missing."""
        numbers = frame[list(self.columns)].astype(np.float64).mul(self.factor, axis=0)
        form = self.sign + self.form(*numbers[self.columns[0]].dropna())
        found = [_text(row, form) for row in numbers.itertuples(index=False, name=None)]
        if not self.bound:
            return found
        return [
            text and f"{sign}{text}" for sign, text in zip(frame[self.bound], found, strict=True)
        ]


def _text(numbers: Sequence[float], form: str) -> str | None:
    *estimate, low, high = numbers if len(numbers) > 1 else (*numbers, math.nan, math.nan)
    if math.isnan((estimate or [low])[0]):
        return None
    if estimate:
        return interval_text(estimate[0], low, high, form)
    return f"[{low:{form}}, {high:{form}}]"


def over_words(frame: pd.DataFrame) -> str:
    """What the intervals of a frame are over, by its column interval_over."""
    kinds = list(dict.fromkeys(frame.loc[frame["low"].notna(), "interval_over"]))
    if len(kinds) > 1:
        return "seeds, and in some rows over test samples too"
    return kinds[0] if kinds else "seeds"


def measured(metric: Metric, on: str = "", columns: tuple[str, ...] = ESTIMATE) -> Quantity:
    """A metric, such as "test accuracy (%)"."""
    heading = f"{on} {metric.heading}".lstrip()
    return Quantity(heading, columns, metric.factor, form=metric.form)


def difference(
    metric: Metric, heading: str = "gap", columns: tuple[str, ...] = ESTIMATE
) -> Quantity:
    """A difference between values of a metric, such as "gap (points)"."""
    heading = f"{heading} ({metric.difference_unit})"
    return Quantity(heading, columns, metric.factor, "+", metric.form)


def count(heading: str, column: str = "n") -> Quantity:
    """A whole number."""
    return Quantity(heading, (column,), form=lambda *_: ",.0f")


def factor(form: str = ".3g") -> Quantity:
    """How many times fewer steps or labels, from a frame with a column censored."""
    return Quantity("factor", ("factor", "low", "high"), form=lambda *_: form, bound="censored")


def reaching(metric: Metric, arm: str) -> tuple[Quantity, ...]:
    """Columns of `time_to_accuracy`: where the baseline's longest run ends, and when the arm."""
    return (
        count("steps", "long_steps"),
        measured(metric, columns=("target",)),
        count(f"{arm} needs", "steps"),
        factor(".1f"),
    )


@dataclass(frozen=True)
class ShownColumn:
    """A column of a table as people read it.

    Attributes:
        heading: Its heading.
        place: Position of the frame's column that it shows, or whose numbers it is sorted by.
        numeric: Whether it shows numbers.
        texts: A text for each row, None for a missing value; None if the frame's values are texts.
    """

    heading: str
    place: int
    numeric: bool
    texts: list[str | None] | None

    def cells(self, frame: pd.DataFrame) -> list[str]:
        """The text of each row; a dash where a value is missing."""
        return ["-" if text is None else text for text in self.texts or frame.iloc[:, self.place]]


def shown_columns(
    frame: pd.DataFrame, quantities: Sequence[Quantity] = (), words: Words | None = None
) -> Iterator[ShownColumn]:
    """Columns of a frame as people read them, in the frame's order.

    Args:
        frame: The numbers.
        quantities: Columns with a unit; each is shown at the place of its first column. Accuracies
            and durations are known by their names.
        words: What to write for the values of columns.
    """
    heads = {quantity.columns[0]: quantity for quantity in quantities}
    merged = {name for quantity in quantities for name in quantity.merged}
    for place, name in enumerate(map(str, frame.columns)):
        if name in heads:
            yield ShownColumn(heads[name].heading, place, True, heads[name].texts(frame))
        elif name not in merged:
            values = frame.iloc[:, place]
            named = (words or {}).get(name)
            heading, text = _reading(name, values, named)
            missing = values.isna()
            texts = [None if no else text(v) for v, no in zip(values, missing, strict=True)]
            as_they_are = named is None and all(isinstance(value, str) for value in values)
            numeric = named is None and is_number(values)
            yield ShownColumn(heading, place, numeric, None if as_they_are else texts)


def is_number(values: pd.Series[Any]) -> bool:
    """Whether a column has numbers."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _reading(
    name: str, values: pd.Series[Any], words: Mapping[Any, str] | None
) -> tuple[str, Callable[[Any], str]]:
    """Heading of a column, and the text of a value."""
    heading = column_name(name)
    if words is not None:
        return heading, lambda value: words.get(value, str(value))
    if name in SECONDS:
        heading = heading.replace("seconds", "time").replace("hours", "train time")
        return heading, lambda value: duration(SECONDS[name] * value)
    if "accuracy" in name and pd.api.types.is_float_dtype(values):
        return f"{heading} (%)", lambda value: f"{PERCENT * value:.1f}"
    if pd.api.types.is_datetime64_any_dtype(values):
        return f"{heading} (UTC)", lambda time: f"{time:%Y-%m-%d %H:%M:%S}"
    return heading, str if name in NOT_COUNTS else partial(value_text, form=".4g")
