"""Made-up comparisons whose truth is known: does an interval hold it? See `coverage`.

Every function takes the number of draws, the number of seeds, how the arm's runs vary, and where
random numbers come from. It yields a tuple of answers for each draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.factor_growth import growth_of
from superconv_ray.analysis.long_runs import steps_to_accuracy
from superconv_ray.analysis.reach import first_reached
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import (
    Floats,
    accuracy_ends,
    bootstrap_intervals,
    half_widths,
)
from superconv_ray.analysis.statistics.replicates import ReplicateCurve

LABELS = (100, 300, 1000, 3000, 10_000)
BUDGETS = np.array([3.0, 10.0, 30.0, 100.0])
SAMPLES = (360, 2000)
"""Sizes of the test set: that of digits, and one that is small beside MNIST's 10,000."""
COLLAPSES, LOST = 0.05, 10.0
"""Share of the arm's runs that collapse, and how many deviations they lose."""
LEVEL = 0.05
REDRAWN = 2_000
"""Redrawn means of one interval: a fifth of what the package draws, and enough for 95 %."""
FACTOR = 3.0
"""By which the arm needs fewer steps."""
SEED_SD, SUITS_SD, REST_SD = 0.1, 0.3, 0.3
"""Deviations of what decides whether a test sample is right, relative to its difficulty's."""
SPREAD = float(np.sqrt(1 + SUITS_SD**2 + REST_SD**2))

Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
Case = tuple[Noise, float]
"""Noise of the arm's runs in deviations of the baseline's, and its mean."""
Bools = npt.NDArray[np.bool_]


