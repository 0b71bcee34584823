from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scaling.fits import (
    compare_scaling,
    scaling_band,
    scaling_fits,
)
from tests.analysis.made import curve, frame, noisy, rows, run
from tests.analysis.made import power_law as law

N = (100, 300, 1000, 3000, 10000)
Error = Callable[[float], float]


def exact(arm: str, error: Error, seeds: int = 3, points: tuple[int, ...] = N) -> pd.DataFrame:
    return curve(arm, "data_count", {n: (1 - error(n),) * seeds for n in points})


def made(
    arms: dict[str, Error], seeds: int = 5, noise: float = 0.03, seed: int = 0
) -> pd.DataFrame:
    return noisy(arms, "data_count", N, seeds, noise, np.random.default_rng(seed))


# Fits


def test_every_arms_law_is_found() -> None:
    trials = pd.concat([exact("a", law(1.5, 0.35, 0.05)), exact("b", law(4, 0.6, 0.1))])
    table = scaling_fits(trials)
    assert list(table.columns) == [
        *("arm", "a", "a_low", "a_high", "b", "b_low", "b_high", "c", "c_low", "c_high"),
        *("extrapolation", "extrapolation_low", "extrapolation_high"),
        *("misfit", "points", "seeds", "note"),
    ]
    assert table["arm"].tolist() == ["a", "b"]
    for column, expected in {"a": (1.5, 4), "b": (0.35, 0.6), "c": (0.05, 0.1)}.items():
        for end in ("", "_low", "_high"):  # equal seeds: no spread
            assert table[column + end].tolist() == pytest.approx(expected, rel=1e-3)
    assert table["misfit"].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert table["extrapolation"].tolist() == pytest.approx([0, 0], abs=1e-3)
    assert table[["points", "seeds"]].to_numpy().tolist() == [[5, 3], [5, 3]]
    assert table["note"].tolist() == ["", ""]


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = {"a": 1.5, "b": 0.35, "c": 0.05}
    tables = [scaling_fits(made({"x": law(**truth)}, seed=seed)).iloc[0] for seed in range(50)]
    for name, value in truth.items():
        covered = [row[f"{name}_low"] <= value <= row[f"{name}_high"] for row in tables]
        assert 0.88 <= np.mean(covered) <= 1


def test_more_columns_may_distinguish_curves() -> None:
    trials = pd.concat(
        [exact("a", law(1.5, 0.35, 0.05)), exact("a", law(1.5, 0.5, 0.05)).assign(steps=7)]
    )
    table = scaling_fits(trials, ["steps"])
    assert table["steps"].tolist() == [7, 100]
    assert table["b"].tolist() == pytest.approx([0.5, 0.35], rel=1e-3)
    alike = trials.assign(trial_id=range(len(trials)))
    with pytest.raises(ValueError, match="by must distinguish points, but arm 'a' has several"):
        scaling_fits(alike)


def test_a_band_is_the_law_from_the_least_to_the_most_labels() -> None:
    trials = made({"a": law(1.5, 0.35, 0.05)})
    band = scaling_band(trials)
    row = scaling_fits(trials).iloc[0]
    assert band["data_count"].iloc[[0, -1]].tolist() == pytest.approx([100, 10_000])
    predicted = row["a"] * band["data_count"] ** -row["b"] + row["c"]
    assert band["error"].tolist() == pytest.approx(predicted.tolist())


def test_a_band_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = law(1.5, 0.35, 0.05)
    bands = [scaling_band(made({"x": truth}, seed=seed)) for seed in range(20)]
    covered = [
        (row.low <= truth(row.data_count)) & (truth(row.data_count) <= row.high)
        for band in bands
        for row in rows(band.iloc[[0, 20, 40, -1]] if len(band) else band)
    ]
    assert 0.85 <= np.mean(covered) <= 1.0


def test_without_a_law_there_is_no_band_and_with_one_seed_no_interval() -> None:
    flat = curve("flat", "data_count", dict.fromkeys(N, (0.7, 0.7)))
    trials = pd.concat([flat, exact("a", law(1.5, 0.35, 0.05), seeds=1)])
    band = scaling_band(trials)
    assert set(band["arm"]) == {"a"}
    assert band["low"].isna().all()
    assert scaling_band(flat).empty


