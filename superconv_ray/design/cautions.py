"""What a plan warns of before anything is trained: it can run, but may not answer well."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from operator import attrgetter

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.plan import Plan
from superconv_ray.design.text import in_words
from superconv_ray.design.trial import MOMENTA, CompleteTrial, Template

HEAD_START = 100
"""Steps that a linear range test should take up to a tenth of its end. Until something is learned,
accuracy rises with every step, whatever the rate: a ramp that is at large rates by then peaks
there. On digits (small_cnn, batch 32) tests from 0 to 3 of 100 and 300 steps rise almost to their
end, 2.67 and 2.99; with 1,000 and 2,000 they show the plateau, which begins near 0.5."""
NAMED = 3
"""Arms that a caution names; the others it counts."""
_DEFAULT_DEPENDS_ON = attrgetter(
    *("policy", "policy_digest", "optimizer", "optimizer_digest", *MOMENTA)
)


def cautions(plan: Plan) -> Iterator[str]:
    """Yield each reservation about a plan, in a sentence."""
    yield from dict.fromkeys(filter(None, (_hasty(t.pattern) for t in plan.distinct())))
    if unlike := _unlike(plan):
        yield unlike


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


def _unlike(plan: Plan) -> str:
    """Which arms use different momentum that nobody set for them; empty if none do."""
    study = plan.study
    if not study.base.own_settings().keys().isdisjoint(MOMENTA):
        return ""
    used: dict[Hashable, str] = {}
    for point in plan.points:
        arms: dict[str, list[str]] = {}
        for cell in point.cells:
            if any(name in cell.point or name in study.arms[cell.arm].settings for name in MOMENTA):
                continue
            rule = _DEFAULT_DEPENDS_ON(cell.templates.pattern)
            if rule not in used:
                used[rule] = _default_momentum(cell.trainings_with(**cell.largest).pattern)
            if used[rule]:
                arms.setdefault(used[rule], []).append(cell.arm)
        if len(arms) > 1:
            differing = "; ".join(f"{_named(names)} {momentum}" for momentum, names in arms.items())
            return (
                f"arms differ in momentum only by the defaults of their policies ({differing}): "
                "make them alike with base=Trial(momentum=0.9, min_momentum=0.9), tune momentum "
                "in every arm, or state it in the arms"
            )
    return ""


def _default_momentum(trial: CompleteTrial) -> str:
    """The momentum of a run for which none was set; empty if it has none, or its policy's own.

    A schedule of the user's own that moves momentum states it, in its code.
    """
    if trial.momentum is None:
        return ""
    if isinstance(trial.policy, OwnFunction) and not trial.holds_momentum():
        return ""
    if trial.min_momentum in (None, trial.momentum):
        return f"{trial.momentum:g}"
    return f"{trial.momentum:g} to {trial.min_momentum:g}"


def _named(arms: list[str]) -> str:
    more = len(arms) - NAMED
    return in_words([*arms[:NAMED], f"{more} more"] if more > 0 else arms)
