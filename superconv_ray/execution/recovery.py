"""Reads from the store what it has of a plan's trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Plan
from superconv_ray.design.seeds import AtLeast
from superconv_ray.planning.choice import LOSS_COLUMN, READ_COLUMN, SCORE_COLUMN
from superconv_ray.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd

MEASURED = (SCORE_COLUMN, LOSS_COLUMN, "test_accuracy", "validation_metric", "test_metric")
OUTCOME_COLUMNS = ("trial_id", "status", *MEASURED)
"""Columns of the trials that outcomes are made of."""


def recorded_outcomes(
    store: Store,
    plan: Plan,
    ids: Collection[str] | None = None,
    *,
    trials: pd.DataFrame | None = None,
) -> Callable[[str], Outcome | None]:
    """Read the outcomes of a plan's trials, with the measurements by which its planner decides.

    Args:
        store: Where to read.
        plan: Whose trials.
        ids: Only these trials; None: all.
        trials: The store's trials with their `OUTCOME_COLUMNS`, if they have been read already.

    Returns:
        A function from trial id to outcome; None for trials that the store does not have.
    """
    finished = store.finished_ids()
    if ids is not None:
        finished &= frozenset(ids)
    if not finished:
        return lambda _: None
    columns = list(OUTCOME_COLUMNS)
    if trials is None:
        trials = store.trials(columns=columns, ids=finished if ids else None)
    outcomes = {}
    for trial_id, status, *values in trials[columns].itertuples(index=False):
        known = {name: v for name, v in zip(MEASURED, values, strict=True) if not math.isnan(v)}
        outcomes[trial_id] = Outcome(status, known)
    if isinstance(plan.study.seeds, AtLeast):  # adds seeds by intervals over the test samples too
        right = store.trials(columns=["trial_id", "test_count"], correctness=True, ids=outcomes)
        for row in right.dropna(subset="test_correct").to_dict("records"):
            found = outcomes[row["trial_id"]]
            kept = {name: row[name] for name in ("test_count", "test_correct")}
            outcomes[row["trial_id"]] = replace(found, measurements={**found.measurements, **kept})
    tests = {trial.id for cell in plan.cells for trial in cell.range_tests or ()} & finished
    if tests:
        curves = store.curves(
            filters=[("trial_id", "in", sorted(tests))],
            columns=["trial_id", "lr", READ_COLUMN, "validation_metric_reestimated"],
        )
        for trial_id, curve in curves.groupby("trial_id", observed=True):
            rows = cast("list[dict[str, Any]]", curve.to_dict("records"))
            if outcome := outcomes.get(str(trial_id)):  # otherwise its row is damaged
                outcomes[str(trial_id)] = replace(outcome, curve=rows)
    return outcomes.get
