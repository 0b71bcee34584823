"""What is found out about a user's files, kept so that nobody finds it out again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Protocol

from superconv_ray.data.readers import default_data_dir


class Notes(Protocol):
    """Small files that are kept in some place, such as a store."""

    def read(self, name: str, /) -> bytes | None:
        """Return the content of a file, or None if there is no such file."""

    def write(self, name: str, content: bytes, /) -> None:
        """Write a whole file."""


class _CacheFolder:
    """The user's cache folder. What it cannot keep is found out again the next time."""

    def read(self, name: str) -> bytes | None:
        try:
            return (default_data_dir() / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        file = default_data_dir() / name
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with replaced(file) as new:
                new.write_bytes(content)


class _Pending:
    """Notes of a place that is opened when something is read, and written to at the end."""

    def __init__(self, open_place: Callable[[], Notes]) -> None:
        self._open = open_place
        self._written: dict[str, bytes] = {}

    @cached_property
    def _notes(self) -> Notes:
        return self._open()

    def read(self, name: str) -> bytes | None:
        return self._written.get(name) or self._notes.read(name)

    def write(self, name: str, content: bytes) -> None:
        self._written[name] = content

    def flush(self) -> None:
        for name, content in self._written.items():
            self._notes.write(name, content)


_of_the_run: ContextVar[Notes | None] = ContextVar("notes of the run", default=None)


@contextlib.contextmanager
def noted_in(open_place: Callable[[], Notes]) -> Iterator[None]:
    """Keep notes in a place as well as in the user's cache folder, unless an error is raised.

    In a run's store, they are there for whoever continues the run from another machine. A mistake
    leaves no store behind.

    Args:
        open_place: Opens the place; called once, if there is anything to note.
    """
    pending = _Pending(open_place)
    token = _of_the_run.set(pending)
    try:
        yield
    finally:
        _of_the_run.reset(token)
    pending.flush()


def places() -> list[Notes]:
    """Return where notes are kept at present."""
    notes = _of_the_run.get()
    return [_CacheFolder()] if notes is None else [_CacheFolder(), notes]


@contextlib.contextmanager
def replaced(file: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes the file at the end; no reader sees half of it."""
    new = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        yield new
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
