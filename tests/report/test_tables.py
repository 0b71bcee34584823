"""Tables of results, on stores and frames written by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from superconv_ray.report.table_formats import as_latex, as_markdown
from superconv_ray.report.tables import (
    Table,
    accuracy_table,
    effort_table,
    gap_table,
    study_tables,
)
from superconv_ray.storage.store import Store, open_store
from tests.hand_made import HandMade

NAN = float("nan")


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


class Tabulated(HandMade):
    """With the tables of its results."""

    def table(self, name: str) -> Table:
        return next(table for table in study_tables(self.results()) if table.name == name)

    def accuracies(self) -> tuple[tuple[str, ...], ...]:
        return self.table("accuracy").rows

    def gaps(self) -> tuple[tuple[str, ...], ...]:
        return self.table("gaps").rows

    def notes(self, name: str = "gaps") -> str:
        return "\n".join(self.table(name).notes)


# Of a study


def test_accuracies_and_gaps_are_means_with_intervals_over_seeds(store: Store) -> None:
    study = Tabulated(store, ("one_cycle", "piecewise"), {"data_fraction": 0.05})
    for seed, (one_cycle, piecewise) in enumerate([(0.80, 0.70), (0.90, 0.82), (0.85, 0.79)]):
        study.add("one_cycle", one_cycle, seed=seed, data_fraction=0.05)
        study.add("piecewise", piecewise, seed=seed, data_fraction=0.05)
    # t(0.975, 2) = 4.302653; half widths t s / sqrt(3), of accuracies divided by mean (1 - mean):
    # one_cycle: logit 1.734601, s = 0.05, half = 0.974175; piecewise: logit 1.208311, s = 0.06245,
    # half = 0.875962; gaps 10, 8, 6: mean 8, s = 2, half = 4.9683
    assert study.table("accuracy").headings == ("labels", "seeds", "one_cycle", "piecewise")
    assert study.accuracies() == (("72", "3", "85.0 [68.1, 93.8]", "77.0 [58.2, 88.9]"),)
    headings = ("labels", "baseline", "gap", "p", "verdict", "pairs", "more")
    assert study.table("gaps").headings == headings
    assert study.gaps() == (
        ("72", "piecewise", "+8.0 [+3.0, +13.0]", "0.020", "one_cycle better", "3", ""),
    )


def test_only_runs_with_a_partner_of_the_same_seed_make_up_a_gap(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    for seed, accuracy in enumerate([0.9, 0.8, 0.1]):
        study.add("a", accuracy, seed=seed)
    for seed, accuracy in enumerate([0.7, 0.6]):
        study.add("b", accuracy, seed=seed)
    assert study.gaps()[0][2:6] == ("+20.0 [+20.0, +20.0]", "-", "undecided", "2")
    assert study.accuracies()[0][1] == "2/3"
    assert "1 run of 'a' without a partner left out (all rows)" in study.notes()
    assert "all 2 gaps are equal: no spread to judge by (all rows)" in study.notes()


def test_an_unfinished_arm_is_left_out_of_comparisons(store: Store) -> None:
    study = Tabulated(store, ("a", "b", "c"))
    study.add("a", 0.9)
    study.add("c", 0.7)
    assert study.table("accuracy").headings == ("labels", "seeds", "a", "c")
    assert study.accuracies() == (("72", "1", "90.0 [one seed]", "70.0 [one seed]"),)
    assert study.gaps() == (("72", "c", "+20.0 [one seed]", "-", "undecided", "1", ""),)
    assert study.table("effort").rows == (("a", "100 (1)"), ("b", "-"), ("c", "100 (1)"))


def test_an_unfinished_cell_is_a_dash(store: Store) -> None:
    study = Tabulated(store, ("a", "b"), {"dropout": 0.0}, {"dropout": 0.5})
    study.add("a", 0.9)
    study.add("b", 0.8)
    study.add("a", 0.7, point=1, dropout=0.5)
    assert study.accuracies()[1] == ("72", "0.5", "1", "70.0 [one seed]", "-")
    assert study.gaps()[1] == ("72", "0.5", "b", "-", "-", "undecided", "0", "")
    assert "no finished training of 'b' here (72 labels, dropout 0.5)" in study.notes()


def test_diverged_runs_count_with_their_accuracy_and_are_noted(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    for seed in (0, 1):
        study.add("a", 0.9, seed=seed)
        study.add("b", 0.1, seed=seed, status="diverged" if seed else "completed")
    accuracies = ("90.0 [90.0, 90.0]", "10.0 [10.0, 10.0] (1 diverged)")
    assert study.accuracies()[0][2:] == accuracies
    assert study.gaps()[0][2] == "+80.0 [+80.0, +80.0]"
    assert study.table("effort").rows[1] == ("b", "140 (2)")
    assert "'b' diverged in 1 of 2 runs, counted as measured (all rows)" in study.notes()


def test_points_keep_the_order_of_the_sweep(store: Store) -> None:
    points: list[dict[str, Any]] = [{"batch_size": size} for size in (100, 9, 20)]
    study = Tabulated(store, ("a",), *points)
    for point in (2, 0, 1):
        study.add("a", 0.9, point=point, **points[point])
    assert study.table("accuracy").headings[:2] == ("labels", "batch size")
    assert [row[1] for row in study.accuracies()] == ["100", "9", "20"]


def test_a_swept_number_of_labels_is_shown_once(store: Store) -> None:
    points: list[dict[str, Any]] = [{"data_count": 50}, {"data_count": 1000}]
    study = Tabulated(store, ("a",), *points)
    for point, settings in enumerate(points):
        study.add("a", 0.9, point=point, **settings)
    assert study.table("accuracy").headings == ("labels", "seeds", "a")
    assert study.accuracies() == (
        ("50", "1", "90.0 [one seed]"),
        ("1,000", "1", "90.0 [one seed]"),
    )


def test_settings_that_are_lists_or_not_set_can_be_swept(store: Store) -> None:
    points: list[dict[str, Any]] = [
        {"milestones": None, "policy": "piecewise"},
        {"milestones": [0.25, 0.5], "policy": "piecewise"},
    ]
    study = Tabulated(store, ("a", "b"), *points)
    for point, settings in enumerate(points):
        study.add("a", 0.9, point=point, **settings)
        study.add("b", 0.8, point=point, **settings)
    assert [row[1] for row in study.accuracies()] == ["0.5/0.75", "0.25/0.5"]
    assert [row[3] for row in study.gaps()] == ["+10.0 [one seed]"] * 2


def test_trials_of_another_study_appear_at_this_studys_point(store: Store) -> None:
    # data_fraction only says how data_count was asked for, there as 72 labels.
    study = Tabulated(store, ("a",), {"data_fraction": 0.05})
    study.add("a", 0.8, seed=0, data_fraction=0.05)
    study.add("a", 0.9, seed=1, data_fraction=72 / 1437)
    ((labels, seeds, _),) = study.accuracies()
    assert (labels, seeds) == ("72", "2")


def test_trainings_with_held_out_labels_are_compared_on_them(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    for seed in (0, 1):
        for arm, accuracy in (("a", 0.9), ("b", 0.7)):
            study.add(
                arm,
                NAN,
                seed=seed,
                validation_fraction=0.2,
                measured={"validation_accuracy": accuracy},
            )
    assert study.table("accuracy").caption.startswith("Validation accuracy in %")
    assert study.accuracies()[0][2:] == ("90.0 [90.0, 90.0]", "70.0 [70.0, 70.0]")
    assert study.gaps()[0][2] == "+20.0 [+20.0, +20.0]"


def test_an_undecided_row_says_how_many_seeds_would_decide_it(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    for seed, gain in enumerate((0.00, 0.03, 0.06)):
        study.add("a", 0.8 + gain, seed=seed)
        study.add("b", 0.8, seed=seed)
    # Mean 3, s = 3. If these were the true ones, 7 more pairs would do; after 3 pairs they may not.
    assert study.gaps()[0][2:] == ("+3.0 [-4.5, +10.5]", "0.225", "undecided", "3", "52")


def test_every_other_arm_has_a_row_against_the_first(store: Store) -> None:
    study = Tabulated(store, ("a", "b", "c"))
    for arm, accuracies in {"a": (0.9, 0.91), "b": (0.8, 0.81), "c": (0.7, 0.72)}.items():
        for seed, accuracy in enumerate(accuracies):
            study.add(arm, accuracy, seed=seed)
    assert [row[1] for row in study.gaps()] == ["b", "c"]
    # Gaps of 20 and 19 points: t = 39, p = 0.016, doubled for two rows.
    assert [row[3] for row in study.gaps()] == ["-", "0.033"]
    note = "all 2 gaps are equal: no spread to judge by (72 labels against b)"
    assert note in study.notes()


def test_accuracies_that_show_stale_batch_norm_statistics_are_noted(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    study.add("a", 0.900, measured={"test_accuracy_reestimated": 0.905})
    study.add("b", 0.623, measured={"test_accuracy_reestimated": 0.824})
    assert study.notes("accuracy") == (
        "With re-estimated BN statistics, b has 82.4 % instead of 62.3 % (72 labels)."
    )


def test_effort_has_a_column_for_every_role_of_trials(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    study.add("a", 0.9)
    study.add("b", 0.8)
    study.add("a", 0.5, role="range_test")
    for rate in (0.5, 0.6):
        study.add("b", 0.5, role="tuning", max_lr=rate)
    table = study.table("effort")
    assert table.headings == ("arm", "training", "range test", "tuning")
    assert table.rows == (("a", "100 (1)", "100 (1)", "-"), ("b", "100 (1)", "-", "200 (2)"))


def test_seeds_that_were_added_while_looking_make_the_verdict_more_careful(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    for seed, gap in enumerate((0.02, 0.03, 0.04)):  # t interval 0.5 to 5.5 points
        study.add("a", 0.8 + gap, seed=seed)
        study.add("b", 0.8, seed=seed)
    assert study.gaps()[0][4] == "a better"
    study.further_seeds = {"least": 3, "up_to": 12}
    assert study.gaps()[0][4] == "undecided"
    assert "mean [98.945 % t interval]" in study.table("gaps").caption
    assert "hold together at 95 % at all 10 looks, with 3, 4, 5, 6" in study.notes()


def test_seeds_that_were_added_by_hand_count_as_looks(store: Store) -> None:
    study = Tabulated(store, ("a", "b"))
    study.seeds = [0, 1, 2]
    for seed, gap in enumerate((0.02, 0.03, 0.04)):
        study.add("a", 0.8 + gap, seed=seed)
        study.add("b", 0.8, seed=seed)
    assert "mean [95 % t interval]" in study.table("gaps").caption
    study.seeds = [0, 1, 2, 3, 4]  # a later run of the same study
    assert list(study.results().looks) == [3, 5]
    assert "mean [97." in study.table("gaps").caption
    assert "at all 2 looks, with 3 and 5 pairs" in study.notes()


def test_intervals_are_of_the_whole_study_even_before_all_points_are_there(store: Store) -> None:
    study = Tabulated(store, ("a", "b", "c"), {"dropout": 0.0}, {"dropout": 0.5})
    for seed in range(3):
        study.add("a", 0.9, seed=seed)
        study.add("b", 0.8 + seed / 100, seed=seed)
    assert "mean [98.75 % t interval]" in study.table("gaps").caption  # 2 points, 2 baselines
    assert study.results().compare("b", "a")["high"].notna().all()


# Of frames


def summary(*rows: tuple[Any, ...]) -> pd.DataFrame:
    names = ["data_count", "arm", "mean", "low", "high", "n", "diverged"]
    return pd.DataFrame(rows, columns=names).assign(interval_over="seeds")


def comparison(*rows: tuple[Any, ...]) -> pd.DataFrame:
    names = ["data_count", "baseline", "mean", "low", "high", "n", "p_adjusted", "verdict"]
    table = pd.DataFrame(rows, columns=names).assign(arm="one_cycle", note="")
    return table.assign(further_seeds=pd.array([None] * len(table), dtype="Int64"))


def test_latex_is_a_booktabs_table() -> None:
    table = accuracy_table(
        summary(
            (300, "a", 0.6904, 0.674, 0.707, 5, 0),
            (300, "b", 0.742, 0.719, 0.765, 5, 0),
            (60000, "a", 0.8, 0.795, 0.806, 5, 0),
            (60000, "b", 0.796, 0.782, 0.811, 5, 0),
        ),
        ["data_count"],
        ["b", "a"],
    )
    assert as_latex(table).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Test accuracy in \%, mean [95 \% interval over seeds].}",
        r"\label{tab:accuracy}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"labels & seeds & b & a \\",
        r"\midrule",
        r"300 & 5 & 74.2 [71.9, 76.5] & 69.0 [67.4, 70.7] \\",
        r"60,000 & 5 & 79.6 [78.2, 81.1] & 80.0 [79.5, 80.6] \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_markdown_has_a_row_per_gap_with_p_and_verdict() -> None:
    table = gap_table(
        comparison(
            (300, "piecewise", -0.051, -0.079, -0.023, 5, 0.9375, "baseline better"),
            (1200, "piecewise", 0.026, 0.014, 0.038, 20, 0.0000019, "arm better"),
        ),
        ["data_count"],
        level=0.025,
    )
    caption, _, *lines = as_markdown(table).splitlines()
    assert caption == (
        "Gap: one_cycle minus baseline in points of accuracy, paired by seed and subset, mean "
        "[97.5 % t interval]."
    )
    assert lines[:4] == [
        "| labels |  baseline |               gap |       p |          verdict | pairs | more |",
        "| ------ | --------: | ----------------: | ------: | ---------------: | ----: | ---: |",
        "| 300    | piecewise | -5.1 [-7.9, -2.3] |   0.938 | piecewise better |     5 |      |",
        r"| 1,200  | piecewise | +2.6 [+1.4, +3.8] | \<0.001 | one_cycle better |    20 |      |",
    ]


def test_a_minus_is_not_a_hyphen_in_latex() -> None:
    rows = comparison((1, "b", -0.05, -0.08, -0.02, 5, 1.0, "baseline better"))
    table = gap_table(rows, ["data_count"], 0.05)
    assert r"& $-5.0$ [$-8.0$, $-2.0$] &" in as_latex(table)


def test_a_single_seed_has_no_interval_and_the_table_says_so() -> None:
    table = accuracy_table(
        summary((300, "a", 0.7, NAN, NAN, 1, 0), (300, "b", 0.8, 0.7, 0.9, 12, 0)),
        ["data_count"],
        ["a", "b"],
    )
    assert table.rows == (("300", "1/12", "70.0 [one seed]", "80.0 [70.0, 90.0]"),)


def test_without_a_pair_there_is_no_gap_and_no_p() -> None:
    rows = comparison((1, "b", NAN, NAN, NAN, 0, NAN, "undecided"))
    table = gap_table(rows, ["data_count"], 0.05)
    assert r"1 & b & - & - & undecided & 0 &  \\" in as_latex(table)


def test_diverged_trainings_are_counted_beside_the_mean() -> None:
    table = accuracy_table(
        summary((300, "a", 0.5, 0.2, 0.8, 5, 2), (300, "b", 0.8, 0.7, 0.9, 5, 0)),
        ["data_count"],
        ["a", "b", "never_run"],
    )
    row = r"300 & 5 & 50.0 [20.0, 80.0] (2 diverged) & 80.0 [70.0, 90.0] & - \\"
    assert row in as_latex(table)
    note = "Diverged trainings count with the accuracy they reached."
    assert as_latex(table).splitlines()[-2:] == [
        rf"\par\smallskip\footnotesize {note}",
        r"\end{table}",
    ]
    assert as_markdown(table).endswith(f"\n\n{note}\n")


def test_effort_separates_trainings_from_trials_that_choose_settings() -> None:
    rows = [("a", "tuning", 60, 30000), ("a", "training", 25, 12500), ("b", "range_test", 5, 500)]
    spent = pd.DataFrame(rows, columns=["arm", "role", "trials", "steps"])
    table = effort_table(spent, ["b", "a"])
    assert table.headings == ("arm", "training", "range test", "tuning")
    assert table.rows == (("b", "-", "500 (5)", "-"), ("a", "12,500 (25)", "-", "30,000 (60)"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05, "0.05"),
        (60000, "60,000"),
        (None, "-"),
        ((0.5, 0.75), "0.5/0.75"),
        ("flip", "flip"),
    ],
)
def test_settings_are_short(value: Any, text: str) -> None:
    frame = summary((1, "a", 0.5, 0.2, 0.8, 5, 0)).astype(object)
    frame.at[0, "data_count"] = value
    assert accuracy_table(frame, ["data_count"], ["a"]).rows[0][0] == text


def test_without_a_sweep_only_arms_are_columns() -> None:
    table = accuracy_table(summary((1, "a", 0.5, 0.2, 0.8, 5, 0)), [], ["a"], "validation")
    assert table.headings == ("seeds", "a")
    assert table.caption.startswith("Validation accuracy")


SPECIAL = r"50% & 2_1 #$ {a}^~ \cmd <b>|x|* [y](z) _z_" + ' "\n`'


def test_user_names_are_escaped_in_latex() -> None:
    table = Table("t", SPECIAL, ("arm",), ((SPECIAL,),), (SPECIAL,))
    escaped = (
        r"50\% \& 2\_1 \#\$ \{a\}\textasciicircum{}\textasciitilde{} \textbackslash{}cmd "
        r"\textless{}b\textgreater{}\textbar{}x\textbar{}* [y](z) \_z\_" + ' " `'
    )
    assert as_latex(table).count(escaped) == 3


def test_user_names_are_escaped_in_markdown() -> None:
    table = Table("t", SPECIAL, ("one_cycle",), ((SPECIAL,),))
    escaped = r"50% & 2_1 #$ {a}^~ \\cmd \<b\>\|x\|\* [y\](z) \_z\_" + r' " \`'
    assert as_markdown(table).count(escaped) == 2
    assert "| one_cycle" in as_markdown(table)  # no markup inside a word


def test_a_row_that_begins_with_a_bracket_is_not_an_argument_of_the_line_break() -> None:
    table = Table("t", "", ("arm",), (("[a]",), ("b",)))
    assert "\n{}[a] \\\\\n" in as_latex(table)
