from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superconv_ray.analysis import arm_summary, compare
from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from tests.analysis.comparison.made import TWO_POINTS, frame, numbers, run


def test_a_diverged_training_counts_with_what_it_measured() -> None:
    trials = frame(run("a", 0, 0.9), run("a", 1, 0.1, status="diverged"), run("b", 0, 0.6))
    assert numbers(arm_summary(trials), "arm", "n", "diverged") == [("a", 2, 1), ("b", 1, 0)]
    assert arm_summary(trials)["mean"].tolist() == [0.5, 0.6]
    assert numbers(compare(trials, "a", "b"), "n") == [(1,)]
    gap = compare(frame(*trials.to_dict("records"), run("b", 1, 0.6)), "a", "b")  # type: ignore[arg-type]
    assert gap["mean"].tolist() == pytest.approx([-0.1])  # 0.3 and -0.5


def test_range_tests_do_not_count() -> None:
    tests = [run("a", seed, math.nan, role="range_test", trial_id="t") for seed in range(2)]
    trials = frame(*tests, run("a", 0, 0.7), run("b", 0, 0.5))
    assert numbers(arm_summary(trials), "arm", "mean", "n") == [("a", 0.7, 1), ("b", 0.5, 1)]
    assert numbers(compare(trials, "a", "b"), "n") == [(1,)]


def test_a_training_that_cells_share_counts_once() -> None:
    # "b" does not use the swept field: both points have the same trials of it.
    shared = [run("b", seed, 0.5 + seed / 10, cell=cell) for cell in (1, 3) for seed in (0, 1)]
    own = [run("a", seed, 0.6 + seed / 10, cell=0) for seed in (0, 1)]
    trials = frame(*shared, *own)
    assert numbers(arm_summary(trials), "arm", "n") == [("a", 2), ("b", 2)]
    assert numbers(compare(trials, "a", "b"), "n") == [(2,)]


def test_a_point_may_lack_a_field_that_only_other_arms_use() -> None:
    trials = frame(run("a", 0, 0.7, tail="step"), run("b", 0, 0.5, tail=None))
    summary = arm_summary(trials, ["tail"])
    assert summary["arm"].tolist() == ["a", "b"]
    assert summary["tail"].isna().tolist() == [False, True]


def test_points_may_differ_in_milestones() -> None:
    points = [(0.5, 0.75), (0.3,)]
    trials = frame(
        *(
            run(arm, 0, accuracy, count, milestones=point)
            for arm, accuracy in (("a", 0.7), ("b", 0.5))
            for count, point in enumerate(points)
        )
    )
    assert arm_summary(trials, ["milestones"])["milestones"].tolist() == [
        *(points[1], points[1]),
        *(points[0], points[0]),
    ]
    gaps = compare(trials, "a", "b", ["milestones"])
    assert gaps["milestones"].tolist() == [(0.3,), (0.5, 0.75)]
    assert gaps["mean"].tolist() == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("value", [math.nan, None, math.inf])
def test_a_training_without_the_measurement_is_named(value: Any) -> None:
    trials = frame(run("a", 0, 0.7), run("b", 3, value))
    message = r"test_accuracy must be finite in every training, got \w+ in trial b-3-100 of arm 'b'"
    with pytest.raises(ValueError, match=message):
        arm_summary(trials)
    with pytest.raises(ValueError, match=message):
        compare(trials, "a", "b")


def test_the_frame_given_is_left_as_it_was() -> None:
    before = TWO_POINTS.copy()
    arm_summary(TWO_POINTS, ["data_count"])
    compare(TWO_POINTS, "a", "b", ["data_count"])
    pd.testing.assert_frame_equal(TWO_POINTS, before)


# Gaps


def test_gaps_are_paired_by_seed_and_subset() -> None:
    gaps = compare(TWO_POINTS, "a", "b", ["data_count"])
    assert numbers(gaps, "data_count", "n") == [(100, 2), (1000, 2)]
    # 0.20 and 0.10; 0.10 and -0.02: standard errors 0.05 and 0.06, times 25.4517 at 97.5 %
    assert gaps["mean"].tolist() == pytest.approx([0.15, 0.04])
    of_losses = TWO_POINTS.assign(test_loss=-TWO_POINTS["test_accuracy"])  # have no bounds
    gaps = compare(of_losses, "b", "a", ["data_count"], "test_loss")
    assert gaps["low"].tolist() == pytest.approx([-1.122585, -1.487101], abs=1e-6)
    assert gaps["high"].tolist() == pytest.approx([1.422585, 1.567101], abs=1e-6)


