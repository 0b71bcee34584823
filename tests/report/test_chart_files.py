from __future__ import annotations

from pathlib import Path

import altair as alt
import pytest

from superconv_ray.report.chart_files import at_width, check_chart_files, save_chart


def chart() -> alt.TopLevelMixin:
    return alt.Chart(alt.InlineData(values=[{}]), width=640, height=50, mark="point")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("c.png", b"\x89PNG"),
        ("c.svg", b"<svg"),
        ("c.pdf", b"%PDF"),
        ("c.html", b"<!DOCTYPE"),
    ],
)
def test_a_chart_file_has_the_format_of_its_name(
    name: str, beginning: bytes, tmp_path: Path
) -> None:
    save_chart(chart(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.lstrip().startswith(beginning)
    assert b'src="http' not in content  # readable without a network


@pytest.mark.parametrize("name", ["lr.jpg", "lr", "folder/lr.gif"])
def test_another_kind_of_file_is_rejected(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"a chart file must end in .png, .svg, .pdf, .html, got '{name}'"
    ):
        check_chart_files([Path("good.png"), Path(name)])


def test_a_chart_file_is_not_transparent(tmp_path: Path) -> None:
    save_chart(chart(), tmp_path / "c.svg")
    assert 'fill="#ffffff"' in (tmp_path / "c.svg").read_text()


def test_a_width_applies_to_every_view_and_is_shared_by_panels() -> None:
    faceted = {"facet": {"field": "panel"}, "columns": 2, "spec": {"layer": [], "width": 320}}
    spec = at_width({"vconcat": [{"layer": []}, faceted]}, 300)
    assert spec["vconcat"][0]["width"] == 300
    assert spec["vconcat"][1]["spec"]["width"] == 150
