"""Every study of the paper's tables and figures plans at both scales, and its networks train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

FOLDER = Path(__file__).parents[1] / "studies" / "paper"
STUDIES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "settings")


@pytest.mark.parametrize("scale", ["laptop", "paper"])
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_plans_at_both_scales_under_its_own_name(
    path: Path, scale: str, superconv: Callable[..., Result]
) -> None:
    plan = superconv("plan", path, "--scale", scale)
    assert plan.exit_code == 0, plan.stderr
    assert plan.stdout.startswith(f"study paper_{path.stem}_{scale}: ")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_opens_with_its_question_and_its_command(path: Path) -> None:
    title, _, command, *_ = path.read_text().splitlines()
    assert title.startswith('"""')
    assert title.endswith("?")
    assert command.strip().startswith(f"python studies/paper/{path.name} run --scale laptop")
