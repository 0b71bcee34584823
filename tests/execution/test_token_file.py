"""Who can read Ray's token."""

from __future__ import annotations

from pathlib import Path

import pytest

from superconv_ray.execution.token_file import exposed, hide


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token; Ray's settings are unset."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_token(path: Path, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a" * 64)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_token_that_others_can_use_is_reported_with_its_mode(mode: int, home: Path) -> None:
    path = write_token(home / ".ray/auth_token", mode)
    assert exposed() == f"{path} (mode {mode:04o})"


def test_a_private_token_and_a_missing_one_are_fine(home: Path) -> None:
    assert exposed() is None
    write_token(home / ".ray/auth_token", 0o600)
    assert exposed() is None


def test_the_file_named_in_the_environment_is_checked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_token(home / ".ray/auth_token", 0o600)
    path = write_token(tmp_path / "shared/token", 0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    assert exposed() == f"{path} (mode 0644)"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    assert exposed() is None


def test_an_existing_token_is_hidden_and_kept(home: Path) -> None:
    path = write_token(home / ".ray/auth_token", 0o644)
    hide()
    assert exposed() is None
    assert path.read_text() == "a" * 64


def test_no_file_is_made_if_tokens_are_disabled(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    hide()
    assert not (home / ".ray").exists()
