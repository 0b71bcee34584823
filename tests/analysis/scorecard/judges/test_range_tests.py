"""Verdicts on range tests of several networks, from made curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Verdict,
)
from superconv_ray.analysis.scorecard.judges import JUDGES
from tests.analysis.made import frame, run
from tests.analysis.range_tests.made import POINTS, curve, hill, step

PLATEAU, PEAK, COLLAPSE = step(30), hill(), step(10, 25)
LATE_COLLAPSE = step(40, 55)
SEEDS = range(3)


def measured(tests: Mapping[str, Any], fast: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials and curves of networks with these range tests, on which 1cycle is fast or is not."""
    rows, curves = [], []
    for model, accuracies in tests.items():
        for seed in SEEDS:
            for steps in (80, 640):
                ends = {"one_cycle": 0.9 if fast or steps > 80 else 0.4, "step": 0.4 + steps / 1600}
                settings = {"model": model, "steps": steps, "kind": "training"}
                trials = [
                    run(arm, seed, end + seed / 1000, **settings) for arm, end in ends.items()
                ]
                trials.append({**run("range_test", seed, 0.1, **settings), "kind": "range_test"})
                rows += [{**row, "trial_id": f"{model}-{row['trial_id']}"} for row in trials]
                # The short tests show the same, at half the accuracy
                values = accuracies if steps == 640 else accuracies / 2
                made = curve(values, seed, labels="test").drop(columns=["seed", "status"])
                curves.append(made.assign(trial_id=rows[-1]["trial_id"]))
    return frame(rows), pd.concat(curves, ignore_index=True)


def verdict_on(claim: str, tests: Mapping[str, Any], fast: bool = True) -> Verdict:
    return JUDGES[claim](*measured(tests, fast)).verdict


@pytest.mark.parametrize(("shape", "verdict"), [(PLATEAU, HOLDS), (PEAK, DOES_NOT_HOLD)])
def test_the_usual_network_must_have_a_wide_plateau(shape: Any, verdict: Verdict) -> None:
    trials, curves = measured({"resnet56": shape, "bottleneck56": COLLAPSE})
    found = JUDGES["range_plateau"](trials, curves)
    assert found.verdict == verdict
    assert "peak 8" in found.ours  # near 90 % in the longest tests, half of that in the others


@pytest.mark.parametrize(
    ("shape", "verdict"),
    [
        (COLLAPSE, HOLDS),
        (LATE_COLLAPSE, DOES_NOT_HOLD),  # at a higher rate than the usual network's peak
        (PLATEAU, DOES_NOT_HOLD),
    ],
)
def test_the_other_networks_must_collapse_early(shape: Any, verdict: Verdict) -> None:
    tests = {"resnet8": PEAK, "bottleneck11": COLLAPSE, "resnext11": shape}
    assert verdict_on("range_negative", tests) == verdict


@pytest.mark.parametrize(
    ("shape", "fast", "verdict"),
    [
        (PLATEAU, True, HOLDS),
        (PLATEAU, False, DOES_NOT_HOLD),
        (COLLAPSE, True, DOES_NOT_HOLD),
        (COLLAPSE, False, HOLDS),
    ],
)
def test_a_wide_plateau_must_go_with_a_short_cycle(
    shape: Any, fast: bool, verdict: Verdict
) -> None:
    assert verdict_on("range_predicts", {"resnet8": shape}, fast) == verdict


def test_a_test_that_misses_the_best_rate_predicts_nothing() -> None:
    falling = np.linspace(0.9, 0.1, POINTS)
    assert verdict_on("range_predicts", {"resnet8": falling}) == CANNOT_TELL
