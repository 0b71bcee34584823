"""Real grids for `search_replay`: accuracy over max_lr, with every subset of labels and seed.

Every grid is an ordinary study in a store, so it can be interrupted, continued and enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.models import Perceptron
from superconv_ray import Arm, Study, Trial, grid, iterations, open_store
from superconv_ray.storage.store import Store

Floats = npt.NDArray[np.float64]

RATES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(0.01, 10, 10))
"""Values of max_lr: three per decade over the range that the shipped studies search."""
SUBSETS = 6
TEST_SEEDS, SEARCH_SEED = (0, 1), 2
"""Training seeds: a search has another seed than the trainings that follow it, but their subset."""
HELD_OUT = 0.2
"""Fraction of the labels that scores a search, as in `Tuning`."""
STEPS = 200
MOMENTA: Mapping[str, Mapping[str, float]] = {
    "linear": {"momentum": 0.9},
    "one_cycle": {"momentum": 0.95, "min_momentum": 0.85},
}
"""By policy."""


@dataclass(frozen=True)
class Task:
    """An arm of a data set and a model, with the numbers of labels to measure."""

    dataset: str
    model: str
    policy: str
    counts: tuple[int, ...]

    @property
    def name(self) -> str:
        """Data set, model and policy."""
        return f"{self.dataset}, {self.model}, {self.policy}"


TASKS = (
    Task("fashion_mnist", "perceptron", "linear", (100, 300, 1_000, 6_000, 60_000)),
    Task("digits", "small_cnn", "linear", (100, 300, 1_437)),
    Task("fashion_mnist", "perceptron", "one_cycle", (100, 300, 1_000, 6_000, 60_000)),
)


def studies(task: Task, subset: int) -> tuple[Study, Study]:
    """Return what a search sees of a subset, and the trainings on all of its labels."""

    def of(kind: str, held_out: float, seeds: Sequence[int]) -> Study:
        return Study(
            name=f"grid_{task.dataset}_{task.model}_{task.policy}_{subset}_{kind}",
            question="Which max_lr is best, by held-out labels and by test labels?",
            base=Trial(
                dataset=task.dataset,
                model=task.model,
                policy=task.policy,
                subset_seed=subset,
                validation_fraction=held_out,
                batch_size=32,
                weight_decay=1e-4,
                eval_interval=STEPS,
                precision="fp32",
            ),
            arms={task.policy: Arm(**MOMENTA[task.policy])},
            sweep=grid(data_count=task.counts) * grid(max_lr=RATES),
            budget=iterations(STEPS),
            seeds=seeds,
            models={"perceptron": Perceptron},
        )

    return of("held_out", HELD_OUT, (SEARCH_SEED,)), of("test", 0.0, TEST_SEEDS)


def train(store: str, data_dir: Path | None) -> None:
    """Train what the store does not have of the grids, subset by subset."""
    for subset in range(SUBSETS):
        for task in TASKS:
            for study in studies(task, subset):
                study.run(store, local=True, data_dir=data_dir, progress=False)
            print(f"{task.name}: subset {subset} is trained", flush=True)


@dataclass(frozen=True)
class Surface:
    """What one arm measures at one number of labels.

    Attributes:
        name: Data set, model and policy.
        labels: Number of limited labels.
        rates: max_lr, ascending, shape [rates].
        held_out: Accuracy on held-out labels, shape [subsets, rates]; NaN if diverged.
        loss: Cross entropy on them, likewise.
        test: Test accuracy of trainings on all of the labels, shape [subsets, seeds, rates]; what
            a diverged one measured counts.
    """

    name: str
    labels: int
    rates: Floats
    held_out: Floats
    loss: Floats
    test: Floats


def surfaces(store: str) -> list[Surface]:
    """Read the grids of a store: of every arm the subsets that are complete."""
    known = open_store(store)
    return [surface for task in TASKS for surface in _surfaces_of(task, known)]


def _surfaces_of(task: Task, store: Store) -> Iterator[Surface]:
    found: dict[str, list[pd.DataFrame]] = {"held_out": [], "test": []}
    for subset in range(SUBSETS):
        pair = [store.trials(study.name) for study in studies(task, subset)]
        if [len(trials) for trials in pair] == [len(task.counts) * len(RATES) * n for n in (1, 2)]:
            for trials, own in zip(pair, found.values(), strict=True):
                own.append(trials)
    for count in task.counts:
        held_out = [
            _over_rates(t, count, "validation_accuracy", hide=True) for t in found["held_out"]
        ]
        loss = [_over_rates(t, count, "validation_loss", hide=True) for t in found["held_out"]]
        test = [_over_rates(t, count, "test_accuracy") for t in found["test"]]
        one = (np.concatenate(held_out), np.concatenate(loss), np.stack(test))
        yield Surface(task.name, count, np.array(RATES), *one)


def _over_rates(trials: pd.DataFrame, count: int, value: str, *, hide: bool = False) -> Floats:
    """A value of the trainings with that many labels, shape [seeds, rates]; NaN if diverged."""
    own = trials[trials["data_count"] == count]
    if hide:
        own = own.assign(**{value: own[value].mask(own["status"] == "diverged")})
    return own.pivot(index="seed", columns="max_lr", values=value).to_numpy(np.float64)
