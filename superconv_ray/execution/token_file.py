"""The file with Ray's token: who reads it controls the cluster, and Ray lets all read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def token_file() -> Path | None:
    """Return the file from which Ray takes its token; None if the environment holds it."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named) if named else Path.home() / ".ray" / "auth_token"


def exposed() -> str | None:
    """Return the token's file and mode if others than its owner can use it: "PATH (mode 0644)"."""
    path = token_file()
    try:
        mode = path.stat().st_mode if path else 0
    except OSError:
        return None  # there is none, or it is out of reach for us, too
    return f"{path} (mode {stat.S_IMODE(mode):04o})" if mode & 0o077 else None


def hide() -> None:
    """Let nobody else read the token of a Ray that starts here, neither one there nor a new one.

    A new one is written by Ray into the empty file that this makes, and which counts as none.
    """
    path = token_file()
    if path is None or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    if exposed():
        path.chmod(0o600)
