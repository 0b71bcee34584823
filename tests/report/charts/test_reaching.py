from __future__ import annotations

import math

import numpy as np
import pandas as pd

from superconv_ray.analysis import arm_summary
from superconv_ray.analysis.scaling.fits import scaling_band
from superconv_ray.report import charts
from tests.analysis.made import noisy
from tests.report.charts.drawn import NARROW, Drawing

ARMS = ["a", "b"]


def factors() -> pd.DataFrame:
    """A factor that is known, two bounds, and one that is undecided."""
    return pd.DataFrame(
        {
            "steps": [50, 100, 200, 400],
            "factor": [2.0, 3.0, 0.5, math.nan],
            "low": [1.5, 2.5, 0.0, math.nan],
            "high": [2.5, math.inf, 0.8, math.nan],
            "censored": ["", ">", "<", ""],
            "seeds": 3,
            "note": "",
            "data_count": 100,
            "baseline": "a",
        }
    )


def test_bounds_are_arrows_and_unknown_factors_are_left_out() -> None:
    drawing = Drawing(charts.speedup(factors(), ARMS))
    assert {"factor in steps (log scale)", "steps (log scale)"} <= set(drawing.texts)
    points = [told for told in drawing.marks("point") if "reached: " in told]
    assert [told.split("reached: ")[1].split(";")[0] for told in points] == [
        "reached",
        "at least",
        "at most",
    ]
    assert "factor [95 % interval] in steps: >3 [2.5, inf]" in points[1]
    # Open ends of intervals have arrow heads, too.
    assert len(drawing.marks("point")) == len(points) + 2


def test_open_intervals_extend_to_the_end_of_the_axis() -> None:
    spec = charts.speedup(factors(), ARMS).to_dict()
    (rows,) = spec["datasets"].values()
    low, high = spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert (rows[2]["low"], rows[1]["high"]) == (round(low, 6), round(high, 6))


def test_label_factors_have_the_colors_of_their_baselines() -> None:
    frame = pd.concat(factors().assign(baseline=name, data_count=[1, 2, 3, 4]) for name in ARMS)
    drawing = Drawing(charts.speedup(frame.assign(baseline_labels=1), ARMS, "data_count"), NARROW)
    assert {"baseline", "a", "b", "factor in labels (log scale)"} <= set(drawing.texts)
    assert drawing.width <= 420


def test_the_factor_that_is_enough_is_on_the_axis() -> None:
    spec = charts.speedup(factors().head(1), ARMS, enough=50).to_dict()
    assert spec["layer"][1]["encoding"]["y"]["datum"] == 50
    assert max(spec["layer"][2]["encoding"]["y"]["scale"]["domain"]) > 50


def test_without_a_known_factor_only_axes_are_drawn() -> None:
    drawing = Drawing(charts.speedup(factors().iloc[3:], ARMS))
    assert drawing.marks("point") == []


def test_errors_are_drawn_with_their_law_or_as_points_without_one() -> None:
    laws = {"a": lambda n: 0.9 * n**-0.3, "b": lambda n: 0.1 * n**0.1}
    trials = noisy(laws, "data_count", (100, 400, 1600, 6400), 3, 0.02, np.random.default_rng(0))
    summary = arm_summary(trials, ["data_count"])
    drawing = Drawing(charts.scaling(summary, scaling_band(trials), ARMS))
    assert len(drawing.marks("point")) == 8
    assert len(drawing.marks("line mark")) == len(drawing.marks("area mark")) == 1
    assert {"error (%, log scale)", "labels (log scale)", "a", "b"} <= set(drawing.texts)


def test_an_interval_below_zero_error_ends_on_the_axis() -> None:
    summary = pd.DataFrame(
        {"arm": "a", "data_count": [100, 200], "mean": 0.99, "low": 0.9, "high": 1.05}
    )
    nothing = pd.DataFrame(columns=["arm", "data_count", "error", "low", "high"])
    spec = charts.scaling(summary, nothing, ARMS).to_dict()
    rows = max(spec["datasets"].values(), key=len)
    assert [row["low"] for row in rows] == [0.5, 0.5]
