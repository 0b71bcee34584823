"""The answer in plain words, on studies whose numbers are given."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from superconv_ray.design.schedules import Rates
from superconv_ray.report.sections import sections
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.tables import verdict_table
from superconv_ray.report.verdict import caveats, factor_trends, headline, stale_statistics, trends
from superconv_ray.storage.store import Store, open_store
from tests.hand_made import HandMade, range_test_curve


def sentences(results: StudyResults) -> tuple[str, ...]:
    """All that the page says in words."""
    parts = (trends(results), caveats(results), stale_statistics(results))
    return (headline(results), *chain.from_iterable(parts))


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def two_arms(store: Store, *gaps: tuple[float, ...], labels: tuple[int, ...] = (72,)) -> HandMade:
    """For each number of labels the gaps of some seeds; the baseline has 50 % throughout."""
    points = [{"data_count": n} for n in labels]
    study = HandMade(store, ("one_cycle", "cosine"), *points)
    for point, (n, own) in enumerate(zip(labels, gaps, strict=True)):
        for seed, gap in enumerate(own):
            study.add("one_cycle", 0.5 + gap, seed=seed, point=point, data_count=n)
            study.add("cosine", 0.5, seed=seed, point=point, data_count=n)
    return study


def test_a_gain_that_grows_with_fewer_labels_is_stated(store: Store) -> None:
    study = two_arms(store, (0.01, 0.011, 0.012), (0.05, 0.052, 0.054), labels=(1000, 100))
    said = sentences(study.results())
    assert said[0] == "In test accuracy, one_cycle is better than cosine at both points."
    # Slopes 4.0, 4.1, 4.2 points a tenth: s = 0.1, half width t(0.9875, 2) / sqrt(3) s = 0.358.
    assert said[1] == (
        "As labels become scarce, the gain of one_cycle grows. Each cut of the labels to a tenth "
        "changes the gap by +4.1 [+3.7, +4.5] points, and the ratio of errors by a factor of "
        "1.09 [1.08, 1.10]."
    )


def test_several_trends_are_counted(store: Store) -> None:
    points = [{"data_count": n} for n in (1000, 100)]
    study = HandMade(store, ("a", "b", "c"), *points)
    for seed in range(3):
        for point, (labels, gain) in enumerate(((1000, 0.01), (100, 0.05))):
            for arm, accuracy in (("a", 0.5 + gain + seed / 1000), ("b", 0.5), ("c", 0.5 + gain)):
                study.add(arm, accuracy, seed=seed, point=point, data_count=labels)
    assert list(trends(study.results())) == [
        (
            "As labels become scarce, the gain of a grows against 1 of 2 baselines and is "
            "undecided against 1."
        )
    ]


def test_super_convergence_is_stated_where_budgets_are_swept(store: Store) -> None:
    budgets = (100, 400, 1600)
    study = HandMade(store, ("short", "long"), *({"budget": {"iterations": n}} for n in budgets))
    for point, (steps, short, long) in enumerate(
        zip(budgets, (0.90, 0.95, 0.96), (0.5, 0.7, 0.9), strict=True)
    ):
        for seed in range(3):
            study.add("short", short + seed / 10_000, seed=seed, point=point, steps=steps)
            usual: dict[str, Any] = {"steps": steps, "policy": "piecewise"}
            study.add("long", long - seed / 10_000, seed=seed, point=point, **usual)
    assert headline(study.results()) == (
        "Does short super-converge (at least 3 times fewer steps)? Yes against long: "
        ">16.0 [15.9, inf] times fewer. At equal budgets, short is better than long at all 3 "
        "points."
    )


Policies = tuple[str | Callable[..., Rates], ...]


def own_policy(step: int, *, steps: int, max_lr: float) -> Rates:
    return Rates(max_lr * (1 - step / steps), 0.9)


def headline_of(store: Store, policies: Policies, steps: tuple[int, ...] = (100, 400)) -> str:
    """That of a study whose arms have these policies, each with each number of steps."""
    arms = ("first", "second", "third")[: len(policies)]
    study = HandMade(store, arms, *({"budget": {"iterations": n}} for n in steps))
    for point, budget in enumerate(steps):
        for arm, policy in zip(arms, policies, strict=True):
            for seed in range(3):
                place: dict[str, Any] = {"seed": seed, "point": point, "steps": budget}
                study.add(arm, 0.9 + seed / 1000, policy=policy, **place)
    return headline(study.results())


@pytest.mark.parametrize(
    "policies",
    [
        ("one_cycle", "piecewise"),
        ("triangular", "one_cycle", "cosine"),
        (own_policy, "piecewise"),
        ("one_cycle", own_policy),
    ],
)
def test_a_cycle_and_a_usual_schedule_are_asked_for_super_convergence(
    store: Store, policies: Policies
) -> None:
    assert headline_of(store, policies).startswith("Does first super-converge")


@pytest.mark.parametrize(
    "policies",
    [
        ("one_cycle", "one_cycle"),  # such as two rates of 1cycle
        ("one_cycle", "triangular"),
        ("linear", "piecewise"),
        (own_policy, own_policy),  # such as parts of a policy
        (own_policy, "one_cycle"),
    ],
)
def test_other_arms_are_compared_at_equal_budgets_only(store: Store, policies: Policies) -> None:
    assert headline_of(store, policies).startswith("In test accuracy, first is ")


def test_super_convergence_needs_a_budget_that_is_three_times_another(store: Store) -> None:
    policies = ("one_cycle", "piecewise")
    assert "super-converge" in headline_of(store, policies, steps=(100, 300))
    assert "super-converge" not in headline_of(store, policies, steps=(100, 299))


def test_a_study_without_super_convergence_has_no_verdict_on_it(store: Store) -> None:
    headline_of(store, ("one_cycle", "one_cycle"))
    results = StudyResults(store, "hand_made")
    assert results.time_to_accuracy.empty
    names = [section.name for section in sections(results)]
    assert names[:3] == ["gaps", "accuracy", "speedup"]
    assert "super_convergence" not in names


def budgets_and_labels(store: Store, *steps_needed: int) -> StudyResults:
    """An arm that reaches the end of its baseline after so many of its 800 steps, by labels."""
    counts, budgets = [10_000 // 10**i for i in range(len(steps_needed))], (100, 200, 400, 800)
    points = [{"data_count": n, "budget": {"iterations": b}} for n in counts for b in budgets]
    study = HandMade(store, ("short", "long"), *points)
    for point, found in enumerate(points):
        steps = budgets[point % len(budgets)]
        needed = steps_needed[point // len(budgets)]
        for seed in range(3):
            place = {"point": point, "data_count": found["data_count"], "steps": steps}
            study.add("short", 0.9 + 0.1 * (steps - needed) / 800, seed=seed, **place)
            late = 0.9 - 0.1 * (800 - steps) / 800
            study.add("long", late, seed=seed, policy="piecewise", **place)
    return study.results()


def test_a_factor_that_grows_as_labels_become_scarce_is_stated(store: Store) -> None:
    (said,) = factor_trends(budgets_and_labels(store, 800, 400, 200))
    assert said == (
        "As labels become scarce, the factor of fewer steps that short needs grows. Each cut of "
        "the labels to a tenth multiplies it by 2.00 [2.00, 2.00]."
    )


def test_a_factor_beyond_the_budgets_has_a_bound(store: Store) -> None:
    (said,) = factor_trends(budgets_and_labels(store, 400, 50))
    assert said.endswith("multiplies it by at least 4.00 [4.00, inf].")


def test_a_trend_of_factors_that_cannot_be_told_is_stated(store: Store) -> None:
    assert list(factor_trends(budgets_and_labels(store, 50, 50))) == [
        "Whether short needs ever fewer steps than long as labels become scarce is undecided."
    ]


def test_without_labels_or_budgets_there_is_no_trend_of_factors(store: Store) -> None:
    study = two_arms(store, (0.01, 0.011), (0.05, 0.052), labels=(1000, 100))
    assert not list(factor_trends(study.results()))


def test_a_negative_result_is_stated(store: Store) -> None:
    said = sentences(two_arms(store, (-0.02, -0.021, -0.022)).results())
    assert said[0] == "In test accuracy, one_cycle is worse than cosine."


def test_the_margin_that_a_study_states_decides_what_is_equivalent(store: Store) -> None:
    study = two_arms(store, (0.010, 0.0101, 0.0102))
    assert headline(study.results()) == "In test accuracy, one_cycle is better than cosine."
    study.margin = 0.02
    results = study.results()
    assert headline(results) == "In test accuracy, one_cycle is equivalent to cosine."
    assert "equivalent if it lies within ±2," in str(results)
    assert results.notable == 0.01  # batch norm's statistics have nothing to do with it


def test_every_verdict_has_its_points(store: Store) -> None:
    better, worse, same, vague = (0.05, 0.0501), (-0.05, -0.0501), (0.0, 0.00001), (0.02, -0.03)
    study = two_arms(store, better, worse, same, vague, better, labels=(72, 100, 200, 300, 400))
    assert headline(study.results()) == (
        "In test accuracy, one_cycle is better than cosine at 2 of 5 points, worse at 1, "
        "equivalent at 1 and undecided at 1."
    )


def test_baselines_with_the_same_verdicts_are_named_together(store: Store) -> None:
    study = HandMade(store, ("a", "b", "c", "d"), {"dropout": 0.0}, {"dropout": 0.5})
    for point, seed in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)):
        for arm, accuracy in (("a", 0.9), ("b", 0.5), ("c", 0.9), ("d", 0.4)):
            found = accuracy + (seed / 10_000 if arm == "a" else 0)
            study.add(arm, found, seed=seed, point=point, dropout=point / 2)
    assert headline(study.results()) == (
        "In test accuracy, a is better than b and d at both points; equivalent to c at both points."
    )


def many_arms(store: Store, *accuracies: float) -> StudyResults:
    """The first arm has 90 %, and a baseline has each of these accuracies, at two points."""
    arms = ("first", *(f"baseline_{i}" for i in range(len(accuracies))))
    study = HandMade(store, arms, {"dropout": 0.0}, {"dropout": 0.5})
    for arm, accuracy in zip(arms, (0.9, *accuracies), strict=True):
        for point in (0, 1):
            for seed in range(3):
                noise = seed / 10_000 if arm == "first" else 0
                study.add(arm, accuracy + noise, seed=seed, point=point, dropout=point / 2)
    return study.results()


def test_a_headline_counts_many_baselines_and_a_table_names_them(store: Store) -> None:
    results = many_arms(store, 0.5, 0.95, 0.9, 0.9, 0.5, 0.5)
    assert headline(results) == (
        "In test accuracy, first is better in 6 of 12 comparisons, worse in 2 and equivalent in 4."
    )
    table = verdict_table(results)
    assert table is not None
    assert table.headings == ("baseline", "at equal budgets")
    assert [row[1] for row in table.rows] == [
        f"{verdict} at both points"
        for verdict in ("better", "worse", "equivalent", "equivalent", "better", "better")
    ]


def test_many_baselines_with_one_verdict_need_no_table(store: Store) -> None:
    results = many_arms(store, *(0.9 for _ in range(6)))
    assert (
        headline(results)
        == "In test accuracy, first is equivalent to all 6 baselines at both points."
    )
    assert verdict_table(results) is None


def test_an_arm_that_diverged_throughout_has_a_caveat(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    for seed in range(3):
        study.add("a", 0.9 + seed / 1000, seed=seed)
        study.add("b", 0.1, seed=seed, status="diverged")
    first, *others = headline(study.results()), *caveats(study.results())
    assert first == "In test accuracy, a is better than b."
    assert "All trainings of b diverged at 1 of 1 point: a gap there is one of stability." in others


def test_one_seed_supports_no_claim(store: Store) -> None:
    said = sentences(two_arms(store, (0.2,)).results())
    assert "With one seed there are no intervals, so no gap can be told from chance." in said


def test_one_arm_has_its_accuracy_and_no_comparison(store: Store) -> None:
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    (said,) = sentences(study.results())
    assert said == "The test accuracy of a is 90.0 [one seed] %."


def test_an_arm_without_finished_rivals_says_that_it_has_none(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    study.add("a", 0.9)
    assert headline(study.results()) == (
        "No other arm than a has finished trainings, so there is no comparison. "
        "The test accuracy of a is 90.0 [one seed] %."
    )


def test_without_a_training_there_is_no_sentences(store: Store) -> None:
    (said,) = sentences(HandMade(store, ("a",)).results())
    assert said == "No training has finished yet, so there is no verdict."


def test_an_unfinished_study_has_a_caveat(store: Store) -> None:
    study = two_arms(store, (0.01, 0.02))
    study.to_come = 1
    last = sentences(study.results())[-1]
    assert last == "Not finished: 1 trial, so the verdict may change."


def test_a_max_lr_that_was_read_at_an_end_of_its_range_tests_has_a_caveat(store: Store) -> None:
    counts = (72, 144, 288)
    study = HandMade(store, ("a", "b"), *({"data_count": count} for count in counts))
    for point, (count, peak) in enumerate(zip(counts, (10, 5, 1), strict=True)):
        for arm in ("a", "b"):
            study.add(arm, 0.9, point=point, data_count=count)
        curve = range_test_curve(peak)
        study.add("a", 0.5, point=point, role="range_test", curve=curve, data_count=count)
    (said,) = [text for text in caveats(study.results()) if "bracketed" in text]
    assert said == (
        "max_lr of a is not bracketed at 72 labels and 288 labels: accuracy is highest at an end "
        "of the range tests. Widen them with from_range_test(low=..., high=...), or take more "
        "steps."
    )


def test_accuracies_that_show_stale_batch_norm_statistics_are_pointed_out(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    study.add("a", 0.900, measured={"test_accuracy_reestimated": 0.905})
    study.add("b", 0.623, measured={"test_accuracy_reestimated": 0.824})
    assert sentences(study.results())[-1] == (
        "Beware of b: with re-estimated BN statistics accuracies differ by up to 20.1 points, on "
        "average over an arm."
    )
