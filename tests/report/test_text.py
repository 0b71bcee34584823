"""A study's results as text, on stores written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superconv_ray.report.text import results_text
from superconv_ray.storage.store import Store, StoreError, open_store
from tests.hand_made import HandMade

GAP = ["baseline", "its accuracy", "gap", "p", "verdict", "seeds"]
"""Headings next to the first arm's, of two arms or more."""


class Summarised(HandMade):
    """With what `show` prints of it."""

    def text(self) -> str:
        return results_text(self.store, self.results().name)

    def table(self) -> list[list[str]]:
        """The cells of the table, headings first."""
        lines = self.text().split("\n\n")[0].splitlines()[1:]
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def test_accuracies_and_gaps_are_means_with_t_intervals_over_the_seeds(store: Store) -> None:
    study = Summarised(store, ("one_cycle", "piecewise"), {"data_fraction": 0.05})
    for seed, (one_cycle, piecewise) in enumerate([(0.80, 0.70), (0.90, 0.82), (0.85, 0.79)]):
        study.add("one_cycle", one_cycle, seed=seed, data_fraction=0.05)
        study.add("piecewise", piecewise, seed=seed, data_fraction=0.05)
    # t(0.975, 2) = 4.302653; half widths t s / sqrt(3), of accuracies divided by mean (1 - mean):
    # one_cycle: logit 1.734601, s = 0.05, half = 0.974175; piecewise: logit 1.208311, s = 0.06245,
    # half = 0.875962; gaps 10, 8, 6: mean 8, s = 2, half = 4.9683
    assert study.table() == [
        ["data_fraction", "labels", "one_cycle", *GAP],
        [
            *("0.05", "72", "85.0 [68.1, 93.8]", "piecewise", "77.0 [58.2, 88.9]"),
            *("+8.0 [+3.0, +13.0]", "0.250", "super-converges", "3"),
        ],
    ]


def test_the_whole_text_is_title_table_effort_hardware_and_places(store: Store) -> None:
    study = Summarised(store, ("a", "b"), {"dropout": 0.0}, {"dropout": 0.5})
    for point in (0, 1):
        for arm, accuracy in (("a", 0.9), ("b", 0.8)):
            study.add(arm, accuracy - point / 10, point=point, dropout=point / 2)
    study.add("a", 0.5, role="range_test")
    assert study.text() == "\n".join(
        [
            (
                "test accuracy in %, mean [95 % interval]; gap: a minus baseline in points, "
                "paired by seed and subset"
            ),
            (
                "dropout  labels                a  baseline     its accuracy               gap"
                "      p    verdict  seeds"
            ),
            (
                "0            72  90.0 [one seed]         b  80.0 [one seed]  +10.0 [one seed]"
                "  1.000  undecided      1"
            ),
            (
                "0.5          72  80.0 [one seed]         b  70.0 [one seed]  +10.0 [one seed]"
                "  1.000  undecided      1"
            ),
            "",
            (
                "verdict, from the gap's interval: super-converges above 0, does not below +0.5, "
                "else undecided, with the seeds that would decide it at 80 % power"
            ),
            "p: sign-flip test of the gap, Holm-corrected for all rows",
            (
                "note: one pair has no spread: no interval, and no estimate of further "
                "seeds (all rows)"
            ),
            (
                "effort: a: 200 steps in 2 training trials + 100 steps in 1 range test trial to "
                "choose settings; b: 200 steps in 2 training trials, settings given"
            ),
            "hardware: some CPU; fp32; 6 s of training",
            f"tables: {store.files.uri} (trials/, curves/, studies/)",
        ]
    )


def test_one_seed_says_that_it_has_no_interval(store: Store) -> None:
    study = Summarised(store, ("a",))
    study.add("a", 0.8754)
    assert study.table() == [["labels", "a", "seeds"], ["72", "87.5 [one seed]", "1"]]


