"""Search for a cell's tuned settings with Optuna: every cell gets the same effort and start.

Proposals come in rounds of a fixed size, and a round's scores are reported in the order of its
proposals. The whole search is therefore a function of its seed and the scores, whichever trial ends
first, and a run that was killed proposes the same settings again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from superconv_ray.design.choices import Tuned, Tuning
from superconv_ray.design.trial_fields import number_type

STARTUP_FRACTION = 0.5
"""Fraction of a search, at most 10 trials, that is random before TPE models the scores. With TPE's
default of 10, most of a search of 12 would be random."""


@dataclass(frozen=True, order=True)
class Score:
    """Score of a combination of settings.

    The loss breaks ties of accuracy, which are common with few validation labels.
    """

    accuracy: float
    negative_loss: float


@dataclass
class _Proposal:
    trial: optuna.trial.Trial
    settings: dict[str, Any]
    score: Score | None = None


class Searcher:
    """Proposes settings and learns from their scores (TPE with constant liar, seeded).

    Args:
        space: Trial field -> range in which it is tuned.
        tuning: Effort and seed.
    """

    def __init__(self, space: Mapping[str, Tuned], tuning: Tuning, seed: int | None = None) -> None:
        self._space = space
        self._tuning = tuning
        self._proposals: list[_Proposal] = []
        self._distributions = {
            name: optuna.distributions.FloatDistribution(range_.low, range_.high, log=range_.log)
            for name, range_ in sorted(space.items())
        }
        sampler = optuna.samplers.TPESampler(
            seed=tuning.seed + (seed or 0),
            n_startup_trials=min(10, max(1, round(STARTUP_FRACTION * tuning.trials))),
            constant_liar=True,  # keeps the proposals of a round away from one another
        )
        with _quiet_optuna():
            self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def propose(self) -> list[dict[str, Any]]:
        """Return the settings of the next round; none once all have been proposed.

        Raises:
            RuntimeError: The scores of the previous round have not been reported.
        """
        if any(proposal.score is None for proposal in self._proposals):
            raise RuntimeError("report the scores of a round before asking for the next")
        count = min(self._tuning.parallel, self._tuning.trials - len(self._proposals))
        for _ in range(count):
            trial = self._study.ask(self._distributions)
            settings = {name: self._rounded(name, value) for name, value in trial.params.items()}
            self._proposals.append(_Proposal(trial, settings))
        return [proposal.settings for proposal in self._proposals if proposal.score is None]

    def tell(self, scores: Sequence[Score]) -> None:
        """Report the scores of the round, in the order of its proposals."""
        waiting = [proposal for proposal in self._proposals if proposal.score is None]
        for proposal, score in zip(waiting, scores, strict=True):
            proposal.score = score
            self._study.tell(proposal.trial, score.accuracy)

    def best(self) -> dict[str, Any]:
        """Return the settings with the highest score; the first of equals."""
        scored = [(p.score, p.settings) for p in self._proposals if p.score is not None]
        return max(scored, key=lambda pair: pair[0])[1]

    def _rounded(self, name: str, value: float) -> Any:
        """Round to three digits, or to an integer, so that ids do not depend on the last bits."""
        if number_type(name) is int:
            return round(value)
        range_ = self._space[name]
        return min(max(float(f"{value:.3g}"), range_.low), range_.high)


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Suppress Optuna's message about every new study: only planners see these studies."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
