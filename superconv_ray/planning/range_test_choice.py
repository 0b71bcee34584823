"""max_lr from the LR range tests of a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from superconv_ray.analysis.range_tests.reading import RangeTestCurve, measured_rows
from superconv_ray.analysis.range_tests.top import recommended_max_lr
from superconv_ray.design.choices import FromRangeTest
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice import Role, reject_failed

READ_COLUMN = "validation_accuracy_reestimated"
"""Curve column that a range test is read from. Batch norm's running statistics lag behind weights
that move fast: with them, the accuracy at a large learning rate jumps by tens of points from row
to row (NOTES.md)."""


class RangeTestChoice:
    """max_lr from the replicates of one LR range test, all in one round."""

    role: Role = "range_test"

    def __init__(self, reading: FromRangeTest, tests: tuple[CompleteTrial, ...]) -> None:
        self.rule = reading.rule
        self.size = len(tests)
        self._to_propose = tests
        self._outcomes: Sequence[Outcome] = ()

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return all range tests, then none; see `Choice`."""
        proposed, self._to_propose = self._to_propose, ()
        return proposed

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Choice`."""
        reject_failed(outcomes, "a range test")
        self._outcomes = outcomes

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return {"max_lr": recommended_max_lr([_accuracy_curve(test) for test in self._outcomes])}


def _accuracy_curve(test: Outcome) -> RangeTestCurve:
    diverged = test.status == "diverged"
    rows = measured_rows(test.curve, diverged=diverged)
    return RangeTestCurve(
        rates=[row["lr"] for row in rows],
        accuracy=[row[READ_COLUMN] for row in rows],
        lost=test.curve[-1]["lr"] if diverged else math.nan,
    )