def test_an_interval_of_gaps_of_accuracies_stays_between_minus_one_and_one() -> None:
    trials = frame(run("a", 0, 0.9), run("b", 0, 0.1), run("a", 1, 0.5), run("b", 1, 0.9))
    (gap,) = numbers(compare(trials, "a", "b"), "mean", "low", "high")
    assert gap == pytest.approx((0.2, -1, 1))  # gaps 0.8 and -0.4: half width 7.6
    losses = trials.assign(test_loss=trials["test_accuracy"])
    (gap,) = numbers(compare(losses, "a", "b", value="test_loss"), "low", "high")
    assert gap == pytest.approx((-7.4237, 7.8237), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_pairing_removes_what_the_pairs_have_in_common(values: list[float], random: Random) -> None:
    rows = [run("a", seed, value + 0.01) for seed, value in enumerate(values)]
    rows += [run("b", seed, value) for seed, value in enumerate(values)]
    random.shuffle(rows)
    (gap,) = numbers(compare(frame(*rows), "a", "b"), "mean", "low", "high", "n")
    assert gap == pytest.approx((0.01, 0.01, 0.01, len(values)))


SCALES = st.sampled_from([0.0, 0.001, 0.01, 0.2])
"""Sizes of gaps and of deviations: small ones are equivalent, large ones decide."""
MIRRORED = {"arm better": "baseline better", "baseline better": "arm better"}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(SCALES, SCALES, st.integers(2, 6)), min_size=1, max_size=3),
    st.sampled_from([(), (2, 4), range(2, 7)]),
    st.sampled_from(["completed", "diverged"]),
    st.integers(0, 2**16),
)
def test_arms_are_treated_alike(
    cells: list[tuple[float, float, int]], looks: Any, status: str, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    rows = [
        row
        for count, (mean, sd, n) in enumerate(cells)
        for row in pairs(*generator.normal(mean, sd, n), count=count)
    ]
    rows[0]["status"] = status
    trials = frame(*rows)
    there = compare(trials, "a", "b", ["data_count"], looks=looks)
    back = compare(trials, "b", "a", ["data_count"], looks=looks)
    for column, mirror in (("mean", "mean"), ("low", "high"), ("high", "low")):
        assert back[column].tolist() == pytest.approx((-there[mirror]).tolist(), nan_ok=True)
    assert back["verdict"].tolist() == there["verdict"].replace(MIRRORED).tolist()
    for column in ("p", "p_adjusted", "n"):
        assert back[column].tolist() == pytest.approx(there[column].tolist(), nan_ok=True)


def test_runs_without_a_partner_do_not_count() -> None:
    trials = frame(
        run("a", 0, 0.7),
        run("a", 1, 0.9),
        run("a", 2, 0.8, subset_seed=0),
        run("b", 0, 0.6),
        run("b", 2, 0.1),  # the same seed, but another subset
        run("b", 5, 0.1),
    )
    (gap,) = numbers(compare(trials, "a", "b"), "mean", "n")
    assert gap == pytest.approx((0.1, 1))


def test_points_that_by_does_not_distinguish_are_not_paired_with_each_other() -> None:
    with pytest.raises(ValueError, match="by must distinguish points, but arm 'a' has several"):
        compare(TWO_POINTS, "a", "b")


@pytest.mark.parametrize("arms", [("a", "c"), ("c", "a")])
def test_an_unknown_arm_is_answered_with_the_known_ones(arms: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no finished training of arm 'c'; there are: 'a', 'b'"):
        compare(TWO_POINTS, *arms)
    only_tests = frame(run("a", 0, 0.5, role="range_test"))
    with pytest.raises(ValueError, match="no finished training of arm 'a'; there are: none"):
        compare(only_tests, "a", "b")


def test_columns_that_do_not_exist_are_answered_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"by must name columns of the trials, got 'data_cout'; did"
    ):
        arm_summary(TWO_POINTS, ["data_cout"])
    with pytest.raises(ValueError, match=r"value must name .*; did you mean 'test_accuracy'\?"):
        compare(TWO_POINTS, "a", "b", ["data_count"], "test_acuracy")


# Comparisons


def pairs(*gaps: float, count: int = 100, **other: Any) -> list[dict[str, Any]]:
    """Trainings of "a" and "b", seed by seed, with these gaps."""
    return [
        run(arm, seed, 0.5 + (gap if arm == "a" else 0), count, **other)
        for seed, gap in enumerate(gaps)
        for arm in ("a", "b")
    ]


def compared(*rows: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """The one row of a comparison at one point."""
    (row,) = compare(frame(*rows), "a", "b", **arguments).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_comparison_has_one_row_per_point() -> None:
    table = compare(frame(*pairs(0.01, 0.02, 0.03, 0.04, 0.05)), "a", "b", ["data_count"])
    assert list(table.columns) == [
        *("data_count", "arm", "baseline", "mean", "low", "high", "n", "interval_over"),
        *("p", "p_adjusted", "bootstrap_low", "bootstrap_high"),
        *("effect_size", "improvement_probability", "verdict", "further_seeds", "note"),
    ]
    (row,) = table.to_dict("records")
    # s = 0.0158114; t(0.975, 4) = 2.776445; half = t s / sqrt(5) = 0.0196324
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(
        (0.03, 0.0103676, 0.0496324), abs=1e-6
    )
    assert (row["data_count"], row["arm"], row["baseline"], row["n"]) == (100, "a", "b", 5)
    # d_z = 1.897367, times J(4) = 0.797885
    assert row["effect_size"] == pytest.approx(1.513880, abs=1e-6)
    # t = 4.242641
    assert (row["p"], row["p_adjusted"]) == pytest.approx((0.013236, 0.013236), abs=1e-6)
    assert row["improvement_probability"] == 1
    assert 0.01 <= row["bootstrap_low"] < 0.03 < row["bootstrap_high"] <= 0.05
    assert (row["verdict"], row["further_seeds"], row["note"]) == ("arm better", None, "")


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ((0.10, 0.11, 0.12), "arm better"),
        ((-0.10, -0.11, -0.12), "baseline better"),
        ((0.0009, 0.0, -0.0009), "equivalent"),  # within +- 0.0022
        ((0.0011, 0.0010, 0.0012), "equivalent"),  # better surely, but by less than counts
        ((0.02, 0.00, -0.02), "undecided"),
        ((0.10, 0.11, 0.00), "undecided"),
    ],
)
def test_the_verdict_follows_from_the_interval(gaps: tuple[float, ...], verdict: str) -> None:
    assert compared(*pairs(*gaps))["verdict"] == verdict


