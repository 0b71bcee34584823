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
    """Every arm's accuracy with its interval, the first arm's gap to the others, and places.

    The accuracy is that on the test set, or on validation labels where a training holds some out.

    Raises:
        StoreError: There is no such study in the store.
    """
    definition = store.study(study)
    trials = store.trials(study)
    trainings = trials[trials["role"] == "training"]
    where = f"tables: {store.files.place} (trials/, curves/, studies/)"
    if trainings.empty:
        return f"no finished trainings of study {study!r} yet\n{where}"
    notes = [_effort(trials, definition), _hardware(trainings), where]
    return "\n".join([_results_table(trainings, definition), "", *notes])


def _results_table(trainings: pd.DataFrame, definition: Mapping[str, Any]) -> str:
    arms = [arm for arm in definition["arms"] if arm in set(trainings["arm"])]
    sweep = definition["sweep"]
    # By the sweep's points and not by the trials' columns: None and lists do not group, and a trial
    # that another study has trained tells the data_fraction that was asked for there.
    point_of_cell = {cell["cell"]: sweep.index(cell["point"]) for cell in definition["cells"]}
    data = trainings.assign(
        point=trainings["cell"].map(point_of_cell),
        accuracy=trainings["test_accuracy"].fillna(trainings["validation_accuracy"]),
    )
    # n is shown at every point: intervals over labels are what this package is about
    keys = ["point", "data_count"]
    summary = arm_summary(data, keys, "accuracy").set_index([*keys, "arm"])
    gaps = {
        other: paired_gap(data, arms[0], other, keys, "accuracy").set_index(keys)
        for other in arms[1:]
    }
    rows = []
    for key in dict.fromkeys(key[:-1] for key in summary.index):
        settings = {**sweep[key[0]], "data_count": key[1]}
        cells = [_cell(summary, (*key, arm)) for arm in arms]
        differences = [_gap(gaps[other], key) for other in arms[1:]]
        counts = {
            int(summary.loc[(*key, arm), "n"]) for arm in arms if (*key, arm) in summary.index
        }
        seeds = "/".join(map(str, sorted(counts)))
        rows.append([*map(_short, settings.values()), *cells, *differences, seeds])
    headings = ["labels" if name == "data_count" else name for name in settings]
    headings += [*arms, *(f"{arms[0]} - {other}" for other in arms[1:]), "seeds"]
    title = (
        f"{_labels(trainings)} accuracy in %, mean [95 % t interval]; "
        "gaps in points, paired by seed and subset"
    )
    return f"{title}\n{text_table(headings, rows)}"


def _labels(trainings: pd.DataFrame) -> str:
    held_out = trainings["test_accuracy"].isna()
    if not held_out.any():
        return "test"
    return "validation" if held_out.all() else "validation (where labels are held out) or test"


def _cell(summary: pd.DataFrame, key: tuple[Any, ...]) -> str:
    if key not in summary.index:
        return "-"
    row = summary.loc[key]
    diverged = f" ({int(row['diverged'])} diverged)" if row["diverged"] else ""
    return _interval(row) + diverged


def _gap(gaps: pd.DataFrame, key: tuple[Any, ...]) -> str:
    return _interval(gaps.loc[key], "+") if key in gaps.index else "-"


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


def frame_text(frame: pd.DataFrame) -> str:
    """A frame as an aligned text table, numbers to three digits, without the index."""
    rows = [[_short(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return text_table([str(name) for name in frame.columns], rows)


def _short(value: Any) -> str:
    """A setting as it stands in the table: 0.1, digits, 0.5/0.75, or - if it is not set."""
    if isinstance(value, list):
        return "/".join(map(_short, value))
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
