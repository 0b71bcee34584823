"""Time and price of a study, from given paces."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from superconv_ray import Arm, Study, Trial, Tuning, at_least, from_range_test, iterations, tuned
from superconv_ray.api.cost import START_SECONDS, TRIAL_SECONDS, Costing, StudyCost, cost_of
from superconv_ray.design.building import make_plan
from superconv_ray.execution.pace import Pace, Spread, facts_of, workload
from superconv_ray.planning.planner import Planner

STEP = Spread(0.9, 1.0, 1.2)
FREE = Spread.exactly(0.0)


def cost(slots: int = 1, price: float | None = None, pace: Any = STEP, **study: Any) -> StudyCost:
    """The cost of a study whose steps take so long, and whose evaluations nothing."""
    given: dict[str, Any] = {
        "name": "priced",
        "base": Trial(dataset="digits", batch_size=16, max_lr=0.1),
        "arms": {"a": Arm(policy="constant"), "b": Arm(policy="linear")},
        "budget": iterations(100),
        "seeds": 3,
    }
    plan = make_plan(Study(**{**given, **study}))
    facts = facts_of(plan)
    keys: set[Hashable] = {workload(c.templates.pattern.settings(), facts) for c in plan.cells}
    paces = {key: Pace(pace, FREE, "given") for key in keys} if pace else {}
    return cost_of(Planner(plan), paces, Costing(slots, price))


def busy(found: StudyCost) -> Spread:
    """Seconds of the steps alone."""
    assert found.busy_seconds is not None
    return found.busy_seconds


def test_one_at_a_time_trials_take_their_steps_and_what_each_needs_besides() -> None:
    expected = [6 * (100 * s + rest) for s, rest in zip(STEP, TRIAL_SECONDS, strict=True)]
    assert busy(cost()) == pytest.approx(tuple(expected))


def test_slots_share_the_trials_and_the_last_one_may_come_late() -> None:
    one, two = cost(slots=1), cost(slots=2)
    assert one.seconds is not None
    assert two.seconds is not None
    assert one.seconds.likely == pytest.approx(START_SECONDS.likely + busy(one).likely)
    half, longest = busy(two).likely / 2, 100.0 + TRIAL_SECONDS.likely
    assert START_SECONDS.likely + half < two.seconds.likely < START_SECONDS.likely + half + longest
    # With more slots than trials, the longest trial decides.
    many = cost(slots=1000).seconds
    assert many is not None
    assert many.low == pytest.approx(START_SECONDS.low + 90 + TRIAL_SECONDS.low)


def test_the_price_is_that_of_the_whole_time() -> None:
    found = cost(slots=2, price=7.2)
    assert found.seconds is not None
    assert found.price == pytest.approx(tuple(s * 7.2 / 3600 for s in found.seconds))
    assert cost().price is None


def test_a_range_test_may_end_at_half_of_its_steps() -> None:
    found = busy(cost(arms={"a": Arm(max_lr=from_range_test(steps=50))}, base=digits()))
    tests, trainings = 3 * 50, 3 * 100
    assert found.low == pytest.approx(0.9 * (tests / 2 + trainings) + 4.5 * TRIAL_SECONDS.low)
    assert found.high == pytest.approx(1.2 * (tests + trainings) + 6 * TRIAL_SECONDS.high)


def test_rounds_of_a_search_wait_for_one_another() -> None:
    arms = {"a": Arm(policy="constant", max_lr=tuned(0.01, 1))}
    tpe = Tuning(trials=8, sampler="tpe", parallel=4)
    found = cost(slots=1000, arms=arms, base=digits(), tuning=tpe, seeds=1)
    assert found.seconds is not None
    # The second round and the training come one after another; the first round is ready before.
    assert found.seconds.high > 1.2 * 200


def test_seeds_that_may_be_added_widen_the_interval() -> None:
    found = cost(seeds=at_least(3, up_to=9))
    for share, count in zip((0, 1, 2), (6, 12, 18), strict=True):
        assert busy(found)[share] == pytest.approx(
            count * (100 * STEP[share] + TRIAL_SECONDS[share])
        )
    assert found.uncertain == ("0 to 12 trials of further seeds, of which half are likely",)


def test_without_a_pace_nothing_is_claimed() -> None:
    found = cost(price=2.0, pace=None)
    assert (found.seconds, found.busy_seconds, found.price) == (None, None, None)
    assert [*found.lines()] == [
        "estimated time: unknown (no pace of small_cnn on digits, batch 16)"
    ]


def test_the_text_has_paces_time_price_and_what_is_uncertain() -> None:
    lines = [*cost(slots=2, price=2.5, seeds=at_least(3, up_to=9)).lines()]
    time = "11 min [5 min to 24 min] on 2 slots (20 min [9 min to 36 min] one trial at a time)"
    assert lines == [
        "pace: small_cnn on digits, batch 16: 1 s [0.9 s to 1.2 s] a step, given",
        f"estimated time: {time}",
        "estimated price: 0.48 [0.19 to 1.01] at 2.5 an hour",
        "the intervals allow for 0 to 12 trials of further seeds, of which half are likely",
    ]


def test_what_is_not_known_is_probed_if_a_price_is_asked_for() -> None:
    assert not Costing().probes
    assert Costing(slots=2).probes
    assert Costing(price_per_hour=1.0).probes
    assert not Costing(slots=2, probe=False).probes
    assert Costing(probe=True).probes


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["slots", "price_per_hour", "images_per_second"])
def test_numbers_must_be_positive(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number > 0, got"):
        Costing(**{name: value})


def digits() -> Trial:
    return Trial(dataset="digits", batch_size=16)
