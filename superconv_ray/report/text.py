"""A study's results as text: what `run` and `show` print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary, compare, effort
from superconv_ray.analysis.comparison.verdicts import DOES_NOT, MARGIN, SUPER_CONVERGES, UNDECIDED
from superconv_ray.analysis.statistics.sequential import confidence_per_look
from superconv_ray.design.text import percent_interval, probability, short, text_table
from superconv_ray.report.study_results import StudyResults
from superconv_ray.storage.store import Store

KEYS = ["point", "data_count"]
"""n is shown at every point of the sweep: intervals over labels are what this package is about."""
NOTABLE = 0.01
"""How far accuracies with running and re-estimated BN statistics are apart to be told."""
LEGEND = (
    f"verdict, from the gap's interval: {SUPER_CONVERGES} above 0, {DOES_NOT} below "
    f"{100 * MARGIN:+.1f}, else {UNDECIDED}, with the seeds that would decide it at 80 % power\n"
    "p: sign-flip test of the gap, Holm-corrected for all rows"
)


def results_text(store: Store, study: str) -> str:
    """Accuracies of every arm, the first arm's gaps to the others with a verdict, and the cost.

    The accuracy is that on the test set, or on validation labels where a training holds some out.

    Raises:
        StoreError: There is no such study in the store.
    """
    results = StudyResults(store, study)
    trainings, arms = results.trainings, results.arms
    where = f"tables: {store.files.place} (trials/, curves/, studies/)"
    if trainings.empty:
        return f"no finished trainings of study {study!r} yet\n{where}"
    sweep = results.definition.sweep
    title = f"{results.measured_on} accuracy in %, mean [95 % interval]"
    if len(arms) == 1:
        lines = [title, _arm_table(trainings, sweep), ""]
    else:
        looks = results.looks
        table = compare(trainings, arms[0], arms[1:], KEYS, "accuracy", looks=looks)
        lines = [f"{title}; gap: {arms[0]} minus baseline in points, paired by seed and subset"]
        lines += [_gap_table(trainings, table, sweep), "", LEGEND, *_notes(table, sweep)]
        if looks > 1:
            each = 100 * confidence_per_look(looks)
            lines.append(
                f"seeds were added while looking: gaps' intervals are of {each:.4g} %, so that "
                f"all of {looks} looks hold together at 95 %"
            )
    lines += [*_stale_statistics(trainings, sweep), _effort(results), _hardware(trainings)]
    return "\n".join([*lines, where])


def _arm_table(data: pd.DataFrame, sweep: Sequence[Mapping[str, Any]]) -> str:
    summary = arm_summary(data, KEYS, "accuracy").to_dict("records")
    settings = [_settings(row, sweep) for row in summary]
    lines = [
        [*at.values(), _accuracy(row), str(row["n"])]
        for at, row in zip(settings, summary, strict=True)
    ]
    return text_table([*settings[0], summary[0]["arm"], "seeds"], lines)


def _gap_table(data: pd.DataFrame, table: pd.DataFrame, sweep: Sequence[Mapping[str, Any]]) -> str:
    summary = {
        (*(row[key] for key in KEYS), row["arm"]): _accuracy(row)
        for row in arm_summary(data, KEYS, "accuracy").to_dict("records")
    }
    lines = []
    for row in table.to_dict("records"):
        point = [row[key] for key in KEYS]
        settings = _settings(row, sweep)
        accuracies = [summary.get((*point, row[side]), "-") for side in ("arm", "baseline")]
        gap = percent_interval(row, "+") if row["n"] else "-"
        result = [gap, probability(row["p_holm"]), _verdict(row), str(row["n"])]
        lines.append([*settings.values(), accuracies[0], row["baseline"], accuracies[1], *result])
    headings = [*settings, row["arm"], "baseline", "its accuracy", "gap", "p", "verdict", "seeds"]
    return text_table(headings, lines)


def _settings(row: Mapping[Any, Any], sweep: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What tells a row's point from others, by heading."""
    settings = {**sweep[row["point"]], "data_count": row["data_count"]}
    labels = {name: "labels" if name == "data_count" else name for name in settings}
    return {labels[name]: short(value) for name, value in settings.items()}


def _accuracy(row: Mapping[Any, Any]) -> str:
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    return percent_interval(row) + diverged


def _verdict(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["further_seeds"]):
        return str(row["verdict"])
    return f"{row['verdict']}, {row['further_seeds']:,} more"


def _notes(table: pd.DataFrame, sweep: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every note once, with the rows it is about."""
    several = table["baseline"].nunique() > 1
    rows: dict[str, list[str]] = {}
    for row in table.to_dict("records"):
        against = f" against {row['baseline']}" if several else ""
        for text in filter(None, row["note"].split("; ")):
            rows.setdefault(text, []).append(_place(row, sweep) + against)
    return [
        f"note: {text} ({'all rows' if len(places) == len(table) else '; '.join(places)})"
        for text, places in rows.items()
    ]


def _place(row: Mapping[Any, Any], sweep: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _settings(row, sweep).items())


def _stale_statistics(data: pd.DataFrame, sweep: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where BN's running statistics, and not generalisation, are what the accuracy shows."""
    kinds = ["accuracy", "accuracy_reestimated"]
    means = data.dropna(subset=kinds).groupby([*KEYS, "arm"])[kinds].mean().reset_index()
    return [
        f"note: with re-estimated BN statistics {row['arm']!r} has "
        f"{100 * row['accuracy_reestimated']:.1f} % instead of {100 * row['accuracy']:.1f} % "
        f"({_place(row, sweep)})"
        for row in means.to_dict("records")
        if abs(row["accuracy_reestimated"] - row["accuracy"]) >= NOTABLE
    ]


def _effort(results: StudyResults) -> str:
    """What each arm cost, choosing hyper-parameters included: unequal effort must be seen."""
    spent = effort(results.trials)
    parts = []
    for arm in results.definition.arms:
        own = spent[spent["arm"] == arm]
        trained = own["role"] == "training"
        training, *_ = [*_spent(own[trained]), "no training yet"]
        choosing = " + ".join(_spent(own[~trained]))
        chosen = f" + {choosing} to choose settings" if choosing else ", settings given"
        parts.append(f"{arm}: {training}{chosen}")
    return "effort: " + "; ".join(parts)


def _spent(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row['steps']:,} steps in {row['trials']:,} {row['role'].replace('_', ' ')} "
        + ("trial" if row["trials"] == 1 else "trials")
        for row in rows.to_dict("records")
    ]


def _hardware(trainings: pd.DataFrame) -> str:
    """Where and how it was computed; a mixture of precisions would be a confound."""
    devices = ", ".join(sorted(set(trainings["device"].dropna())))
    precisions = sorted(set(trainings["precision_used"].dropna()))
    mixed = " (MIXED: arms may differ by precision)" if len(precisions) > 1 else ""
    seconds = trainings["train_seconds"].sum()
    return f"hardware: {devices}; {', '.join(precisions)}{mixed}; {seconds:,.0f} s of training"


def frame_text(frame: pd.DataFrame) -> str:
    """A frame as an aligned text table, numbers to three digits, without the index."""
    rows = [[short(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return text_table([str(name) for name in frame.columns], rows)
