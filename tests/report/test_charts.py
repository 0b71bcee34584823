from __future__ import annotations

import json
import math
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.range_test_tables import mean_curves, range_test_table, suggestions
from superconv_ray.report.charts import range_test_chart, save_chart

POINTS = 50


def range_tests(status: str = "completed") -> pd.DataFrame:
    """Two cells of two seeds; a hill of accuracy, and losses that mirror it."""
    accuracy = 0.1 + 0.8 * np.exp(-(((np.arange(POINTS) - 25) / 8) ** 2))
    frames = [
        pd.DataFrame(
            {
                "cell": cell,
                "trial_id": f"{cell}{seed}",
                "step": np.arange(1, POINTS + 1),
                "lr": np.linspace(0, 3, POINTS),
                "train_loss": 2.5 - 2 * accuracy,
                "validation_loss": 2.6 - 2 * accuracy,
                "validation_accuracy_reestimated": accuracy,
                "status": status,
            }
        )
        for cell in (0, 1)
        for seed in (0, 1)
    ]
    return pd.concat(frames, ignore_index=True)


def chart_of(curves: pd.DataFrame) -> alt.VConcatChart:
    return range_test_chart(
        range_test_table(curves, ["cell"]),
        suggestions(curves, ["cell"]),
        mean_curves(curves, ["cell"]),
        {0: "few labels", 1: "many labels"},
    )


@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_every_test_has_its_title_panels_and_rules(status: str) -> None:
    text = chart_of(range_tests(status)).to_json()
    drawn = json.loads(text)
    assert [test["title"]["text"] for test in drawn["vconcat"]] == ["few labels", "many labels"]
    assert [len(test["vconcat"]) for test in drawn["vconcat"]] == [3, 3]
    for told in ("validation accuracy (%)", "cross-entropy (log scale)", "learning rate (log"):
        assert told in text
    assert ("dashed: a seed diverges" in text) == (status == "diverged")


def test_what_is_missing_is_left_out_of_the_chart() -> None:
    text = chart_of(range_tests().query("lr < 0.6")).to_json()
    assert "slide" not in text  # too short a curve
    assert "NaN" not in text
    assert math.isnan(suggestions(range_tests().query("lr < 0.6"), ["cell"])["lr"].iloc[4])


@pytest.mark.parametrize(
    ("name", "beginning"), [("c.png", b"\x89PNG"), ("c.svg", b"<svg"), ("c.html", b"<!DOCTYPE")]
)
def test_a_chart_is_written_as_picture_or_page(name: str, beginning: bytes, tmp_path: Path) -> None:
    save_chart(chart_of(range_tests()), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.lstrip().startswith(beginning)
    if name == "c.html":  # readable without a network
        assert b'src="http' not in content


def test_another_kind_of_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in .png, .svg or .html, got '.*c.pdf'"):
        save_chart(chart_of(range_tests()), tmp_path / "c.pdf")
