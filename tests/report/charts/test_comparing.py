from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis import arm_summary, compare
from superconv_ray.report import charts
from tests.analysis.made import curve, frame, run
from tests.report.charts.drawn import NARROW, Drawing

ARMS = ["a", "b", "c"]
LABELS = {100: (0.80, 0.82), 3000: (0.90, 0.92)}


def trials() -> pd.DataFrame:
    return pd.concat(
        [
            curve("a", "data_count", LABELS),
            curve("b", "data_count", {n: tuple(v - 0.1 for v in vs) for n, vs in LABELS.items()}),
        ]
    )


def test_accuracies_are_drawn_in_percent_with_their_intervals() -> None:
    drawing = Drawing(charts.accuracy(arm_summary(trials(), ["data_count"]), ARMS))
    assert len(drawing.marks("point")) == len(drawing.marks("rule mark")) == 4
    # Logit 1.450010; t of 1 degree of freedom is 12.7062; 12.7062 * 0.01 / (0.81 * 0.19) = 0.825614
    told = "test accuracy (%) [95 % interval]: 81.0 [65.1, 90.7]"
    assert any(told in mark for mark in drawing.marks("point"))
    assert {"test accuracy (%)", "labels (log scale)", "100", "3,000"} <= set(drawing.texts)


def test_the_legend_names_only_the_arms_in_the_frame() -> None:
    texts = Drawing(charts.accuracy(arm_summary(trials(), ["data_count"]), ARMS)).texts
    assert {"a", "b"} <= set(texts)
    assert "c" not in texts


def test_one_seed_has_a_point_and_no_interval() -> None:
    summary = arm_summary(trials().query("seed == 0"), ["data_count"])
    drawing = Drawing(charts.accuracy(summary, ARMS))
    assert len(drawing.marks("point")) == 4
    assert drawing.marks("rule mark") == []


def test_arms_at_the_same_place_do_not_overlap() -> None:
    spec = charts.accuracy(arm_summary(trials(), ["data_count"]), ARMS).to_dict()
    (rows,) = spec["datasets"].values()
    assert {(row["arm"], row["dodge"]) for row in rows} == {("a", -3.0), ("b", 3.0)}
    scales = {layer["encoding"]["x"]["scale"]["padding"] for layer in spec["layer"]}
    assert scales == {3.0}  # so that none of them is drawn beside the panel


def test_text_values_are_named_on_the_axis() -> None:
    summary = arm_summary(trials().assign(augment="flip_crop"), ["augment", "data_count"])
    drawing = Drawing(charts.accuracy(summary.query("data_count == 100"), ARMS, "augment"))
    assert "flip_crop" in drawing.texts


def test_without_a_sweep_arms_are_side_by_side() -> None:
    summary = arm_summary(trials().query("data_count == 100"))
    drawing = Drawing(charts.accuracy(summary, ARMS, "arm"))
    assert len(drawing.marks("point")) == 2
    assert drawing.texts.count("a") == 2  # axis and legend


def test_panels_are_in_the_order_of_their_values() -> None:
    summary = arm_summary(trials().assign(max_lr=0.3), ["max_lr", "data_count"])
    chart = charts.accuracy(summary, ARMS, "max_lr", ["data_count"])
    titles = [text for text in Drawing(chart).texts if text.endswith(" labels")]
    assert titles == ["100 labels", "3,000 labels"]


@pytest.mark.parametrize("arms", [["a"], ["long arm name number " + str(i) for i in range(9)]])
def test_any_number_of_arms_fits_a_narrow_page(arms: list[str]) -> None:
    rows = [run(arm, seed, 0.9) for arm in arms for seed in (0, 1)]
    chart = charts.accuracy(arm_summary(frame(rows), ["data_count"]), arms)
    assert Drawing(chart, NARROW).width <= 400


def test_a_study_of_10_000_points_can_be_drawn() -> None:
    rows = pd.DataFrame({"data_count": np.arange(1, 10_001), "arm": "a", "n": 1, "diverged": 0})
    rows = rows.assign(mean=0.5, low=np.nan, high=np.nan)
    assert len(charts.accuracy(rows, ARMS).to_dict()["layer"]) == 3


def test_gaps_are_drawn_in_points_with_lines_at_zero_and_both_margins() -> None:
    table = compare(trials(), "a", "b", ["data_count"])
    drawing = Drawing(charts.gaps(table, ARMS))
    assert len(drawing.marks("point")) == 2
    assert "a minus baseline (points)" in drawing.texts
    for told in drawing.marks("point"):
        assert "baseline: b" in told
        assert "gap [interval] in points: +10.0 [+10.0, +10.0]" in told
    rules = [layer["encoding"]["y"] for layer in charts.gaps(table, ARMS).to_dict()["layer"][:3]]
    assert rules == [{"datum": 0}, {"datum": -0.5}, {"datum": 0.5}]


def two_panels(*gaps: float) -> dict[str, Any]:
    """Gaps of a panel each, with intervals of a point on either side."""
    rows = {"arm": "a", "baseline": "b", "n": 3, "verdict": "undecided", "data_count": 100}
    table = pd.DataFrame([{**rows, "steps": 10 * i, "mean": gap} for i, gap in enumerate(gaps)])
    table = table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.01)
    spec: dict[str, Any] = charts.gaps(table, ARMS, facet=["steps"]).to_dict()
    return spec


def title_of_gaps(spec: dict[str, Any]) -> str:
    layers = [layer["encoding"]["y"] for layer in spec["spec"]["layer"]]
    (title,) = {" ".join(y["title"]) for y in layers if "title" in y}
    return title


