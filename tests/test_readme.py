"""What the README states is so; its code blocks are run by tests/test_documents.py."""

from __future__ import annotations

import re

import superconv_ray
from benchmarks.tables import with_short_table
from superconv_ray import StudyResults, open_store
from tests.documents import ROOT, blocks

README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "studies" / "results"
STUDIES = (
    "parts_of_one_cycle_digits_small_cnn",
    "super_convergence_fashion_mnist_lenet_512",
    "paper_mnist_lenet_laptop",
)


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 190


def test_its_study_is_the_quickstart() -> None:
    first, *_ = blocks(ROOT / "README.md", "python")
    assert first.code.strip() in (ROOT / "studies" / "quickstart.py").read_text()


def test_the_two_commands_exist_and_ci_runs_them() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    for target in ("demo", "test", "lint", "docs"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
        assert f"make {target}" in README
        assert f"make {target}" in ci


def test_its_speeds_are_those_that_benchmarks_saved() -> None:
    """`python -m benchmarks.tables` writes them."""
    assert with_short_table(README) == README


def test_its_speed_ups_are_those_of_the_sample_store() -> None:
    found = StudyResults(open_store(RESULTS), "quickstart").time_to_accuracy
    steps = [
        found[found["baseline"] == f"step_{rate}"].set_index("data_count")
        for rate in ("0.01", "0.1")
    ]
    for labels in (144, 1437):
        shown = ["{factor:.1f} [{low:.1f}, {high:.1f}]".format(**t.loc[labels]) for t in steps]
        assert f"| {' | '.join([f'{labels:,}', *shown])} |" in README


def test_its_gaps_are_those_of_the_sample_store() -> None:
    found = README[README.index("## What it found") : README.index("## A study")]
    shown = {name: str(StudyResults(open_store(RESULTS), name)) for name in STUDIES}
    said = re.findall(r"[-+][\d.]+ \[[^]]+\]", found)
    assert len(said) >= 4
    for gap in said:
        assert any(gap in text for text in shown.values()), gap


def test_the_picture_of_a_report_is_small() -> None:
    picture = ROOT / "docs" / "images" / "report.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000


def test_no_absolute_path_of_a_machine_is_in_the_repository() -> None:
    pattern = re.compile(r"/(work|root|home)/[a-z]")
    files = [
        *ROOT.glob("*.*"),
        *ROOT.glob("superconv_ray/**/*.py"),
        *ROOT.glob("studies/*.py"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/**/*.*"),
    ]
    texts = [f for f in files if f.is_file() and f.suffix != ".pyc"]
    assert [f.name for f in texts if pattern.search(f.read_text())] == []


def test_the_changelog_knows_the_version() -> None:
    assert f"## {superconv_ray.__version__}" in (ROOT / "CHANGELOG.md").read_text()
