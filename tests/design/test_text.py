from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.text import (
    WIDTH,
    bytes_text,
    column_name,
    counted,
    did_you_mean,
    duration,
    interval_text,
    paragraph,
    percent_interval,
    point_text,
    probability,
    setting_text,
    text_table,
    value_text,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.347, "0.35 s"),
        (1.5, "1.5 s"),
        (10, "10 s"),
        (90, "90 s"),
        (91, "2 min"),
        (5400, "90 min"),
        (5401, "1.5 h"),
        (1e5, "27.8 h"),
        (216_000, "2.5 days"),
    ],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (184 * 2**20, "184 MiB"), (3 * 2**29, "1.5 GiB")],
)
def test_a_size_in_memory_has_three_digits_and_a_unit(number: int, text: str) -> None:
    assert bytes_text(number) == text


def test_an_interval_stands_in_brackets_if_there_is_one() -> None:
    assert interval_text(0.5, 0.25, 0.75, "g") == "0.5 [0.25, 0.75]"
    assert interval_text(0.5, NAN, NAN, "+.1f") == "+0.5"


@pytest.mark.parametrize(
    ("mean", "low", "high", "text"),
    [
        (0.9712, 0.962, 0.979, "97.1 [96.2, 97.9]"),
        (0.9712, NAN, NAN, "97.1 [one seed]"),
        (NAN, NAN, NAN, "-"),
    ],
)
def test_a_fraction_is_in_percent(mean: float, low: float, high: float, text: str) -> None:
    assert percent_interval({"mean": mean, "low": low, "high": high}) == text


def test_a_difference_has_its_sign() -> None:
    row = {"mean": 0.01, "low": -0.02, "high": 0.04}
    assert percent_interval(row, "+") == "+1.0 [-2.0, +4.0]"


@pytest.mark.parametrize(("p", "text"), [(0.0004, "<0.001"), (0.05, "0.050"), (NAN, "-")])
def test_a_p_value_has_three_decimals(p: float, text: str) -> None:
    assert probability(p) == text


def test_a_count_agrees_with_its_noun() -> None:
    assert [counted(n, "seed") for n in (0, 1, 1200)] == ["0 seeds", "1 seed", "1,200 seeds"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1200, "1,200"),
        (np.int64(1200), "1,200"),
        (60000.0, "60,000"),
        (0.1, "0.1"),
        (np.float32(0.5), "0.5"),
        ((0.5, 0.75), "0.5/0.75"),
        (np.array([0.5, 1000]), "0.5/1,000"),
        ("flip", "flip"),
        (True, "True"),
        (math.inf, "inf"),
        (None, "-"),
        (NAN, "-"),
        (pd.NA, "-"),
        (pd.NaT, "-"),
    ],
)
def test_a_value_is_written_as_people_do(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_columns_have_names_in_plain_words() -> None:
    columns = ["data_count", "batch_size", "max_lr", "bn_momentum"]
    assert list(map(column_name, columns)) == ["labels", "batch size", "max LR", "BN momentum"]
    assert setting_text("data_count", 1200) == "1,200 labels"
    assert point_text({"data_count": 300, "weight_decay": 1e-4}) == (
        "300 labels, weight decay 0.0001"
    )


def test_a_paragraph_breaks_neither_intervals_nor_paths() -> None:
    path = "/" + "x" * 100
    lines = paragraph(f"{'word ' * 15}[-1.1, +1.6] and {path}", "  ").splitlines()
    assert lines == [("word " * 15).rstrip(), "  [-1.1, +1.6] and", f"  {path}"]


def test_numbers_are_aligned_to_the_right_and_words_to_the_left() -> None:
    assert text_table(["arm", "n", "verdict"], [["a", "5", "no"], ["one", "12", "-"]]) == (
        "arm   n  verdict\na     5  no\none  12  -"
    )


def test_a_table_without_rows_has_its_headings() -> None:
    assert text_table(["arm", "n"], []) == "arm  n"


def test_headings_are_broken_before_cells_are() -> None:
    wide = "x" * 34
    assert text_table(["a", "two words", "b"], [[wide, "123", wide]]).splitlines() == [
        f"a{' ' * 37}two  b",
        f"{' ' * 36}words",
        f"{wide}    123  {wide}",
    ]


def test_cells_of_the_columns_that_may_be_broken_are() -> None:
    text = text_table(["name", "note"], [["x" * 60, "a note of some words"]], wrap=["note"])
    assert text.splitlines() == [
        f"name{' ' * 58}note",
        f"{'x' * 60}  a note of some",
        f"{' ' * 62}words",
    ]


def test_columns_without_room_follow_below_with_the_keys_repeated() -> None:
    cells = ["k" * 20, *("v" * 25 for _ in range(3))]
    first, second = text_table(["key", "a", "b", "c"], [cells]).split("\n\n")
    assert first.split() == ["key", "a", "b", *cells[:3]]
    assert second.split() == ["key", "c", cells[0], cells[3]]


@given(st.lists(st.lists(st.text("ab _-1", max_size=30), min_size=4, max_size=4), max_size=4))
def test_no_line_is_longer_than_a_terminal_and_no_cell_is_lost(rows: list[list[str]]) -> None:
    headings = ["first", "second heading", "third", "a fourth one"]
    text = text_table(headings, rows, wrap=headings)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    for row in rows:
        for cell in row:
            assert all(part in text for part in cell.replace("_", " ").replace("-", " ").split())


@pytest.mark.parametrize(
    ("given", "meant"),
    [("resnet21", "resnet20"), ("resnet31", "resnet32"), ("ResNet-20", "resnet20")],
)
def test_of_names_with_numbers_the_nearest_number_is_suggested(given: str, meant: str) -> None:
    assert did_you_mean(given, ["resnet8", "resnet20", "resnet32"]) == f"; did you mean {meant!r}?"
