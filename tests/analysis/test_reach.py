from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.reach import first_reached, label_worth, speedup
from tests.analysis.made import curve, frame, noisy, power_law, rows, run

FACTORS = ["low", "factor", "high"]
LABELS = (100, 300, 1000, 3000, 10000)
BUDGETS = (100, 200, 400, 800, 1600, 3200)


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
    table = speedup(trials, "fast", "slow")
    assert table["steps"].tolist() == [100, 400]
    assert table["baseline_steps"].tolist() == pytest.approx([400, 1600])
    for column in FACTORS:
        assert table[column].tolist() == pytest.approx([4, 4])
    assert table["censored"].tolist() == table["note"].tolist() == ["", ""]
    assert table["seeds"].tolist() == [2, 2]


def test_an_arm_against_itself_has_factor_one() -> None:
    own = curve("a", "steps", {100: (0.5, 0.6), 200: (0.6, 0.8), 400: (0.9, 0.9)})
    table = speedup(pd.concat([own, own.assign(arm="b")]), "a", "b")
    assert table["factor"].tolist() == pytest.approx([1, 1, 1])
    assert set(table["censored"]) == {""}


def test_a_baseline_that_never_gets_there_gives_a_lower_bound() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {100: (0.9, 0.91)}),
            curve("b", "steps", {100: (0.5, 0.51), 1000: (0.8, 0.81)}),
        ]
    )
    (row,) = rows(speedup(trials, "a", "b"))
    assert (row.censored, row.factor, row.low, row.high) == (">", 10, 10, math.inf)
    assert row.note == "'b' does not get there by 1,000"


def test_a_baseline_that_is_better_from_the_start_gives_an_upper_bound() -> None:
    trials = pd.concat(
        [
            curve("a", "steps", {400: (0.4, 0.4)}),
            curve("b", "steps", {100: (0.5, 0.5), 1000: (0.8, 0.8)}),
        ]
    )
    (row,) = rows(speedup(trials, "a", "b"))
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
    (row,) = rows(speedup(trials, "a", "b"))
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
    table = speedup(frame(rows), "a", "b").iloc[:3]
    for column in FACTORS:
        assert table[column].tolist() == pytest.approx([2**0.5] * 3)
    unpaired = frame({**row, "seed": row["seed"] + 9 * (row["arm"] == "b")} for row in rows)
    apart = speedup(unpaired, "a", "b").iloc[:3]
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
    row = speedup(trials, "a", "b").iloc[0]
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
    table = speedup(trials, "a", "b")
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
    table = speedup(trials, "a", "b")
    assert table["factor"].isna().tolist() == [True, False]
    assert table["note"].tolist() == ["every training of the arm diverged here", ""]
    assert table["censored"].tolist() == ["", ""]
    back = speedup(trials, "b", "a")
    assert back["note"].tolist() == ["every training of 'a' diverged at 100"] * 2


def test_trainings_that_diverged_among_others_are_counted_and_named() -> None:
    own = curve("a", "steps", {100: (0.5, 0.6), 200: (0.7, 0.8)})
    own.loc[(own["steps"] == 100) & (own["seed"] == 0), "status"] = "diverged"
    trials = pd.concat([own, own.assign(arm="b")])
    baseline = "'b': 1 of 4 trainings diverged, counted as measured"
    assert speedup(trials, "a", "b")["note"].tolist() == [
        f"1 of 2 trainings of the arm diverged; {baseline}",
        baseline,
    ]


def test_a_point_without_the_baseline_says_so() -> None:
    rows = [run("a", 0, 0.5), run("b", 0, 0.5), run("a", 0, 0.5, data_count=7)]
    table = speedup(frame(rows), "a", "b", ["data_count"])
    assert table["data_count"].tolist() == [7, 100]
    assert table["note"].tolist() == ["no training of 'b' here", "one seed: no interval"]
    assert math.isnan(table["factor"].iloc[0])