def test_what_gain_counts_can_be_chosen() -> None:
    rows = pairs(0.010, 0.000, -0.010)  # half width 0.0248
    assert compared(*rows)["verdict"] == "undecided"
    assert compared(*rows, margin=0.03)["verdict"] == "equivalent"


def test_seeds_added_until_it_is_decided_need_a_wider_interval() -> None:
    rows = pairs(0.010, 0.011, 0.015)
    once, often = compared(*rows), compared(*rows, looks=range(3, 13))
    # s = 0.00264575, sqrt(3): t(0.975, 2) = 4.302653; at a level of 0.010554, t = 9.6579
    assert once["high"] - once["mean"] == pytest.approx(0.00657244, abs=1e-7)
    assert often["high"] - often["mean"] == pytest.approx(0.01475, abs=2e-5)
    assert (once["verdict"], often["verdict"]) == ("arm better", "undecided")
    assert once["p"] == often["p"] == once["p_adjusted"]
    assert often["p_adjusted"] == pytest.approx(once["p"] * 0.05 / 0.010554, abs=2e-4)


def test_all_intervals_of_a_table_hold_together() -> None:
    gaps = (0.01, 0.02, 0.03)
    trials = frame(*pairs(*gaps), *pairs(*gaps, count=1000))
    table = compare(trials, "a", "b", ["data_count"])
    # t = 3.464102, p = 0.074180; level 0.025: t(0.9875, 2) = 6.205347, times 0.00577350
    assert table["p"].tolist() == pytest.approx([0.0741799] * 2)
    assert table["p_adjusted"].tolist() == pytest.approx([0.1483598] * 2)
    assert (table["high"] - table["mean"]).tolist() == pytest.approx([0.0358266] * 2, abs=1e-6)
    alone = compare(trials[trials["data_count"] == 100], "a", "b", ["data_count"])
    assert alone["p_adjusted"].tolist() == alone["p"].tolist()


