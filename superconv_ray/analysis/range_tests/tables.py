"""LR range tests as measured quantities: frames in, frames out.

A *group* is one range test and its replicates, which differ in their seeds alone. Accuracies are
those with re-estimated BN statistics, smoothed and averaged over replicates as in
`superconv_ray.analysis.range_tests.reading`; a replicate that diverged counts as accuracy 0
from there on.

Groups with held-out labels are read on these (`labels` is "validation", to choose max_lr by), the
others on test labels ("test", to compare a figure of a paper with; never to choose by).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.range_tests import lr_rules
from superconv_ray.analysis.range_tests.reading import (
    NO_RATES,
    NO_REGULARISATION,
    Rates,
    Regularisation,
    accuracy_peak,
    divergence_rate,
    finite_part,
    peak_interval,
    plateau,
    regularisation,
    rise_point,
    slow_point,
    smoothed_accuracy,
    smoothing_window,
    three_digits,
)

LABELS = ("validation", "test")
PLATEAU_DECADES = 0.5
"""Width from which a plateau is called one: the largest of its rates is about 3 times the least."""
NOISE_FACTOR = 4.0
"""By how many times the points' deviation from the smoothed curve accuracy must rise in a test."""
NOISE_DECADES = 1.0
"""Width of the peak's interval from which a peak, if not on a plateau, is called unknown."""

Verdict = Literal["plateau", "peak", "diverges", "too noisy", "not bracketed", "nothing measured"]
SMITH = "Smith 2017, arXiv 1506.01186, section 3.3"
FASTAI = "fastai lr_find"
LIGHTNING = "Lightning lr_find"
RULES = {
    "accuracy_peak": SMITH,
    "accuracy_slows": SMITH,
    "accuracy_rises": SMITH,
    "valley": FASTAI,
    "slide": FASTAI,
    "steep": FASTAI,
    "minimum": FASTAI,
    "steepest_gradient": LIGHTNING,
}
"""Every rule of `suggestions`, and where it comes from."""


