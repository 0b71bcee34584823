"""Combinations of tuned settings that Optuna proposes, from the scores of those tried before.

Every round has a sampler and a study of its own, made of a seed and of what was tried and scored so
far: nothing else can decide what is proposed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from superconv_ray.design.choices import Tuning
from superconv_ray.planning.tuning import SearchSpace, as_accuracies

STARTUP_FRACTION = 0.5
"""Fraction of a search, at most 10 combinations and at least a round, that is random before scores
are modelled. With Optuna's default of 10, most of a search of 12 would be random."""


def propose_with_optuna(
    space: SearchSpace,
    tuning: Tuning,
    seed: int | None,
    tried: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
) -> list[dict[str, Any]]:
    """Propose the next `tuning.parallel` combinations; see `tuning.Propose`.

    Optuna is told the settings that were tried, rounded as they were, as points of the unit cube. A
    diverged trial was as bad as the worst that did not diverge.
    """
    axes = [str(axis) for axis in range(len(space.ranges))]
    cube = {axis: optuna.distributions.FloatDistribution(0.0, 1.0) for axis in axes}
    accuracies = as_accuracies(np.array(scores))
    worst = np.min(accuracies, where=np.isfinite(accuracies), initial=1.0)
    with _quiet_optuna():
        study = optuna.create_study(
            direction="maximize", sampler=_sampler(tuning, seed, len(tried))
        )
        for settings, accuracy in zip(tried, np.nan_to_num(accuracies, nan=worst), strict=True):
            ended = optuna.trial.create_trial(
                params=dict(zip(axes, space.point(settings), strict=True)),
                distributions=cube,
                value=float(accuracy),
            )
            study.add_trial(ended)
        count = min(tuning.parallel, tuning.trials - len(tried))
        asked = [study.ask(cube).params for _ in range(count)]
    return [space.settings(np.array([params[axis] for axis in axes])) for params in asked]


def _sampler(tuning: Tuning, seed: int | None, tried: int) -> optuna.samplers.BaseSampler:
    entropy = np.random.SeedSequence([*tuning.entropy(seed), tried])
    own = int(entropy.generate_state(1)[0])
    startup = max(tuning.parallel, min(10, round(STARTUP_FRACTION * tuning.trials)))
    if tuning.sampler == "gp":
        return optuna.samplers.GPSampler(seed=own, n_startup_trials=startup)
    # A constant liar keeps the proposals of a round away from one another.
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=startup, constant_liar=True)


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Suppress Optuna's messages about studies that only planners see."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
