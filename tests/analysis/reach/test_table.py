from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.reach.table import first_reached, reach_table
from tests.analysis.made import curve, frame, noisy, rows, run

FACTORS = ["low", "factor", "high"]


def reached(axis: Sequence[float], means: Sequence[float], *targets: float) -> list[float]:
    return list(first_reached(np.array(axis), np.array([means]), np.array([targets]))[0])


# Interpolation


def test_between_points_a_curve_is_straight_over_the_logarithm() -> None:
    # 0.6 lies half-way between 0.5 and 0.7: at the geometric mean of 100 and 400.
    # 0.75 lies a quarter of the way from 0.7 to 0.9: at 400 * 16 ** 0.25.
    assert reached([100, 400, 6400], [0.5, 0.7, 0.9], 0.6, 0.75) == pytest.approx([200, 800])


def test_a_points_own_accuracy_is_reached_at_that_point() -> None:
    assert reached([100, 400, 6400], [0.5, 0.7, 0.9], 0.5, 0.7, 0.9) == pytest.approx(
        [100, 400, 6400]
    )


def test_what_lies_beyond_the_curves_ends_is_infinite() -> None:
    assert reached([100, 400], [0.5, 0.7], 0.4, 0.71) == [0, math.inf]
    assert reached([100], [0.5], 0.4, 0.5, 0.6) == pytest.approx([0, 100, math.inf])


def test_a_better_point_counts_though_the_curve_falls_after_it() -> None:
    # 0.8 at 200 is the best up to 800, where 0.9 is reached: 0.85 half-way from 400 to 800.
    means = [0.6, 0.8, 0.7, 0.9]
    assert reached([100, 200, 400, 800], means, 0.8, 0.85) == pytest.approx([200, 400 * 2**0.5])


def test_every_draw_has_its_own_curve_and_targets() -> None:
    found = first_reached(
        np.array([1.0, 4.0]), np.array([[0.0, 1.0], [0.5, 1.0]]), np.array([[0.5], [0.75]])
    )
    assert found.tolist() == [[pytest.approx(2)], [pytest.approx(2)]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_more_accuracy_is_never_reached_earlier(
    means: list[float], one: float, other: float
) -> None:
    axis = [100 * 2**i for i in range(len(means))]
    early, late = reached(axis, means, min(one, other), max(one, other))
    assert early <= late


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_a_rising_curve_is_inverted(means: list[float]) -> None:
    means = sorted(means)
    axis = [100.0 * 3**i for i in range(len(means))]
    back = np.interp(np.log(reached(axis, means, *means)), np.log(axis), means)
    assert back == pytest.approx(means, abs=1e-9)


# The table


def test_an_arm_that_needs_a_quarter_of_the_steps_has_factor_four() -> None:
    trials = pd.concat(
        [
            curve("fast", "steps", {100: (0.5, 0.5), 400: (0.7, 0.7)}),
            curve("slow", "steps", {400: (0.5, 0.5), 1600: (0.7, 0.7)}),
        ]
    )
    table = reach_table(trials, "fast", "slow", "steps")
    assert table["steps"].tolist() == [100, 400]
    assert table["reached_at"].tolist() == pytest.approx([400, 1600])
    for column in FACTORS:
        assert table[column].tolist() == pytest.approx([4, 4])
    assert table["censored"].tolist() == table["note"].tolist() == ["", ""]
    assert table["seeds"].tolist() == [2, 2]


def test_an_arm_against_itself_has_factor_one() -> None:
    own = curve("a", "steps", {100: (0.5, 0.6), 200: (0.6, 0.8), 400: (0.9, 0.9)})
    table = reach_table(pd.concat([own, own.assign(arm="b")]), "a", "b", "steps")
    assert table["factor"].tolist() == pytest.approx([1, 1, 1])
    assert set(table["censored"]) == {""}


def test_a_baseline_that_never_gets_there_gives_a_lower_bound() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {100: (0.9, 0.91)}),
            curve("b", "steps", {100: (0.5, 0.51), 1000: (0.8, 0.81)}),
        ]
    )
    (row,) = rows(reach_table(trials, "a", "b", "steps"))
    assert (row.censored, row.factor, row.low, row.high) == (">", 10, 10, math.inf)
    assert row.note == "'b' does not get there by 1,000"


def test_a_baseline_that_is_better_from_the_start_gives_an_upper_bound() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {400: (0.4, 0.4)}),
            curve("b", "steps", {100: (0.5, 0.5), 1000: (0.8, 0.8)}),
        ]
    )
    (row,) = rows(reach_table(trials, "a", "b", "steps"))
    assert (row.censored, row.factor, row.low, row.high) == ("<", 0.25, 0, 0.25)
    assert row.note == "'b' is already better at 100"


def test_an_interval_may_be_open_where_the_factor_is_known() -> None:
    # The arm is 0.79 +- 0.02 * 12.7 / sqrt(2): in some draws beyond the baseline's last 0.8
    trials = pd.concat(
        [
            curve("a", "steps", {100: (0.77, 0.81)}),
            curve("b", "steps", {100: (0.5, 0.5), 1000: (0.8, 0.8)}),
        ]
    )
    (row,) = rows(reach_table(trials, "a", "b", "steps"))
    assert row.censored == ""
    assert row.factor == pytest.approx(10 ** (0.29 / 0.3))
    assert row.low < row.factor
    assert row.high == math.inf


