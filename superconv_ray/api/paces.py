"""Paces of a study's workloads: given by the user, measured by a store, or by a probe."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from superconv_ray.api.cost import Costing
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.trial import Template
from superconv_ray.execution.pace import (
    LATEST,
    PACE_COLUMNS,
    Pace,
    facts_of,
    measured_paces,
    workload,
)
from superconv_ray.planning.planner import Planner

if TYPE_CHECKING:
    import pandas as pd

    from superconv_ray.design.plan import Plan


def known_paces(
    planner: Planner, stored: pd.DataFrame | None, costing: Costing
) -> dict[Hashable, Pace]:
    """Return the paces of what is left, as far as they are known.

    Args:
        planner: What is left.
        stored: The trials of a store, with `PACE_COLUMNS`; None: no store was given.
        costing: Which rate is given, and whether to probe.
    """
    plan, facts = planner.plan, facts_of(planner.plan)
    trials: dict[Hashable, Template] = {}
    for stage in chain.from_iterable(planner.expected()):
        trials.setdefault(workload(stage.trial.settings(), facts), stage.trial)
    if rate := costing.images_per_second:
        return {key: Pace.at_rate(rate, trial.batch_size) for key, trial in trials.items()}
    paces = {}
    if stored is not None and trials:
        models = {trial.model for trial in trials.values()}
        latest = stored[stored["model"].isin(models)].sort_values("finished_at").tail(LATEST)
        rows = latest[[*PACE_COLUMNS]].astype(object)
        paces = measured_paces(rows.where(rows.notna(), None).to_dict("records"), facts)
    if costing.probes:
        paces |= _probed(plan, {k: trial for k, trial in trials.items() if k not in paces})
    return paces


def _probed(plan: Plan, trials: Mapping[Hashable, Template]) -> dict[Hashable, Pace]:
    """Measure workloads on this machine.

    A workload stays unknown if the machine does not have its precision, or if it diverges.
    """
    if not trials:
        return {}
    from superconv_ray.execution.probe import Probe

    probe = Probe.here()
    paces = {}
    for key, trial in trials.items():
        if probe.has_precision_of(trial):
            model = plan.study.models.get(trial.model, trial.model)
            data = plan.datasets.get(trial.dataset) or DATASETS[trial.dataset]
            with contextlib.suppress(FloatingPointError):
                paces[key] = probe.measure(trial, model, data)
    return paces
