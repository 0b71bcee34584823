"""The judge of the claim on depth."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import DOES_NOT_HOLD, HOLDS, Verdict
from superconv_ray.analysis.scorecard.judges.networks import depth
from tests.analysis.made import frame, run

PARAMETERS = {"resnet20": 200, "resnet8": 100}


@pytest.mark.parametrize(
    ("shallow_gain", "deep_gain", "verdict"),
    [(0.05, 0.01, HOLDS), (0.01, 0.05, DOES_NOT_HOLD), (-0.02, -0.05, DOES_NOT_HOLD)],
)
def test_the_shallow_network_must_gain_and_gain_more(
    shallow_gain: float, deep_gain: float, verdict: Verdict
) -> None:
    gains = {"resnet8": shallow_gain, "resnet20": deep_gain}
    rows = []
    for seed in range(4):
        for model, gain in gains.items():
            own: dict[str, Any] = {"model": model, "parameters": PARAMETERS[model], "seed": seed}
            rows += [
                run("one_cycle", accuracy=0.8 + gain * (1 + 0.02 * seed), steps=10, **own),
                run("one_cycle", accuracy=0.99, steps=80, **own),
                run("step", accuracy=0.1, steps=10, **own),
                run("step", accuracy=0.8, steps=80, **own),
            ]
            for row in rows[-4:]:
                row["trial_id"] += model
    found = depth(frame(rows), pd.DataFrame())
    assert found.verdict == verdict
    assert found.ours.startswith("resnet8 ")
