"""The `Report` of a study from its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from superconv_ray.design.metrics import Metric
from superconv_ray.design.text import duration, exception_line, point_text, trial_name, value_text
from superconv_ray.design.trial_fields import field_names
from superconv_ray.report.content import Failure, Report
from superconv_ray.report.readable import Quantity, measured
from superconv_ray.report.sections import sections
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.tables import verdict_table
from superconv_ray.report.verdict import caveats, factor_trends, headline, stale_statistics, trends
from superconv_ray.storage.schema import CORRECTNESS


def build_report(results: StudyResults) -> Report:
    """Build the report of a study from the finished trials."""
    settings, varying = _shared_and_varying(results)
    return Report(
        study=results.name,
        question=results.question,
        state=results.state,
        headline=headline(results),
        findings=(
            *factor_trends(results),
            *trends(results),
            *caveats(results),
            *stale_statistics(results),
        ),
        verdicts=verdict_table(results),
        sections=tuple(sections(results)),
        code=_preamble(results),
        provenance=_provenance(results),
        settings=settings,
        failures=tuple(map(_failure, results.failures.values())),
        trials=varying,
        trial_quantities=_measured(varying, results.metric),
    )


def _failure(found: Mapping[str, Any]) -> Failure:
    error = str(found["error"])
    return Failure(trial_name(found["settings"]), exception_line(error), error)


def _preamble(results: StudyResults) -> str:
    """Python that reads the frames used by the code of the sections."""
    lines = [
        "from superconv_ray import open_store",
        f"store = open_store({results.store.files.place!r})",
        f"trials = store.trials({results.name!r}, correctness=True)",
        f"curves = store.curves({results.name!r})",
    ]
    if results.value == results.measured[0]:
        test, held_out = (
            f"trials.{part}_{results.metric.suffix}" for part in ("test", "validation")
        )
        lines.append(f"trials[{results.value!r}] = {test}.fillna({held_out})")
    if results.epochs:
        lines += [
            f"cells = store.study({results.name!r}).cells",
            "epochs = {cell.cell: cell.point['budget']['epochs'] for cell in cells}",
            "trials['epochs'] = trials['cell'].map(epochs)",
        ]
    lines.append("trainings = trials[(trials.role == 'training') & (trials.kind == 'training')]")
    return "\n".join(lines)


def _provenance(results: StudyResults) -> dict[str, str]:
    """Settings, versions, machines and times of the run."""
    definition, trials = results.definition, results.trials.drop_duplicates("trial_id")
    seconds = trials["train_seconds"].sum() + trials["eval_seconds"].sum()
    ran, tuning = definition.provenance, definition.tuning
    found = {
        "arms": "; ".join(f"{name}: {point_text(arm)}" for name, arm in definition.arms.items()),
        "sweep": "; ".join(point_text(point) for point in definition.sweep),
        "budget": value_text(definition.budget) if definition.budget else None,
        "seeds": ", ".join(map(str, definition.seeds)),
        "tuning": "; ".join(f"{k} {v}" for k, v in tuning.items()) if tuning else None,
        "command": ran.command,
        "commit": ran.commit,
        "package": _several(trials["package_version"]),
        "torch": _several(trials["torch_version"]),
        "Python": ran.python,
        "started on": ran.machine,
        "devices": _several(trials["device"]),
        "precision": _several(trials["precision_used"]),
        "threads a trial": _several(trials["threads"]),
        "hosts": _several(trials["host"]),
        "training": f"{duration(seconds)} of training and evaluation in all trials",
        "finished": _span(trials["finished_at"].dropna()),
        "store": results.store.files.place,
    }
    return {label: str(text) for label, text in found.items() if text}


def _several(values: pd.Series[Any]) -> str:
    return ", ".join(sorted(set(values.dropna().map(str))))


def _span(times: pd.Series[pd.Timestamp]) -> str:
    """First and last time in UTC, to the minute."""
    if times.empty:
        return ""
    return " to ".join(f"{time:%Y-%m-%d %H:%M} UTC" for time in (times.min(), times.max()))


def _shared_and_varying(results: StudyResults) -> tuple[dict[str, str], pd.DataFrame]:
    """Settings that all trials share, and the trials without columns that are constant.

    Most of a trial's sixty columns are constant, and would hide those that differ.
    """
    trials = results.trials.drop(columns=["point", *results.measured, *CORRECTNESS])
    if trials.empty:
        return {}, trials
    # The list of all tuning trials, repeated for each training, would be most of the page.
    trials["chosen_from"] = trials["chosen_from"].map(len, na_action="ignore")
    texts = trials.map(str)
    alike = {name for name in trials.columns if texts[name].nunique() == 1}
    known = [name for name in field_names() if name in alike and trials[name].notna().any()]
    settings = {name: value_text(trials[name].iloc[0]) for name in known}
    varying = [name for name in trials.columns if name not in alike]
    first = [name for name in _first_columns(results) if name in varying]
    others = [name for name in varying if name not in (*first, "trial_id")]
    trainings_first = trials["role"].ne("training").sort_values(kind="stable").index
    return settings, trials.loc[trainings_first, [*first, *others, "trial_id"]]


def _first_columns(results: StudyResults) -> list[str]:
    """What a trial reached, and the columns by which people know it."""
    measured = [f"{part}_{results.metric.suffix}" for part in ("test", "validation")]
    return [*measured, "arm", *results.axes, "seed", "role", "status", "max_lr"]


def _measured(trials: pd.DataFrame, metric: Metric) -> tuple[Quantity, ...]:
    """Columns of the study's metric; accuracies are known by their names."""
    columns = [name for name in map(str, trials) if "_metric" in name]
    return tuple(
        measured(metric, name.replace("_metric", "").replace("_", " "), (name,)) for name in columns
    )
