"""Tables for a paper, from frames made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from superconv_ray.report.paper_tables import (
    PaperTable,
    accuracy_table,
    effort_table,
    gap_table,
)

NAN = float("nan")


def summary(*rows: tuple[Any, ...]) -> pd.DataFrame:
    names = ["data_count", "arm", "mean", "low", "high", "n", "diverged"]
    return pd.DataFrame(rows, columns=names)


def comparison(*rows: tuple[Any, ...]) -> pd.DataFrame:
    names = ["data_count", "baseline", "mean", "low", "high", "n", "p_holm", "verdict"]
    return pd.DataFrame(rows, columns=names).assign(arm="one_cycle")


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
    assert table.latex().splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Test accuracy in \%, mean [95 \% interval over seeds].}",
        r"\label{tab:accuracy}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"labels & b & a & seeds \\",
        r"\midrule",
        r"300 & 74.2 [71.9, 76.5] & 69.0 [67.4, 70.7] & 5 \\",
        r"60,000 & 79.6 [78.2, 81.1] & 80.0 [79.5, 80.6] & 5 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_markdown_has_a_row_a_gap_with_its_p_and_verdict() -> None:
    table = gap_table(
        comparison(
            (300, "piecewise", -0.051, -0.079, -0.023, 5, 0.9375, "does not"),
            (1200, "piecewise", 0.026, 0.014, 0.038, 20, 0.0000019, "super-converges"),
        ),
        ["data_count"],
        confidence=0.99,
    )
    caption, _, *lines = table.markdown().splitlines()
    assert caption == (
        "one_cycle minus baseline in points of accuracy, paired by seed and subset, mean "
        "[99 % t interval]. p: sign-flip test, Holm-corrected for all rows."
    )
    assert lines == [
        "| labels |  baseline |               gap |       p |         verdict | pairs |",
        "| ------ | --------: | ----------------: | ------: | --------------: | ----: |",
        "| 300    | piecewise | -5.1 [-7.9, -2.3] |   0.938 |        does not |     5 |",
        r"| 1,200  | piecewise | +2.6 [+1.4, +3.8] | \<0.001 | super-converges |    20 |",
    ]


def test_a_minus_is_no_hyphen_in_latex() -> None:
    table = gap_table(comparison((1, "b", -0.05, -0.08, -0.02, 5, 1.0, "does not")), ["data_count"])
    assert r"& $-5.0$ [$-8.0$, $-2.0$] &" in table.latex()


def test_a_single_seed_has_no_interval_and_the_table_says_so() -> None:
    table = accuracy_table(
        summary((300, "a", 0.7, NAN, NAN, 1, 0), (300, "b", 0.8, 0.7, 0.9, 12, 0)),
        ["data_count"],
        ["a", "b"],
    )
    assert table.rows == (("300", "70.0 [one seed]", "80.0 [70.0, 90.0]", "1/12"),)


def test_where_there_is_no_pair_there_is_no_gap_and_no_p() -> None:
    table = gap_table(comparison((1, "b", NAN, NAN, NAN, 0, NAN, "undecided")), ["data_count"])
    assert r"1 & b & - & - & undecided & 0 \\" in table.latex()


def test_diverged_trainings_are_counted_beside_the_mean() -> None:
    table = accuracy_table(
        summary((300, "a", 0.5, 0.2, 0.8, 5, 2), (300, "b", 0.8, 0.7, 0.9, 5, 0)),
        ["data_count"],
        ["a", "b", "never_run"],
    )
    row = r"300 & 50.0 [20.0, 80.0] (2 diverged) & 80.0 [70.0, 90.0] & - & 5 \\"
    assert row in table.latex()
    note = "Diverged trainings count with what they measured."
    assert table.latex().splitlines()[-2:] == [
        rf"\par\smallskip\footnotesize {note}",
        r"\end{table}",
    ]
    assert table.markdown().endswith(f"\n\n{note}\n")


def test_effort_tells_what_was_measured_from_what_was_spent_on_choosing() -> None:
    rows = [("a", "training", 25, 12500), ("a", "tuning", 60, 30000), ("b", "range_test", 5, 500)]
    table = effort_table(pd.DataFrame(rows, columns=["arm", "role", "trials", "steps"]))
    assert table.rows == (
        ("a", "measured", "25", "12,500"),
        ("a", "to choose settings: tuning", "60", "30,000"),
        ("b", "to choose settings: range_test", "5", "500"),
    )
    assert r"b & to choose settings: range\_test & 5 & 500 \\" in table.latex()


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


def test_without_an_axis_the_arms_alone_are_columns() -> None:
    table = accuracy_table(summary((1, "a", 0.5, 0.2, 0.8, 5, 0)), [], ["a"], "validation")
    assert table.headings == ("a", "seeds")
    assert table.caption.startswith("Validation accuracy")


SPECIAL = r"50% & 2_1 #$ {a}^~ \cmd <b>|x|* [y](z) _z_" + ' "\n`'


def test_what_a_user_named_is_no_latex() -> None:
    table = PaperTable("t", SPECIAL, ("arm",), ((SPECIAL,),), (SPECIAL,))
    escaped = (
        r"50\% \& 2\_1 \#\$ \{a\}\textasciicircum{}\textasciitilde{} \textbackslash{}cmd "
        r"\textless{}b\textgreater{}\textbar{}x\textbar{}* [y](z) \_z\_" + ' " `'
    )
    assert table.latex().count(escaped) == 3


def test_what_a_user_named_is_no_markdown() -> None:
    table = PaperTable("t", SPECIAL, ("one_cycle",), ((SPECIAL,),))
    escaped = r"50% & 2_1 #$ {a}^~ \\cmd \<b\>\|x\|\* [y\](z) \_z\_" + r' " \`'
    assert table.markdown().count(escaped) == 2
    assert "| one_cycle" in table.markdown()  # no markup inside a word


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_line_break_before_it() -> None:
    table = PaperTable("t", "", ("arm",), (("[a]",), ("b",)))
    assert "\n{}[a] \\\\\n" in table.latex()
