"""How a cell chooses the settings that its study leaves open: by range tests, or by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Search
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice import Choice, Role, mean_score, reject_failed
from superconv_ray.planning.range_test_choice import RangeTestChoice


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
    """All tuned settings of a cell, by a search; see `tuning.Searcher`."""

    role: Role = "tuning"
    rule = "best mean validation accuracy of a search"

    def __init__(self, search: Search, seed: int | None) -> None:
        from superconv_ray.planning.tuning import Searcher

        self.size = search.tuning.total_trials
        self._search = search
        self._seed = seed
        self._searcher = Searcher(search.space, search.tuning, seed)

    def propose(self) -> tuple[CompleteTrial, ...]:
        """Return the replicates of every combination of the round; see `Choice`."""
        combinations = self._searcher.propose()
        return tuple(
            trial
            for settings in combinations
            for trial in self._search.trials_at(settings, self._seed)
        )

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Choice`."""
        from superconv_ray.planning.tuning import Score

        reject_failed(outcomes, "a tuning trial")
        count = self._search.tuning.replicates
        scores = [
            Score(*mean_score(outcomes[start : start + count]))
            for start in range(0, len(outcomes), count)
        ]
        self._searcher.tell(scores)

    def settings(self) -> dict[str, Any]:
        """See `Choice`."""
        return self._searcher.best()
