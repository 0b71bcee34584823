"""From a range test to a verdict in a word and advice in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from superconv_ray.analysis.range_tests.frames import RangeTest
from superconv_ray.analysis.range_tests.noise import Noise
from superconv_ray.analysis.range_tests.robust import window
from superconv_ray.analysis.range_tests.top import Top

WIDE = 3.0
"""Least ratio of a plateau's largest rate to its smallest."""
WIDE_TO_THE_END = 2.0
"""The same where the test ends before the plateau does: it is wider than what is seen of it."""
LARGEST_SPREAD = 1.3
"""The test tells a rate if noise changes it by less than this factor in 90 % of redrawn curves, or
by less than half of the way from the middle of the plateau to its ends: then it does not matter."""


Verdict = Literal["plateau", "peak", "collapse", "too noisy", "not bracketed", "nothing measured"]


def judge(test: RangeTest, noise: Noise) -> tuple[Verdict, str]:
    """Return the verdict on a range test, and advice on what to do next.

    Args:
        test: The range test.
        noise: From `read_noise`.
    """
    if not test.reached:
        return "nothing measured", (
            "Every run diverged before it measured an accuracy at a learning rate > 0. Lower both "
            "ends of the test."
        )
    verdict = _verdict(test, noise)
    return verdict, " ".join(_sentences(test, noise, verdict))


def _verdict(test: RangeTest, noise: Noise) -> Verdict:
    plateau, measured = test.top.plateau, test.rates[test.positive]
    ratio = plateau.ratio
    starts, ends = plateau.low == measured[0], _reaches_end(test)
    if _doubt(test.top, noise):
        return "too noisy"
    if starts and ratio < WIDE:
        return "not bracketed"
    if math.isfinite(test.top.collapse_lr):
        return "collapse"
    if ratio >= (WIDE_TO_THE_END if ends else WIDE):
        return "plateau"
    return "not bracketed" if ends else "peak"


def _reaches_end(test: RangeTest) -> bool:
    """Whether the plateau goes on to the last window; what falls there may be a spike."""
    return bool(test.top.plateau.high >= test.rates[-window(len(test.rates))])


def _doubt(top: Top, noise: Noise) -> str:
    """Why the test cannot tell a rate; empty if it can."""
    if noise.flat:
        return "The differences of accuracy between learning rates may be noise."
    if top.collapse_lr <= top.plateau.low:
        return "A replicate collapses at a rate below the plateau of the others."
    if noise.broken:
        return "The best accuracies lie at separate learning rates, with worse ones between them."
    if noise.spread > max(LARGEST_SPREAD, top.plateau.ratio**0.25):
        return f"Noise may change the rate that is read by a factor of {noise.spread:.1f}."
    return ""


def _sentences(test: RangeTest, noise: Noise, verdict: Verdict) -> Iterator[str]:
    """Yield one max_lr, why it is that, and what to do next."""
    top, low, high = test.top, *test.rates[test.positive][[0, -1]]
    lr = top.max_lr
    guess = f"Until then, max_lr={lr:g} is a guess."
    use = (
        f"Use max_lr={lr:g}; for one cycle min_lr={lr / 20:.2g} to {lr / 10:.2g} (max_lr/20 to "
        f"/10), for triangular cycles {lr / 4:.2g} to {lr / 3:.2g} (max_lr/4 to /3)."
    )
    if verdict == "too noisy":
        yield from (
            _doubt(top, noise),
            "Run more seeds, more steps or more held-out labels.",
            guess,
        )
    elif verdict == "not bracketed" and _reaches_end(test) and top.plateau.low > low:
        yield f"Accuracy is still best at the upper end of the test, {high:.3g}: raise that end."
        yield guess
    elif verdict == "not bracketed":
        yield (
            f"Accuracy is already best at the lower end of the test, {low:.3g}: lower that end, or "
            "take more steps."
        )
        yield guess
    elif verdict == "collapse":
        yield use
        yield (
            f"Accuracy collapses at LR {top.collapse_lr:.3g}; max_lr is at most two thirds of that."
        )
    elif verdict == "plateau" and _reaches_end(test):
        yield use
        yield (
            "Super-convergence is possible: accuracy stays within 5 % of its best up to LR "
            f"{top.plateau.high:.3g}. The test ends at {high:.3g}: raise that end to see how far "
            "the plateau goes."
        )
    elif verdict == "plateau":
        yield use
        yield (
            f"Accuracy stays within 5 % of its best up to LR {top.plateau.high:.3g}, and falls "
            "slowly beyond."
        )
    else:
        yield use
        yield "Accuracy has a distinct peak there."
    if test.labels == "test":
        yield (
            "These accuracies are on test labels: compare them with a published figure, but do not "
            "choose a rate by them."
        )