def _collapsing(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    lost = random.uniform(size=shape) < COLLAPSES
    return np.asarray(random.standard_normal(shape) - LOST * lost)


NORMAL: Case = (lambda random, shape: random.standard_normal(shape), 0.0)
CASES: dict[str, Case] = {
    "normal": NORMAL,
    "the arm varies 3 times as much": (
        lambda random, shape: 3 * random.standard_normal(shape),
        0.0,
    ),
    "heavy tails (t, 3 degrees)": (
        lambda random, shape: random.standard_t(3, shape) / np.sqrt(3),
        0.0,
    ),
    "1 run in 20 collapses": (_collapsing, -COLLAPSES * LOST),
}


def means(draws: int, seeds: int, case: Case, random: np.random.Generator) -> Iterator[Bools]:
    """The logit interval of a mean accuracy of 97 %; runs vary by 1 point."""
    noise, _ = case
    runs = np.clip(0.97 + 0.01 * noise(random, (draws, seeds)), 0, 1)
    low, high = accuracy_ends(runs.mean(1), runs.std(1, ddof=1), np.full(draws, seeds))
    truth = np.clip(0.97 + 0.01 * noise(np.random.default_rng(1), (10**6,)), 0, 1).mean()
    yield from ((low <= truth) & (truth <= high))[:, np.newaxis]


def gaps(draws: int, seeds: int, case: Case, random: np.random.Generator) -> Iterator[Bools]:
    """Student's interval of paired gaps."""
    found = _gaps(draws, seeds, case, random)
    half = half_widths(found.std(1, ddof=1), np.full(draws, seeds))
    yield from (abs(found.mean(1) - case[1]) <= half)[:, np.newaxis]


def bootstrapped(
    draws: int, seeds: int, case: Case, random: np.random.Generator
) -> Iterator[Bools]:
    """The BCa interval of paired gaps."""
    low, high = bootstrap_intervals(_gaps(draws, seeds, case, random), random)
    yield from ((low <= case[1]) & (case[1] <= high))[:, np.newaxis]


def _gaps(draws: int, seeds: int, case: Case, random: np.random.Generator) -> Floats:
    return np.asarray(case[0](random, (draws, seeds)) - random.standard_normal((draws, seeds)))


def trends(draws: int, seeds: int, case: Case, random: np.random.Generator) -> Iterator[Bools]:
    """Intervals of `gap_trend`, in points and as a ratio; deviations are 4 % of each error."""
    x = -np.log10(LABELS)
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    error = 0.5 * (np.array(LABELS) / 100) ** -0.3
    shape = (draws, seeds, len(LABELS))
    # Half of the noise is a seed's own at all numbers of labels, which share nested subsets.
    own, shared = case[0](random, shape), case[0](random, (draws, seeds, 1))
    arm = 0.9 * error * (1 - 0.04 * (own + shared) / 2)
    baseline = error * (1 - 0.04 * random.standard_normal(shape))
    mean_arm = 0.9 * error * (1 - 0.04 * case[1])
    held = []
    for values, true in (
        (baseline - arm, error - mean_arm),
        (np.log(baseline / arm), np.log(error / mean_arm)),
    ):
        slopes = values @ weights
        half = half_widths(slopes.std(1, ddof=1), np.full(draws, seeds))
        held.append(abs(slopes.mean(1) - true @ weights) <= half)
    yield from np.stack(held, axis=1)


def factor_trends(
    draws: int,
    seeds: int,
    case: Case,
    random: np.random.Generator,
    *,
    growth: float,
    factor: float,
) -> Iterator[tuple[bool, bool]]:
    """The interval of `factor_trend`, and whether it lies above "no growth".

    Errors fall as a power of the steps. Deviations are 4 % of each error at 10,000 labels and 12 %
    at 100: the best of several noisy budgets is flattered most at few labels.

    Args:
        draws: As elsewhere.
        seeds: As elsewhere.
        case: As elsewhere.
        random: As elsewhere.
        growth: By what the factor is multiplied for each division of the labels by ten.
        factor: Where labels are most.
    """
    for _ in range(draws):
        shared = random.standard_normal(seeds)
        pairs = {}
        for place, labels in enumerate(LABELS[::-2]):
            spread = 0.04 * 3 ** (place / 2)
            sides = []
            for (noise, mean), times in ((case, factor * growth**place), (NORMAL, 1.0)):
                error = 0.5 * (labels / 100) ** -0.3 * (BUDGETS * times / 100) ** -0.25
                own = (noise(random, (len(BUDGETS), seeds)) - mean + shared) / np.sqrt(2)
                sides.append(_curve(1 - error[:, np.newaxis] * (1 - spread * own)))
            pairs[float(labels)] = sides[0], sides[1]
        found = growth_of(pairs, LEVEL, REDRAWN)
        yield bool(found.low <= np.log10(growth) <= found.high), found.low > 0


def _curve(values: Floats, correct: Bools | None = None) -> ReplicateCurve:
    none = np.zeros(len(values), np.int64)
    return ReplicateCurve(BUDGETS, values, none, np.arange(values.shape[1]), correct)


def gaps_in_population(
    draws: int, seeds: int, case: Case, random: np.random.Generator, *, samples: int
) -> Iterator[tuple[bool, bool]]:
    """Intervals of a gap of about 2 points in the population that test samples are drawn from.

    Over seeds, and over seeds and test samples. A sample is right if a sum is positive: of the
    level of the arm, the seed, the sample's difficulty, how the arm suits the sample, and what else
    changes from run to run.
    """
    truth = _accuracy(0.15, case) - _accuracy(0.0, NORMAL)
    for _ in range(draws):
        difficulty = random.standard_normal(samples, dtype=np.float32)
        arm = _right(np.array([0.15]), seeds, case, difficulty, random)[0]
        baseline = _right(np.zeros(1), seeds, NORMAL, difficulty, random)[0]
        table = arm.astype(np.float64) - baseline
        half = half_widths(table.mean(1).std(ddof=1), seeds)
        _, low, high, _ = crossed_interval(table)
        yield bool(abs(table.mean() - truth) <= half), bool(low <= truth <= high)


def factors_in_population(
    draws: int, seeds: int, case: Case, random: np.random.Generator, *, samples: int
) -> Iterator[tuple[bool, bool]]:
    """Intervals of the factor of `time_to_accuracy` in the same population.

    Over seeds, and over seeds and test samples.
    """
    arm_levels, levels = (np.log10(BUDGETS * times / 100) / 2 for times in (FACTOR, 1.0))
    true = np.array([[_accuracy(level, case) for level in arm_levels]])
    target = np.array([[_accuracy(levels[-1], NORMAL)]])
    truth = first_reached(BUDGETS, true, target)[0, 0]
    for _ in range(draws):
        difficulty = random.standard_normal(samples, dtype=np.float32)
        arm = _right(arm_levels, seeds, case, difficulty, random)
        baseline = _right(levels, seeds, NORMAL, difficulty, random)
        held = []
        for known in (False, True):
            curves = [
                _curve(right.mean(axis=2), right if known else None) for right in (arm, baseline)
            ]
            _, early, late = steps_to_accuracy(curves[0], curves[1], LEVEL, REDRAWN)
            held.append(bool(early <= truth <= late))
        yield held[0], held[1]


def _right(
    levels: Floats,
    seeds: int,
    case: Case,
    difficulty: npt.NDArray[np.float32],
    random: np.random.Generator,
) -> Bools:
    """Which samples an arm has right at its levels, shape [levels, seeds, samples]."""
    shape = (len(levels), seeds, len(difficulty))
    suits = SUITS_SD * random.standard_normal(shape[2], dtype=np.float32)
    rest = REST_SD * random.standard_normal(shape, dtype=np.float32)
    seed = SEED_SD * case[0](random, (*shape[:2], 1)).astype(np.float32)
    level = levels[:, np.newaxis, np.newaxis].astype(np.float32) + np.float32(1.3 * SPREAD)
    return np.asarray(level + seed + difficulty + suits + rest > 0)


def _accuracy(level: float, case: Case) -> float:
    """Accuracy in the population, over all seeds."""
    shift = level + SEED_SD * case[0](np.random.default_rng(1), (10**6,))
    return float(special.ndtr(1.3 + shift / SPREAD).mean())
