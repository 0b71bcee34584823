"""What the trend of gaps over labels costs: seeds the same everywhere, or where they tell most.

    python -m benchmarks.trend_replay --save

The trend is the slope of an arm's gap over log10 of the labels, at each budget and against each
baseline. Accuracies are drawn again for each seed from a normal distribution with the means and
covariances that a study recorded over all numbers of labels, so that the true slope is known. Both
rules spend the steps of 12 seeds at every point:

- equal: 12 seeds, each at every point. Subsets are nested and all points share the seeds, so that
  each seed has a slope of its own, as in `gap_trend`;
- allotted: 3 seeds at every point say how much the gaps of a point vary. It gets seeds in
  proportion to its weight in the slope and to their deviation, and to one over the square root of
  its steps (Neyman's allocation). Seeds that not all points have cannot be paired between them.

All arms of a point have the same seeds. Intervals are at 95 % for each slope, from Student's
distribution, with Satterthwaite's degrees of freedom for allotted seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks.effort_replay import STORE, steps_of_a_seed
from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import open_store
from superconv_ray.design.text import text_table

Floats = npt.NDArray[np.float64]
STUDIES = (
    "super_convergence_fashion_mnist_lenet",
    "limited_data_fashion_mnist_lenet",
    "paper_limited_data_laptop",
)
PILOT, EQUAL, MOST = 3, 12, 60
"""Seeds of a point: at first, everywhere, and at most."""
TRENDS = 1_000


@dataclass(frozen=True, eq=False)
class Course:
    """Points that differ in their labels only.

    Attributes:
        labels: Numbers of labels: [points].
        mean: Gaps of each point, one for each baseline: [points, baselines].
        covariance: Of the gaps over seeds, of all points together, points first.
        steps: Steps that a seed of each point takes, of all its arms: [points].
    """

    labels: Floats
    mean: Floats
    covariance: Floats
    steps: Floats

    @property
    def weights(self) -> Floats:
        """Weight of each gap in the slope by least squares, per tenfold labels: [points]."""
        x = np.log10(self.labels)
        centered = x - x.mean()
        return np.asarray(centered / (centered**2).sum())

    def draw(self, draws: np.random.Generator) -> Floats:
        """Return gaps of `MOST` seeds: [seeds, points, baselines]."""
        drawn = draws.multivariate_normal(self.mean.ravel(), self.covariance, MOST, method="svd")
        return np.asarray(drawn.reshape(MOST, *self.mean.shape))


@dataclass(frozen=True, eq=False)
class Replay:
    """What a rule achieved, on average over slopes.

    Attributes:
        width: Width of the intervals, relative to those of 12 seeds everywhere.
        covered: Share of the intervals that hold the true slope.
        decided: Share of the intervals without 0.
    """

    width: float
    covered: float
    decided: float


class Slope(NamedTuple):
    """Estimates and half widths of the intervals of slopes, one for each baseline."""

    estimate: Floats
    half: Floats


def courses(trials: pd.DataFrame) -> Iterator[Course]:
    """Return the course over labels at each budget of a study.

    Args:
        trials: As from ``open_store(...).trials(study)``.
    """
    trainings = trials[trials["role"] == "training"]
    steps = steps_of_a_seed(trials)
    arm, *baselines = trainings["arm"].unique()
    for _, at in trainings.groupby(trainings.groupby("data_count")["steps"].rank(method="dense")):
        accuracy = at.pivot_table("test_accuracy", "seed", ["data_count", "arm"])
        labels = at["data_count"].unique()
        gaps = np.stack(
            [accuracy[n, arm] - accuracy[n, baseline] for n in labels for baseline in baselines]
        )
        of_point = at.drop_duplicates("cell").groupby("data_count")["cell"]
        yield Course(
            labels.astype(np.float64),
            gaps.mean(axis=1).reshape(len(labels), -1),
            np.cov(gaps),
            np.array([steps[of_point.get_group(n)].sum() for n in labels]),
        )


def allotted(course: Course, deviation: Floats) -> npt.NDArray[np.int64]:
    """Return seeds of each point that together take the steps of `EQUAL` seeds everywhere.

    Args:
        course: Points that differ in their labels only.
        deviation: Standard deviation of a gap at each point.
    """
    share = np.abs(course.weights) * deviation / np.sqrt(course.steps)
    total = EQUAL * course.steps.sum()
    scales = np.geomspace(1, 1e5, 1_000)[:, np.newaxis] / share.max()
    seeds = np.clip((scales * share).astype(np.int64), PILOT, MOST)
    return np.asarray(seeds[seeds @ course.steps <= total][-1])


def shared_slopes(course: Course, gaps: Floats) -> Slope:
    """Slopes of seeds that all points have; gaps [seeds, points, baselines]."""
    slopes = np.einsum("spb,p->sb", gaps, course.weights)
    n = len(slopes)
    return Slope(
        slopes.mean(axis=0), stats.t.ppf(0.975, n - 1) * slopes.std(axis=0, ddof=1) / np.sqrt(n)
    )


def separate_slopes(course: Course, gaps: Sequence[Floats]) -> Slope:
    """Slopes of seeds that each point has for itself; gaps [seeds, baselines] of each point."""
    weight = course.weights[:, np.newaxis]
    seeds = np.array([len(gap) for gap in gaps])[:, np.newaxis]
    means = np.stack([gap.mean(axis=0) for gap in gaps])
    parts = weight**2 * np.stack([gap.var(axis=0, ddof=1) for gap in gaps]) / seeds
    variance = parts.sum(axis=0)
    df = variance**2 / (parts**2 / (seeds - 1)).sum(axis=0)
    return Slope((weight * means).sum(axis=0), stats.t.ppf(0.975, df) * np.sqrt(variance))


def replay(course: Course, trends: int, seed: int = 0) -> dict[str, Replay]:
    """Draw seeds by each rule, and compare the slopes with the true ones."""
    draws = np.random.default_rng(seed)
    true = course.weights @ course.mean
    found: dict[str, list[list[float]]] = {"equal": [], "allotted": []}
    for _ in range(trends):
        gaps = course.draw(draws)
        seeds = allotted(course, np.sqrt(gaps[:PILOT].var(axis=0, ddof=1).mean(axis=-1)))
        # Each point draws for itself: its seeds are others than those of the other points.
        apart = [course.draw(draws)[:n, point] for point, n in enumerate(seeds)]
        for point, own in enumerate(apart):
            own[:PILOT] = gaps[:PILOT, point]
        equal = shared_slopes(course, gaps[:EQUAL])
        for rule, at in (("equal", equal), ("allotted", separate_slopes(course, apart))):
            measured = (
                at.half / equal.half,
                np.abs(at.estimate - true) <= at.half,
                np.abs(at.estimate) > at.half,
            )
            found[rule].append([float(np.mean(values)) for values in measured])
    return {rule: Replay(*np.mean(rows, axis=0).tolist()) for rule, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trends", type=int, default=TRENDS)
    add_save_flag(parser)
    arguments = parser.parse_args()
    headings = ("study", "budget", "seeds", "width %", "covered %", "decided %")
    table, figures = [], []
    store = open_store(STORE)
    for study in STUDIES:
        for place, course in enumerate(courses(store.trials(study)), start=1):
            for rule, found in replay(course, arguments.trends).items():
                shares = (found.width, found.covered, found.decided)
                values = [round(100 * share, 1) for share in shares]
                table.append([study, str(place), rule, *map(str, values)])
                what = f"{study}, budget {place}, seeds {rule}: width; slopes covered; decided"
                figures.append(Figure(what, values, "%"))
    print(text_table(headings, table, keys=3))
    if arguments.save:
        save("trend_replay", figures)


if __name__ == "__main__":
    main()
