"""The columns of the trials along which a study compares its arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis.frames import REPLICATE
from superconv_ray.design.definition import StudyDefinition

COLUMN_OF_SETTING = {
    "data_fraction": "data_count",
    "budget": "steps",
    "bn_momentum_steps": "bn_momentum",
}
"""Column of the trials for a setting that a study may sweep in other units."""
BUDGETS = ("steps", "epochs")
"""Columns that are a budget."""
REGULARIZING = ("max_lr", "weight_decay", "dropout")
"""Settings that regularize: the more of one, the less of another is best (arXiv 1803.09820)."""


def epochs_of_cells(definition: StudyDefinition) -> Mapping[int, float]:
    """Epochs of each cell, if the study sweeps its budget in epochs; else empty."""
    given = {}
    for cell in definition.cells:
        budget = cell.point.get("budget")
        if not (isinstance(budget, Mapping) and "epochs" in budget):
            return {}
        given[cell.cell] = budget["epochs"]
    return given


def swept_columns(definition: StudyDefinition, trainings: pd.DataFrame) -> list[str]:
    """Swept columns of the trainings, in the order of the sweep.

    A setting that some arms do not have, such as 1cycle's tail, is none if the others tell the
    points apart: arms would share no point of it.

    Args:
        definition: The study.
        trainings: Columns of the trials, point, and epochs if the study sweeps its budget in them.
    """
    in_epochs = {"budget": "epochs"} if "epochs" in trainings else {}
    columns = {**COLUMN_OF_SETTING, **in_epochs}
    swept = dict.fromkeys(columns.get(name, name) for point in definition.sweep for name in point)
    found = [name for name in swept if name in trainings and _differs(trainings[name])]
    shared = [name for name in found if trainings[name].notna().all()]
    if not shared or shared == found:
        return found
    told_apart = trainings["point"].groupby([trainings[name].map(str) for name in shared])
    return shared if told_apart.nunique().eq(1).all() else found


def balanced_settings(axes: Sequence[str], arms: Sequence[str]) -> tuple[str, str] | None:
    """The two settings whose balance a study is about.

    It is about that if both regularize, nothing else is swept, and it has no arms to compare.
    """
    if len(arms) != 1 or len(axes) != 2 or not set(axes) <= set(REGULARIZING):
        return None
    x, y = sorted(axes, key=REGULARIZING.index)
    return x, y


def same_seeds(trainings: pd.DataFrame, by: Sequence[str]) -> bool:
    """Whether the points of these columns were all run with the same seeds and subsets."""
    points = [trainings[name].map(str) for name in by]
    seeds = trainings[REPLICATE].apply(tuple, axis=1).groupby(points).agg(frozenset)
    return bool(seeds.nunique() == 1)


def _differs(values: pd.Series[Any]) -> bool:
    """Whether a column has several values, of which "not set" may be one."""
    return values.map(str).nunique() > 1
