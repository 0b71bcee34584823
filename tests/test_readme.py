"""The README is code too: what it says must be so."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

import superconv_ray
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.schedules import POLICIES, RANGE_TESTS
from superconv_ray.design.trial import OPTIMIZERS
from superconv_ray.models import MODELS
from superconv_ray.storage import schema

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "table", [schema.TRIALS, schema.CURVES, schema.MEMBERSHIPS], ids=["trials", "curves", "studies"]
)
def test_every_column_is_described_as_in_the_schema(table: pa.Schema) -> None:
    rows = README.splitlines()
    for column in table:
        description = column.metadata[b"description"].decode()
        matching = [row for row in rows if row.startswith(f"| `{column.name}` |")]
        assert any(row.endswith(f"| {description} |") for row in matching), column.name


def test_the_study_read_aloud_is_the_quickstart() -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    assert code.strip() in (ROOT / "studies" / "quickstart.py").read_text()


def test_every_built_in_name_is_listed() -> None:
    trained = set(POLICIES) - RANGE_TESTS
    names = [*DATASETS, *MODELS, *trained, *OPTIMIZERS]
    assert [name for name in names if f"`{name}`" not in README] == []


def test_the_two_commands_exist_and_ci_runs_them() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    for target in ("demo", "test", "lint"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
        assert f"make {target}" in README
        assert f"make {target}" in ci


def test_no_absolute_path_of_a_machine_is_in_the_repository() -> None:
    pattern = re.compile(r"/(work|root|home)/[a-z]")
    files = [*ROOT.glob("*.*"), *ROOT.glob("superconv_ray/**/*.py"), *ROOT.glob("studies/*.py")]
    assert [f.name for f in files if f.is_file() and pattern.search(f.read_text())] == []


def test_the_changelog_knows_the_version() -> None:
    assert f"## {superconv_ray.__version__}" in (ROOT / "CHANGELOG.md").read_text()
