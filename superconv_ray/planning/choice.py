"""The choice of the settings that a cell leaves open: rounds of trials, then the settings.

The trials of a choice are scored on labels held out of the cell's limited ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial

SCORE_COLUMN = "validation_accuracy"
"""Column that scores a tuning trial; trainings are measured by the same accuracy on test labels."""
LOSS_COLUMN = "validation_loss"
READ_COLUMN = "validation_accuracy_reestimated"
"""Curve column that a range test is read from. Batch norm's running statistics lag behind weights
that move fast: with them, the accuracy at a large learning rate jumps by tens of points from row
to row (NOTES.md)."""

Role = Literal["range_test", "tuning", "training"]


class Choice(Protocol):
    """The choice of a cell's open settings, round by round.

    Attributes:
        role: Purpose of its trials.
        rule: Name of the rule that it chooses by.
        size: Number of trials in all rounds.
    """

    role: Role
    rule: str
    size: int

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return the trials of the next round; none once the choice is made."""

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of the round, in the order in which its trials were proposed.

        Raises:
            ValueError: The choice cannot continue with these outcomes.
        """

    def settings(self) -> dict[str, Any]:
        """Return the chosen settings.

        Raises:
            ValueError: The outcomes do not suffice to choose.
        """


def reject_failed(outcomes: Sequence[Outcome], what: str) -> None:
    """Refuse a round with a failed trial.

    Raises:
        ValueError: A trial failed.
    """
    if any(outcome.status == "failed" for outcome in outcomes):
        raise ValueError(f"{what} of this cell failed; the next run tries it again")


def in_groups(outcomes: Sequence[Outcome], size: int) -> list[Sequence[Outcome]]:
    """Cut the outcomes of a round into those of each combination's replicates."""
    return [outcomes[start : start + size] for start in range(0, len(outcomes), size)]


def mean_score(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Mean accuracy of replicates, then their negative mean loss, which breaks ties."""
    accuracies, losses = zip(*map(held_out_score, outcomes), strict=True)
    return sum(accuracies) / len(outcomes), -sum(losses) / len(outcomes)


def held_out_score(outcome: Outcome) -> tuple[float, float]:
    """Accuracy and loss of a trial; a diverged trial is worse than any other."""
    if outcome.status == "diverged":
        return min(0.0, outcome.measurements.get(SCORE_COLUMN, 0.0)), math.inf
    return outcome.measurements[SCORE_COLUMN], outcome.measurements[LOSS_COLUMN]