def test_only_runs_with_a_partner_of_the_same_seed_make_up_a_gap(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    for seed, accuracy in enumerate([0.9, 0.8, 0.1]):
        study.add("a", accuracy, seed=seed)
    for seed, accuracy in enumerate([0.7, 0.6]):
        study.add("b", accuracy, seed=seed)
    row = study.table()[1]
    assert row[-4:] == ["+20.0 [+20.0, +20.0]", "0.500", "undecided", "2"]
    assert "note: 1 run of 'a' without a partner left out (all rows)" in study.text()
    assert "note: all 2 gaps are equal: no spread to judge by (all rows)" in study.text()


def test_an_arm_that_is_not_done_yet_is_left_out(store: Store) -> None:
    study = Summarised(store, ("a", "b", "c"))
    study.add("a", 0.9)
    study.add("c", 0.7)
    assert study.table() == [
        ["labels", "a", *GAP],
        [
            *("72", "90.0 [one seed]", "c", "70.0 [one seed]"),
            *("+20.0 [one seed]", "1.000", "undecided", "1"),
        ],
    ]
    assert "b: no training yet" in study.text()


def test_a_cell_that_is_not_done_yet_is_a_dash(store: Store) -> None:
    study = Summarised(store, ("a", "b"), {"dropout": 0.0}, {"dropout": 0.5})
    study.add("a", 0.9)
    study.add("b", 0.8)
    study.add("a", 0.7, point=1, dropout=0.5)
    assert study.table()[2] == [
        *("0.5", "72", "70.0 [one seed]", "b", "-"),
        *("-", "-", "undecided", "0"),
    ]
    assert "note: no finished training of 'b' here (dropout 0.5, labels 72)" in study.text()


def test_diverged_runs_count_with_what_they_scored_and_are_told(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    for seed in (0, 1):
        study.add("a", 0.9, seed=seed)
        study.add("b", 0.1, seed=seed, status="diverged" if seed else "completed")
    row = study.table()[1]
    assert row[1] == "90.0 [90.0, 90.0]"
    assert row[3] == "10.0 [10.0, 10.0] (1 diverged)"
    assert row[4] == "+80.0 [+80.0, +80.0]"
    assert "b: 140 steps in 2 training trials" in study.text()
    assert "note: 'b' diverged in 1 of 2 runs, counted as scored (all rows)" in study.text()


def test_points_keep_the_order_of_the_sweep(store: Store) -> None:
    points: list[dict[str, Any]] = [{"batch_size": size} for size in (100, 9, 20)]
    study = Summarised(store, ("a",), *points)
    for point in (2, 0, 1):
        study.add("a", 0.9, point=point, **points[point])
    assert [row[0] for row in study.table()] == ["batch_size", "100", "9", "20"]


def test_a_swept_number_of_labels_is_not_shown_twice(store: Store) -> None:
    points: list[dict[str, Any]] = [{"data_count": 50}, {"data_count": 100}]
    study = Summarised(store, ("a",), *points)
    for point, settings in enumerate(points):
        study.add("a", 0.9, point=point, **settings)
    assert study.table() == [
        ["labels", "a", "seeds"],
        ["50", "90.0 [one seed]", "1"],
        ["100", "90.0 [one seed]", "1"],
    ]


def test_settings_that_are_lists_or_not_set_can_be_swept(store: Store) -> None:
    points: list[dict[str, Any]] = [
        {"milestones": None, "policy": "piecewise"},
        {"milestones": [0.25, 0.5], "policy": "piecewise"},
    ]
    study = Summarised(store, ("a", "b"), *points)
    for point, settings in enumerate(points):
        study.add("a", 0.9, point=point, **settings)
        study.add("b", 0.8, point=point, **settings)
    assert [row[0] for row in study.table()[1:]] == ["-", "0.25/0.5"]
    assert [row[-4] for row in study.table()[1:]] == ["+10.0 [one seed]"] * 2


def test_trials_that_another_study_trained_stand_at_this_studys_point(store: Store) -> None:
    # data_fraction only says how data_count was asked for, there as 72 labels.
    study = Summarised(store, ("a",), {"data_fraction": 0.05})
    study.add("a", 0.8, seed=0, data_fraction=0.05)
    study.add("a", 0.9, seed=1, data_fraction=72 / 1437)
    (_, row) = study.table()
    assert (row[0], row[-1]) == ("0.05", "2")


def test_trainings_with_held_out_labels_are_compared_on_these(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    for seed in (0, 1):
        for arm, accuracy in (("a", 0.9), ("b", 0.7)):
            study.add(
                arm,
                float("nan"),
                seed=seed,
                validation_fraction=0.2,
                measured={"validation_accuracy": accuracy},
            )
    assert study.text().startswith("validation accuracy in %")
    assert study.table()[1][1:5] == [
        "90.0 [90.0, 90.0]",
        "b",
        "70.0 [70.0, 70.0]",
        "+20.0 [+20.0, +20.0]",
    ]


def test_an_undecided_row_says_how_many_seeds_would_decide_it(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    for seed, gain in enumerate((0.00, 0.03, 0.06)):
        study.add("a", 0.8 + gain, seed=seed)
        study.add("b", 0.8, seed=seed)
    # Mean 3, s = 3: the t test of an effect of 1 reaches 80 % power with 10 pairs, 7 more.
    assert study.table()[1][-4:] == ["+3.0 [-4.5, +10.5]", "0.500", "undecided, 7 more", "3"]


def test_every_other_arm_has_a_row_against_the_first(store: Store) -> None:
    study = Summarised(store, ("a", "b", "c"))
    for arm, accuracies in {"a": (0.9, 0.91), "b": (0.8, 0.81), "c": (0.7, 0.72)}.items():
        for seed, accuracy in enumerate(accuracies):
            study.add(arm, accuracy, seed=seed)
    assert [row[2] for row in study.table()[1:]] == ["b", "c"]
    # Two sign patterns are as extreme as either: p = 1/2, doubled by Holm.
    assert [row[-3] for row in study.table()[1:]] == ["1.000", "1.000"]
    assert "all 2 gaps are equal: no spread to judge by (labels 72 against b)" in study.text()


def test_accuracies_that_show_stale_batch_norm_statistics_are_told(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    study.add("a", 0.900, measured={"test_accuracy_reestimated": 0.905})
    study.add("b", 0.623, measured={"test_accuracy_reestimated": 0.824})
    (line,) = [line for line in study.text().splitlines() if "statistics" in line]
    assert line == (
        "note: with re-estimated BN statistics 'b' has 82.4 % instead of 62.3 % (labels 72)"
    )


def test_the_cost_of_choosing_is_told_role_by_role(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    study.add("a", 0.9)
    study.add("b", 0.8)
    study.add("a", 0.5, role="range_test")
    for rate in (0.5, 0.6):
        study.add("b", 0.5, role="tuning", max_lr=rate)
    assert (
        "effort: a: 100 steps in 1 training trial + 100 steps in 1 range test trial to choose "
        "settings; b: 100 steps in 1 training trial + 200 steps in 2 tuning trials to choose "
        "settings"
    ) in study.text()


def test_different_precisions_are_called_out(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    study.add("a", 0.9)
    study.add("b", 0.8, measured={"precision_used": "bf16", "device": "another CPU"})
    assert "another CPU, some CPU; bf16, fp32 (MIXED: arms may differ by precision); 3 s" in (
        study.text()
    )


def test_without_trainings_it_says_so_and_where_the_tables_are(store: Store) -> None:
    study = Summarised(store, ("a",))
    expected = (
        f"no finished trainings of study 'hand_made' yet\n"
        f"tables: {store.files.uri} (trials/, curves/, studies/)"
    )
    assert study.text() == expected
    study.add("a", 0.5, role="range_test")
    assert study.text() == expected


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    Summarised(store, ("a",)).text()
    with pytest.raises(StoreError, match=r"no study 'other' .*there are: 'hand_made'"):
        results_text(store, "other")


def test_secrets_in_the_stores_uri_are_not_printed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    study = Summarised(store, ("a",))
    store.files.uri = "s3://key:secret@bucket/folder?region=here"
    assert study.text().endswith("tables: s3://bucket/folder (trials/, curves/, studies/)")


def test_seeds_that_were_added_while_looking_make_the_verdict_more_careful(store: Store) -> None:
    study = Summarised(store, ("a", "b"))
    for seed, gap in enumerate((0.02, 0.03, 0.04)):  # t interval 0.5 to 5.5 points
        study.add("a", 0.8 + gap, seed=seed)
        study.add("b", 0.8, seed=seed)
    assert "super-converges" in study.text()
    study.further_seeds = {"least": 3, "up_to": 12}
    text = study.text()
    assert "super-converges" not in text.split("\n\n")[0]
    assert "gaps' intervals are of 99.5 %, so that all of 10 looks hold together at 95 %" in text
