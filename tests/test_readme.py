"""What the README states is so; its code blocks are run by tests/test_documents.py."""

from __future__ import annotations

import re

import pandas as pd

import superconv_ray
from benchmarks.tables import with_short_table
from superconv_ray import open_store
from superconv_ray.analysis import arm_summary, compare
from tests.documents import ROOT, blocks

README = (ROOT / "README.md").read_text()


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


def test_its_results_are_those_of_the_sample_study() -> None:
    store = open_store(ROOT / "studies" / "results")
    (study,) = store.studies()
    trials = store.trials(study)
    baselines = ["piecewise", "cosine", "linear"]
    means = 100 * arm_summary(trials, ["data_count"]).pivot(
        index="data_count", columns="arm", values="mean"
    )
    gaps = compare(trials, "one_cycle", baselines, ["data_count"])
    texts = {(gap["data_count"], gap["baseline"]): gap_text(gap) for _, gap in gaps.iterrows()}
    for labels, row in means[["one_cycle", *baselines]].iterrows():
        accuracies = [f"{mean:.1f}" for mean in row]
        shown = [texts[labels, "piecewise"], texts[labels, "linear"]]
        assert f"| {' | '.join([f'{labels:,}', *accuracies, *shown])} |" in README


def gap_text(gap: pd.Series) -> str:
    mean, low, high = 100 * gap[["mean", "low", "high"]]
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


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
