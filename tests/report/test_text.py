"""The text that `show` prints, on stores written by hand and on the sample of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.made_study import write_made_study
from superconv_ray import Study
from superconv_ray.cli.study_file import load_study
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.text import frame_text, study_text
from superconv_ray.storage.store import Store, open_store
from tests.hand_made import HandMade

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def text_of(study: HandMade) -> str:
    return study_text(study.results())


def test_the_whole_text_is_question_state_verdict_tables_hardware_and_place(store: Store) -> None:
    study = HandMade(store, ("a", "b"), {"dropout": 0.0}, {"dropout": 0.5})
    for point in (0, 1):
        for arm, accuracy in (("a", 0.9), ("b", 0.8)):
            study.add(arm, accuracy - point / 10, point=point, dropout=point / 2)
    study.add("a", 0.5, role="range_test")
    assert text_of(study).splitlines() == [
        "hand_made: Which arm is better?",
        "5 of 5 trials done",
        "",
        "In test accuracy, a is undecided against b at both points.",
        "",
        "With one seed there are no intervals, so no gap can be told from chance.",
        "",
        "Test accuracy in %, mean [95 % interval over seeds].",
        "labels  dropout  seeds                a                b",
        "    72        0      1  90.0 [one seed]  80.0 [one seed]",
        "    72      0.5      1  80.0 [one seed]  70.0 [one seed]",
        "",
        "Gap: a minus baseline in points of accuracy, paired by seed and subset, mean",
        "[97.5 % t interval].",
        "labels  dropout  baseline               gap  p  verdict    pairs  more",
        "    72        0  b         +10.0 [one seed]  -  undecided      1",
        "    72      0.5  b         +10.0 [one seed]  -  undecided      1",
        "- Verdict, from the gap's interval: equivalent if it lies within ±0.5, else the",
        "  better arm if it leaves 0 out, else undecided. p: paired t test, adjusted for",
        "  all rows. More: further seeds that would decide it with probability 80 %, on",
        "  average over the gaps that its pairs leave plausible.",
        "- one pair has no spread: no interval, and no estimate of further seeds (all",
        "  rows).",
        "",
        "Effort: optimizer steps (and trials) of every arm. All but trainings chose",
        "settings.",
        "arm  training  range test",
        "a     200 (2)     100 (1)",
        "b     200 (2)           -",
        "",
        "hardware: some CPU; fp32; 6 s of training",
        f"tables: {store.files.uri} (trials/, curves/, studies/)",
    ]


def test_every_line_fits_a_terminal(store: Store) -> None:
    quickstart = load_study(STUDIES / "quickstart.py")
    assert isinstance(quickstart, Study)
    made = write_made_study(quickstart, store.files.uri)
    text = study_text(StudyResults(made, quickstart.name))
    lines = [line for line in text.splitlines() if not line.startswith("tables: ")]
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


def test_many_settings_and_long_names_fit_a_terminal(store: Store) -> None:
    points: list[dict[str, Any]] = [
        {"weight_decay": decay, "bn_momentum": momentum, "dropout": dropout}
        for decay, momentum, dropout in ((0.0001, 0.1, 0.25), (0.00025, 0.01, 0.125))
    ]
    arms = tuple(f"a_schedule_with_a_long_name_{number}" for number in range(5))
    study = HandMade(store, arms, *points)
    for number, settings in enumerate(points):
        for arm in arms:
            study.add(arm, 0.9, point=number, **settings)
    lines = text_of(study).splitlines()[:-1]
    assert max(map(len, lines)) <= 80


def test_without_trainings_it_says_so_and_where_the_tables_are(store: Store) -> None:
    study = HandMade(store, ("a",))
    expected = (
        "No training has finished yet, so there is no verdict.\n"
        f"tables: {store.files.uri} (trials/, curves/, studies/)"
    )
    assert text_of(study).endswith(f"0 of 0 trials done\n{expected}")
    study.to_come = 1
    study.add("a", 0.5, role="range_test")
    assert text_of(study).endswith(f"1 of 2 trials done\n{expected}")
    study.to_come = 0
    assert "The range tests recommend max_lr 0.5 (peak).\n" in text_of(study)


def test_different_precisions_are_called_out(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    study.add("a", 0.9)
    study.add("b", 0.8, measured={"precision_used": "bf16", "device": "another CPU"})
    text = text_of(study)
    assert "hardware: another CPU, some CPU; bf16, fp32; 3 s of training" in text
    warning = "Trainings ran in bf16 and fp32: arms may differ by precision alone."
    assert warning in text.replace("\n", " ")


def test_secrets_in_the_stores_uri_are_not_printed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    study = HandMade(store, ("a",))
    study.results()
    store.files.uri = "s3://key:secret@bucket/folder?region=here"
    assert text_of(study).endswith(
        "tables: s3://bucket/folder?region=here (trials/, curves/, studies/)"
    )


def test_a_frame_has_numbers_to_four_digits_and_a_dash_for_what_is_missing() -> None:
    frame = pd.DataFrame({"arm": ["a", "b"], "mean": [0.123456, float("nan")], "n": [1200, 5]})
    assert frame_text(frame).splitlines() == [
        "arm    mean      n",
        "a    0.1235  1,200",
        "b         -      5",
    ]


def test_a_frame_has_accuracies_in_percent_and_intervals_in_a_cell() -> None:
    frame = pd.DataFrame({"data_count": [1437], "accuracy": [0.975], "factor": [1.5]})
    assert frame_text(frame.assign(low=1.0, high=2.0)).splitlines() == [
        "labels  accuracy (%)      factor",
        " 1,437          97.5  1.5 [1, 2]",
    ]


def test_a_frame_that_is_too_wide_is_continued_below() -> None:
    frame = pd.DataFrame({"arm": ["a"], **{f"measure_{i:02}": [i / 7] for i in range(12)}})
    first, second = frame_text(frame).split("\n\n")
    assert first.startswith("arm  measure  measure")
    assert second.startswith("arm  measure 08")
    assert max(map(len, frame_text(frame).splitlines())) <= 80
