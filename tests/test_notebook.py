"""The notebook of the sample study, which `make test` runs: that it is kept clean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[1] / "studies" / "analysis.ipynb"


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def cells(notebook: dict[str, Any], kind: str) -> list[str]:
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def test_no_output_is_kept(notebook: dict[str, Any]) -> None:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    assert [cell["execution_count"] for cell in code] == [None] * len(code)


def test_it_runs_on_any_machine(notebook: dict[str, Any]) -> None:
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}  # no editor's own
    assert not re.search(r"/(home|root|Users|work|tmp)/", PATH.read_text(encoding="utf-8"))


def test_every_question_is_answered_by_an_assertion(notebook: dict[str, Any]) -> None:
    questions = [text for text in cells(notebook, "markdown") if text.startswith("## ")]
    assert all(text.splitlines()[0].endswith("?") for text in questions)
    asserted = sum("assert " in code for code in cells(notebook, "code"))
    assert len(questions) == 8
    assert asserted >= len(questions)


def test_what_it_says_of_gains_is_what_the_study_says(notebook: dict[str, Any]) -> None:
    said = " ".join((PATH.parent / "limited_data.py").read_text().split())
    assert "gains 2.6 and 0.9 points over the step schedule at 1,200 and 6,000" in said
    assert "{1200: 2.6, 6000: 0.9}" in "\n".join(cells(notebook, "code"))
