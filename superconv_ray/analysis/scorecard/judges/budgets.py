"""Claims that a short 1cycle reaches what a long step schedule ends with.

Their studies have the arms one_cycle and step, each with several budgets.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from superconv_ray.analysis.long_runs import (
    DOES_NOT,
    SUPER_CONVERGES,
    time_to_accuracy,
)
from superconv_ray.analysis.scorecard.contrasts import gap_to_longest_run
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Judge,
    Judgement,
    Verdict,
    all_of,
    of_gain,
    of_no_loss,
    of_sign,
    points,
)
from superconv_ray.design.text import interval_text

IN_A_THIRD: Mapping[str, Verdict] = {SUPER_CONVERGES: HOLDS, DOES_NOT: DOES_NOT_HOLD}
"""What the verdicts of `time_to_accuracy` say of a short cycle; the others do not tell."""


def headline(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 1cycle gains on the step schedule of eight times its length."""
    gap = gap_to_longest_run(trials, 8).interval()
    said = f"{points(gap)} in an eighth of the iterations; {_factor(trials)[0]}"
    return Judgement(said, of_gain(gap))


def step_size(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether a cycle of a third of the length, or less, reaches the step schedule's end."""
    return Judgement(*_factor(trials))


def mnist_lenet(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 12 epochs of 1cycle end above 85 of both baselines.

    Their accuracies are near 100 %, so that any gain counts.
    """
    gaps = {name: gap_to_longest_run(trials, 85 / 12, name).interval() for name in ("inv", "step")}
    said = ", ".join(f"{name} {points(gap)}" for name, gap in gaps.items())
    return Judgement(
        f"12 epochs of 1cycle minus 85 of {said}", all_of([of_sign(gap) for gap in gaps.values()])
    )


def cifar100(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 25 epochs of 1cycle gain on 400 of the step schedule."""
    gap = gap_to_longest_run(trials, 400 / 25).interval()
    return Judgement(f"25 epochs of 1cycle minus 400 of step: {points(gap)}", of_gain(gap))


def matching(short: int, long: int) -> Judge:
    """Return the judge of: `short` epochs of 1cycle are as good as `long` of the step schedule."""

    def judge(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
        gap = gap_to_longest_run(trials, long / short).interval()
        said = f"{short} epochs of 1cycle minus {long} of step: {points(gap)}"
        return Judgement(said, of_no_loss(gap))

    return judge


def _factor(trials: pd.DataFrame) -> tuple[str, Verdict]:
    """The factor by which 1cycle needs fewer steps, in words, and whether it is large."""
    (row,) = time_to_accuracy(trials, "one_cycle", "step").to_dict("records")
    factor = interval_text(row["factor"], row["low"], row["high"], ".1f")
    said = {"": "", "<": "at most ", ">": "at least "}[row["censored"]]
    return (
        f"{said}{factor} times fewer steps to the long step schedule's accuracy",
        IN_A_THIRD.get(row["verdict"], CANNOT_TELL),
    )
