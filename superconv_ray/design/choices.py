"""Settings that a study leaves open, to be chosen by experiment: range tests and searches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from superconv_ray.design.fields import (
    COUNT,
    FINITE,
    HELD_OUT,
    SEED,
    SWITCH,
    Rule,
    check_attributes,
    checked,
    number,
    one_of,
)

Sampler = Literal["even", "tpe", "gp"]


@dataclass(frozen=True)
class FromRangeTest:
    """A max_lr that comes from the cell's own LR range tests; see `from_range_test`."""

    high: float
    low: float
    steps: int | None
    scale: Literal["linear", "exponential"]
    validation_fraction: float
    points: int
    confirm: int

    READING: ClassVar[str] = "plateau_middle"
    FEWEST_STEPS: ClassVar[int] = 200
    """Length of the tests of short trainings, unless their user says otherwise. In the calibration
    (docs/guides/range_tests.md) tests of 100 steps read a max_lr that is too large now and then."""

    @property
    def rule(self) -> str:
        """What chooses max_lr, in words."""
        return f"{self.READING}, confirmed" if self.confirm else self.READING

    def candidates(self, max_lr: float) -> tuple[float, ...]:
        """Return the rates to confirm: the one that was read, and others around it, ascending."""
        middle = (self.confirm - 1) / 2
        return tuple(
            float(f"{max_lr * CONFIRM_RATIO ** (place - middle):.3g}")
            for place in range(self.confirm)
        )


CONFIRM_RATIO = 2.0
"""Ratio of neighboring rates that are confirmed. In the calibration (docs/guides/range_tests.md) a
wider one is fooled more often where few labels are held out."""
_SHOWS_A_PEAK = Rule(">= 5, to show a peak", lambda v: v >= 5)
_CONFIRM = Rule("0, or a number of rates >= 2 of which one is chosen", lambda v: v == 0 or v >= 2)
SPANS = {"exponential": (1e-4, 10.0), "linear": (0.0, 3.0)}
"""Learning rates that a test covers unless its user says otherwise. The exponential span begins
below what AdamW needs and ends above what SGD survives; the linear one is Smith & Topin's."""


def from_range_test(
    *,
    high: float | None = None,
    low: float | None = None,
    steps: int | None = None,
    scale: Literal["linear", "exponential"] = "exponential",
    validation_fraction: float = 0.2,
    points: int = 50,
    confirm: int = 0,
) -> FromRangeTest:
    """Let every cell find its max_lr with LR range tests, one per seed (Smith, 1506.01186, §3.3).

    max_lr is the middle of the learning rates at which the validation accuracy, without its spikes
    and averaged over the seeds, is at least 95 % of its best; near a collapse it is at most two
    thirds of that rate. Batch-norm statistics are re-estimated at every point, because the running
    ones lag behind. Accuracy is measured on labels held out of the cell's own limited labels, never
    on test labels. The tests have seeds of their own, so that no training repeats the weights and
    the batch order that chose its rate; see `Tuning.FIRST_SEED`. The trainings that follow use all
    of the limited labels.

    Args:
        high: Learning rate at the end of the test; None means 10 (exponential) or 3 (linear).
        low: Learning rate at the beginning; None means 1e-4 (exponential) or 0 (linear).
        steps: Length of a test; None means a quarter of the budget, but at least 200.
        scale: How the learning rate grows. A linear test of a few hundred steps passes the small
            rates before anything is learned, and reads a max_lr that is too large.
        validation_fraction: Fraction of the limited labels to hold out, in (0, 1).
        points: Number of accuracy measurements along the way.
        confirm: Number of rates, such as 3, that are then tried in full trainings, each with as
            many as there are tests. They lie around the rate that was read, each twice the one
            before, and the best on held-out labels is taken. 0: take what was read.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of its range.
    """

    def known(name: str, value: Any, declared: Any, rule: Rule) -> Any:
        return checked(f"from_range_test: {name}", value, declared, rule)

    scale = known("scale", scale, str, one_of(("linear", "exponential")))
    start, end = SPANS[scale]
    return FromRangeTest(
        high=number("from_range_test: high", end if high is None else high, FINITE),
        low=number("from_range_test: low", start if low is None else low, FINITE),
        steps=known("steps", steps, int | None, _SHOWS_A_PEAK),
        scale=scale,
        validation_fraction=known("validation_fraction", validation_fraction, float, HELD_OUT),
        points=known("points", points, int, _SHOWS_A_PEAK),
        confirm=known("confirm", confirm, int, _CONFIRM),
    )


