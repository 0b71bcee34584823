"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.study_files import TINY


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a study file, with a part of its text replaced."""

    def write_study(text: str = TINY, old: str = "", new: str = "") -> Path:
        assert old in text
        path = tmp_path / "a_study.py"
        path.write_text(text.replace(old, new) if old else text)
        return path

    return write_study
