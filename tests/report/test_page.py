from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from superconv_ray.report import page
from superconv_ray.report.content import Report, Section
from tests.report import made


class Elements(HTMLParser):
    """The elements of a page: names and attributes, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += text

    def all(self, attribute: str) -> list[str]:
        return [str(found[attribute]) for _, found in self.found if attribute in found]


def data_of(text: str) -> dict[str, Any]:
    """What the page's scripts draw from."""
    data: dict[str, Any] = json.loads(Elements(text).scripts[0])
    return data


def policy_of(text: str) -> str:
    """What the page lets itself do."""
    return next(content for content in Elements(text).all("content") if "default-src" in content)


def with_section(frame: pd.DataFrame, chart: alt.TopLevelMixin | None = None) -> Report:
    section = Section("made", "Made up", "", frame, "", chart)
    return dataclasses.replace(made.empty(), sections=(section,))


def rows_of(frame: pd.DataFrame) -> list[list[Any]]:
    rows: list[list[Any]] = data_of(page.render(with_section(frame)))["tables"]["made"]["rows"]
    return rows


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page.render(made.report())
    elements = Elements(text)
    assert elements.all("src") == []
    assert all(address.startswith(("#", "data:,")) for address in elements.all("href"))
    policy = policy_of(text)
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def test_a_live_page_may_ask_the_server_it_came_from() -> None:
    text = page.render(made.report(), version="7")
    assert "connect-src 'self'" in policy_of(text)
    assert data_of(text)["version"] == "7"


def test_every_link_of_the_contents_has_its_section() -> None:
    elements = Elements(page.render(made.report()))
    ids = elements.all("id")
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in elements.all("href") if address[0] == "#"} <= set(ids)


def test_the_question_and_the_verdict_come_first() -> None:
    text = page.render(made.report())
    order = [
        "What does 1cycle gain",
        "340 of 340",
        "At 1,200 labels",
        "Accuracy against",
        "out of mem",
    ]
    order += ["AMD EPYC", "fashion_mnist", "All trials"]
    places = [text.index(part, text.index("<main")) for part in order]
    assert places == sorted(places)


def test_user_text_is_escaped() -> None:
    text = page.render(made.hostile())
    elements = Elements(text)
    assert [found for name, found in elements.found if name == "img"] == []
    assert len(elements.scripts) == 4  # the data, Vega, DataTables and the page's own
    table = data_of(text)["tables"]["all-trials"]
    assert table["columns"][0]["name"] == made.HOSTILE
    assert table["rows"] == [[made.HOSTILE, 1.0], ["&" + made.HOSTILE, 2.0]]


def test_libraries_are_in_the_file_once() -> None:
    text = page.render(made.report())
    assert text.count("window.vegaEmbed=") == 1
    assert text.count("DataTables 2.") == page.render(made.empty()).count("DataTables 2.")


def test_a_study_of_500_trials_is_below_6_mb() -> None:
    assert len(page.render(made.report(500)).encode()) < 6e6


def test_the_same_report_gives_the_same_page() -> None:
    assert page.render(made.report()) == page.render(made.report())


def test_numbers_keep_all_their_digits() -> None:
    frame = pd.DataFrame({"x": [0.1 + 0.2, 1e-300], "n": np.array([2**53, -3]), "b": [True, False]})
    assert rows_of(frame) == [[0.30000000000000004, 2**53, True], [1e-300, -3, False]]


def test_whole_numbers_that_javascript_would_round_are_text() -> None:
    assert rows_of(pd.DataFrame({"n": [2**53 + 1, -(2**62)]})) == [
        [str(2**53 + 1)],
        [str(-(2**62))],
    ]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT")])
def test_what_is_missing_is_null(missing: object) -> None:
    assert rows_of(pd.DataFrame({"x": pd.Series([missing], dtype=object)})) == [[None]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "inf"),
        (-np.inf, "-inf"),
        ([1, 2], "[1, 2]"),
        ((0.5, None), "[0.5, null]"),
        (np.array([1.5, 2]), "[1.5, 2.0]"),
        ({"a": pd.Timestamp("2026-11-22")}, '{"a": "2026-11-22 00:00:00"}'),
        (pd.Timestamp("2026-11-22T08:00", tz="UTC"), "2026-11-22T08:00:00+00:00"),
        (pd.Timedelta("1min"), "0 days 00:01:00"),
    ],
)
def test_other_values_are_text(value: object, text: str) -> None:
    assert rows_of(pd.DataFrame({"x": pd.Series([value], dtype=object)})) == [[text]]


def test_a_named_index_is_a_column() -> None:
    frame = pd.DataFrame({"x": [1]}, index=pd.Index(["a"], name="arm"))
    table = data_of(page.render(with_section(frame)))["tables"]["made"]
    assert [column["name"] for column in table["columns"]] == ["arm", "x"]
    assert table["rows"] == [["a", 1]]


def test_columns_of_one_name_both_stay() -> None:
    assert rows_of(pd.DataFrame([[1, 2]], columns=["x", "x"])) == [[1, 2]]


def test_only_numbers_are_aligned_to_the_right() -> None:
    frame = pd.DataFrame(
        {"f": [0.5], "n": pd.array([None], dtype="Int64"), "b": [True], "s": ["1"]}
    )
    columns = data_of(page.render(with_section(frame)))["tables"]["made"]["columns"]
    assert [column["numeric"] for column in columns] == [True, True, False, False]


def test_a_chart_of_many_marks_is_drawn() -> None:
    frame = pd.DataFrame({"x": range(20_000)})
    chart = alt.Chart(frame).mark_point().encode(x="x:Q")
    spec = data_of(page.render(with_section(frame.head(), chart)))["charts"]["made"]
    assert [len(rows) for rows in spec["datasets"].values()] == [20_000]


def test_a_charts_colors_and_fonts_are_the_pages() -> None:
    chart = alt.Chart(pd.DataFrame({"x": [1]})).mark_point()
    data = data_of(page.render(with_section(pd.DataFrame({"x": [1]}), chart)))
    assert "config" not in data["charts"]["made"]
    assert data["themes"]["light"] != data["themes"]["dark"]


def test_a_script_contains_no_text_that_ends_its_element() -> None:
    plain = page._plain("a = '</SCRIPT><script><!--'; b = 1 < 2")
    assert plain == r"a = '\x3c/SCRIPT>\x3cscript>\x3c!--'; b = 1 < 2"
    for script in Elements(page.render(made.report())).scripts[1:]:
        assert not re.search(r"<(!--|/?script)", script, flags=re.IGNORECASE)
