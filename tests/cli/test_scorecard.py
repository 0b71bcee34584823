"""`superconv scorecard` on a real small store, and on what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from benchmarks.made_study import write_made_study
from superconv_ray import Arm, Study, iterations

PAPER = Path(__file__).parents[2] / "studies" / "paper"
SMALL = ("--steps", 20, "--seeds", 2, "--local")


def test_a_study_that_was_run_is_judged_in_text_and_on_a_page(
    superconv: Callable[..., Result], store_uri: str, tmp_path: Path
) -> None:
    run = superconv("run", PAPER / "regularization_by_lr.py", *SMALL, "--store", store_uri)
    assert run.exit_code == 0, run.output
    text = superconv("scorecard", store_uri)
    assert text.exit_code == 0, text.output
    assert "29 not run" in text.stdout
    assert "laptop scale: digits, small_cnn, 300 labels, 2 seeds" in text.stdout
    page = tmp_path / "folder" / "scorecard.html"
    written = superconv("scorecard", store_uri, "--html", page)
    assert written.stdout.startswith(f"scorecard: {page} (")
    assert "laptop scale: digits, small_cnn, 300 labels, 2 seeds" in page.read_text()


def a_store(kind: str, folder: Path) -> Path:
    """A path without a study of a claim."""
    if kind == "other files":
        (folder / "notes.txt").touch()
    elif kind == "another study":
        arms = {"one_cycle": Arm(max_lr=0.1)}
        write_made_study(Study(name="other", arms=arms, budget=iterations(5)), str(folder))
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other files", "there is no store in "),
        ("another study", "has no result of a study in studies/paper, only of 'other'"),
    ],
)
def test_a_store_without_a_study_of_a_claim_is_an_error_that_names_the_command(
    kind: str, message: str, superconv: Callable[..., Result], tmp_path: Path
) -> None:
    result = superconv("scorecard", a_store(kind, tmp_path))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert f"superconv run studies/paper/limited_data.py --store {tmp_path}" in line
