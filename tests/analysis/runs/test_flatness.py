from __future__ import annotations

import math

from superconv_ray.analysis import flatness
from tests.analysis.made import frame, rows, run


def test_a_training_has_both_curvatures_at_its_loss_and_a_diverged_one_has_none() -> None:
    measured = [
        run("a", 0, 0.9, hessian_max=3.0, hessian_max_relative=0.5, train_loss=0.1, steps_done=9),
        run(
            "b",
            0,
            0.1,
            hessian_max=math.nan,
            hessian_max_relative=math.nan,
            train_loss=math.nan,
            steps_done=9,
            status="diverged",
        ),
    ]
    table = flatness(frame(measured), ["data_count"])
    assert [(r.arm, r.train_loss, r.measure, r.curvature) for r in rows(table)] == [
        ("a", 0.1, "hessian_max", 3.0),
        ("a", 0.1, "hessian_max_relative", 0.5),
    ]
    assert set(table["data_count"]) == {100}
