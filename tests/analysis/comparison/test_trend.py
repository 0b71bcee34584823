"""Whether a gap grows as labels become scarce, on gaps whose slopes are known."""

from __future__ import annotations

import math

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
    # Slopes 0.01, 0.02, 0.03 over one decade: deviation 0.01, t(2, 97.5 %) = 4.3027.
    seeds = [{100: 0.0, 10: slope} for slope in (0.01, 0.02, 0.03)]
    (row,) = gap_trend(trials(*seeds), "one_cycle", "cosine").to_dict("records")
    half = 4.3027 * 0.01 / math.sqrt(3)
    assert row["low"] == pytest.approx(0.02 - half, abs=1e-6)
    assert row["high"] == pytest.approx(0.02 + half, abs=1e-6)
    assert row["verdict"] == "undecided"


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
