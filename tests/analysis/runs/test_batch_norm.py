from __future__ import annotations

import math
from typing import Any

from superconv_ray.analysis.runs.batch_norm import running_and_reestimated
from tests.analysis.made import frame, rows, run

NONE: dict[str, Any] = dict.fromkeys(
    ("test_accuracy_reestimated", "validation_accuracy", "validation_accuracy_reestimated"),
    math.nan,
)


def test_a_training_has_both_accuracies_on_the_labels_it_was_measured_on() -> None:
    held_out = {"validation_accuracy": 0.6, "validation_accuracy_reestimated": 0.7}
    measured = [
        run("a", 0, 0.5, **{**NONE, "test_accuracy_reestimated": 0.9, "steps_done": 9}),
        run("b", 0, math.nan, **{**NONE, **held_out, "steps_done": 9}),
        run("no BN", 0, 0.8, **{**NONE, "steps_done": 9}),
    ]
    table = running_and_reestimated(frame(measured), ["data_count"])
    assert [(r.arm, r.labels, r.running, r.reestimated) for r in rows(table)] == [
        ("a", "test", 0.5, 0.9),
        ("b", "validation", 0.6, 0.7),
    ]
    assert set(table["data_count"]) == {100}
