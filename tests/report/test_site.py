"""The pages of a store with several studies."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest

from superconv_ray.report import charts
from superconv_ray.report.site import page_files, render_page, store_version, write_pages
from superconv_ray.report.studies import studies_to_show
from superconv_ray.report.thumbnails import small, thumbnail
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.hand_made import HandMade


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def add_study(store: Store, name: str, **changes: Any) -> None:
    """A copy of a study of one arm, under another name and with other settings."""
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    definition = study.results().definition
    members: list[dict[Any, Any]] = store.members(definition.name).to_dict("records")
    StoreWriter(store).write_study(dataclasses.replace(definition, name=name, **changes), members)


def forget(store: Store, *names: str) -> None:
    for name in names:
        (Path(store.files.uri) / "studies" / f"{name}.json").unlink()


@pytest.fixture
def several(store: Store) -> Store:
    add_study(store, "first", question="Is it <b>better</b>?")
    add_study(store, "second", question="")
    add_study(store, "lr_find_first", purpose="lr_find")
    forget(store, "hand_made")
    return store


def test_studies_of_lr_find_are_left_out_unless_named_or_alone(several: Store) -> None:
    assert studies_to_show(several) == ["first", "second"]
    assert studies_to_show(several, "lr_find_first") == ["lr_find_first"]
    forget(several, "first", "second")
    assert studies_to_show(several) == ["lr_find_first"]


def test_an_unknown_study_and_an_empty_store_are_errors(several: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no study 'third'"):
        studies_to_show(several, "third")
    with pytest.raises(StoreError, match="run one first"):
        studies_to_show(open_store(tmp_path / "empty"))


def test_several_studies_have_an_index_next_to_their_pages() -> None:
    assert page_files(["a"], "r.html") == {"a": "r.html"}
    assert page_files(["a", "b.1"], "r.html") == {"a": "r-a.html", "b.1": "r-b.1.html"}


def test_the_index_links_every_study_with_its_question_state_and_headline(several: Store) -> None:
    text = render_page(several, "r.html", "r.html", None)
    assert '<a href="r-first.html">Is it &lt;b&gt;better&lt;/b&gt;?</a>' in text
    assert '<a href="r-second.html">second</a>' in text
    assert text.count("1 of 1 trial done") == 2
    assert text.count("The test accuracy of a is ") == 2
    assert text.count('<img src="data:image/svg+xml;base64,') == 2
    assert text.count('<source media="(prefers-color-scheme: dark)"') == 2
    assert "lr_find" not in text
    assert "<script" not in text
    assert 'http-equiv="refresh"' not in text


def test_a_picture_of_the_index_is_a_small_chart_or_the_first_of_several() -> None:
    bars = alt.Chart(pd.DataFrame({"x": [1, 2], "of": ["a", "b"]})).mark_bar().encode(x="x:Q")
    several = alt.vconcat(bars.properties(height=400), bars.encode(x="of:N"))
    for chart in (bars.properties(width=900), several, bars.facet("of:N", columns=2)):
        light, dark = (ET.fromstring(thumbnail(chart, dark=dark)) for dark in (False, True))
        assert float(light.attrib["width"]) < 400
        assert float(light.attrib["height"]) < 260
        assert ET.tostring(light) != ET.tostring(dark)


def test_small_panels_have_whole_titles_and_room_if_there_is_one_row() -> None:
    sizes = pd.DataFrame(
        {"batch_size": [8, 32, 128], "max_lr": [0.15, 0.3, 0.6], "steps": [10, 20, 30]}
    ).assign(arm="a", mean=0.9, low=0.8, high=0.95, n=3, diverged=0)

    def picture(frame: pd.DataFrame, *facet: str) -> tuple[str, float]:
        chart = charts.accuracy(frame, ["a"], "steps", facet=facet)
        root = ET.fromstring(thumbnail(chart, dark=False))
        return " ".join(" ".join(root.itertext()).split()), float(root.attrib["width"])

    text, width = picture(sizes, "batch_size", "max_lr")
    assert "batch size 128 max LR 0.6" in text  # one below the other
    assert width == pytest.approx(picture(sizes, "max_lr")[1], abs=20)
    names = sizes.assign(model=[f"a_network_of_{size}_layers" for size in sizes["batch_size"]])
    (row, column) = (
        small(charts.accuracy(frame, ["a"], "steps", facet=facet).to_dict())
        for frame, facet in ((sizes, ["max_lr"]), (names, ["model"]))
    )
    assert (row["columns"], column["columns"]) == (3, 1)
    assert row["spec"]["height"] == 2 * column["spec"]["height"]


def test_a_live_index_reloads_itself(several: Store) -> None:
    assert 'http-equiv="refresh"' in render_page(several, "r.html", "r.html", None, "1")


def test_a_page_of_several_links_the_index(several: Store) -> None:
    link = '<a href="r.html">All studies</a>'
    assert link in render_page(several, "r-first.html", "r.html", None)
    assert link not in render_page(several, "r.html", "r.html", "first")
    with pytest.raises(KeyError):
        render_page(several, "r-third.html", "r.html", None)


def test_all_pages_are_written_side_by_side(several: Store, tmp_path: Path) -> None:
    wrote: list[Path] = []
    write_pages(several, tmp_path / "pages" / "r.html", wrote=wrote.append)
    names = ["r-first.html", "r-second.html", "r.html"]
    assert [path.name for path in wrote] == names
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == names


def test_the_version_changes_with_a_run_or_a_trial(several: Store) -> None:
    before = store_version(several, None)
    assert store_version(several, None) == before
    HandMade(several, ("b",)).add("b", 0.5, seed=7)
    assert store_version(several, None) != before
