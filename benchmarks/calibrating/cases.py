"""The cases of the calibration, and the trainings and range tests that each of them needs.

A case is one problem for which a max_lr is to be found. Its trainings and tests are ordinary
studies in an ordinary store: a calibration that is interrupted, or enlarged, trains only what is
missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.calibrating.data import DATASETS, MODELS
from superconv_ray import Arm, Store, Study, Trial, iterations
from superconv_ray.analysis import join_range_tests, range_test_table
from superconv_ray.design.choices import Tuning

RATES = {
    "sgd": (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    "adamw": (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
}
"""Grid of max_lr by optimizer."""
SEEDS = 4
"""Trainings at each rate on all of the limited labels, measured on test labels."""
CHOOSING_SEEDS = range(Tuning.FIRST_SEED, Tuning.FIRST_SEED + 3)
"""Seeds of range tests and of trainings that are measured on held-out labels."""
HELD_OUT = 0.2
POINTS = 50
EVAL_COUNT = 1_000

Part = Literal["test", "held_out", "sweeps", "narrow"]


@dataclass(frozen=True)
class Sweep:
    """How the learning rate grows in a range test."""

    scale: Literal["linear", "exponential"]
    low: float
    high: float
    steps: int

    def arm(self) -> Arm:
        """The range test as an arm."""
        return Arm(
            policy=f"range_test_{self.scale}",
            start_lr=self.low,
            max_lr=self.high,
            eval_interval=max(1, self.steps // POINTS),
        )


SWEEPS = {
    "exponential 1e-5 to 10": Sweep("exponential", 1e-5, 10.0, 100),
    "exponential 1e-4 to 10": Sweep("exponential", 1e-4, 10.0, 100),
    "exponential 1e-3 to 10": Sweep("exponential", 1e-3, 10.0, 100),
    "exponential 1e-4 to 10, 200 steps": Sweep("exponential", 1e-4, 10.0, 200),
    "exponential 1e-4 to 10, 400 steps": Sweep("exponential", 1e-4, 10.0, 400),
    "linear 0 to 3": Sweep("linear", 0.0, 3.0, 100),
}
"""Range tests of every case, 100 steps long unless stated otherwise."""
DEFAULT_SWEEP = "exponential 1e-4 to 10, 200 steps"
"""That of `from_range_test`. The second of two stages is a sweep around this one's peak."""


def narrow_sweeps(peak: float) -> dict[str, Sweep]:
    """Sweeps around the peak of a wider one."""
    low, high = float(f"{peak / 20:.3g}"), float(f"{peak * 5:.3g}")
    return {
        "then exponential peak/20 to 5 peak": Sweep("exponential", low, high, 100),
        "then linear 0 to 3 peak": Sweep("linear", 0.0, float(f"{3 * peak:.3g}"), 100),
    }


@dataclass(frozen=True)
class Case:
    """One problem for which a max_lr is to be found."""

    dataset: str
    model: str
    labels: int
    batch_size: int
    steps: int
    optimizer: str = "sgd"

    @property
    def name(self) -> str:
        """Name in words."""
        return (
            f"{self.dataset}, {self.model}, {self.labels:,} labels, batch {self.batch_size}, "
            f"{self.steps} steps, {self.optimizer}"
        )

    def names_of_tests(self) -> list[str]:
        """Names of the studies that hold the case's range tests."""
        wide = [self.study("sweeps", sweeps).name for sweeps in by_steps(SWEEPS)]
        return [*wide, *(self.study("narrow", s).name for s in by_steps(narrow_sweeps(1.0)))]

    def first_peak(self, store: Store) -> float:
        """Where the accuracy of the default sweep is highest."""
        name = self.study("sweeps", {DEFAULT_SWEEP: SWEEPS[DEFAULT_SWEEP]}).name
        tests = join_range_tests(store.trials(name), store.curves(name))
        return float(range_test_table(tests[tests["arm"] == DEFAULT_SWEEP])["peak_lr"].iloc[0])

    def study(self, part: Part, sweeps: dict[str, Sweep] | None = None) -> Study:
        """One part of what the case needs; its arms are named after their rates or sweeps."""
        rates = {f"{rate:g}": Arm(max_lr=rate) for rate in RATES[self.optimizer]}
        arms = {name: sweep.arm() for name, sweep in (sweeps or {}).items()} or rates
        steps = {sweep.steps for sweep in (sweeps or {}).values()} or {self.steps}
        (budget,) = steps
        key = "_".join(str(value) for value in vars(self).values())
        return Study(
            name=f"calibration_{key}_{part}" + (f"_{budget}" if sweeps else ""),
            question="Which reading of a range test finds the best max_lr?",
            base=Trial(
                dataset=self.dataset,
                model=self.model,
                data_count=self.labels,
                batch_size=self.batch_size,
                optimizer=self.optimizer,
                weight_decay=1e-4,
                momentum=0.95,  # falls while the rate rises, in range tests as in trainings
                min_momentum=0.85,
                validation_fraction=0.0 if part == "test" else HELD_OUT,
                eval_count=EVAL_COUNT if sweeps else None,
                eval_interval=None if sweeps else budget,
            ),
            arms=arms,
            budget=iterations(budget),
            seeds=SEEDS if part == "test" else CHOOSING_SEEDS,
            datasets={k: v for k, v in DATASETS.items() if k == self.dataset},
            models={k: v for k, v in MODELS.items() if k == self.model},
        )


def by_steps(sweeps: dict[str, Sweep]) -> list[dict[str, Sweep]]:
    """Sweeps of equal length: the arms of a study share their budget."""
    lengths = dict.fromkeys(sweep.steps for sweep in sweeps.values())
    return [{n: s for n, s in sweeps.items() if s.steps == steps} for steps in lengths]


CASES = (
    Case("wine", "mlp", 89, 16, 150),
    Case("breast_cancer", "mlp", 285, 16, 200),
    Case("mnist1d", "mlp", 4000, 64, 500),
    Case("digits", "small_cnn", 72, 32, 300),
    Case("fashion", "mlp", 1200, 64, 200),
    Case("wine", "mlp", 89, 16, 150, "adamw"),
    Case("breast_cancer", "mlp", 285, 16, 200, "adamw"),
    Case("digits", "small_cnn", 431, 128, 100),
    Case("fashion", "small_cnn", 300, 32, 200),
    Case("mnist1d", "mlp", 400, 32, 200),
    Case("digits", "small_cnn", 1437, 32, 200),
    Case("mnist1d", "mlp", 4000, 64, 200, "adamw"),
    Case("wine", "mlp", 89, 32, 50),
    Case("breast_cancer", "mlp", 285, 64, 100),
    Case("digits", "small_cnn", 1437, 32, 200, "adamw"),
    Case("fashion", "mlp", 1200, 64, 200, "adamw"),
    Case("mnist1d", "conv1d", 4000, 64, 300),
    Case("fashion", "lenet", 1200, 64, 200),
)
"""In the order in which they are run: the first ones cover all data sets."""
