"""Whether a gap grows as labels become scarce, on gaps whose slopes are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.comparison.trend import gap_trend
from tests.analysis.made import frame, run


def trials(*gaps: dict[int, float], **other: str) -> pd.DataFrame:
    """Two arms; each dict is a seed's gap at every number of labels."""
    return frame(
        run(arm, seed, 0.5 + (gap if arm == "one_cycle" else 0.0), data_count=n, **other)
        for seed, own in enumerate(gaps)
        for n, gap in own.items()
        for arm in ("one_cycle", "cosine")
    )


def test_a_gap_that_grows_by_a_point_each_tenth_of_the_labels_is_found_exactly() -> None:
    seeds = [{1000: 0.00, 100: 0.01, 10: 0.02}, {1000: 0.01, 100: 0.02, 10: 0.03}]
    (row,) = gap_trend(trials(*seeds), "one_cycle", "cosine").to_dict("records")
    assert row["mean"] == pytest.approx(0.01)
    assert row["low"] == pytest.approx(0.01)
    assert (row["n"], row["points"], row["verdict"], row["note"]) == (2, 3, "grows", "")


def test_the_interval_is_students_over_the_slopes_of_the_seeds() -> None:
    # Slopes 0.01, 0.02, 0.03 over one decade: deviation 0.01. Two verdicts share 5 %, so that each
    # has t(2, 98.75 %) = 6.2053.
    seeds = [{100: 0.0, 10: slope} for slope in (0.01, 0.02, 0.03)]
    (row,) = gap_trend(trials(*seeds), "one_cycle", "cosine").to_dict("records")
    half = 6.2053 * 0.01 / math.sqrt(3)
    assert row["low"] == pytest.approx(0.02 - half, abs=1e-6)
    assert row["high"] == pytest.approx(0.02 + half, abs=1e-6)
    assert row["verdict"] == "undecided"


def test_one_baseline_of_many_has_a_wider_interval_than_alone() -> None:
    seeds = [{100: 0.0, 10: slope} for slope in (0.01, 0.02, 0.03)]
    made = trials(*seeds)
    others = [made[made["arm"] == "cosine"].assign(arm=name) for name in ("linear", "wsd")]
    table = gap_trend(pd.concat([made, *others]), "one_cycle", ["cosine", "linear", "wsd"])
    # Six verdicts: t(2, 1 - 0.05 / 12) = 10.8859.
    half = 10.8859 * 0.01 / math.sqrt(3)
    assert table["low"].to_numpy() == pytest.approx([0.02 - half] * 3, abs=1e-5)


def test_a_gap_that_shrinks_with_the_labels_falls() -> None:
    seeds = [{100: 0.02, 10: 0.0}, {100: 0.03, 10: 0.0}, {100: 0.025, 10: 0.0}]
    assert gap_trend(trials(*seeds), "one_cycle", "cosine")["verdict"].tolist() == ["falls"]


def test_a_seed_without_all_points_is_left_out_and_noted() -> None:
    seeds = [{100: 0.0, 10: 0.01}, {100: 0.0, 10: 0.01}, {100: 0.5}]
    (row,) = gap_trend(trials(*seeds), "one_cycle", "cosine").to_dict("records")
    assert (row["n"], row["note"]) == (2, "1 of the seeds left out, because they lack a point")
    assert row["mean"] == pytest.approx(0.01)


def test_one_number_of_labels_has_no_trend() -> None:
    (row,) = gap_trend(trials({100: 0.1}, {100: 0.2}), "one_cycle", "cosine").to_dict("records")
    assert math.isnan(row["mean"])
    assert (row["verdict"], row["note"]) == ("undecided", "one number of labels has no trend")


def test_one_seed_has_a_slope_but_no_interval() -> None:
    (row,) = gap_trend(trials({100: 0.0, 10: 0.1}), "one_cycle", "cosine").to_dict("records")
    assert row["mean"] == pytest.approx(0.1)
    assert math.isnan(row["low"])
    assert (row["verdict"], row["note"]) == ("undecided", "one seed: no interval")


def test_a_choice_of_settings_that_all_seeds_share_is_noted() -> None:
    made = trials({100: 0.1, 10: 0.2}, {100: 0.1, 10: 0.3})
    once = made.assign(chosen_from=made["data_count"].map(lambda count: [f"search-{count}"]))
    per_seed = made.assign(chosen_from=made["trial_id"].map(lambda trial: [f"search-{trial}"]))
    notes = [gap_trend(t, "one_cycle", "cosine")["note"][0] for t in (made, once, per_seed)]
    assert notes == ["", SHARED_CHOICE, ""]


def test_curves_and_baselines_have_rows_of_their_own() -> None:
    both = pd.concat(
        [
            trials({100: 0.0, 10: 0.1}, model="lenet"),
            trials({100: 0.0, 10: 0.2}, model="resnet20"),
        ]
    )
    table = gap_trend(both, "one_cycle", ["cosine"], by=["model"])
    assert table["model"].tolist() == ["lenet", "resnet20"]
    assert table["mean"].tolist() == pytest.approx([0.1, 0.2])


# The ratio of errors


def from_errors(*seeds: dict[int, tuple[float, float]]) -> pd.DataFrame:
    """Two arms; each dict has a seed's errors of arm and baseline at every number of labels."""
    return frame(
        run(arm, seed, 1 - error, data_count=n)
        for seed, own in enumerate(seeds)
        for n, errors in own.items()
        for arm, error in zip(("one_cycle", "cosine"), errors, strict=True)
    )


