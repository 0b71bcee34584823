"""What a store has of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from superconv_ray.design.building import make_plan
from superconv_ray.design.definition import define
from superconv_ray.design.plan import Plan
from superconv_ray.design.study import Study
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.store import Store, open_store
from superconv_ray.storage.versions import difference_note

if TYPE_CHECKING:
    import pandas as pd


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
        note: How the settings of the store's study of this name differ; None if they do not.
    """

    place: str
    trials: int
    done: int
    diverged: int
    failures: Mapping[str, str]
    left: int
    note: str | None


def study_status(study: Study, store: str | Path) -> Stored:
    """Return what a store has of a study, as far as its trials are known by now.

    Raises:
        ValueError, TypeError: The study is not valid.
        StoreError: The store cannot be read.
    """
    return look_up(make_plan(study), open_store(store))


def planner_on(plan: Plan, store: Store, trials: pd.DataFrame | None = None) -> Planner:
    """Return the planner that continues a plan on a store.

    Args:
        plan: The plan.
        store: The store.
        trials: Its trials with `OUTCOME_COLUMNS` at least, if they have been read already.
    """
    return Planner(plan, recorded_outcomes(store, plan, trials=trials))


def look_up(plan: Plan, store: Store, planner: Planner | None = None) -> Stored:
    """Return what a store has of a plan; see `study_status`.

    Args:
        plan: The plan.
        store: The store.
        planner: Of the plan on the store, if there is one already.
    """
    planner = planner or planner_on(plan, store)
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
        note="there is no store yet" if store.is_new else difference_note(store, define(plan)),
    )
