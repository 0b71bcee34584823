from __future__ import annotations

import pandas as pd

from superconv_ray.report import charts
from tests.report.charts.drawn import Drawing


def test_every_training_is_a_point_next_to_the_diagonal() -> None:
    frame = pd.DataFrame(
        {
            "arm": ["a", "b"],
            "seed": 0,
            "labels": "test",
            "running": [0.1, 0.9],
            "reestimated": [0.9, 0.9],
        }
    )
    drawing = Drawing(charts.batch_norm(frame, ["a", "b"]))
    assert len(drawing.marks("point")) == 2
    assert len(drawing.marks("line mark")) == 1
    told = "running statistics (%): 10.0; re-estimated (%): 90.0"
    assert any(told in mark for mark in drawing.marks("point"))
    assert "test accuracy (%), running statistics" in drawing.texts
    assert Drawing(charts.batch_norm(frame.iloc[:0], ["a", "b"])).marks("point") == []
