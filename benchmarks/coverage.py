"""How often 95 % intervals hold the truth: few seeds, unequal variances, heavy tails, collapses.

    python -m benchmarks.coverage [--draws 500] [--save]

Intervals of comparisons are computed from made-up runs whose truth is known, with the package's own
functions. In % of the draws, or of four times as many where they are cheap: with 500 draws, 95 %
are uncertain by 1.9, with 2,000 by 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import (
    Floats,
    accuracy_ends,
    bootstrap_intervals,
    half_widths,
)
from superconv_ray.design.text import text_table

SEEDS = (3, 5, 8, 12)
LABELS = (100, 300, 1000, 3000, 10_000)
SAMPLES = (360, 2000)
"""Sizes of the test set: that of digits, and one that is small beside MNIST's 10,000."""
COLLAPSES, LOST = 0.05, 10.0
"""Share of the arm's runs that collapse, and how many deviations they lose."""

Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
Case = tuple[Noise, float]
"""Noise of the arm's runs in deviations of the baseline's, and its mean."""


def _collapsing(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    lost = random.uniform(size=shape) < COLLAPSES
    return np.asarray(random.standard_normal(shape) - LOST * lost)


CASES: dict[str, Case] = {
    "normal": (lambda random, shape: random.standard_normal(shape), 0.0),
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


def means(draws: int, seeds: int, case: Case, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether the logit interval of a mean accuracy of 97 % holds it; runs vary by 1 point."""
    noise, _ = case
    runs = np.clip(0.97 + 0.01 * noise(random, (draws, seeds)), 0, 1)
    low, high = accuracy_ends(runs.mean(1), runs.std(1, ddof=1), np.full(draws, seeds))
    truth = np.clip(0.97 + 0.01 * noise(np.random.default_rng(1), (10**6,)), 0, 1).mean()
    return np.asarray((low <= truth) & (truth <= high))


def gaps(draws: int, seeds: int, case: Case, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether Student's interval of paired gaps holds their mean."""
    found = _gaps(draws, seeds, case, random)
    half = half_widths(found.std(1, ddof=1), np.full(draws, seeds))
    return np.asarray(abs(found.mean(1) - case[1]) <= half)


def bootstrapped(
    draws: int, seeds: int, case: Case, random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Whether the BCa interval of paired gaps holds their mean."""
    low, high = bootstrap_intervals(_gaps(draws, seeds, case, random), random)
    return np.asarray((low <= case[1]) & (case[1] <= high))


def _gaps(draws: int, seeds: int, case: Case, random: np.random.Generator) -> Floats:
    return np.asarray(case[0](random, (draws, seeds)) - random.standard_normal((draws, seeds)))


def trends(
    draws: int, seeds: int, case: Case, random: np.random.Generator, *, ratio: bool
) -> npt.NDArray[np.bool_]:
    """Whether the interval of `gap_trend` holds the growth; deviations are 4 % of each error."""
    x = -np.log10(LABELS)
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    error = 0.5 * (np.array(LABELS) / 100) ** -0.3
    shape = (draws, seeds, len(LABELS))
    # Half of the noise is a seed's own at all numbers of labels, which share nested subsets.
    own, shared = case[0](random, shape), case[0](random, (draws, seeds, 1))
    arm = 0.9 * error * (1 - 0.04 * (own + shared) / 2)
    baseline = error * (1 - 0.04 * random.standard_normal(shape))
    mean_arm = 0.9 * error * (1 - 0.04 * case[1])
    values, true = baseline - arm, error - mean_arm
    if ratio:
        values, true = np.log(baseline / arm), np.log(error / mean_arm)
    slopes = values @ weights
    half = half_widths(slopes.std(1, ddof=1), np.full(draws, seeds))
    return np.asarray(abs(slopes.mean(1) - true @ weights) <= half)


def in_population(
    draws: int,
    seeds: int,
    case: Case,
    random: np.random.Generator,
    *,
    samples: int,
    crossed: bool,
) -> Iterator[bool]:
    """Whether intervals of a gap hold that of the population of test samples, about 2 points.

    A sample is right if a sum is positive: of the level of the arm, the seed, the sample's
    difficulty, how the arm suits the sample, and what else changes from run to run.
    """
    seed_sd, suits_sd, rest_sd = 0.1, 0.3, 0.3
    spread = np.sqrt(1 + suits_sd**2 + rest_sd**2)
    many = np.random.default_rng(1)
    shifts = (0.15 + seed_sd * case[0](many, (10**6,)), seed_sd * many.standard_normal(10**6))
    truth = np.subtract(*(special.ndtr(1.3 + shift / spread).mean() for shift in shifts))
    for _ in range(draws):
        difficulty = random.standard_normal(samples, dtype=np.float32)
        sides = []
        for level, noise in ((0.15, case[0]), (0.0, CASES["normal"][0])):
            seed = level + 1.3 * spread + seed_sd * noise(random, (seeds, 1)).astype(np.float32)
            suits = suits_sd * random.standard_normal(samples, dtype=np.float32)
            rest = rest_sd * random.standard_normal((seeds, samples), dtype=np.float32)
            sides.append(seed + difficulty + suits + rest > 0)
        table = sides[0].astype(np.float64) - sides[1]
        if crossed:
            _, low, high, _ = crossed_interval(table)
        else:
            half = half_widths(table.mean(1).std(ddof=1), seeds)
            low, high = table.mean() - half, table.mean() + half
        yield bool(low <= truth <= high)


def rates(draws: int) -> Iterator[tuple[str, str, list[float]]]:
    """Yield interval, case, and coverage in % for `SEEDS`."""
    intervals: dict[str, tuple[Callable[..., Iterator[bool] | npt.NDArray[np.bool_]], int]] = {
        "`compare`: gap on the same test set, over seeds": (gaps, 4 * draws),
        "`gap_trend`: points": (lambda *a: trends(*a, ratio=False), 4 * draws),
        "`gap_trend`: ratio": (lambda *a: trends(*a, ratio=True), 4 * draws),
        "`arm_summary`: mean of 97 %, over seeds": (means, 4 * draws),
        "`compare`: bootstrap interval": (bootstrapped, draws),
        **{
            f"`compare`: gap in the population, {samples:,} test samples, over {kind}": (
                lambda *a, s=samples, c=crossed: in_population(*a, samples=s, crossed=c),
                draws,
            )
            for samples in SAMPLES
            for kind, crossed in (("seeds", False), ("seeds and test samples", True))
        },
    }
    for interval, (covered, count) in intervals.items():
        for name, case in CASES.items():
            found = [covered(count, n, case, np.random.default_rng([0, n])) for n in SEEDS]
            yield interval, name, [round(100 * float(np.mean(list(f))), 1) for f in found]


def main() -> None:
    """Print the table, and save it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=500, help="made-up comparisons per number")
    add_save_flag(parser)
    arguments = parser.parse_args()
    figures, rows = [], []
    for interval, case, covered in rates(arguments.draws):
        figures.append(Figure(f"{interval}; {case}", covered, "%"))
        rows.append((interval, case, *(f"{share:.1f}" for share in covered)))
        print(*rows[-1], sep=" | ", flush=True)
    print(text_table(("interval", "runs", *(f"{n} seeds" for n in SEEDS)), rows))
    if arguments.save:
        save("coverage", figures)


if __name__ == "__main__":
    main()