def test_a_part_of_a_larger_table_may_be_judged_as_such() -> None:
    rows = pairs(0.010, 0.011, 0.015)
    assert compared(*rows)["verdict"] == "arm better"
    part = compared(*rows, family=15)
    assert (part["verdict"], part["p_adjusted"]) == ("undecided", pytest.approx(15 * part["p"]))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.floats(-0.4, 0.4), min_size=2, max_size=6), min_size=1, max_size=4),
    st.sampled_from([(), range(2, 7)]),
)
def test_interval_p_and_verdict_never_contradict_each_other(
    cells: list[list[float]], looks: Any
) -> None:
    rows = [row for count, gaps in enumerate(cells) for row in pairs(*gaps, count=count)]
    table = compare(frame(*rows), "a", "b", ["data_count"], looks=looks)
    for row in table[table["p"].notna()].to_dict("records"):
        outside = row["low"] > 0 or row["high"] < 0
        assert outside == (row["p_adjusted"] < 0.05)
        within = row["low"] > -0.005 and row["high"] < 0.005
        better = "arm better" if row["low"] > 0 else "baseline better"
        assert row["verdict"] == ("equivalent" if within else better if outside else "undecided")


def test_an_undecided_row_has_the_seeds_that_would_decide_it() -> None:
    near, far = compared(*pairs(0.02, 0.03, 0.06)), compared(*pairs(0.00, 0.03, 0.06))
    assert 0 < near["further_seeds"] < far["further_seeds"]
    row = compared(*pairs(*[0.3, -0.3] * 20), margin=1e-6)
    assert (row["further_seeds"], row["verdict"]) == (None, "undecided")
    assert "it would take more than 1,000 seeds to decide" in row["note"]


def test_several_baselines_are_rows_of_one_table() -> None:
    others = [run("c", seed, 0.1 + seed / 100) for seed in range(3)]
    trials = frame(*pairs(0.1, 0.2, 0.3), *others)
    table = compare(trials, "a", ["c", "b"])
    assert table["baseline"].tolist() == ["c", "b"]
    assert table["mean"].tolist() == pytest.approx([0.59, 0.2])
    assert table["p_adjusted"].tolist() == pytest.approx([2 * p for p in table["p"]])
    (alone,) = numbers(compare(trials, "a", "b", family=2), "mean", "low", "p", "n")
    assert alone == numbers(table, "mean", "low", "p", "n")[1]


# What cannot be said


def test_one_pair_has_neither_interval_nor_verdict() -> None:
    row = compared(*pairs(0.1))
    assert (row["n"], row["verdict"], row["further_seeds"]) == (1, "undecided", None)
    unknown = ("low", "high", "p", "p_adjusted", "bootstrap_low", "bootstrap_high", "effect_size")
    assert all(math.isnan(row[name]) for name in unknown)
    assert row["note"] == ("one pair has no spread: no interval, and no estimate of further seeds")


def test_equal_gaps_are_no_proof() -> None:
    # As accuracies leave them behind: equal but for rounding errors
    rows = [*pairs(0.1), run("a", 1, 0.7), run("b", 1, 0.6), run("a", 2, 0.9), run("b", 2, 0.8)]
    row = compared(*rows)
    assert (row["verdict"], row["further_seeds"]) == ("undecided", None)
    assert row["note"].startswith("all 3 gaps are equal: no spread to judge by")


def test_an_arm_that_is_missing_at_a_point_is_named_there() -> None:
    trials = frame(*pairs(0.1, 0.2), run("a", 0, 0.7, 10), run("b", 0, 0.7, 1000))
    table = compare(trials, "a", "b", ["data_count"])
    assert numbers(table, "data_count", "n", "verdict") == [
        (10, 0, "undecided"),
        (100, 2, "undecided"),
        (1000, 0, "undecided"),
    ]
    assert table["mean"].isna().tolist() == [True, False, True]
    # t = 3: an arm that is missing at a point does not count among the tests
    p = table["p_adjusted"].tolist()
    assert p == pytest.approx([math.nan, 0.204833, math.nan], nan_ok=True, abs=1e-6)
    notes = table["note"].tolist()
    assert notes[0] == "no finished training of 'b' here"
    assert notes[2] == "no finished training of 'a' here"


def test_arms_without_a_common_seed_cannot_be_compared() -> None:
    row = compared(run("a", 0, 0.7), run("b", 1, 0.6))
    assert (row["n"], row["note"]) == (0, "no pair: the arms share no seed and subset")


def test_runs_that_are_left_out_are_counted() -> None:
    row = compared(*pairs(0.1, 0.2, 0.25), *(run("b", seed, 0.9) for seed in (7, 8)))
    assert row["n"] == 3
    assert "2 runs of 'b' without a partner left out" in row["note"]


