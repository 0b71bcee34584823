from __future__ import annotations

import pytest

from superconv_ray.design.text import bytes_text, duration, trial_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (91, "2 min"), (5400, "90 min"), (5401, "1.5 h"), (1e5, "27.8 h")],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (184 * 2**20, "184 MiB"), (3 * 2**29, "1.5 GiB")],
)
def test_a_size_in_memory_has_three_digits_and_a_unit(number: int, text: str) -> None:
    assert bytes_text(number) == text


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
