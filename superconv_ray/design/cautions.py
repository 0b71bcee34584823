"""What a plan warns of before anything is trained: it can run, but may not answer well."""

from __future__ import annotations

import math
from collections.abc import Iterator

from superconv_ray.design.plan import Plan
from superconv_ray.design.trial import Template

HEAD_START = 100
"""Steps that a linear range test should take up to a tenth of its end. Until something is learned,
accuracy rises with every step, whatever the rate: a ramp that is at large rates by then peaks
there. On digits (small_cnn, batch 32) tests from 0 to 3 of 100 and 300 steps rise almost to their
end, 2.67 and 2.99; with 1,000 and 2,000 they show the plateau, which begins near 0.5."""


def cautions(plan: Plan) -> Iterator[str]:
    """Yield each reservation about a plan, in a sentence."""
    yield from dict.fromkeys(filter(None, (_hasty(t.pattern) for t in plan.distinct)))


def _hasty(test: Template) -> str:
    """Why a linear range test is too short for its span; empty if it is not."""
    if test.policy != "range_test_linear" or test.max_lr is None:
        return ""
    start, end = test.start_lr or 0.0, test.max_lr
    tenth = end / 10
    if start >= tenth:
        return ""
    needed = math.ceil(round(HEAD_START * (end - start) / (tenth - start), 6))
    if test.steps >= needed:
        return ""
    return (
        f"a linear range test of {test.steps:,} steps from {start:g} to {end:g} passes the rates "
        f"below {tenth:g} before much is learned, and may read a max_lr that is too large: give it "
        f"{needed:,} steps, or use scale='exponential'"
    )