def test_the_same_trials_give_the_same_table() -> None:
    laws = {"a": lambda n: 5 / n**0.5, "b": lambda n: 6 / n**0.5}
    trials = noisy(laws, "steps", (100, 200, 400), 3, 0.05, np.random.default_rng(0))
    one, again = (speedup(trials, "a", "b") for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    shuffled = trials.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(one, speedup(shuffled, "a", "b"))


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
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    trials = frame([run("a", 0, 0.5), run("b", 0, 0.5)])
    given = {"trials": trials, "arm": "a", "baseline": "b", **change}
    with pytest.raises(ValueError, match=message):
        speedup(**given)  # type: ignore[arg-type]


def test_a_missing_accuracy_is_named() -> None:
    trials = frame([run("a", 0, math.nan), run("b", 0, 0.5)])
    with pytest.raises(ValueError, match="test_accuracy must be finite in every training, got nan"):
        speedup(trials, "a", "b")


def test_points_that_by_does_not_distinguish_are_rejected() -> None:
    trials = frame([run("a", 0, 0.5), run("b", 0, 0.5), run("b", 0, 0.5, data_count=7)])
    with pytest.raises(ValueError, match="by must distinguish points, but arm 'b' has several"):
        speedup(trials, "a", "b")


# Speed-up and worth of labels


def two_arms() -> pd.DataFrame:
    return pd.concat(
        [
            curve("one_cycle", "steps", {100: (0.6, 0.62), 1000: (0.8, 0.82)}),
            curve("piecewise", "steps", {100: (0.3, 0.32), 1000: (0.6, 0.62)}),
        ]
    )


def test_a_speed_up_is_the_factor_in_steps_to_the_same_final_accuracy() -> None:
    table = speedup(two_arms(), "one_cycle", "piecewise")
    assert list(table.columns) == [
        *("baseline", "steps", "mean", "baseline_steps", "factor", "low", "high"),
        *("censored", "seeds", "note"),
    ]
    assert table["steps"].tolist() == [100, 1000]
    assert table["baseline_steps"].tolist() == [1000, 1000]
    assert table["factor"].tolist() == [10, 1]
    assert table["censored"].tolist() == ["", ">"]
    assert table["note"].tolist() == ["", "'piecewise' does not get there by 1,000"]


def test_several_baselines_are_rows_of_one_table() -> None:
    slower = two_arms()[lambda t: t["arm"] == "piecewise"].assign(arm="slower")
    slower["test_accuracy"] -= 0.05
    trials = pd.concat([two_arms(), slower])
    table = speedup(trials, "one_cycle", ["slower", "piecewise"])
    assert table["baseline"].tolist() == ["slower", "slower", "piecewise", "piecewise"]
    for name in ("slower", "piecewise"):
        alone = speedup(trials, "one_cycle", name)
        own = table[table["baseline"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone)


def test_comparing_with_nothing_or_with_itself_is_rejected() -> None:
    with pytest.raises(ValueError, match="baseline must name at least one arm, got none"):
        speedup(two_arms(), "one_cycle", [])
    with pytest.raises(ValueError, match="baseline must be another arm than 'one_cycle'"):
        label_worth(two_arms(), "one_cycle", "one_cycle")


def test_a_speed_up_is_given_for_every_number_of_labels() -> None:
    few = two_arms().assign(data_count=7)
    few.loc[few["arm"] == "one_cycle", "test_accuracy"] = 0.61
    table = speedup(pd.concat([two_arms(), few]), "one_cycle", "piecewise", ["data_count"])
    assert table[["data_count", "steps"]].to_numpy().tolist() == [
        [7, 100],
        [7, 1000],
        [100, 100],
        [100, 1000],
    ]
    assert table["factor"].tolist() == [10, 1, 10, 1]
    assert table["censored"].tolist() == ["", "", "", ">"]


def test_the_speed_up_is_covered_by_its_interval() -> None:
    arms = {
        "fast": lambda n: 0.9 - 0.1 * np.log(3 * n) / 3,
        "slow": lambda n: 0.9 - 0.1 * np.log(n) / 3,
    }
    covered = []
    for seed in range(50):
        trials = noisy(arms, "steps", BUDGETS, 5, 0.005, np.random.default_rng(seed))
        row = speedup(trials, "fast", "slow").iloc[2]  # straight over log n: exactly 3
        covered.append(row["low"] <= 3 <= row["high"])
    assert 0.88 <= np.mean(covered) <= 1


def test_an_arm_may_be_worth_four_times_its_labels() -> None:
    trials = pd.concat(
        [
            curve("x", "data_count", {100: (0.6, 0.6), 400: (0.8, 0.8)}),
            curve("y", "data_count", {100: (0.4, 0.4), 400: (0.6, 0.6), 6400: (0.8, 0.8)}),
        ]
    )
    table = label_worth(trials, "x", "y")
    assert table["data_count"].tolist() == [100, 400]
    assert table["baseline_labels"].tolist() == pytest.approx([400, 6400])
    assert table["factor"].tolist() == pytest.approx([4, 16])
    back = label_worth(trials, "y", "x")
    assert back["censored"].tolist() == ["<", "", ""]


def test_the_worth_of_labels_is_covered_by_its_interval() -> None:
    # error / 1.5 at every n is what 1.5^2 = 2.25 times as many labels give with b = 0.5
    arms = {"x": power_law(2, 0.5, 0), "y": power_law(3, 0.5, 0)}
    tables = [
        label_worth(
            noisy(arms, "data_count", LABELS, 5, 0.03, np.random.default_rng(seed)), "x", "y"
        ).iloc[2]
        for seed in range(50)
    ]
    # Interpolated between 1,000 and 3,000, where a power law lies below the straight line
    chord = (3 * 1000**-0.5, 3 * 3000**-0.5)
    truth = 3 ** ((chord[0] - 2 * 1000**-0.5) / (chord[0] - chord[1]))
    assert 0.88 <= np.mean([row["low"] <= truth <= row["high"] for row in tables]) <= 1
