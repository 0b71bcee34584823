"""`superconv report` and `superconv export` on every kind of store that a user may have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from benchmarks.made_study import write_made_study
from superconv_ray import Arm, Study, Trial, from_range_test, iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.plan import range_tests_alone
from superconv_ray.execution.record import StudyRecord
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.seal import write_json
from superconv_ray.storage.store import open_store

SAMPLE = Path(__file__).parents[2] / "studies" / "results"


def study(name: str = "made_up", seeds: int = 1) -> Study:
    return Study(
        name=name,
        question="Is 1cycle <b>better</b>?",
        base=Trial(dataset="digits", model="small_cnn", batch_size=16),
        arms={"one_cycle": Arm(max_lr=from_range_test(steps=40, points=20))},
        budget=iterations(20),
        seeds=seeds,
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "report.html"


def test_a_report_is_written_to_the_given_file(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    write_made_study(study(), store_uri)
    result = superconv("report", store_uri, "-o", page)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"report: {page} (")
    text = page.read_text()
    assert "The test accuracy of one_cycle is " in text
    assert "Is 1cycle &lt;b&gt;better&lt;/b&gt;?" in text
    assert "<b>better" not in text


def test_a_study_without_a_finished_trial_has_a_page_that_says_so(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    plan = make_plan(study())
    StudyRecord(open_store(store_uri), plan).write(Planner(plan, lambda _: None))
    assert superconv("report", store_uri, "-o", page).exit_code == 0
    text = page.read_text()
    assert "0 of 2 trials done" in text
    assert "No training has finished yet, so there is no verdict." in text
    exported = superconv("export", store_uri, "--charts", page.parent)
    assert exported.exit_code == 2
    assert "no chart: study 'made_up' has no finished trial yet" in exported.stderr
    exported = superconv("export", store_uri, "--latex", page.parent / "t.tex")
    assert "no table: study 'made_up' has no finished training yet" in exported.stderr


def test_range_tests_alone_have_a_report(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    plan = range_tests_alone(make_plan(study(seeds=2)))
    write_made_study(plan.study, store_uri, plan)
    assert superconv("report", store_uri, "-o", page).exit_code == 0
    text = page.read_text()
    assert "LR range tests" in text
    assert "The range tests recommend" in text


def test_studies_of_lr_find_are_reported_if_named(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    plan = range_tests_alone(make_plan(study("lr_find_made_up")))
    write_made_study(plan.study, store_uri, plan)
    write_made_study(study(), store_uri)
    assert superconv("report", store_uri, "-o", page).exit_code == 0
    assert "The test accuracy of one_cycle is " in page.read_text()
    latex = page.parent / "t.tex"
    assert superconv("export", store_uri, "--latex", latex).exit_code == 0
    named = superconv("report", store_uri, "--study", "lr_find_made_up", "-o", page)
    assert named.exit_code == 0, named.output
    assert "The range tests recommend" in page.read_text()


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(
    superconv: Callable[..., Result], page: Path
) -> None:
    result = superconv("report", SAMPLE, "--study", "mnist", "-o", page)
    assert result.exit_code == 2
    assert "no study 'mnist'" in result.stderr
    assert "'super_convergence_fashion_mnist_lenet'" in result.stderr
    assert not page.exists()


def test_several_studies_have_an_index_and_a_page_each(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    for name in ("a", "b"):
        write_made_study(study(name), store_uri)
    result = superconv("report", store_uri, "-o", page)
    assert result.exit_code == 0, result.output
    assert [line.split()[1] for line in result.output.splitlines()] == [
        str(page.with_name(name)) for name in ("report-a.html", "report-b.html", "report.html")
    ]
    assert 'href="report-b.html"' in page.read_text()
    assert superconv("report", store_uri, "--study", "b", "-o", page).exit_code == 0
    assert "<h1>Is 1cycle" in page.read_text()


def test_an_export_of_several_studies_asks_for_one(
    superconv: Callable[..., Result], store_uri: str, page: Path
) -> None:
    for name in ("a", "b"):
        write_made_study(study(name), store_uri)
    result = superconv("export", store_uri, "--latex", page)
    assert result.exit_code == 2
    assert "choose one by --study: 'a', 'b'" in result.stderr


def test_a_store_without_a_study_is_an_error(
    superconv: Callable[..., Result], store_uri: str
) -> None:
    result = superconv("report", store_uri)
    assert result.exit_code == 2
    assert f"no study in the store {store_uri}: run one first" in result.stderr


def test_a_store_of_a_newer_package_is_an_error(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    write_json(Files(tmp_path), "store.json", {"schema_version": 99})
    result = superconv("report", tmp_path)
    assert result.exit_code == 2
    assert "has schema version 99" in result.stderr
    assert "use a version of the package that reads it" in result.stderr


def test_charts_and_tables_are_exported(
    superconv: Callable[..., Result], store_uri: str, tmp_path: Path
) -> None:
    write_made_study(study(seeds=3), store_uri)
    charts, latex, markdown = tmp_path / "charts", tmp_path / "t.tex", tmp_path / "t.md"
    result = superconv(
        "export", store_uri, "--charts", charts, "--latex", latex, "--markdown", markdown
    )
    assert result.exit_code == 0, result.output
    written = [Path(line) for line in result.output.splitlines()]
    assert set(charts.iterdir()) | {latex, markdown} == set(written)
    assert {path.suffix for path in charts.iterdir()} == {".png", ".svg", ".pdf"}
    assert {path.stem for path in charts.iterdir()} >= {"accuracy", "range_tests", "schedules"}
    assert (charts / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert (charts / "accuracy.pdf").read_bytes().startswith(b"%PDF")
    assert r"\toprule" in latex.read_text()
    assert "| one" in markdown.read_text()


def test_an_export_of_nothing_lists_the_choices(superconv: Callable[..., Result]) -> None:
    result = superconv("export", SAMPLE, "--study", "quickstart")
    assert result.exit_code == 2
    assert "give at least one of charts, latex and markdown" in result.stderr


def test_without_the_extra_it_says_what_to_install(
    superconv: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    for module in [name for name in sys.modules if name.startswith("superconv_ray.report.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "altair", None)
    result = superconv("report", SAMPLE, "-o", page)
    assert result.exit_code == 2
    assert "altair is missing" in result.stderr
    assert "pip install 'superconv_ray[report]'" in result.stderr
