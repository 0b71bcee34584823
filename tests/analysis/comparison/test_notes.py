"""What is noted of a row, from numbers given by hand."""

from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.comparison.notes import note
from tests.analysis.comparison.made import DECIDED as ROW


def test_a_plain_case_has_nothing_to_note() -> None:
    assert note(ROW) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"runs": 10}, "2 runs of 'a' without a partner left out"),
        ({"runs_baseline": 9}, "1 run of 'b' without a partner left out"),
        ({"choices": 1}, SHARED_CHOICE),
        ({"chosen_baseline": 8, "choices_baseline": 1}, SHARED_CHOICE),
        ({"chosen_baseline": 8, "choices_baseline": 8}, ""),
        ({"diverged": 1}, "'a' diverged in 1 of 8 runs, counted as measured"),
        ({"diverged_baseline": 8}, "'b' diverged in all of 8 runs"),
        ({"verdict": "undecided"}, "it would take more than 1,000 seeds to decide"),
        ({"verdict": "undecided", "further_seeds": 4}, ""),
        ({"n": 0, "runs_baseline": 0, "verdict": "undecided"}, "no finished training of 'b' here"),
    ],
)
def test_what_a_reader_must_know_is_noted(change: dict[str, Any], expected: str) -> None:
    assert note({**ROW, **change}) == expected
