"""The search for a cell's tuned settings: rounds of trials, then the top of a fitted surface.

What is tried depends on seeds, and what is tried later and chosen on the scores as well, in the
order in which settings were proposed. A run that was killed therefore proposes and chooses the same
again, whichever trial ends first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from superconv_ray.design.choices import Tuned, Tuning
from superconv_ray.design.trial_fields import number_type
from superconv_ray.planning.surface import Floats, Surface

FLAT = 0.005
"""Expected accuracies that are closer than this are equal: the middle of such a region is chosen.
It is the smallest gain that counts in a comparison."""
DEPTH = 0.5
"""Largest distance to the best that a squeezed score can have; see `_squeezed`."""
CANDIDATES = 512
"""Number of settings whose expected accuracy is compared."""


class Propose(Protocol):
    """Proposes the combinations of a search's next round."""

    def __call__(
        self,
        space: SearchSpace,
        tuning: Tuning,
        seed: int | None,
        tried: Sequence[Mapping[str, Any]],
        scores: Sequence[float],
    ) -> list[dict[str, Any]]:
        """Return at least one combination, and no more than are left to try.

        Equal arguments must give equal combinations.

        Args:
            space: The tuned settings.
            tuning: Effort and seed.
            seed: The seed of the training that the search is for; None if it is for all seeds.
            tried: The combinations of earlier rounds, fewer than `tuning.trials`.
            scores: Score of each, of which more is better; NaN if it diverged.
        """


@dataclass(frozen=True)
class SearchSpace:
    """The tuned settings of a cell, as a unit cube and back.

    Attributes:
        ranges: Trial field -> range in which it is tuned.
    """

    ranges: Mapping[str, Tuned]

    def proposals(self, tuning: Tuning, seed: int | None) -> list[dict[str, Any]]:
        """Return the combinations of settings to try.

        All arms get the same ones, if they tune the same ranges. Each seed gets its own.

        Args:
            tuning: Effort and seed.
            seed: The seed of the training that the search is for; None if it is for all seeds.
        """
        start = np.random.Generator(np.random.PCG64(tuning.entropy(seed))).random(len(self.ranges))
        return [self.settings(point) for point in _spread(tuning.trials, start)]

    def best(
        self, tried: Sequence[Mapping[str, Any]], scores: Sequence[float], held_out: int
    ) -> dict[str, Any]:
        """Return the settings with the highest expected score.

        The expectation is that of a surface fitted to all scores. They are noisy, and the best of
        them is often the luckiest. Where the surface is flat, the middle of the flat region is
        returned. It lies within the range of what was tried and did not diverge.

        Args:
            tried: Combinations of settings.
            scores: Accuracy of each on held-out labels, or another number of which more is better;
                NaN if it diverged.
            held_out: Number of held-out labels.
        """
        points = np.array([list(self.point(settings)) for settings in tried])
        accuracies = as_accuracies(np.array(scores))
        trained = points[np.isfinite(accuracies)]
        if not len(trained):
            return dict(tried[0])
        low, high = trained.min(axis=0), trained.max(axis=0)
        spread = _spread(CANDIDATES, np.zeros(points.shape[1]))
        candidates = np.concatenate([trained, low + (high - low) * spread])
        accuracies = np.nan_to_num(accuracies, nan=0.0)  # what diverges is as bad as can be
        surface = Surface(points, _squeezed(accuracies), _variances(accuracies, held_out))
        return self.settings(_middle_of_top(candidates, surface.predict(candidates)))

    def settings(self, point: Floats) -> dict[str, Any]:
        """Settings at a point of the cube.

        They are rounded to integers or three digits: ids must not depend on the last bits.
        """
        named = sorted(self.ranges.items())
        return {
            name: _rounded(name, range_, share)
            for (name, range_), share in zip(named, point.tolist(), strict=True)
        }

    def point(self, settings: Mapping[str, Any]) -> Iterator[float]:
        """Coordinates of settings in the cube, in the order of their names."""
        for name, range_ in sorted(self.ranges.items()):
            value, low, high = settings[name], range_.low, range_.high
            if range_.log:
                value, low, high = np.log([value, low, high])
            yield (value - low) / (high - low)


def propose_evenly(
    space: SearchSpace,
    tuning: Tuning,
    seed: int | None,
    tried: Sequence[Mapping[str, Any]],  # noqa: ARG001 - all are proposed at once
    scores: Sequence[float],  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Propose all combinations in one round; see `Propose`."""
    return space.proposals(tuning, seed)


def _spread(count: int, start: Floats) -> Floats:
    """Points that fill the unit cube evenly, however many they are: shape [count, dimensions].

    The additive recurrence of Roberts (2018, "The unreasonable effectiveness of quasirandom
    sequences"); in one dimension it adds the golden ratio.
    """
    root = 2.0
    for _ in range(64):  # the root of x^(d + 1) = x + 1
        root = (1 + root) ** (1 / (len(start) + 1))
    step = root ** -np.arange(1.0, len(start) + 1)
    return np.asarray((start + np.outer(np.arange(count), step)) % 1)


def _rounded(name: str, range_: Tuned, share: float) -> Any:
    if range_.log:
        value = range_.low * (range_.high / range_.low) ** share
    else:
        value = range_.low + (range_.high - range_.low) * share
    if number_type(name) is int:
        return round(value)
    return min(max(float(f"{value:.3g}"), range_.low), range_.high)


def as_accuracies(scores: Floats) -> Floats:
    """Scores in [0, 1]; others, such as negative errors, are scaled so that the best is 0.75.

    The median is 0.5 then, so that a few very large errors do not make all others alike.
    """
    finite = scores[np.isfinite(scores)]
    if not len(finite) or (finite.min() >= 0 and finite.max() <= 1):
        return scores
    best, median = finite.max(), np.median(finite)
    scale = best - median or 1.0
    return np.asarray(np.maximum(0.5 + (scores - median) / (4 * scale), 0.0))


def _squeezed(accuracies: Floats) -> Floats:
    """Accuracies of which the poor ones are moved towards the best, and the good ones hardly.

    A smooth surface through a cliff, such as where trainings begin to diverge, would overshoot at
    its edge.
    """
    best = accuracies.max()
    return np.asarray(best - DEPTH * -np.expm1((accuracies - best) / DEPTH))


def _variances(accuracies: Floats, labels: int) -> Floats:
    """Binomial variance of accuracies; a success and a failure are added, so that none is 0."""
    share = (accuracies * labels + 1) / (labels + 2)
    return np.asarray(share * (1 - share) / labels)


def _middle_of_top(points: Floats, expected: Floats) -> Floats:
    """The point that is nearest to the center of those whose expectation is about the highest."""
    top = points[expected >= expected.max() - FLAT]
    nearest = ((top - top.mean(axis=0)) ** 2).sum(axis=1).argmin()
    return np.asarray(top[nearest])
