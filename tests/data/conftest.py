"""What tests of files on a disk share."""

from __future__ import annotations

from pathlib import Path

import pytest

from superconv_ray.data import checked_files


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder: an empty one."""
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the image files that are opened to be checked."""
    names: list[str] = []
    real = checked_files._problem

    def noted(root: str, name: str, whole: bool) -> str | None:
        names.append(name)
        return real(root, name, whole)

    monkeypatch.setattr(checked_files, "_problem", noted)
    return names