@pytest.mark.parametrize(
    ("accuracies", "note"),
    [
        ((0.5, 0.6, 0.7), "3 distinct n: a, b and c need at least 4"),
        ((0.5, 0.7, 0.65, 0.75, 0.78), "error rises from n = 300 to 1,000"),
        # over log n: +0.02, +0.3, +0.08, +0.02
        (
            (0.4, 0.42, 0.72, 0.8, 0.82),
            "not convex: error falls faster after n = 300 than before",
        ),
        ((0.7, 0.7, 0.7, 0.7), "error does not fall from n = 100 to 3,000"),
    ],
)
def test_a_curve_of_another_shape_gets_a_reason_instead_of_a_law(
    accuracies: tuple[float, ...], note: str
) -> None:
    points = {n: (mean - 0.01, mean, mean + 0.01) for n, mean in zip(N, accuracies, strict=False)}
    trials = curve("a", "data_count", points)
    row = scaling_fits(trials).iloc[0]
    assert row["note"] == note
    assert row[["a", "b", "b_low", "c_high", "misfit"]].isna().all()


def test_a_rise_within_the_noise_is_not_held_against_a_curve() -> None:
    points = {100: (0.5, 0.52), 300: (0.7, 0.74), 1000: (0.73, 0.7), 3000: (0.8, 0.79)}
    (row,) = rows(scaling_fits(curve("a", "data_count", points)))
    assert row.note == ""
    assert row.b > 0


def test_few_well_behaved_curves_are_taken_for_others() -> None:
    notes = [
        scaling_fits(made({"x": law(1.5, 0.35, 0.05)}, seed=seed))["note"][0] for seed in range(50)
    ]
    assert sum(note != "" for note in notes) <= 4


def test_one_seed_gives_a_law_without_intervals() -> None:
    (row,) = rows(scaling_fits(exact("a", law(1.5, 0.35, 0.05), seeds=1)))
    assert row.b == pytest.approx(0.35, rel=1e-3)
    assert math.isnan(row.b_low)
    assert math.isnan(row.c_high)
    assert row.note == "one seed: no intervals, and the shape is not tested"


def test_one_seed_at_one_n_leaves_no_intervals() -> None:
    trials = exact("a", law(1.5, 0.35, 0.05))
    trials = trials[(trials["data_count"] != 300) | (trials["seed"] == 0)]
    (row,) = rows(scaling_fits(trials))
    assert (row.seeds, row.note) == (1, "one seed at n = 300: no intervals")
    assert math.isnan(row.b_low)


def test_an_n_at_which_every_training_diverged_is_no_part_of_a_law() -> None:
    trials = exact("a", law(1.5, 0.35, 0.05))
    trials.loc[trials["data_count"] == 300, "status"] = "diverged"
    (row,) = rows(scaling_fits(trials))
    assert row.note == "every training diverged at n = 300"
    assert math.isnan(row.b)


def test_a_single_diverged_training_is_counted_and_named() -> None:
    trials = made({"a": law(1.5, 0.35, 0.05)})
    lost = (trials["data_count"] == 300) & (trials["seed"] == 0)
    trials.loc[lost, "status"] = "diverged"
    (row,) = rows(scaling_fits(trials))
    assert row.note == "1 of 25 trainings diverged, counted as measured"
    assert row.b > 0


def test_an_exponent_at_its_bound_is_pointed_out() -> None:
    (row,) = rows(scaling_fits(exact("a", law(1e7, 4, 0.1))))
    assert row.note == "b is at its bound, 3: these n do not tell b from c"


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_what_is_no_accuracy_is_rejected(value: float) -> None:
    with pytest.raises(ValueError, match=r"test_accuracy must be an accuracy, in \[0, 1\], got"):
        scaling_fits(frame([run("a", 0, value)]))


