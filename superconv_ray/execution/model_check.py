"""Whether the user's own models can be trained, found out before anything is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.design.plan import Plan

if TYPE_CHECKING:
    from superconv_ray.data.dataset import Dataset


def check_own_models(plan: Plan, datasets: Mapping[str, Dataset | DatasetFacts]) -> None:
    """Build and call each of the user's models once for each of these data sets it is trained on.

    Raises:
        ValueError, TypeError: See `check_model`.
        Exception: Whatever the user's code raises.
    """
    own = plan.study.models
    trials = [cell.templates.pattern for cell in plan.cells]
    trained = {(t.model, t.dataset, t.dropout) for t in trials if t.model in own}
    for model, dataset, dropout in sorted(trained):
        if dataset in datasets:
            from superconv_ray.training.model import check_model

            check_model(own[model], datasets[dataset], dropout)
