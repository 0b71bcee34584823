from __future__ import annotations

import pytest

from superconv_ray.design.text import duration, trial_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (91, "2 min"), (5400, "90 min"), (5401, "1.5 h"), (1e5, "27.8 h")],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


SETTINGS = {
    "dataset": "digits",
    "data_count": 72,
    "model": "small_cnn",
    "policy": "one_cycle",
    "max_lr": 0.5,
    "seed": 3,
}
NAME = "digits n=72 small_cnn one_cycle max_lr=0.5 seed=3"


def test_a_trial_with_held_out_labels_is_described_by_its_validation_accuracy() -> None:
    row = {**SETTINGS, "status": "completed", "validation_accuracy": 0.5}
    assert trial_line(row) == f"{NAME}: completed, validation accuracy 50.0 %"


def test_a_trial_without_measurements_is_described_by_its_status() -> None:
    assert trial_line({**SETTINGS, "status": "failed"}) == f"{NAME}: failed"
