from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import superconv_ray.analysis as analysis
from tests.analysis.made import frame, run

CURVES = pd.DataFrame({"trial_id": ["a"], "step": [1], "lr": [0.1], "train_loss": [2.3]})
OF_ALL_STUDIES = frame([run("a", 0, 0.5)]).drop(columns=["arm", "role"])
OF_TRIALS = [
    name
    for name in analysis.__all__
    if next(iter(inspect.signature(getattr(analysis, name)).parameters)) == "trials"
]
OTHERS: dict[str, Any] = {
    "arm": "a",
    "baseline": "b",
    "axis": "steps",
    "over": "data_count",
    "along": "steps",
    "curves": CURVES,
    "comparison": pd.DataFrame(),
}


def call(function: Callable[..., Any], first: Any) -> Any:
    """Call a public function with a frame, and plausible values for the other arguments."""
    _, *others = inspect.signature(function).parameters.values()
    required = [p.name for p in others if p.default is inspect.Parameter.empty]
    return function(first, *(OTHERS[name] for name in required))


@pytest.mark.parametrize("name", OF_TRIALS)
def test_curves_in_place_of_trials_are_recognized(name: str) -> None:
    message = (
        r"^trials must be the frame of open_store\(...\).trials\(study\), but it has no column "
        r"'\w+'; this looks like the frame of open_store\(...\).curves\(study\)$"
    )
    with pytest.raises(ValueError, match=message):
        call(getattr(analysis, name), CURVES)


@pytest.mark.parametrize("name", OF_TRIALS)
def test_anything_but_a_frame_is_rejected(name: str) -> None:
    with pytest.raises(TypeError, match=r"^trials must be the frame of .*, got str$"):
        call(getattr(analysis, name), "results")


def test_trials_of_no_study_have_no_arms() -> None:
    with pytest.raises(ValueError, match="no column 'role'; name the study, because only a study"):
        analysis.arm_summary(OF_ALL_STUDIES)


@pytest.mark.parametrize("name", ["learning_curves", "join_range_tests", "rule_costs"])
def test_trials_in_place_of_curves_are_recognized(name: str) -> None:
    trials = frame([run("a", 0, 0.5, kind="training")])
    message = (
        r"^curves must be the frame of .*\.curves\(study\), but it has no column 'step'; this "
    )
    with pytest.raises(ValueError, match=message):
        getattr(analysis, name)(trials, trials)