@dataclass(frozen=True)
class Tuned:
    """A setting that is chosen by search; see `tuned`."""

    low: float
    high: float
    log: bool


def tuned(low: float, high: float, *, log: bool = True) -> Tuned:
    """Let every cell choose this setting by search, scored on labels held out of its limited ones.

    All tuned settings of a cell are searched together, with the same number of trials for every
    arm, evenly spread or proposed by Optuna; see `Tuning`. The choice is the top of a surface that
    is fitted to all scores, since the best of many noisy scores is often the luckiest. The
    trainings that follow have other seeds and use all of the limited labels. The search never sees
    test labels.

    Args:
        low: Smallest value to try.
        high: Largest value to try.
        log: Whether to search uniformly over the logarithm, which suits learning rates.

    Raises:
        TypeError: A bound is not a number, or `log` no bool.
        ValueError: The bounds are not finite, not ordered, or not positive with log=True.
    """
    low, high = number("tuned: low", low, FINITE), number("tuned: high", high, FINITE)
    log = checked("tuned: log", log, bool, SWITCH)
    if not low < high:
        raise ValueError(f"tuned: low must be < high, got {low!r} and {high!r}")
    if log and not low > 0:
        raise ValueError(f"tuned: low must be > 0 with log=True, got {low!r}")
    return Tuned(low, high, log)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Effort of the search for `tuned` settings, the same for every cell.

    Attributes:
        trials: Combinations of settings to try.
        per_seed: Whether every replicate of a cell has a search of its own, on its own subset of
            labels. The noise of the searches is then part of what differs between replicates, so
            intervals and tests include it. If False, a cell searches once for all of its seeds,
            which costs less: the noise of the search is then in no interval, and every comparison
            says so.
        replicates: Trainings of each combination, with different seeds; the score is their mean
            accuracy.
        validation_fraction: Fraction of the limited labels to hold out for scoring, in (0, 1).
        sampler: What proposes the combinations: "even" spreads all of them evenly; "tpe" (a
            tree-structured Parzen estimator) and "gp" (a Gaussian process) are Optuna's, and learn
            from the scores. The choice is the top of the fitted surface in any case.
        parallel: Combinations that "tpe" and "gp" propose at a time, without knowledge of one
            another's scores. Fixed rather than set by the number of free slots, so that every run
            proposes the same. "even" proposes all at once.
        seed: Seed of the searches. All cells share it, so that the searches of a replicate start
            from the same combinations for every arm.
    """

    trials: int = 16
    per_seed: bool = True
    replicates: int = 1
    validation_fraction: float = 0.2
    sampler: Sampler = "even"
    parallel: int = 4
    seed: int = 0

    RULE: ClassVar[str] = "highest validation accuracy of a fitted surface"
    """Name of the rule that settings are chosen by."""
    FIRST_SEED: ClassVar[int] = 2**30
    """First seed of what chooses: no study uses seeds this large for what it measures."""
    SEED_STRIDE: ClassVar[int] = 2**20
    """Distance between the seeds of a combination's replicates, in a search of one seed."""

    def __post_init__(self) -> None:
        rules: dict[str, tuple[type, Rule]] = {
            **dict.fromkeys(("trials", "replicates", "parallel"), (int, COUNT)),
            "per_seed": (bool, SWITCH),
            "validation_fraction": (float, HELD_OUT),
            "sampler": (str, one_of(get_args(Sampler))),
            "seed": (int, SEED),
        }
        check_attributes(self, rules, "tuning: ")

    @property
    def total_trials(self) -> int:
        """Tuning trials per search: every replicate of every combination."""
        return self.trials * self.replicates

    @property
    def rounds(self) -> int:
        """Number of rounds in which a search proposes its combinations, one after another."""
        return 1 if self.sampler == "even" else math.ceil(self.trials / self.parallel)

    def searches(self, seeds: int) -> int:
        """Return how many searches a cell with that many seeds makes."""
        return seeds if self.per_seed else 1

    def entropy(self, seed: int | None) -> list[int]:
        """Return what the combinations of a search are drawn from.

        Args:
            seed: As for `seeds_for`.
        """
        return [self.seed, 0 if seed is None else 1 + seed]

    def seeds_for(self, seed: int | None) -> tuple[int, ...]:
        """Return the seeds of a combination's replicates.

        Args:
            seed: The seed of the trainings that the search is for; None if it is for all seeds.
        """
        if seed is None:
            return tuple(range(self.FIRST_SEED, self.FIRST_SEED + self.replicates))
        return tuple(
            self.FIRST_SEED + (seed + self.SEED_STRIDE * replicate) % self.FIRST_SEED
            for replicate in range(self.replicates)
        )
