import math
from collections.abc import Callable

import pytest

from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Verdict,
    all_of,
    of_equality,
    of_gain,
    of_sign,
    points,
)
from superconv_ray.analysis.statistics.intervals import Interval


def between(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 5)


ONE_SEED = Interval(0.02, math.nan, math.nan, 1)


@pytest.mark.parametrize(
    ("judge", "low", "high", "verdict"),
    [
        (of_gain, 0.001, 0.02, HOLDS),
        (of_gain, 0.001, 0.004, DOES_NOT_HOLD),  # above 0, but too small to count
        (of_gain, -0.01, 0.004, DOES_NOT_HOLD),
        (of_gain, -0.01, 0.02, CANNOT_TELL),
        (of_sign, 0.001, 0.004, HOLDS),
        (of_sign, -0.01, -0.001, DOES_NOT_HOLD),
        (of_sign, -0.01, 0.01, CANNOT_TELL),
        (of_equality, -0.004, 0.004, HOLDS),
        (of_equality, 0.006, 0.01, DOES_NOT_HOLD),
        (of_equality, -0.01, -0.006, DOES_NOT_HOLD),
        (of_equality, -0.01, 0.001, CANNOT_TELL),
    ],
)
def test_a_verdict_follows_from_the_whole_interval(
    judge: Callable[[Interval], Verdict], low: float, high: float, verdict: Verdict
) -> None:
    assert judge(between(low, high)) == verdict


@pytest.mark.parametrize("judge", [of_gain, of_sign, of_equality])
def test_one_seed_tells_nothing(judge: Callable[[Interval], Verdict]) -> None:
    assert judge(ONE_SEED) == CANNOT_TELL


def test_a_claim_of_several_parts_holds_only_if_every_part_does() -> None:
    assert all_of([HOLDS, HOLDS]) == HOLDS
    assert all_of([HOLDS, CANNOT_TELL]) == CANNOT_TELL
    assert all_of({"a": DOES_NOT_HOLD, "b": CANNOT_TELL}) == DOES_NOT_HOLD


def test_a_difference_is_in_points_with_its_sign() -> None:
    assert points(Interval(0.012, 0.004, 0.02, 5)) == "+1.2 [+0.4, +2.0] points"
    assert points(ONE_SEED) == "+2.0 points"
