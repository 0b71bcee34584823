"""max_lr from the LR range tests of a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from superconv_ray.analysis.range_tests.reading import RangeTestCurve, measured_rows
from superconv_ray.analysis.range_tests.top import recommended_max_lr
from superconv_ray.design.choices import FromRangeTest
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.replicates import Replicates
from superconv_ray.design.trial import CompleteTrial, Template
from superconv_ray.planning.choice import READ_COLUMN, Role, in_groups, mean_score, reject_failed


class RangeTestChoice:
    """max_lr from the replicates of an LR range test, then from trainings around what was read.

    The tests are one round. The trainings that confirm, if there are any, are another one; they
    count as tuning.

    Args:
        reading: How to read the tests, and how many rates to confirm.
        tests: The replicates of the test.
        confirmations: The trainings that confirm a rate, without it; None: take what was read.
    """

    def __init__(
        self,
        reading: FromRangeTest,
        tests: Sequence[CompleteTrial],
        confirmations: Replicates[Template] | None,
    ) -> None:
        self.role: Role = "range_test"
        self.rule = reading.rule
        self.size = len(tests) + reading.confirm * len(confirmations or ())
        self._reading = reading
        self._tests = tests
        self._confirmations = confirmations
        self._rates: tuple[float, ...] = ()  # to choose from; one once the choice is made

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return all range tests, then all trainings that confirm, then none; see `Choice`."""
        if not self._rates:
            return tuple(self._tests)
        if self._confirmations is None or self.role == "tuning":
            return ()
        self.role = "tuning"
        return tuple(t for lr in self._rates for t in self._confirmations.complete(max_lr=lr))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Choice`."""
        if self._rates:
            self._confirm(outcomes)
            return
        reject_failed(outcomes, "a range test")
        max_lr = recommended_max_lr([_accuracy_curve(test) for test in outcomes])
        self._rates = self._reading.candidates(max_lr) or (max_lr,)

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return {"max_lr": self._rates[0]}

    def _confirm(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the rate with the best mean held-out accuracy; the loss breaks ties."""
        reject_failed(outcomes, "a training that confirms a rate")
        seeds = len(outcomes) // len(self._rates)
        parts = in_groups(outcomes, seeds)
        _, best = max((mean_score(part), lr) for part, lr in zip(parts, self._rates, strict=True))
        self._rates = (best,)


def _accuracy_curve(test: Outcome) -> RangeTestCurve:
    diverged = test.status == "diverged"
    rows = measured_rows(test.curve, diverged=diverged)
    return RangeTestCurve(
        rates=[row["lr"] for row in rows],
        accuracy=[row[READ_COLUMN] for row in rows],
        lost=test.curve[-1]["lr"] if diverged else math.nan,
    )
