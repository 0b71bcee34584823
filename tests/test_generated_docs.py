"""The parts of the documentation that are made from code and from saved figures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.recording import records
from docs.generate import write_pages
from superconv_ray import analysis
from superconv_ray.cli.app import app
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.schedules import POLICIES, RANGE_TESTS
from superconv_ray.design.update_rules import OPTIMIZERS
from superconv_ray.models import MODELS
from superconv_ray.report import charts
from superconv_ray.storage import schema
from tests.documents import ROOT

DOCS = ROOT / "docs"
TABLES = {"trials": schema.TRIALS, "curves": schema.CURVES, "studies": schema.MEMBERSHIPS}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The generated parts by name, as a build of the documentation writes them."""
    folder: Path = tmp_path_factory.mktemp("generated")
    write_pages(folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_generated_part_is_on_a_page(pages: dict[str, str]) -> None:
    texts = "".join(path.read_text() for path in DOCS.rglob("*.md"))
    assert [name for name in pages if f"_generated/{name}" not in texts] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described_as_in_the_schema(name: str, pages: dict[str, str]) -> None:
    table: pa.Schema = TABLES[name]
    _, _, *rows = pages[f"{name}.md"].strip().splitlines()
    shown = [(row.split("|")[1].strip(" `"), row.split(" | ", 2)[2]) for row in rows]
    assert shown == [
        (column.name, f"{column.metadata[b'description'].decode()} |") for column in table
    ]


def test_every_analysis_and_every_chart_is_in_the_reference(pages: dict[str, str]) -> None:
    for name in analysis.__all__:
        assert f":: superconv_ray.analysis.{name}\n" in pages["analysis.md"]
    for name in charts.__all__:
        assert f":: superconv_ray.report.charts.{name}\n" in pages["charts.md"]


def test_every_command_is_in_the_reference_with_its_options(pages: dict[str, str]) -> None:
    text = pages["command_line.md"]
    for name, command in app.commands.items():
        assert f"## superconv {name}\n" in text
        for option in command.params:
            assert all(flag in text for flag in option.opts if flag.startswith("--"))
    assert "--checkpoint-seconds" in text  # of `run`, whose options its study binds


def test_every_saved_figure_is_on_the_benchmark_page_with_its_date(pages: dict[str, str]) -> None:
    text = pages["benchmarks.md"]
    for record in records().values():
        shown = text if record["figures"] else pages[f"{record['benchmark']}.md"]
        assert f"{record['date']}, {record['cores']} cores of {record['processor']}" in shown
        for figure in record["figures"]:
            assert f"| {figure['what']} |" in text


def test_every_built_in_name_is_listed() -> None:
    guide = (DOCS / "guides" / "own_data_and_models.md").read_text()
    trained = set(POLICIES) - RANGE_TESTS
    names = [*DATASETS, *MODELS, *trained, *OPTIMIZERS]
    assert [name for name in names if f"`{name}`" not in guide] == []
