"""Every shipped study has a price before it runs, and the benchmark of prices counts right."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from benchmarks.pricing import PREDICTED, SAME_SHAPES, Prediction, study_of, summary
from superconv_ray.execution.pace import Spread
from tests.image_files import make_folder

STUDIES = Path(__file__).parents[1] / "studies"
SHIPPED = sorted(
    path
    for folder in (STUDIES, STUDIES / "paper")
    for path in folder.glob("*.py")
    if path.stem != "settings"
)
OF_FILES = "imagenet"
"""The study whose images must be there before it plans; the others plan without their data."""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_shipped_study_has_a_price_before_it_runs(
    path: Path,
    superconv: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    scale: tuple[object, ...] = ("--scale", "paper") if path.parent.name == "paper" else ()
    if path.stem == OF_FILES:
        make_folder(tmp_path / "images" / "train", 400)
        make_folder(tmp_path / "images" / "val", 2, seed=1000)
        scale += ("--images", tmp_path / "images", "--fractions", "1.0")
    given = ("--slots", 8, "--price-per-hour", 2.5, "--images-per-second", 10_000)
    plan = superconv("plan", path, *scale, *given)
    assert plan.exit_code == 0, plan.stderr
    price = re.search(r"estimated price: ([\d,.]+) \[([\d,.]+) to ([\d,.]+)\] at 2.5", plan.stdout)
    assert price, plan.stdout
    likely, low, high = (float(text.replace(",", "")) for text in price.groups())
    assert low <= likely <= high
    assert "at the given 10,000 images/s" in plan.stdout


def test_the_benchmark_predicts_studies_of_the_shapes_that_its_store_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    workload = ("model", "dataset", "batch_size", "augment", "precision", "optimizer")
    known = study_of(SAME_SHAPES).base
    for file in PREDICTED:
        base = study_of(file).base
        assert [getattr(base, n) for n in workload] == [getattr(known, n) for n in workload], file


def prediction(study: str, by: str, likely: float, real: float = 100.0) -> Prediction:
    return Prediction(study, by, Spread(0.9 * likely, likely, 1.1 * likely), real)


def test_a_prediction_is_compared_with_the_real_time() -> None:
    near, far = prediction("a.py", "probe", 95.0), prediction("a.py", "store", 130.0)
    assert (near.ratio, near.covered) == (0.95, True)
    assert near.row()[-3:] == ["0.95", "yes", "ok"]
    assert far.row()[-3:] == ["1.30", "no", "MISSED"]


def test_the_figures_are_medians_over_rounds_and_the_share_of_intervals_that_hold() -> None:
    rounds = [prediction("a.py", "probe", likely) for likely in (95.0, 100.0, 150.0)]
    figures = summary([*rounds, prediction("a.py", "store", 120.0)])
    assert [figure.value for figure in figures] == [1.0, 1.2, 50]
    assert figures[0].what == "time that `plan` predicts for a.py, from a probe"
    assert figures[0].next_to == "the real run"
