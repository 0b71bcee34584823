"""How a cell chooses the settings that its study leaves open: by range tests, or by search.

A choice is made in rounds of trials. They are scored on labels held out of the cell's limited ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from superconv_ray.analysis.range_tests.reading import (
    RangeTestCurve,
    accuracy_peak,
    measured_rows,
)
from superconv_ray.design.choices import FromRangeTest, Tuning
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Search
from superconv_ray.design.trial import CompleteTrial

READ_COLUMN = "validation_accuracy_reestimated"
"""Curve column that a range test is read from. Batch norm's running statistics lag behind weights
that move fast: with them, the accuracy at a large learning rate jumps by tens of points from row
to row (NOTES.md)."""
SCORE_COLUMN = "validation_accuracy"
"""Column that scores a tuning trial; trainings are measured by the same accuracy on test labels."""
LOSS_COLUMN = "validation_loss"

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


def choice_of(cell: Cell, tuning: Tuning) -> Choice | None:
    """Return how a cell chooses its settings, or None if all of them are given."""
    if cell.search:
        return SearchChoice(cell.search, tuning)
    if cell.reading and cell.range_tests:
        return RangeTestChoice(cell.reading, tuple(cell.range_tests))
    return None


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
        _reject_failed(outcomes, "a range test")
        self._outcomes = outcomes

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return {"max_lr": accuracy_peak([_accuracy_curve(test) for test in self._outcomes])}


class SearchChoice:
    """All tuned settings of a cell, by a search; see `tuning.Searcher`."""

    role: Role = "tuning"
    rule = "best mean validation accuracy of a search"

    def __init__(self, search: Search, tuning: Tuning) -> None:
        from superconv_ray.planning.tuning import Searcher

        self.size = tuning.total_trials
        self._search = search
        self._searcher = Searcher(search.space, tuning)

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return the replicates of every combination of the round; see `Choice`."""
        combinations = self._searcher.propose()
        return tuple(t for settings in combinations for t in self._search.trials_at(settings))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Choice`."""
        from superconv_ray.planning.tuning import Score

        _reject_failed(outcomes, "a tuning trial")
        count = len(self._search.templates)
        scores = []
        for start in range(0, len(outcomes), count):
            accuracies, losses = zip(*map(_score, outcomes[start : start + count]), strict=True)
            scores.append(Score(sum(accuracies) / count, -sum(losses) / count))
        self._searcher.tell(scores)

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return self._searcher.best()


def _reject_failed(outcomes: Sequence[Outcome], what: str) -> None:
    if any(outcome.status == "failed" for outcome in outcomes):
        raise ValueError(f"{what} of this cell failed; the next run tries it again")


def _score(outcome: Outcome) -> tuple[float, float]:
    """Accuracy and loss of a trial; a diverged trial is worse than any other."""
    if outcome.status == "diverged":
        return 0.0, math.inf
    return outcome.measurements[SCORE_COLUMN], outcome.measurements[LOSS_COLUMN]


def _accuracy_curve(test: Outcome) -> RangeTestCurve:
    rows = measured_rows(test.curve, diverged=test.status == "diverged")
    return [row["lr"] for row in rows], [row[READ_COLUMN] for row in rows]
