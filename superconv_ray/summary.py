"""A study's results as text: what `run` and `show` print."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from superconv_ray.analysis.comparison import Interval, arm_summary, paired_gap
from superconv_ray.store import Store
from superconv_ray.tables import text_table


def results_text(store: Store, study: str) -> str:
    """Every arm's test accuracy with its interval, the first arm's gap to the others, and places.

    Raises:
        StoreError: There is no such study in the store.
    """
    definition = store.study(study)
    trials = store.trials(study)
    trainings = trials[trials["role"] == "training"]
    where = f"tables: {store.files.uri} (trials/, curves/, studies/)"
    if trainings.empty:
        return f"no finished trainings of study {study!r} yet\n{where}"
    by = [name for name in definition["sweep"][0] if name in trials.columns]
    notes = [_effort(trials, definition), _hardware(trainings), where]
    return "\n".join([_results_table(trainings, definition, by), "", *notes])


def _results_table(trainings: pd.DataFrame, definition: Mapping[str, Any], by: list[str]) -> str:
    arms = [arm for arm in definition["arms"] if arm in set(trainings["arm"])]
    # n is shown at every point: intervals over labels are what this package is about
    keys = list(dict.fromkeys([*by, "data_count"]))
    summary = arm_summary(trainings, keys).set_index([*keys, "arm"])
    gaps = {
        other: paired_gap(trainings, arms[0], other, keys).set_index(keys) for other in arms[1:]
    }
    headings = [*by, *(["labels"] if "data_count" not in by else []), *arms]
    headings += [f"{arms[0]} - {other}" for other in arms[1:]] + ["seeds"]
    rows = []
    for point in dict.fromkeys(summary.index.droplevel("arm")):
        key = point if isinstance(point, tuple) else (point,)
        cells = [_cell(summary, (*key, arm)) for arm in arms]
        differences = [_gap(gaps[other], point) for other in arms[1:]]
        counts = {
            int(summary.loc[(*key, arm), "n"]) for arm in arms if (*key, arm) in summary.index
        }
        seeds = "/".join(map(str, sorted(counts)))
        rows.append([*map(_short, key), *cells, *differences, seeds])
    title = "test accuracy in %, mean [95 % t interval]; gaps in points, paired by seed and subset"
    return f"{title}\n{text_table(headings, rows)}"


def _cell(summary: pd.DataFrame, key: tuple[Any, ...]) -> str:
    if key not in summary.index:
        return "-"
    row = summary.loc[key]
    diverged = f" ({int(row['diverged'])} diverged)" if row["diverged"] else ""
    return _interval(row) + diverged


def _gap(gaps: pd.DataFrame, point: Any) -> str:
    return _interval(gaps.loc[point], "+") if point in gaps.index else "-"


def _interval(row: Mapping[str, Any] | pd.Series[Any], sign: str = "") -> str:
    interval = Interval(*(row[name] for name in Interval._fields))
    text = f"{100 * interval.mean:{sign}.1f}"
    if math.isnan(interval.low):
        return f"{text} [one seed]"
    return f"{text} [{100 * interval.low:{sign}.1f}, {100 * interval.high:{sign}.1f}]"


def _effort(trials: pd.DataFrame, definition: Mapping[str, Any]) -> str:
    """What each arm cost, choosing hyper-parameters included: unequal effort must be seen."""
    parts = []
    for arm in definition["arms"]:
        own = trials[trials["arm"] == arm]
        steps = own.groupby("role")["steps_done"].sum()
        part = f"{arm}: {int(steps.get('training', 0)):,} training steps"
        if "range_test" in steps:
            part += f" + {int(steps['range_test']):,} range-test steps to choose max_lr"
        else:
            part += ", max_lr given"
        parts.append(part)
    return "effort: " + "; ".join(parts)


def _hardware(trainings: pd.DataFrame) -> str:
    """Where and how it was computed; a mixture of precisions would be a confound."""
    devices = ", ".join(sorted(set(trainings["device"].dropna())))
    precisions = sorted(set(trainings["precision_used"].dropna()))
    mixed = " (MIXED: arms may differ by precision)" if len(precisions) > 1 else ""
    seconds = trainings["train_seconds"].sum()
    return f"hardware: {devices}; {', '.join(precisions)}{mixed}; {seconds:,.0f} s of training"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
