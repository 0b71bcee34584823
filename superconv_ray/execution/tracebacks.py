"""Tracebacks of the user's code, without the frames of the machinery around it."""

from __future__ import annotations

import importlib.util
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_MACHINERY = ("superconv_ray", "torch", "click", "ray")
"""Packages that call the user's code, or that it calls, and whose own lines explain nothing."""


def user_traceback(error: BaseException) -> str:
    """Format an exception with the frames of the user's code only.

    Frames of third-party packages stay, such as those of a model zoo. If no frame is the user's,
    the error is ours, and the whole traceback is returned.
    """
    formatted = traceback.TracebackException.from_exception(error)
    chain = list(_chain(formatted))
    users = any(is_users(frame.filename) for part in chain for frame in part.stack)
    if users or isinstance(error, SyntaxError):  # which is in a file that did not run
        for part in chain:
            part.stack = traceback.StackSummary.from_list(
                [frame for frame in part.stack if not _is_machinery(frame.filename)]
            )
    return "".join(formatted.format()).strip()


def _chain(error: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The exception, and those that led to it."""
    yield error
    for earlier in (error.__cause__, error.__context__):
        if earlier is not None:
            yield from _chain(earlier)


def is_users(filename: str) -> bool:
    """Whether a frame runs the user's code: a file of theirs, or a cell of a notebook."""
    library = sysconfig.get_paths()["stdlib"]
    installed = "site-packages" in filename or "dist-packages" in filename
    return not (_is_machinery(filename) or installed or filename.startswith(library))


def is_ours(filename: str) -> bool:
    """Whether a frame runs this package."""
    return filename.startswith(_machinery_folders()[0])


def _is_machinery(filename: str) -> bool:
    generated = filename.startswith("<frozen ") or filename == "<string>"  # as of dataclasses
    return generated or filename.startswith(_machinery_folders())


@cache
def _machinery_folders() -> tuple[str, ...]:
    """Folders of the packages, found without importing them."""
    folders = [str(Path(__file__).parents[1])]
    for name in _MACHINERY[1:]:
        specification = importlib.util.find_spec(name)
        if specification and specification.origin:
            folders.append(str(Path(specification.origin).parent))
    return tuple(f"{folder}/" for folder in folders)
