"""How many steps an answer costs: seeds added by several rules, on grids that studies recorded.

    python -m benchmarks.effort_replay --save

Accuracies are drawn again for each seed from a normal distribution with the means and covariances
that a study recorded at each point of its sweep. What is true is therefore known, and a table is
wrong if any of its verdicts is. All rules start with 3 seeds, may use 12, and give each row of the
table the same share of 5 %:

- fixed: 12 seeds everywhere, one look;
- Bonferroni: a seed more for a point as long as a row of it is undecided; 5 % over rows and looks;
- package: the same by the group-sequential level of `at_least`;
- racing: as package, but a baseline whose row is decided gets no further seeds.

Steps are those of all trials of a cell for each of its seeds: trainings, range tests and searches.
Gaps are tested without the error of the test samples, which no number of seeds makes smaller.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import open_store
from superconv_ray.analysis.comparison.verdicts import ALPHA, MARGIN, level_per_row
from superconv_ray.analysis.statistics.paired import paired_t, standard_errors
from superconv_ray.design.text import text_table

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
STORE = Path(__file__).parents[1] / "studies" / "results"
STUDIES = (
    "super_convergence_fashion_mnist_lenet",
    "quickstart",
    "parts_of_one_cycle_digits_small_cnn",
    "paper_limited_data_laptop",
    "paper_momentum_laptop",
)
LOOKS = range(3, 13)
TABLES = 1_000
RULES = ("fixed", "Bonferroni", "package", "racing")


@dataclass(frozen=True, eq=False)
class Recorded:
    """A point of a study's sweep.

    Attributes:
        mean: Mean accuracy of each arm, the first of which is compared with all others: [arms].
        covariance: Of the arms' accuracies over seeds: [arms, arms].
        steps: Steps that one seed of each arm takes: [arms].
    """

    mean: Floats
    covariance: Floats
    steps: Floats


@dataclass(frozen=True, eq=False)
class Replay:
    """What a rule achieved on tables of a study.

    Attributes:
        steps: Mean steps of a table, relative to 12 seeds everywhere.
        decided: Share of rows that are decided.
        wrong: Share of tables with a wrong verdict.
    """

    steps: float
    decided: float
    wrong: float


def steps_of_a_seed(trials: pd.DataFrame) -> pd.Series[Any]:
    """Steps that a seed of each cell takes: its training, and its share of what chose its settings.

    Args:
        trials: As from ``open_store(...).trials(study)``.
    """
    seeds = trials[trials["role"] == "training"].groupby("cell")["seed"].nunique()
    return trials.groupby("cell")["steps"].sum() / seeds


def recorded_points(trials: pd.DataFrame) -> list[Recorded]:
    """Return the points of a study whose cells are arms within points.

    Args:
        trials: As from ``open_store(...).trials(study)``.
    """
    trainings = trials[trials["role"] == "training"]
    arms = trainings["arm"].nunique()
    accuracy = trainings.pivot_table(index="seed", columns="cell", values="test_accuracy")
    steps = steps_of_a_seed(trials)
    points = []
    for first in range(0, len(accuracy.columns), arms):
        cells = accuracy.iloc[:, first : first + arms]
        points.append(
            Recorded(
                cells.mean().to_numpy(), cells.cov().to_numpy(), steps[cells.columns].to_numpy()
            )
        )
    return points


def replay(points: Sequence[Recorded], rule: str, tables: int, seed: int = 0) -> Replay:
    """Add seeds by a rule, and compare the verdicts with what is true."""
    draws = np.random.default_rng(seed)
    rows = sum(len(point.mean) - 1 for point in points)
    level = {
        "fixed": level_per_row(rows),
        "Bonferroni": ALPHA / rows / len(LOOKS),
    }.get(rule, level_per_row(rows, LOOKS))
    cost, most = np.zeros(tables), 0.0
    decided, wrong = 0, np.zeros(tables, bool)
    for point in points:
        accuracy = draws.multivariate_normal(
            point.mean, point.covariance, (tables, max(LOOKS)), method="svd"
        )
        verdict = np.stack([_verdicts(accuracy[:, :n], level) for n in LOOKS], axis=-1)
        stop = _looks_used(verdict != 0, rule)
        final = np.take_along_axis(verdict, stop[..., np.newaxis], axis=-1)[..., 0]
        seeds = stop + min(LOOKS)
        used = np.concatenate([seeds.max(axis=1, keepdims=True), seeds], axis=1)
        cost += used @ point.steps
        most += max(LOOKS) * point.steps.sum()
        decided += int((final != 0).sum())
        wrong |= _is_wrong(final, point.mean[0] - point.mean[1:]).any(axis=1)
    return Replay(float(cost.mean() / most), decided / (tables * rows), float(wrong.mean()))


def _verdicts(accuracy: Floats, level: float) -> Integers:
    """1 and -1 for the better side, 2 for equivalent arms, 0 for undecided: [tables, rows].

    Args:
        accuracy: [tables, seeds, arms].
        level: Of each row's interval.
    """
    gaps = accuracy[..., :1] - accuracy[..., 1:]
    mean, sd = gaps.mean(axis=1), gaps.std(axis=1, ddof=1)
    half, _ = paired_t(mean, standard_errors(sd, np.full(sd.shape, gaps.shape[1])), level)
    low, high = mean - half, mean + half
    equivalent = (low > -MARGIN) & (high < MARGIN)
    return np.where(equivalent, 2, np.where(low > 0, 1, np.where(high < 0, -1, 0)))


def _looks_used(is_decided: npt.NDArray[np.bool_], rule: str) -> Integers:
    """The look at which each row stops: [tables, rows].

    Args:
        is_decided: [tables, rows, looks].
        rule: One of `RULES`.
    """
    last = is_decided.shape[-1] - 1
    if rule == "fixed":
        return np.full(is_decided.shape[:-1], last)
    ended = is_decided if rule == "racing" else is_decided.all(axis=1, keepdims=True)
    stop = np.where(ended.any(axis=-1), ended.argmax(axis=-1), last)
    return np.broadcast_to(stop, is_decided.shape[:-1]).copy()


def _is_wrong(verdict: Integers, true: Floats) -> npt.NDArray[np.bool_]:
    """Whether verdicts contradict the true gaps, one for each row."""
    better = ((verdict == 1) & (true <= 0)) | ((verdict == -1) & (true >= 0))
    differ = (verdict == 2) & (np.abs(true) >= MARGIN)
    return np.asarray(better | differ)


def replays(tables: int) -> Iterator[tuple[str, str, Replay]]:
    """Every rule on every study."""
    store = open_store(STORE)
    for study in STUDIES:
        points = recorded_points(store.trials(study))
        for rule in RULES:
            yield study, rule, replay(points, rule, tables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", type=int, default=TABLES)
    add_save_flag(parser)
    arguments = parser.parse_args()
    headings = ("study", "seeds by", "steps %", "rows decided %", "wrong tables %")
    table, figures = [], []
    for study, rule, found in replays(arguments.tables):
        values = (100 * found.steps, 100 * found.decided, 100 * found.wrong)
        table.append([study, rule, *(f"{value:.1f}" for value in values)])
        what = f"{study}, seeds by {rule}: steps; rows decided; tables with a wrong verdict"
        figures.append(Figure(what, [round(value, 1) for value in values], "%"))
    print(text_table(headings, table, keys=2))
    if arguments.save:
        save("effort_replay", figures)


if __name__ == "__main__":
    main()
