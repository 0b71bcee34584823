"""How a cell chooses the settings that its study leaves open: by range tests, or by search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any

from superconv_ray.design.choices import Tuning
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Search
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice import SCORE_COLUMN, Choice, Role, in_groups, reject_failed
from superconv_ray.planning.range_test_choice import RangeTestChoice

if TYPE_CHECKING:
    from superconv_ray.planning.tuning import Propose, SearchSpace


def choice_of(cell: Cell, seed: int | None) -> Choice | None:
    """Return how a cell chooses its settings, or None if all of them are given.

    Args:
        cell: The cell.
        seed: The seed of the training to choose for, if `cell.chooses_per_seed`.
    """
    if cell.search:
        return SearchChoice(cell.search, seed)
    if cell.reading and cell.range_tests:
        return RangeTestChoice(cell.reading, cell.range_tests, cell.confirmations)
    return None


class SearchChoice:
    """All tuned settings of a cell, by a search in rounds; see `tuning.SearchSpace`."""

    role: Role = "tuning"
    rule = Tuning.RULE

    def __init__(self, search: Search, seed: int | None) -> None:
        self.size = search.tuning.total_trials
        self._search = search
        self._seed = seed
        self._tried: list[dict[str, Any]] = []
        self._accuracies: list[float] = []

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return the replicates of every combination of the next round; see `Choice`."""
        tuning = self._search.tuning
        if len(self._tried) == tuning.trials:
            return ()
        proposed = self._propose(self._space, tuning, self._seed, self._tried, self._accuracies)
        self._tried += proposed
        return tuple(
            trial for settings in proposed for trial in self._search.trials_at(settings, self._seed)
        )

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Choice`."""
        reject_failed(outcomes, "a tuning trial")
        groups = in_groups(outcomes, self._search.tuning.replicates)
        self._accuracies += [mean(map(_accuracy, group)) for group in groups]

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return self._space.best(self._tried, self._accuracies, self._search.held_out)

    @property
    def _space(self) -> SearchSpace:
        from superconv_ray.planning.tuning import SearchSpace

        return SearchSpace(self._search.space)

    @property
    def _propose(self) -> Propose:
        if self._search.tuning.sampler == "even":
            from superconv_ray.planning.tuning import propose_evenly

            return propose_evenly
        from superconv_ray.planning.optuna_proposals import propose_with_optuna

        return propose_with_optuna


def _accuracy(outcome: Outcome) -> float:
    """Accuracy of a tuning trial; NaN if it diverged."""
    diverged = outcome.status == "diverged"
    return math.nan if diverged else outcome.measurements[SCORE_COLUMN]
