from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests import lr_rules
from superconv_ray.analysis.range_tests.reading import RangeTestCurve
from superconv_ray.analysis.range_tests.tables import (
    RULES,
    mean_curves,
    range_test_table,
    suggestions,
)
from superconv_ray.analysis.range_tests.top import recommended_max_lr
from tests.analysis.range_tests.made import (
    MIDDLE,
    POINTS,
    RATES,
    curve,
    cut,
    hill,
    only_row,
    replicates,
    step,
)

# Numbers


def test_a_row_has_peak_interval_and_plateau() -> None:
    row = only_row(replicates(hill(), hill(), hill()))
    peak = float(f"{RATES[MIDDLE]:.3g}")
    assert (row.labels, row.seeds, row.verdict) == ("validation", 3, "peak")
    assert row.low <= row.peak_lr <= row.high
    assert row.max_lr == pytest.approx(peak, rel=0.01)
    # The top of seven points is cut off where two of seven are higher, on both sides.
    assert row.peak_accuracy == pytest.approx(0.9, abs=0.03)
    assert row.plateau_low < peak < row.plateau_high
    assert row.plateau_ratio == pytest.approx(row.plateau_high / row.plateau_low, rel=0.01)
    assert row.plateau_decades == pytest.approx(math.log10(row.plateau_ratio))
    assert row.share_inside > 0.8
    assert row.raggedness < 0.02
    assert row.collapsed == 0  # a hill falls slowly
    assert math.isnan(row.collapse_lr)


def test_spikes_make_the_top_ragged_but_not_shorter() -> None:
    spiked = step(20)
    spiked[25:55:5] = 0.3
    smooth, ragged = only_row(curve(step(20))), only_row(curve(spiked))
    assert (ragged.plateau_low, ragged.plateau_high) == (smooth.plateau_low, smooth.plateau_high)
    assert (ragged.max_lr, ragged.verdict) == (smooth.max_lr, "plateau")
    inside = RATES[np.round(RATES, 3) >= round(ragged.plateau_low, 3)]
    assert smooth.share_inside == 1.0
    assert ragged.share_inside == pytest.approx(1 - 6 / len(inside))
    assert ragged.raggedness == pytest.approx(6 * 0.6 / len(inside), abs=0.02)
    assert smooth.raggedness < 0.01


@given(st.lists(st.integers(0, 100), min_size=POINTS, max_size=POINTS), st.integers(0, 20))
@settings(max_examples=30)
def test_max_lr_is_the_one_that_the_planner_reads(hits: list[int], end: int) -> None:
    first, second = np.array(hits) / 100 + 0.01, np.array(hits[::-1])[: POINTS - end] / 100
    row = only_row(pd.concat([curve(first, 0), curve(second, 1)]))
    both = [RangeTestCurve(RATES, first), RangeTestCurve(RATES[: len(second)], second)]
    assert row.max_lr == recommended_max_lr(both)


def test_columns_distinguish_groups() -> None:
    curves = pd.concat(
        [replicates(hill(20), dataset="a"), replicates(hill(40), hill(40), dataset="b")]
    )
    table = range_test_table(curves, ["dataset"])
    assert table["dataset"].tolist() == ["a", "b"]
    assert table["seeds"].tolist() == [1, 2]
    assert table["max_lr"].tolist() == pytest.approx([RATES[p] for p in (20, 40)], rel=0.01)
    assert suggestions(curves, ["dataset"]).groupby("dataset").size().tolist() == [len(RULES)] * 2


def test_a_test_that_two_arms_share_counts_once() -> None:
    shared = replicates(hill(), hill())
    row = only_row(pd.concat([shared.assign(arm="a"), shared.assign(arm="b")]))
    assert row.seeds == 2


def test_one_seed_has_an_interval_of_its_peak() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, POINTS)
    row = only_row(curve(hill() + noise))
    assert row.low < RATES[MIDDLE] < row.high
    assert row.high / row.low < 5
    calm = only_row(curve(hill() + noise / 10))
    assert row.low <= calm.low <= calm.high <= row.high
    assert calm.high / calm.low < row.high / row.low


def test_the_interval_is_the_same_each_time() -> None:
    curves = replicates(hill(20, 30), hill(30, 30), hill(40, 30))
    pd.testing.assert_frame_equal(range_test_table(curves), range_test_table(curves))


# Collapse and divergence


def test_a_lost_seed_makes_a_rate_of_collapse_and_counts_as_accuracy_zero() -> None:
    rising = step(35).tolist()
    row = only_row(pd.concat([curve(rising, 0), cut(rising, 40, 0.5, 1)]))
    assert (row.collapsed, row.collapse_lr, row.verdict) == (1, 0.5, "collapse")
    assert row.peak_lr < RATES[40]


