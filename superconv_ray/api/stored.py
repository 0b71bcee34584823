"""What a store has of a study, and how long the rest would take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from superconv_ray.design.building import make_plan
from superconv_ray.design.definition import define
from superconv_ray.design.plan import Plan
from superconv_ray.design.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from superconv_ray.planning.planner import Planner
    from superconv_ray.storage.store import Store

Kind = tuple[str, str, int]
"""Model, data set and batch size: what the time of a step depends on."""
KIND_COLUMNS = ("model", "dataset", "batch_size")
PACE_COLUMNS = (*KIND_COLUMNS, "steps", "train_seconds", "eval_seconds", "status")
"""Columns of the trials from which the time of a step is measured."""


@dataclass(frozen=True)
class Stored:
    """What a store has of a plan.

    Attributes:
        place: The store, without secrets.
        trials: Trials of the study, as far as they are known.
        done: Trials that have ended with a result.
        diverged: How many of these diverged.
        failures: Error by trial id, of the trials that raised and have not succeeded since.
        left: Trials that are not done, at most.
        seconds_left: Training time of these, one at a time; None if it is not known.
        note: How the settings of the store's study of this name differ; None if they do not.
    """

    place: str
    trials: int
    done: int
    diverged: int
    failures: Mapping[str, str]
    left: int
    seconds_left: float | None
    note: str | None


def study_status(study: Study, store: str | Path) -> Stored:
    """Return what a store has of a study, as far as its trials are known by now.

    Raises:
        ValueError, TypeError: The study is not valid.
        StoreError: The store cannot be read.
    """
    from superconv_ray.storage.store import open_store

    return look_up(make_plan(study), open_store(store))


def look_up(plan: Plan, store: Store) -> Stored:
    """Return what a store has of a plan; see `study_status`."""
    from superconv_ray.execution.recovery import OUTCOME_COLUMNS, recorded_outcomes
    from superconv_ray.planning.planner import Planner
    from superconv_ray.storage.versions import difference_note

    # Read once for both uses: this takes most of the time in a large store.
    trials = store.trials(columns=[*dict.fromkeys((*OUTCOME_COLUMNS, *PACE_COLUMNS))])
    planner = Planner(plan, recorded_outcomes(store, plan, trials=trials))
    if store.definitions(plan.study.name):
        store.members(plan.study.name)  # the planner knows them; a damaged table should be named
    own = {member.trial_id for member in planner.memberships}
    return Stored(
        place=store.files.place,
        trials=planner.total,
        done=len(planner.outcomes),
        diverged=Counter(planner.outcomes.values())["diverged"],
        failures={id_: found["error"] for id_, found in store.failures().items() if id_ in own},
        left=planner.left,
        seconds_left=_seconds_left(planner, trials),
        note=difference_note(store, define(plan)),
    )


def _seconds_left(planner: Planner, trials: pd.DataFrame) -> float | None:
    steps: defaultdict[Kind, float] = defaultdict(float)
    for stage in chain.from_iterable(planner.expected()):
        trial = stage.trial
        steps[trial.model, trial.dataset, trial.batch_size] += stage.count * trial.steps
    paces = _step_seconds(trials) if steps else {}
    if any(kind not in paces for kind in steps):
        return None
    return sum(count * paces[kind] for kind, count in steps.items())


def _step_seconds(trials: pd.DataFrame) -> Mapping[Kind, float]:
    """Median seconds of an optimizer step, evaluations included, of the trials in a store."""
    by = list(KIND_COLUMNS)
    trials = trials[trials["status"] == "completed"]
    seconds = (trials["train_seconds"] + trials["eval_seconds"]) / trials["steps"]
    frame = trials[by].assign(pace=seconds).groupby(by, as_index=False)["pace"].median()
    return {
        (model, dataset, int(size)): pace
        for model, dataset, size, pace in frame.itertuples(index=False, name=None)
    }