@pytest.mark.parametrize(("lost", "verdict"), [("b", "arm better"), ("a", "baseline better")])
def test_an_arm_that_always_diverged_has_lost(lost: str, verdict: str) -> None:
    (won,) = {"a", "b"} - {lost}
    rows = [
        *(run(won, seed, 0.8 + seed / 100) for seed in range(3)),
        *(run(lost, seed, 0.1, status="diverged") for seed in range(3)),
    ]
    row = compared(*rows)
    assert (row["verdict"], row["note"]) == (verdict, f"{lost!r} diverged in all of 3 runs")


def test_two_arms_that_always_diverged_cannot_be_compared() -> None:
    rows = pairs(0.0001, -0.0001, 0.0, status="diverged")
    row = compared(*rows)
    assert (row["verdict"], row["further_seeds"]) == ("undecided", None)
    assert row["note"] == "'a' diverged in all of 3 runs; 'b' diverged in all of 3 runs"


def test_a_choice_of_settings_that_all_seeds_share_is_noted() -> None:
    made = frame(*pairs(0.1, 0.12, 0.14))
    of_seed = made["seed"].map(lambda seed: [f"range test {seed}", "another"])
    for arm in ("a", "b"):  # one of them suffices
        chosen = made["arm"] == arm
        shared = chosen.map(lambda c: ["range test 0", "another"] if c else [])
        once = made.assign(chosen_from=shared)
        (note,) = compare(once, "a", "b")["note"]
        assert SHARED_CHOICE in note
        (note,) = compare(once.assign(chosen_from=of_seed.where(chosen)), "a", "b")["note"]
        assert SHARED_CHOICE not in note


def test_single_divergences_count_and_are_noted() -> None:
    rows = [*pairs(0.1, 0.12), run("a", 2, 0.1, status="diverged"), run("b", 2, 0.5)]
    row = compared(*rows)
    assert row["mean"] == pytest.approx(-0.06)
    assert "'a' diverged in 1 of 3 runs, counted as measured" in row["note"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 0}, r"margin must be finite and > 0, got 0"),
        ({"margin": math.nan}, r"margin must be finite and > 0, got nan"),
        ({"looks": (5, 3)}, r"looks must be ascending numbers of pairs >= 2, got \[5, 3\]"),
        ({"family": 0}, r"family must be >= 1, got 0"),
    ],
)
def test_impossible_arguments_are_rejected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compared(*pairs(0.1, 0.2), **arguments)


def test_comparing_with_nothing_or_with_itself_is_rejected() -> None:
    trials = frame(*pairs(0.1, 0.2))
    with pytest.raises(ValueError, match="baseline must name at least one arm, got none"):
        compare(trials, "a", [])
    with pytest.raises(ValueError, match="baseline must be another arm than 'a'"):
        compare(trials, "a", ["b", "a"])


def test_a_comparison_of_a_measurement_that_is_lacking_names_the_trial() -> None:
    with pytest.raises(ValueError, match="test_accuracy must be finite in every training, got nan"):
        compared(*pairs(0.1, math.nan))


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3), st.integers(1, 2)),
        min_size=1,
        unique=True,
    ),
    st.randoms(use_true_random=False),
)
def test_every_row_has_a_verdict_or_a_reason(
    cells: list[tuple[str, int, int]], random: Random
) -> None:
    rows = [run(arm, seed, random.choice([0.5, 0.6, 0.9]), count) for arm, seed, count in cells]
    rows += [run("a", 9, 0.5, 3), run("b", 9, 0.6, 3)]
    table = compare(frame(*rows), "a", "b", ["data_count"])
    assert set(table["data_count"]) == {row["data_count"] for row in rows}
    silent = (table["verdict"] == "undecided") & table["further_seeds"].isna()
    assert (table.loc[silent, "note"] != "").all()
    assert (table.loc[table["mean"].isna(), "n"] == 0).all()


def test_a_comparison_does_not_depend_on_the_order_of_rows() -> None:
    trials = frame(*pairs(0.01, 0.03, -0.02, 0.05), *pairs(0.01, 0.02, count=1000))
    shuffled = trials.iloc[np.random.default_rng(3).permutation(len(trials))]
    pd.testing.assert_frame_equal(
        compare(trials, "a", "b", ["data_count"]), compare(shuffled, "a", "b", ["data_count"])
    )
