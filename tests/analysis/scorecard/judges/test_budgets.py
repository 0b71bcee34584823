"""Verdicts on short 1cycles against long step schedules, from made trials."""

from __future__ import annotations

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

DEVIATIONS = (-0.001, 0.0, 0.001)
NO_CURVES = pd.DataFrame()


def lengths(**arms: dict[int, float]) -> pd.DataFrame:
    """Trials of arms with an accuracy for each number of steps, each with three seeds."""
    return frame(
        run(arm, seed, accuracy + deviation * (1 if arm == "one_cycle" else -1), steps=steps)
        for arm, accuracies in arms.items()
        for steps, accuracy in accuracies.items()
        for seed, deviation in enumerate(DEVIATIONS)
    )


@pytest.mark.parametrize(
    ("short", "verdict"), [(0.95, HOLDS), (0.90, DOES_NOT_HOLD), (0.922, CANNOT_TELL)]
)
def test_the_headline_compares_1cycle_with_a_step_schedule_of_eight_times_its_length(
    short: float, verdict: Verdict
) -> None:
    trials = lengths(one_cycle={80: short, 640: 0.99}, step={80: 0.5, 640: 0.92})
    found = JUDGES["headline"](trials, NO_CURVES)
    assert found.verdict == verdict
    assert f"{100 * (short - 0.92):+.1f} [" in found.ours


def test_the_headline_needs_a_run_of_an_eighth() -> None:
    trials = lengths(one_cycle={160: 0.9, 640: 0.9}, step={160: 0.9, 640: 0.9})
    with pytest.raises(ValueError, match="no run is 8 times shorter than 640 steps"):
        JUDGES["headline"](trials, NO_CURVES)


@pytest.mark.parametrize(
    ("early", "verdict"),
    # The step schedule ends at 0.92. 1cycle is there after 40 steps, or between 320 and 640.
    [(0.95, HOLDS), (0.5, DOES_NOT_HOLD)],
)
def test_a_cycle_is_short_if_it_needs_a_third_of_the_steps(early: float, verdict: Verdict) -> None:
    trials = lengths(
        one_cycle={40: early, 320: early, 640: 0.95}, step={40: 0.5, 320: 0.8, 640: 0.92}
    )
    assert JUDGES["step_size"](trials, NO_CURVES).verdict == verdict


@pytest.mark.parametrize(
    ("step", "verdict"), [(0.980, HOLDS), (0.999, DOES_NOT_HOLD), (0.990, CANNOT_TELL)]
)
def test_lenet_must_beat_both_baselines(step: float, verdict: Verdict) -> None:
    trials = lengths(
        one_cycle={1407: 0.99, 9961: 0.99},
        inv={1407: 0.95, 9961: 0.97},
        step={1407: 0.95, 9961: step},
    )
    assert JUDGES["mnist_lenet"](trials, NO_CURVES).verdict == verdict


@pytest.mark.parametrize(
    ("claim", "short", "long"),
    [("wide_resnet", 50, 800), ("densenet", 150, 400), ("cifar100", 25, 400)],
)
@pytest.mark.parametrize(("gap", "verdict"), [(0.03, HOLDS), (-0.03, DOES_NOT_HOLD)])
def test_rows_of_the_results_table_compare_the_published_lengths(
    claim: str, short: int, long: int, gap: float, verdict: Verdict
) -> None:
    trials = lengths(
        one_cycle={short: 0.9 + gap, 100: 0.1, long: 0.1}, step={short: 0.1, 100: 0.1, long: 0.9}
    )
    assert JUDGES[claim](trials, NO_CURVES).verdict == verdict
