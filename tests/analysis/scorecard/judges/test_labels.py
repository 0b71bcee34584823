"""Judges of the claims on labels: short 1cycle against the long step schedule."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Verdict
from superconv_ray.analysis.scorecard.judges.labels import limited_data, limited_data_bn
from tests.analysis.made import frame, run

NO_CURVES = pd.DataFrame()


def trials(
    short_cycle: Mapping[int, float],
    long_step: Mapping[int, float],
    stale: Mapping[int, float] | None = None,
    seeds: int = 4,
) -> pd.DataFrame:
    """Accuracies by labels; the other budget of each arm is far off, so that it must not count."""
    rows = []
    for seed in range(seeds):
        noise = 0.001 * seed
        for n, accuracy in short_cycle.items():
            for arm, steps, value in [
                ("one_cycle", 10, accuracy + noise),
                ("one_cycle", 80, 0.99),
                ("step", 10, 0.1),
                ("step", 80, long_step[n] - noise),
                ("step_stale_bn", 10, 0.1),
                ("step_stale_bn", 80, (stale or long_step)[n] - noise),
            ]:
                again = value
                if arm == "step_stale_bn" and steps == 80:
                    again = long_step[n] + noise / 3
                rows.append(
                    run(
                        arm,
                        seed,
                        value,
                        data_count=n,
                        steps=steps,
                        test_accuracy_reestimated=again,
                    )
                )
    return frame(rows)


@pytest.mark.parametrize(
    ("cycle", "verdict"),
    [
        ({100: 0.80, 1000: 0.91}, HOLDS),  # +10 points, then +1
        ({100: 0.71, 1000: 0.96}, DOES_NOT_HOLD),  # the gain falls
        ({100: 0.60, 1000: 0.70}, DOES_NOT_HOLD),  # a loss that shrinks is no gain
    ],
)
def test_the_gain_must_be_there_and_grow(cycle: Mapping[int, float], verdict: Verdict) -> None:
    found = limited_data(trials(cycle, {100: 0.70, 1000: 0.90}), NO_CURVES)
    assert found.verdict == verdict


def test_the_gaps_are_those_of_the_short_cycle_to_the_long_baseline() -> None:
    found = limited_data(trials({100: 0.80, 1000: 0.91}, {100: 0.70, 1000: 0.90}), NO_CURVES)
    assert found.ours.startswith("+10.3 [+9.9, +10.7] points at 100 labels")
    assert "for each division by ten" in found.ours


def test_a_constant_share_of_the_errors_is_no_growth_although_points_grow() -> None:
    """1cycle makes half of the step schedule's errors at any number of labels."""
    random, rows = np.random.default_rng(0), []
    for n, error in ((100, 0.4), (1000, 0.1)):
        for seed in range(8):
            for arm, times in (("one_cycle", 0.5), ("step", 1.0)):
                own = error * times * (1 + 0.05 * random.standard_normal())
                rows += [run(arm, seed, 1 - own, data_count=n, steps=s) for s in (10, 80)]
    found = limited_data(frame(rows), NO_CURVES)
    assert found.verdict == CANNOT_TELL
    growth = re.search(r"ten \+15\.\d \[\+(\d+)", found.ours)
    assert growth
    assert int(growth[1]) > 10  # points, for certain


def test_one_seed_says_nothing_about_a_trend() -> None:
    table = trials({100: 0.80, 1000: 0.91}, {100: 0.70, 1000: 0.90}, seeds=1)
    assert limited_data(table, NO_CURVES).verdict == CANNOT_TELL


@pytest.mark.parametrize(
    ("fair", "stale", "verdict"),
    [
        (0.79, 0.30, HOLDS),  # re-estimation gives back 49 of 50 points
        (0.40, 0.30, DOES_NOT_HOLD),  # 10 of 50
        (0.81, 0.81, CANNOT_TELL),  # the baseline is not behind: nothing to explain
    ],
)
def test_stale_statistics_explain_a_loss_if_re_estimation_gives_back_most_of_it(
    fair: float, stale: float, verdict: Verdict
) -> None:
    table = trials({100: 0.80, 1000: 0.9}, {100: fair, 1000: 0.9}, {100: stale, 1000: 0.9})
    assert limited_data_bn(table, NO_CURVES).verdict == verdict
