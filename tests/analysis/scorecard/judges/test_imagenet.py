"""The judges of the claims on ImageNet."""

from __future__ import annotations

from typing import Any

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

NO_CURVES = pd.DataFrame()
SMALL, LARGE = 3e-6, 1e-4


def trials(
    cycle: float, step: float, *, worse_by: float = 0.0, model: str = "torchvision:resnet50"
) -> pd.DataFrame:
    """1cycle has this accuracy after 20 epochs at the small decay, step after 100 at the large one.

    Everything that the claims do not compare has the accuracy 0.5.
    """
    rows: list[dict[str, Any]] = []
    for seed, noise in enumerate((-0.001, 0.0, 0.001)):
        for labels in (100, 1000):
            for arm in ("one_cycle", "step"):
                for decay in (SMALL, LARGE):
                    for steps in (200, 1000):
                        accuracy = 0.5
                        if (arm, steps, labels) == ("one_cycle", 200, 1000):
                            accuracy = cycle - (worse_by if decay == LARGE else 0.0)
                        if (arm, steps, labels, decay) == ("step", 1000, 1000, LARGE):
                            accuracy = step
                        sign = 1 if (arm, decay) == ("one_cycle", SMALL) else -1
                        own: dict[str, Any] = {"steps": steps, "weight_decay": decay}
                        own |= {"data_count": labels, "max_lr": 1.0}
                        row = run(arm, seed, accuracy + sign * noise, **own)
                        rows.append({**row, "model": model, "trial_id": str(len(rows))})
    return frame(rows)


@pytest.mark.parametrize(
    ("cycle", "step", "verdict"),
    [(0.66, 0.63, HOLDS), (0.63, 0.66, DOES_NOT_HOLD), (0.632, 0.63, CANNOT_TELL)],
)
def test_a_fifth_of_the_epochs_must_gain_each_with_its_published_decay(
    cycle: float, step: float, verdict: Verdict
) -> None:
    found = JUDGES["imagenet_resnet50"](trials(cycle, step), NO_CURVES)
    assert found.verdict == verdict
    assert found.ours.startswith(f"{100 * (cycle - step):+.1f} [")


def test_each_network_is_judged_by_its_own_trainings() -> None:
    made = trials(0.8, 0.7, model="torchvision:inception_v3")
    assert JUDGES["imagenet_inception"](made, NO_CURVES).verdict == HOLDS
    with pytest.raises(KeyError, match="resnet"):
        JUDGES["imagenet_resnet50"](made, NO_CURVES)


@pytest.mark.parametrize(("worse_by", "verdict"), [(0.03, HOLDS), (-0.03, DOES_NOT_HOLD)])
def test_a_large_rate_must_gain_by_the_smaller_decay(worse_by: float, verdict: Verdict) -> None:
    found = JUDGES["lower_wd_imagenet"](trials(0.8, 0.7, worse_by=worse_by), NO_CURVES)
    assert found.verdict == verdict
    assert found.ours.startswith("1cycle at weight decay 3e-06 minus at 0.0001: ")
    assert found.ours.endswith(" points, to rates of 1")
