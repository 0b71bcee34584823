"""Frames in, frames out: what a study's trials and curves say, grouped by question.

Every public function is an attribute of this package and is imported on first use, so that
``from superconv_ray.analysis import compare, gap_trend`` loads no more than it needs. They take the
frames of ``open_store(...).trials(study)`` and ``.curves(study)``, or a frame made of them.
Intervals cover 95 %. Random draws start from a fixed seed: the same trials give the same numbers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superconv_ray.analysis.comparison.arms import arm_summary, effort, generalization_gap
    from superconv_ray.analysis.comparison.decision import decision_cost
    from superconv_ray.analysis.comparison.gaps import compare
    from superconv_ray.analysis.comparison.trend import gap_trend
    from superconv_ray.analysis.factor_growth import factor_trend
    from superconv_ray.analysis.long_runs import time_to_accuracy
    from superconv_ray.analysis.range_tests.calibration import rule_costs
    from superconv_ray.analysis.range_tests.frames import join_range_tests
    from superconv_ray.analysis.range_tests.tables import (
        mean_curves,
        range_test_table,
        suggestions,
    )
    from superconv_ray.analysis.reach import label_worth, speedup
    from superconv_ray.analysis.runs.batch_norm import running_and_reestimated
    from superconv_ray.analysis.runs.flatness import flatness
    from superconv_ray.analysis.runs.learning_curves import learning_curves
    from superconv_ray.analysis.runs.schedules import schedule_table
    from superconv_ray.analysis.runs.timing import step_seconds
    from superconv_ray.analysis.scaling.fits import compare_scaling, scaling_band, scaling_fits
    from superconv_ray.analysis.scaling.laws import compare_laws
    from superconv_ray.analysis.settings.expected_best import expected_best
    from superconv_ray.analysis.settings.optimum import optimum, optimum_shift
    from superconv_ray.analysis.settings.search import searched

_LAZY = {
    "comparison.arms": ("arm_summary", "effort", "generalization_gap"),
    "comparison.decision": ("decision_cost",),
    "comparison.gaps": ("compare",),
    "comparison.trend": ("gap_trend",),
    "factor_growth": ("factor_trend",),
    "range_tests.calibration": ("rule_costs",),
    "range_tests.frames": ("join_range_tests",),
    "range_tests.tables": ("mean_curves", "range_test_table", "suggestions"),
    "reach": ("label_worth", "speedup"),
    "runs.batch_norm": ("running_and_reestimated",),
    "runs.flatness": ("flatness",),
    "runs.learning_curves": ("learning_curves",),
    "runs.schedules": ("schedule_table",),
    "runs.timing": ("step_seconds",),
    "scaling.fits": ("compare_scaling", "scaling_band", "scaling_fits"),
    "scaling.laws": ("compare_laws",),
    "settings.expected_best": ("expected_best",),
    "settings.optimum": ("optimum", "optimum_shift"),
    "settings.search": ("searched",),
    "long_runs": ("time_to_accuracy",),
}
_MODULE = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "arm_summary",
    "compare",
    "compare_laws",
    "compare_scaling",
    "decision_cost",
    "effort",
    "expected_best",
    "factor_trend",
    "flatness",
    "gap_trend",
    "generalization_gap",
    "join_range_tests",
    "label_worth",
    "learning_curves",
    "mean_curves",
    "optimum",
    "optimum_shift",
    "range_test_table",
    "rule_costs",
    "running_and_reestimated",
    "scaling_band",
    "scaling_fits",
    "schedule_table",
    "searched",
    "speedup",
    "step_seconds",
    "suggestions",
    "time_to_accuracy",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public function on first use."""
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