def join_range_tests(trials: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Curve rows of range tests with their trial's status and settings: what is read below.

    Args:
        trials: As from ``open_store(...).trials(...)``.
        curves: As from ``open_store(...).curves(...)``.
    """
    own = [name for name in trials.columns if name == "trial_id" or name not in curves.columns]
    tests = trials.loc[trials["kind"] == "range_test", own]
    return curves.astype({"trial_id": str}).merge(tests, on="trial_id", how="inner")


def range_test_table(
    curves: pd.DataFrame, by: Sequence[str] = (), seed: int | np.random.Generator = 0
) -> pd.DataFrame:
    """What every group of range tests shows, in numbers and in words.

    Args:
        curves: From `join_range_tests`.
        by: Columns that tell groups apart, such as ``["dataset", "data_count"]``.
        seed: Of the bootstrap, or the generator to draw from.

    Returns:
        One row a group. Columns: `by`; labels; seeds; peak_accuracy, peak_lr (Smith's max_lr) and
        its bootstrap interval low, high over seeds; plateau_low, plateau_high, plateau_decades (the
        rates around the peak with an accuracy of at least 95 % of the peak's); diverged (seeds) and
        divergence_lr (the least rate at which one did); regularisation_low, regularisation_high and
        the changes of train_loss and held_out_loss between them (the widest interval over which the
        former rises and the latter falls); verdict; advice. Rates have three digits. What cannot be
        said is NaN, and `advice` says why.

    Raises:
        ValueError: No row, a column is missing, or `by` does not tell tests apart that differ in
            their rates or their labels.
    """
    generator = np.random.default_rng(seed)
    rows = [{**key, **_measure(tests, generator)} for key, tests in _groups(curves, by)]
    return pd.DataFrame(rows)


def suggestions(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Every known rule's learning rate, side by side.

    fastai's and Lightning's rules are fed the training loss averaged over seeds, each point the
    mean over the batches since the point before, up to where a seed is lost. They leave out the
    points at both ends that the originals leave out; theirs have a point a batch, ours fewer.

    Args:
        curves: From `join_range_tests`.
        by: Columns that tell groups apart.

    Returns:
        One row a group and rule. Columns: `by`, rule, lr (NaN if it cannot be told), sets
        ("max_lr" or "min_lr"), source, note.

    Raises:
        ValueError: As `range_test_table`.
    """
    rows = []
    for key, tests in _groups(curves, by):
        found = _suggest(tests)
        for rule, source in RULES.items():
            bound = "min_lr" if rule == "accuracy_rises" else "max_lr"
            lr, note = found.get(rule, (math.nan, "nothing was measured"))
            rows.append(
                {**key, "rule": rule, "lr": lr, "sets": bound, "source": source, "note": note}
            )
    return pd.DataFrame(rows)


def mean_curves(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """The curves that are read: averaged over seeds.

    Args:
        curves: From `join_range_tests`.
        by: Columns that tell groups apart.

    Returns:
        One row a group and rate > 0. Columns: `by`, labels, lr, accuracy, smoothed_accuracy,
        train_loss, held_out_loss. Losses are NaN from where a seed is lost.

    Raises:
        ValueError: As `range_test_table`.
    """
    frames = []
    for key, tests in _groups(curves, by):
        if tests.reached:
            rates, smoothed = smoothed_accuracy(tests.rates, tests.accuracy)
            columns = {
                "labels": tests.labels,
                "lr": rates,
                "accuracy": tests.accuracy[tests.positive],
                "smoothed_accuracy": smoothed,
                "train_loss": tests.train_loss[tests.positive],
                "held_out_loss": tests.held_out_loss[tests.positive],
            }
            frames.append(pd.DataFrame({**key, **columns}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


# Frames to arrays


@dataclass(frozen=True)
class _Tests:
    """The replicates of one range test; matrices are [replicates, points].

    Accuracies are 0 and losses NaN after a replicate was lost; `lost` [replicates] are the rates
    at which that was noticed, NaN for those that came to the end.
    """

    labels: str
    rates: npt.NDArray[np.float64]
    accuracies: npt.NDArray[np.float64]
    train_losses: npt.NDArray[np.float64]
    held_out_losses: npt.NDArray[np.float64]
    lost: npt.NDArray[np.float64]

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        return self.rates > 0

    @property
    def reached(self) -> bool:
        """Whether anything was measured that a learning rate can be read off."""
        return bool(self.positive.any() and self.accuracies.any())

    @cached_property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Mean over replicates, shape [points]."""
        return _mean(self.accuracies)

    @cached_property
    def train_loss(self) -> npt.NDArray[np.float64]:
        """Mean over replicates, NaN from where one was lost."""
        return _mean(self.train_losses)

    @cached_property
    def held_out_loss(self) -> npt.NDArray[np.float64]:
        """Mean over replicates, NaN from where one was lost."""
        return _mean(self.held_out_losses)

    @cached_property
    def divergence(self) -> npt.NDArray[np.float64]:
        """The rate at which each replicate diverged, NaN for those that did not."""
        left = np.array([divergence_rate(self.rates, loss) for loss in self.train_losses])
        first: npt.NDArray[np.float64] = np.fmin(left, self.lost)
        return first

    @property
    def divergence_lr(self) -> float:
        """The least rate at which a replicate diverged, or NaN."""
        return float(np.fmin.reduce(self.divergence))


def _mean(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mean: npt.NDArray[np.float64] = matrix.mean(axis=0)
    return mean


def _groups(curves: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], _Tests]]:
    needed = ["trial_id", "step", "lr", "train_loss", "status", *by]
    if missing := [name for name in needed if name not in curves.columns]:
        raise ValueError(
            f"curves must have the columns {', '.join(needed)}, as from join_range_tests; "
            f"{missing[0]!r} is missing"
        )
    if curves.empty:
        raise ValueError("curves must have at least one row of a range test, got none")
    once = curves.drop_duplicates([*by, "trial_id", "step"]).sort_values("step")
    groups = once.groupby(list(by), dropna=False) if by else [((), once)]
    for values, group in groups:
        key = dict(zip(by, values, strict=True))
        try:
            yield key, _tests(group)
        except ValueError as error:
            where = ", ".join(f"{name}={value}" for name, value in key.items())
            raise ValueError(f"{where}: {error}" if where else str(error)) from None


def _tests(group: pd.DataFrame) -> _Tests:
    """One group's rows, sorted by step, as matrices."""
    labels = _labels(group)
    replicate, ids = pd.factorize(group["trial_id"])
    # A diverged run's last row is where that was noticed, at a rate of its own: see `Planner`.
    last = ~group.duplicated("trial_id", keep="last").to_numpy()
    noticed = last & (group["status"] == "diverged").to_numpy(bool)
    lost = np.full(len(ids), np.nan)
    lost[replicate[noticed]] = group["lr"].to_numpy(np.float64)[noticed]
    kept, rows = group[~noticed], replicate[~noticed]
    points = kept.groupby(rows).cumcount().to_numpy()

    def matrix(name: str) -> npt.NDArray[np.float64]:
        filled = np.full((len(ids), points.max(initial=-1) + 1), np.nan)
        filled[rows, points] = kept[name].to_numpy(np.float64, na_value=np.nan)
        return filled

    lr = matrix("lr")
    rates = lr[np.isfinite(lr).sum(axis=1).argmax()]
    if not (np.isnan(lr) | (lr == rates)).all():
        raise ValueError(
            "replicates of a range test must share their learning rates; name the columns in which "
            "these tests differ in by"
        )
    return _Tests(
        labels=labels,
        rates=rates,
        accuracies=np.nan_to_num(matrix(f"{labels}_accuracy_reestimated")),
        train_losses=matrix("train_loss"),
        held_out_losses=matrix(f"{labels}_loss"),
        lost=lost,
    )


def _labels(group: pd.DataFrame) -> str:
    measured = [
        labels
        for labels in LABELS
        if {f"{labels}_loss", f"{labels}_accuracy_reestimated"} <= set(group.columns)
        and group[f"{labels}_accuracy_reestimated"].notna().any()
    ]
    if len(measured) != 1:
        raise ValueError(
            "a range test must be measured on validation labels or on test labels, got "
            + (" and ".join(measured) or "neither")
        )
    return measured[0]


# Arrays to answers


class _Reading(NamedTuple):
    """What a group's accuracies and losses show."""

    peak_accuracy: float
    peak_lr: float
    interval: Rates
    plateau: Rates
    regular: Regularisation
    divergence_lr: float
    noisy: bool
    end: Literal["", "lower", "upper"]
    """At which end of the test the peak lies, if at one."""


def _read(tests: _Tests, generator: np.random.Generator) -> _Reading:
    if not tests.reached:
        return _Reading(
            *(math.nan, math.nan, NO_RATES, NO_RATES, NO_REGULARISATION),
            *(tests.divergence_lr, False, ""),
        )
    rates, smoothed = smoothed_accuracy(tests.rates, tests.accuracy)
    peak, margin = int(np.argmax(smoothed)), smoothing_window(len(tests.rates))
    noise = float((tests.accuracy[tests.positive] - smoothed).std())
    interval = peak_interval(tests.rates, tests.accuracies, generator)
    flat = plateau(rates, smoothed)
    unknown = interval.decades > NOISE_DECADES and not (
        flat.low <= interval.low and interval.high <= flat.high
    )
    lost_below = tests.divergence_lr <= rates[peak]
    at_upper_end = peak >= len(rates) - margin and math.isnan(tests.divergence_lr)
    return _Reading(
        peak_accuracy=float(smoothed[peak]),
        peak_lr=float(rates[peak]),
        interval=interval,
        plateau=flat,
        regular=regularisation(tests.rates, tests.train_loss, tests.held_out_loss),
        divergence_lr=tests.divergence_lr,
        noisy=bool(np.ptp(smoothed) <= NOISE_FACTOR * noise or unknown or lost_below),
        end="upper" if at_upper_end else "lower" if peak < margin else "",
    )


def _measure(tests: _Tests, generator: np.random.Generator) -> dict[str, Any]:
    """A row of `range_test_table`, without its key."""
    reading = _read(tests, generator)
    verdict, advice = _judge(tests, reading)
    regular = reading.regular
    row = {
        "labels": tests.labels,
        "seeds": len(tests.accuracies),
        "peak_accuracy": reading.peak_accuracy,
        "peak_lr": three_digits(reading.peak_lr),
        "low": three_digits(reading.interval.low),
        "high": three_digits(reading.interval.high),
        "plateau_low": three_digits(reading.plateau.low),
        "plateau_high": three_digits(reading.plateau.high),
        "plateau_decades": reading.plateau.decades,
        "diverged": int(np.isfinite(tests.divergence).sum()),
        "divergence_lr": three_digits(reading.divergence_lr),
        "regularisation_low": three_digits(regular.low),
        "regularisation_high": three_digits(regular.high),
        "train_loss_change": regular.train_loss_change,
        "held_out_loss_change": regular.held_out_loss_change,
    }
    return {**row, "verdict": verdict, "advice": advice}


def _judge(tests: _Tests, reading: _Reading) -> tuple[Verdict, str]:
    """What to think of a test in a word, and what to do in sentences."""
    last = tests.rates[-1] if len(tests.rates) else math.nan
    if not tests.reached:
        return "nothing measured", (
            "No accuracy was measured at a learning rate > 0: every run diverged at once. Start "
            "lower and end lower."
        )
    if reading.noisy:
        return "too noisy", (
            "The accuracy's rise, or its peak's place, cannot be told from noise, or a seed "
            "diverged below the peak. Run more seeds, more steps or more held-out labels."
        )
    if reading.end == "upper":
        return "not bracketed", (
            f"Accuracy is highest at the upper end of the test, {last:.3g}: it must go higher."
        )
    if reading.end == "lower":
        return "not bracketed", (
            f"Accuracy is highest at the lower end of the test, {reading.peak_lr:.3g}: it must "
            "start lower, or grow more slowly."
        )
    verdict: Verdict = "peak"
    if reading.plateau.decades >= PLATEAU_DECADES:
        verdict = "plateau"
    elif math.isfinite(reading.divergence_lr):
        verdict = "diverges"
    return verdict, " ".join(_advise(tests, reading, reaches_end=reading.plateau.high == last))


def _advise(tests: _Tests, reading: _Reading, *, reaches_end: bool) -> Iterator[str]:
    """Which rates to use, and what is not known of them."""
    peak = reading.peak_lr
    yield (
        f"Use max_lr={peak:.3g}; for one cycle min_lr={peak / 20:.2g} to {peak / 10:.2g} "
        f"(max_lr/20 to /10), for triangular cycles {peak / 4:.2g} to {peak / 3:.2g} "
        "(max_lr/4 to /3)."
    )
    if reaches_end and math.isnan(reading.divergence_lr):
        yield "The plateau goes on to the end of the test: a higher one would tell how wide it is."
    if math.isfinite(reading.divergence_lr):
        yield f"The first seed diverges at {reading.divergence_lr:.3g}: stay well below."
    if len(tests.accuracies) == 1:
        yield "One seed has no interval: run several."
    if tests.labels == "test":
        yield "This was read on test labels: compare it with a figure, do not choose by it."


def _suggest(tests: _Tests) -> dict[str, tuple[float, str]]:
    """Rule to rate and note; a rule that cannot say anything of this test is missing."""
    if not tests.reached:
        return {}
    rates, smoothed = smoothed_accuracy(tests.rates, tests.accuracy)
    slow = slow_point(rates, tests.accuracy[tests.positive], smoothed)
    return {
        "accuracy_peak": (accuracy_peak([(tests.rates, tests.accuracy)]), ""),
        "accuracy_slows": (slow.lr, f"accuracy {slow.sign}"),
        "accuracy_rises": (rise_point(rates, smoothed), ""),
        **_suggest_by_loss(tests),
    }


def _suggest_by_loss(tests: _Tests) -> dict[str, tuple[float, str]]:
    rates, losses = finite_part(tests.rates[tests.positive], tests.train_loss[tests.positive])
    fastai = slice(len(rates) // lr_rules.FASTAI_SKIP_BEGIN, -lr_rules.FASTAI_SKIP_END)
    lightning = slice(lr_rules.LIGHTNING_SKIP_BEGIN, -lr_rules.LIGHTNING_SKIP_END)
    rules = {
        lr_rules.valley: fastai,
        lr_rules.slide: fastai,
        lr_rules.steep: fastai,
        lr_rules.minimum: fastai,
        lr_rules.steepest_gradient: lightning,
    }
    found = {rule.__name__: rule(rates[part], losses[part]) for rule, part in rules.items()}
    return {
        name: (rate, "the curve is too short" if math.isnan(rate) else "")
        for name, rate in found.items()
    }