def test_nine_tenths_of_the_errors_everywhere_grow_in_points_but_not_as_a_ratio() -> None:
    seeds = [{1000: (0.09 * s, 0.1 * s), 100: (0.18 * s, 0.2 * s)} for s in (0.9, 1.0, 1.1)]
    (row,) = gap_trend(from_errors(*seeds), "one_cycle", "cosine").to_dict("records")
    assert row["mean"] == pytest.approx(0.01)
    assert row["verdict"] == "grows"
    ends = (row["ratio"], row["ratio_low"], row["ratio_high"])
    assert ends == pytest.approx((1, 1, 1))
    assert row["ratio_verdict"] == "undecided"


def test_a_ratio_of_errors_that_grows_is_found_although_the_gap_does_not() -> None:
    # From 10 against 20 % to 30 against 40 %: ratios 2 and 4/3, gaps of 10 points.
    seeds = [{1000: (0.1, 0.2), 100: (0.3, 0.4)}] * 2
    (row,) = gap_trend(from_errors(*seeds), "one_cycle", "cosine").to_dict("records")
    assert row["mean"] == pytest.approx(0)
    assert row["ratio"] == pytest.approx((4 / 3) / 2)
    assert (row["verdict"], row["ratio_verdict"]) == ("undecided", "falls")


def test_the_ratio_is_the_interaction_of_a_mixed_model_of_the_log_errors() -> None:
    """Slope and standard error as statsmodels 0.15 estimates them by REML from the log ratios.

    mixedlm("log_ratio ~ x", groups=seed, re_formula="~x"), x = log10(n) minus its mean.
    """
    log_ratios = [
        (0.429, 0.345, 0.351, 0.245, 0.202),
        (-0.226, -0.205, -0.179, -0.092, 0.022),
        (0.275, 0.147, 0.129, 0.174, 0.061),
        (0.099, 0.124, 0.072, 0.013, 0.005),
        (-0.02, 0.14, 0.006, -0.061, 0.001),
        (0.203, 0.102, 0.024, 0.036, -0.015),
        (0.081, -0.006, -0.093, -0.102, -0.227),
        (0.103, 0.144, 0.105, 0.03, -0.036),
    ]
    seeds = [
        {
            n: (0.2, 0.2 * math.exp(r))
            for n, r in zip((100, 300, 1000, 3000, 10_000), own, strict=True)
        }
        for own in log_ratios
    ]
    (row,) = gap_trend(from_errors(*seeds), "one_cycle", "cosine").to_dict("records")
    slope, error, t = 0.060317, 0.028551, 2.841244  # t(7, 98.75 %)
    assert math.log(row["ratio"]) == pytest.approx(slope, abs=2e-6)
    assert math.log(row["ratio_low"]) == pytest.approx(slope - t * error, abs=1e-5)
    assert math.log(row["ratio_high"]) == pytest.approx(slope + t * error, abs=1e-5)


def test_an_error_of_zero_has_no_ratio() -> None:
    seeds = [{1000: (0.0, 0.1), 100: (0.1, 0.2)}] * 2
    (row,) = gap_trend(from_errors(*seeds), "one_cycle", "cosine").to_dict("records")
    assert row["mean"] == pytest.approx(0)
    assert math.isnan(row["ratio"])
    assert row["note"] == "no ratio: an error is 0, or the values have no best one"


# The test set


def with_correctness(seeds: int, samples: int, *, sample_sd: float) -> pd.DataFrame:
    """Made runs whose gaps vary with the test samples, between numbers of labels as well."""
    random = np.random.default_rng(0)
    rows = []
    difficulty = random.standard_normal(samples)
    for n, level in ((1000, 1.2), (100, 0.8)):
        for arm in ("one_cycle", "cosine"):
            own = sample_sd * random.standard_normal(samples)
            for seed in range(seeds):
                noise = 0.3 * random.standard_normal(samples)
                right = level + difficulty + own + noise > 0
                bits = {"test_count": samples, "test_correct": np.packbits(right).tobytes()}
                rows.append(run(arm, seed, right.mean(), data_count=n, **bits))
    return frame(rows)


def test_the_choice_of_the_test_set_widens_the_interval() -> None:
    trials = with_correctness(8, 300, sample_sd=0.5)
    (whole,) = gap_trend(trials, "one_cycle", "cosine").to_dict("records")
    seeds_only = trials.drop(columns="test_correct")
    (narrow,) = gap_trend(seeds_only, "one_cycle", "cosine").to_dict("records")
    for name, low, high in (("mean", "low", "high"), ("ratio", "ratio_low", "ratio_high")):
        assert whole[name] == pytest.approx(narrow[name])
        assert whole[high] - whole[low] > 1.5 * (narrow[high] - narrow[low])


def test_a_set_of_many_samples_that_seeds_agree_on_adds_little() -> None:
    trials = with_correctness(4, 4000, sample_sd=0.0)
    (whole,) = gap_trend(trials, "one_cycle", "cosine").to_dict("records")
    (narrow,) = gap_trend(trials.drop(columns="test_correct"), "one_cycle", "cosine").to_dict(
        "records"
    )
    assert whole["low"] == pytest.approx(narrow["low"], abs=0.004)