def test_a_missing_accuracy_is_named() -> None:
    with pytest.raises(ValueError, match="test_accuracy must be finite in every training, got nan"):
        scaling_fits(frame([run("a", 0, math.nan)]))


# Comparisons


def test_a_lower_offset_and_another_exponent_get_different_verdicts() -> None:
    base = law(2, 0.35, 0.05)
    offset = compare_scaling(made({"x": law(1.5, 0.35, 0.05), "y": base}), "x", "y")
    assert offset["floor"].tolist() == ["shared", "own"]
    assert offset["verdict"].tolist() == ["offset", "offset"]
    for row in rows(offset):
        assert row.b_low < 0 < row.b_high
        assert row.a_low < 0.75 < row.a_high
    exponent = compare_scaling(made({"x": law(2, 0.45, 0.05), "y": base}), "x", "y")
    assert exponent["verdict"].tolist() == ["exponent", "exponent"]
    for row in rows(exponent):
        assert row.b_low < 0.1 < row.b_high


def test_equal_laws_are_rarely_found_different() -> None:
    same = law(1.5, 0.35, 0.05)
    verdicts = [
        compare_scaling(made({"x": same, "y": same}, seed=seed), "x", "y")["verdict"][0]
        for seed in range(12)
    ]
    assert verdicts.count("undecided") >= 9


def test_an_arm_turned_round_changes_the_sign_of_its_difference() -> None:
    trials = made({"x": law(2, 0.45, 0.05), "y": law(2, 0.35, 0.05)})
    there, back = compare_scaling(trials, "x", "y"), compare_scaling(trials, "y", "x")
    assert back["b_difference"].tolist() == pytest.approx(
        (-there["b_difference"]).tolist(), rel=1e-2
    )
    assert back["a_ratio"].tolist() == pytest.approx((1 / there["a_ratio"]).tolist(), rel=1e-2)


def test_a_comparison_with_an_arm_that_has_no_law_says_why() -> None:
    trials = pd.concat(
        [exact("x", law(1.5, 0.35, 0.05)), exact("y", law(1.5, 0.35, 0.05), points=N[:3])]
    )
    for row in rows(compare_scaling(trials, "x", "y")):
        assert row.verdict == "undecided"
        assert row.note == "'y': 3 distinct n: a, b and c need at least 4"
        assert math.isnan(row.b_difference)


def test_a_comparison_of_single_seeds_has_no_verdict() -> None:
    trials = pd.concat(
        [exact(arm, law(1.5, b, 0.05), seeds=1) for arm, b in (("x", 0.5), ("y", 0.3))]
    )
    for row in rows(compare_scaling(trials, "x", "y")):
        assert row.b_difference == pytest.approx(0.2, rel=1e-2)
        assert math.isnan(row.b_low)
        assert (row.verdict, row.note) == (
            "undecided",
            "one seed at some n: no intervals, so no verdict",
        )


def test_a_point_without_the_baseline_says_so() -> None:
    trials = pd.concat(
        [
            exact("x", law(1.5, 0.35, 0.05)),
            exact("x", law(1.5, 0.35, 0.05)).assign(steps=7),
            exact("y", law(1.5, 0.35, 0.05)),
        ]
    )
    table = compare_scaling(trials, "x", "y", ["steps"])
    assert table["steps"].tolist() == [7, 7, 100, 100]
    assert table["note"].tolist() == ["no training of 'y' here"] * 2 + [""] * 2
    with pytest.raises(ValueError, match="no finished training of arm 'z'; there are: 'x', 'y'"):
        compare_scaling(trials, "x", "z")


def test_several_baselines_are_compared_one_by_one() -> None:
    laws = {"x": law(1.5, 0.35, 0.05), "y": law(2, 0.35, 0.05), "z": law(2, 0.45, 0.05)}
    trials = made(laws)
    table = compare_scaling(trials, "x", ["z", "y"])
    assert table["baseline"].tolist() == ["z", "z", "y", "y"]
    parts = [compare_scaling(trials, "x", other) for other in ("z", "y")]
    pd.testing.assert_frame_equal(table, pd.concat(parts, ignore_index=True))