def test_seeds_that_all_diverge_are_read_up_to_there() -> None:
    rising = step(59).tolist()
    row = only_row(pd.concat([cut(rising, 40, 0.5, 0), cut(rising, 42, 0.7, 1)]))
    assert (row.collapsed, row.collapse_lr, row.verdict) == (2, 0.5, "collapse")
    assert row.max_lr == 0.333


def test_runs_that_diverge_at_once_say_that_nothing_was_measured() -> None:
    curves = pd.concat([cut([], 0, 0.1, 0), cut([], 0, 0.2, 1)])
    row = only_row(curves)
    assert (row.verdict, row.collapsed, row.collapse_lr) == ("nothing measured", 2, 0.1)
    assert math.isnan(row.peak_lr)
    assert math.isnan(row.max_lr)
    assert "Every run diverged before it measured an accuracy" in row.advice
    found = suggestions(curves)
    assert found["lr"].isna().all()
    assert set(found["note"]) == {"nothing was measured"}
    assert mean_curves(curves).empty


# Labels


def test_test_labels_are_for_comparison_only() -> None:
    row = only_row(replicates(hill(), hill(), labels="test"))
    assert row.labels == "test"
    assert "do not choose a rate by them" in row.advice


def test_validation_and_test_labels_are_not_mixed() -> None:
    mixed = pd.concat([curve(hill()), curve(hill(), labels="test")])
    with pytest.raises(ValueError, match=r"validation labels or on test labels, got validation an"):
        range_test_table(mixed)


# Suggestions


def test_every_rule_has_its_source() -> None:
    found = suggestions(replicates(hill(), hill()))
    assert found["rule"].tolist() == list(RULES)
    assert found["source"].tolist() == list(RULES.values())
    assert found["lr"].notna().all()
    assert found.loc[found["sets"] == "min_lr", "rule"].tolist() == ["accuracy_rises"]


def test_fastais_rules_read_the_mean_training_loss_without_the_ends_fastai_leaves_out() -> None:
    accuracies = hill(20), hill(40)
    found = suggestions(replicates(*accuracies)).set_index("rule")["lr"]
    loss = np.mean([2.5 - 2 * accuracy for accuracy in accuracies], axis=0)
    kept = slice(6, -5)  # a tenth of 60 points, and five
    for rule in (lr_rules.valley, lr_rules.slide, lr_rules.steep, lr_rules.minimum):
        assert found[rule.__name__] == rule(RATES[kept], loss[kept])
    kept = slice(10, -1)
    expected = lr_rules.steepest_gradient(RATES[kept], loss[kept])
    assert found["steepest_gradient"] == expected


def test_a_short_curve_says_which_rules_it_is_too_short_for() -> None:
    found = suggestions(curve(hill(5, 3)[:10], rates=np.geomspace(0.01, 1, 10)))
    short = found[found["lr"].isna()]
    assert short["rule"].tolist() == ["slide", "steepest_gradient"]
    assert set(short["note"]) == {"the curve is too short"}


def test_losses_are_read_up_to_where_a_seed_is_lost() -> None:
    rising = step(59).tolist()
    curves = pd.concat([curve(rising, 0), cut(rising, 40, 0.5, 1)])
    found = suggestions(curves).set_index("rule")["lr"]
    assert found["minimum"] == RATES[34] / 10  # the last of the 40 but five, falling all along
    means = mean_curves(curves)
    assert means["train_loss"].notna().sum() == 40
    assert means["accuracy"].iloc[40] == pytest.approx(rising[40] / 2)


def test_a_rate_of_zero_is_no_point_of_a_log_scale() -> None:
    rates = np.linspace(0, 3, POINTS)
    curves = replicates(hill(), hill(), rates=rates)
    assert mean_curves(curves)["lr"].tolist() == rates[1:].tolist()
    assert suggestions(curves)["lr"].notna().all()


@pytest.mark.parametrize("read", [range_test_table, suggestions, mean_curves])
def test_frames_that_cannot_be_read_are_rejected(read: Any) -> None:
    good = curve(hill())
    with pytest.raises(ValueError, match="at least one row of a range test, got none"):
        read(good.iloc[:0])
    with pytest.raises(ValueError, match="it has no column 'status'"):
        read(good.drop(columns="status"))
    with pytest.raises(ValueError, match="on test labels, got neither"):
        read(good.assign(validation_accuracy_reestimated=math.nan))
    other = curve(hill(), 1, rates=RATES * 2)
    with pytest.raises(ValueError, match="must share their learning rates; add to by the columns"):
        read(pd.concat([good, other]))
    with pytest.raises(ValueError, match="model=m: replicates"):
        read(pd.concat([good, other]).assign(model="m"), ["model"])
