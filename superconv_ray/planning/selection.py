"""How a cell chooses the settings that its study leaves open: by range tests, or by search.

A choice is made in rounds of trials, scored on labels held out of the cell's limited ones.
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
from superconv_ray.design.choices import Tuning
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Search
from superconv_ray.design.trial import Trial

READ_COLUMN = "validation_accuracy_reestimated"
"""What a range test is read on. With BN's running statistics, which lag behind weights that move
fast, the accuracy at a large learning rate jumps by tens of points from row to row (NOTES.md)."""
SCORE_COLUMN = "validation_accuracy"
"""What a tuning trial is scored on: the same as is measured of a training, on other labels."""
LOSS_COLUMN = "validation_loss"

Role = Literal["range_test", "tuning", "training"]


class Choice(Protocol):
    """A cell's open settings on their way to being known.

    Attributes:
        role: What its trials are for.
        rule: The rule that it chooses by.
        size: How many trials it takes, all rounds together.
    """

    role: Role
    rule: str
    size: int

    def propose(self) -> tuple[Trial, ...]:
        """The trials of the next round; none when the choice is made."""

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of the round, in its order.

        Raises:
            ValueError: They do not allow to go on.
        """

    def settings(self) -> dict[str, Any]:
        """What was chosen.

        Raises:
            ValueError: The outcomes do not tell.
        """


def choice_of(cell: Cell, tuning: Tuning) -> Choice | None:
    """How a cell chooses, or None if everything is given."""
    if cell.search:
        return SearchChoice(cell.search, tuning)
    return RangeTestChoice(cell) if cell.reading else None


class RangeTestChoice:
    """max_lr from the replicates of one LR range test, all in one round."""

    role: Role = "range_test"

    def __init__(self, cell: Cell) -> None:
        assert cell.reading is not None, "only for cells that read max_lr off"
        self.rule = cell.reading.rule
        self.size = len(cell.range_tests)
        self._to_propose = cell.range_tests
        self._outcomes: Sequence[Outcome] = ()

    def propose(self) -> tuple[Trial, ...]:
        """All range tests, then none; see `Choice`."""
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
    """Every setting that is tuned, by a search; see `tuning.Searcher`."""

    role: Role = "tuning"
    rule = "best mean validation accuracy of a search"

    def __init__(self, search: Search, tuning: Tuning) -> None:
        from superconv_ray.planning.tuning import Searcher

        self.size = tuning.trials * tuning.replicates
        self._search = search
        self._searcher = Searcher(search.space, tuning)

    def propose(self) -> tuple[Trial, ...]:
        """The replicates of every combination of the round; see `Choice`."""
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
        raise ValueError(f"{what} of this cell failed; it is run again with the next run")


def _score(outcome: Outcome) -> tuple[float, float]:
    """Accuracy and loss; a diverged trial is worse than any that went through."""
    if outcome.status == "diverged":
        return 0.0, math.inf
    return outcome.measurements[SCORE_COLUMN], outcome.measurements[LOSS_COLUMN]


def _accuracy_curve(test: Outcome) -> RangeTestCurve:
    rows = measured_rows(test.curve, diverged=test.status == "diverged")
    return [row["lr"] for row in rows], [row[READ_COLUMN] for row in rows]
