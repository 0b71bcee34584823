from __future__ import annotations

import pandas as pd

from superconv_ray.report import charts
from tests.report.charts.drawn import Drawing


def minima() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": ["a", "b"] * 2,
            "steps": 100,
            "seed": 0,
            "train_loss": [0.01, 0.2] * 2,
            "measure": ["hessian_max"] * 2 + ["hessian_max_relative"] * 2,
            "curvature": [3.0, 40.0, 0.5, 0.6],
        }
    )


def test_every_training_is_a_point_of_both_panels() -> None:
    drawing = Drawing(charts.flatness(minima(), ["a", "b"], ["steps"]))
    assert len(drawing.marks("point")) == 4
    said = ", ".join(drawing.texts)
    assert "largest eigenvalue of the Hessian" in said
    assert "the same, for relative changes" in said
    told = "steps: 100; training loss: 0.200; curvature: 40.0"
    assert any(told in mark for mark in drawing.marks("point"))


def test_what_no_logarithm_shows_is_left_out() -> None:
    frame = minima().assign(curvature=[3.0, -1e-9, 0.5, 0.0])
    assert len(Drawing(charts.flatness(frame, ["a", "b"])).marks("point")) == 2