def test_gaps_of_alike_sizes_share_their_scale() -> None:
    spec = two_panels(0.02, 0.12)  # spans of 3.5 and 13.5 points: from -0.5 to 3 and to 13
    assert "scale" not in spec["resolve"]
    assert title_of_gaps(spec) == "a minus baseline (points)"


def test_gaps_beside_those_of_more_than_four_times_their_span_have_their_own_scale() -> None:
    spec = two_panels(0.02, 0.13)  # spans of 3.5 and 14.5 points
    assert spec["resolve"]["scale"] == {"y": "independent"}
    assert title_of_gaps(spec) == "a minus baseline (points, scales differ)"


def table_of_gaps(*halves: float) -> pd.DataFrame:
    """Gaps of 0.2 points with intervals of these half widths, in points."""
    rows = {"data_count": [100 * 2**k for k in range(len(halves))], "mean": 0.002}
    table = pd.DataFrame({**rows, "arm": "a", "baseline": "b", "n": 5, "verdict": "undecided"})
    half = np.array(halves) / 100
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def drawn_gaps(table: pd.DataFrame) -> tuple[list[dict[str, Any]], Drawing]:
    chart = charts.gaps(table, ARMS)
    (rows,) = chart.to_dict()["datasets"].values()
    return rows, Drawing(chart)


def test_a_gap_far_beyond_the_others_is_cut_off_with_arrows_and_keeps_its_text() -> None:
    rows, drawing = drawn_gaps(table_of_gaps(0.5, 0.6, 0.7, 25.0))
    cut = rows[-1]
    assert cut["text"] == "+0.2 [-24.8, +25.2]"
    assert (cut["low"], cut["mean"], cut["high"]) == (-1.35, 0.2, 1.35)  # 1.5 x 0.9 points
    assert (cut["low_open"], cut["high_open"]) == (True, True)
    assert not any(row["low_open"] or row["high_open"] for row in rows[:-1])
    assert len(drawing.marks("point")) == 4 + 2
    assert "+10" not in drawing.texts


def test_a_mean_beyond_the_cut_is_not_drawn_inside_of_it() -> None:
    table = table_of_gaps(0.5, 0.6, 0.7, 25.0)
    table.loc[3, ["mean", "low", "high"]] = [0.1, 0.0, 0.2]
    rows, drawing = drawn_gaps(table)
    assert (rows[-1]["low"], rows[-1]["mean"], rows[-1]["high"]) == (0, None, 1.35)
    assert len(drawing.marks("point")) == 3 + 1


def test_gaps_that_differ_less_are_all_drawn_in_full() -> None:
    rows, drawing = drawn_gaps(table_of_gaps(0.5, 0.6, 0.7, 5.0))
    assert rows[-1]["high"] == 5.2
    assert len(drawing.marks("point")) == 4


def test_a_gap_shows_its_verdict_by_its_shape() -> None:
    table = compare(trials(), "a", "b", ["data_count"])
    spec = charts.gaps(table, ARMS).to_dict()
    shape = spec["layer"][-1]["encoding"]["shape"]
    assert shape["field"] == "verdict"
    assert dict(zip(shape["scale"]["domain"], shape["scale"]["range"], strict=True)) == {
        "arm better": "triangle-up",
        "baseline better": "triangle-down",
        "equivalent": "square",
        "undecided": "circle",
    }


def test_a_number_of_labels_is_written_in_full() -> None:
    rows = curve("a", "data_count", {144: (0.8, 0.9), 1437: (0.9, 0.95)})
    texts = Drawing(charts.accuracy(arm_summary(rows, ["data_count"]), ARMS)).texts
    assert {"144", "1,437"} <= set(texts)


def test_nothing_finished_is_an_empty_chart() -> None:
    nothing = arm_summary(trials(), ["data_count"]).iloc[:0]
    assert Drawing(charts.accuracy(nothing, ARMS)).marks("point") == []


def test_an_interval_of_accuracies_ends_below_100_percent() -> None:
    spec = charts.accuracy(arm_summary(trials(), ["data_count"]), ARMS).to_dict()
    (rows,) = spec["datasets"].values()
    (last,) = (row for row in rows if (row["arm"], row["data_count"]) == ("a", 3000))
    assert (last["high"], last["text"]) == (97.9469, "91.0 [68.2, 97.9]")


def test_baselines_that_share_a_color_differ_by_hollow_marks_and_dashed_intervals() -> None:
    arms = [f"arm_{i}" for i in range(9)]  # arm_8 repeats the color of arm_1
    rows = pd.concat([curve(arm, "data_count", LABELS) for arm in arms])
    spec = charts.gaps(compare(rows, arms[0], arms[1:], ["data_count"]), arms).to_dict()
    *_, bars, filled, hollow = spec["layer"]
    scale = bars["encoding"]["strokeDash"]["scale"]
    looks = dict(zip(scale["domain"], scale["range"], strict=True))
    assert looks["arm_1"] != looks["arm_8"]
    assert hollow["mark"]["filled"] is False
    assert hollow["transform"][0]["filter"]["oneOf"] == ["arm_7", "arm_8"]
    assert filled["transform"][0]["filter"]["not"]["oneOf"] == ["arm_7", "arm_8"]


def test_many_names_on_an_axis_are_slanted() -> None:
    names = [f"a_baseline_with_a_long_name_{i}" for i in range(4)]
    rows = pd.concat([curve(arm, "data_count", {100: 0.7}) for arm in names])
    spec = charts.accuracy(arm_summary(rows), names, "arm").to_dict()
    assert spec["layer"][0]["encoding"]["x"]["axis"]["labelAngle"] != 0
