"""From a range test to a verdict in a word and advice in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from superconv_ray.analysis.range_tests.frames import RangeTest
from superconv_ray.analysis.range_tests.reading import (
    NO_INTERVAL,
    NO_REGULARIZATION,
    LRInterval,
    Regularization,
    peak_interval,
    plateau,
    regularization,
    smoothed_accuracy,
    smoothing_window,
)

PLATEAU_DECADES = 0.5
"""Least width of a plateau: its largest rate is about 3 times its smallest."""
NOISE_FACTOR = 4.0
"""The smoothed accuracy must span this many times the points' deviation from it."""
NOISE_DECADES = 1.0
"""A peak that is not on a plateau is unknown if its interval is wider than this."""

Verdict = Literal["plateau", "peak", "diverges", "too noisy", "not bracketed", "nothing measured"]


class Reading(NamedTuple):
    """What the accuracies and losses of a range test show; NaN where they show nothing."""

    peak_accuracy: float
    peak_lr: float
    interval: LRInterval
    plateau: LRInterval
    regularization: Regularization
    divergence_lr: float
    noisy: bool
    end: Literal["", "lower", "upper"]
    """The end of the test at which the peak lies, if any."""


def read(test: RangeTest, generator: np.random.Generator) -> Reading:
    """Read a range test; the generator draws the bootstrap samples of the peak's interval."""
    if not test.reached:
        return Reading(
            *(math.nan, math.nan, NO_INTERVAL, NO_INTERVAL, NO_REGULARIZATION),
            *(test.divergence_lr, False, ""),
        )
    rates, smoothed = smoothed_accuracy(test.rates, test.accuracy)
    peak, margin = int(np.argmax(smoothed)), smoothing_window(len(test.rates))
    noise = float((test.accuracy[test.positive] - smoothed).std())
    interval = peak_interval(test.rates, test.accuracies, generator)
    flat = plateau(rates, smoothed)
    unknown = interval.decades > NOISE_DECADES and not (
        flat.low <= interval.low and interval.high <= flat.high
    )
    diverged_below_peak = test.divergence_lr <= rates[peak]
    at_upper_end = peak >= len(rates) - margin and math.isnan(test.divergence_lr)
    return Reading(
        peak_accuracy=float(smoothed[peak]),
        peak_lr=float(rates[peak]),
        interval=interval,
        plateau=flat,
        regularization=regularization(test.rates, test.train_loss, test.held_out_loss),
        divergence_lr=test.divergence_lr,
        noisy=bool(np.ptp(smoothed) <= NOISE_FACTOR * noise or unknown or diverged_below_peak),
        end="upper" if at_upper_end else "lower" if peak < margin else "",
    )


def judge(test: RangeTest, reading: Reading) -> tuple[Verdict, str]:
    """Return the verdict on a range test, and advice on what to do next."""
    last = test.rates[-1] if len(test.rates) else math.nan
    if not test.reached:
        return "nothing measured", (
            "Every run diverged before it measured an accuracy at a learning rate > 0. Lower both "
            "ends of the test."
        )
    if reading.noisy:
        return "too noisy", (
            "The rise of the accuracy, or the place of its peak, cannot be told from noise, or a "
            "seed diverged below the peak. Run more seeds, more steps or more held-out labels."
        )
    if reading.end == "upper":
        return "not bracketed", (
            f"Accuracy is highest at the upper end of the test, {last:.3g}: raise that end."
        )
    if reading.end == "lower":
        return "not bracketed", (
            f"Accuracy is highest at the lower end of the test, {reading.peak_lr:.3g}: lower that "
            "end, or take more steps."
        )
    verdict: Verdict = "peak"
    if reading.plateau.decades >= PLATEAU_DECADES:
        verdict = "plateau"
    elif math.isfinite(reading.divergence_lr):
        verdict = "diverges"
    return verdict, " ".join(_advise(test, reading, reaches_end=reading.plateau.high == last))


def _advise(test: RangeTest, reading: Reading, *, reaches_end: bool) -> Iterator[str]:
    """Yield the rates to use, and each reservation about them."""
    peak = reading.peak_lr
    yield (
        f"Use max_lr={peak:.3g}; for one cycle min_lr={peak / 20:.2g} to {peak / 10:.2g} "
        f"(max_lr/20 to /10), for triangular cycles {peak / 4:.2g} to {peak / 3:.2g} "
        "(max_lr/4 to /3)."
    )
    if reaches_end and math.isnan(reading.divergence_lr):
        yield "The plateau reaches the end of the test: raise that end to see how wide it is."
    if math.isfinite(reading.divergence_lr):
        yield f"The first seed diverges at {reading.divergence_lr:.3g}: stay well below."
    if len(test.accuracies) == 1:
        yield "One seed has no interval: run several."
    if test.labels == "test":
        yield (
            "These accuracies are on test labels: compare them with a published figure, but do not "
            "choose a rate by them."
        )