def test_what_a_pair_shares_does_not_widen_the_interval() -> None:
    steps = [100, 200, 400, 800]
    shared = dict(enumerate((-0.03, 0.01, 0.02)))
    rows = [
        run(arm, seed, 0.5 + gain + 0.1 * i + offset, steps=at)
        for arm, gain in (("a", 0.05), ("b", 0.0))
        for i, at in enumerate(steps)
        for seed, offset in shared.items()
    ]
    table = reach_table(frame(rows), "a", "b", "steps").iloc[:3]
    for column in FACTORS:
        assert table[column].tolist() == pytest.approx([2**0.5] * 3)
    unpaired = frame({**row, "seed": row["seed"] + 9 * (row["arm"] == "b")} for row in rows)
    apart = reach_table(unpaired, "a", "b", "steps").iloc[:3]
    assert apart["factor"].tolist() == pytest.approx([2**0.5] * 3)
    assert (apart["high"] > 1.5).all()


@pytest.mark.parametrize(
    ("single", "note"),
    [("a", "one seed: no interval"), ("b", "one seed of 'b' at 100: no interval")],
)
def test_one_seed_gives_a_factor_without_an_interval(single: str, note: str) -> None:
    trials = pd.concat(
        [curve(arm, "steps", {100: (0.5, 0.6), 200: (0.7, 0.8)}) for arm in ("a", "b")]
    )
    trials = trials[(trials["arm"] != single) | (trials["steps"] != 100) | (trials["seed"] == 0)]
    row = reach_table(trials, "a", "b", "steps").iloc[0]
    assert math.isfinite(row["factor"])
    assert math.isnan(row["low"])
    assert math.isnan(row["high"])
    assert note in row["note"]


def test_seeds_may_be_more_at_one_point_than_at_another() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {100: (0.5, 0.52, 0.54, 0.56), 200: (0.7, 0.72)}),
            curve("b", "steps", {100: (0.4, 0.42), 200: (0.6, 0.62, 0.64)}),
        ]
    )
    table = reach_table(trials, "a", "b", "steps")
    assert table["seeds"].tolist() == [4, 2]
    # 0.53 is 0.12 / 0.21 of the way from 0.41 to 0.62
    assert table["factor"].iloc[0] == pytest.approx(2 ** (0.12 / 0.21))
    assert table["low"].notna().all()


def test_an_arm_that_diverged_with_every_seed_has_no_factor() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {100: (0.1, 0.1), 200: (0.7, 0.7)}),
            curve("b", "steps", {100: (0.5, 0.5), 200: (0.7, 0.7)}),
        ]
    )
    trials.loc[trials["test_accuracy"] == 0.1, "status"] = "diverged"
    table = reach_table(trials, "a", "b", "steps")
    assert table["factor"].isna().tolist() == [True, False]
    assert table["note"].tolist() == ["every training of the arm diverged here", ""]
    assert table["censored"].tolist() == ["", ""]
    back = reach_table(trials, "b", "a", "steps")
    assert back["note"].tolist() == ["every training of 'a' diverged at 100"] * 2


def test_trainings_that_diverged_among_others_are_counted_and_named() -> None:
    own = curve("a", "steps", {100: (0.5, 0.6), 200: (0.7, 0.8)})
    own.loc[(own["steps"] == 100) & (own["seed"] == 0), "status"] = "diverged"
    trials = pd.concat([own, own.assign(arm="b")])
    baseline = "'b': 1 of 4 trainings diverged, counted as measured"
    assert reach_table(trials, "a", "b", "steps")["note"].tolist() == [
        f"1 of 2 trainings of the arm diverged; {baseline}",
        baseline,
    ]


def test_a_point_without_the_baseline_says_so() -> None:
    rows = [run("a", 0, 0.5), run("b", 0, 0.5), run("a", 0, 0.5, data_count=7)]
    table = reach_table(frame(rows), "a", "b", "steps", ["data_count"])
    assert table["data_count"].tolist() == [7, 100]
    assert table["note"].tolist() == ["no training of 'b' here", "one seed: no interval"]
    assert math.isnan(table["factor"].iloc[0])


def test_the_same_seed_gives_the_same_table() -> None:
    laws = {"a": lambda n: 5 / n**0.5, "b": lambda n: 6 / n**0.5}
    trials = noisy(laws, "steps", (100, 200, 400), 3, 0.05, np.random.default_rng(0))
    one, again = (reach_table(trials, "a", "b", "steps", seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    shuffled = trials.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(one, reach_table(shuffled, "a", "b", "steps", seed=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": "c"}, "no finished training of arm 'c'; there are: 'a', 'b'"),
        (
            {"by": ["steps"]},
            r"by must not contain 'steps', the axis of the curves, got \['steps'\]",
        ),
        ({"by": ["depth"]}, "by must name columns of the trials, got 'depth'"),
        ({"value": "accuracy"}, "value must name columns of the trials, got 'accuracy'"),
        ({"confidence": 95}, r"confidence must be in \(0, 1\), got 95"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    trials = frame([run("a", 0, 0.5), run("b", 0, 0.5)])
    given = {"trials": trials, "arm": "a", "baseline": "b", "axis": "steps", **change}
    with pytest.raises(ValueError, match=message):
        reach_table(**given)  # type: ignore[arg-type]


def test_a_missing_accuracy_is_named() -> None:
    trials = frame([run("a", 0, math.nan), run("b", 0, 0.5)])
    with pytest.raises(ValueError, match="test_accuracy must be finite in every training, got nan"):
        reach_table(trials, "a", "b", "steps")


def test_points_that_by_does_not_distinguish_are_rejected() -> None:
    trials = frame([run("a", 0, 0.5), run("b", 0, 0.5), run("b", 0, 0.5, data_count=7)])
    with pytest.raises(ValueError, match="by must distinguish points, but arm 'b' has several"):
        reach_table(trials, "a", "b", "steps")
