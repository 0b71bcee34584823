"""Tracebacks of the user's code, without the frames of the machinery around it."""

from __future__ import annotations

import importlib.util
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import superconv_ray

_MACHINERY = ("superconv_ray", "torch", "click", "ray")
"""Packages that call the user's code, or that it calls, and whose own lines explain nothing."""


def user_traceback(error: BaseException) -> str:
    """Format an exception with the frames of the user's code only.

    Frames of third-party packages stay, such as those of a model zoo. If no frame is the user's,
    the error is ours, and the whole traceback is returned.
    """
    formatted = traceback.TracebackException.from_exception(error)
    chain = list(_chain(formatted))
    users = any(_is_users(frame) for part in chain for frame in part.stack)
    if users or isinstance(error, SyntaxError):  # which is in a file that did not run
        for part in chain:
            part.stack = traceback.StackSummary.from_list(
                [frame for frame in part.stack if not _is_machinery(frame)]
            )
    return "".join(formatted.format()).strip()


def _chain(error: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The exception, and those that led to it."""
    yield error
    for earlier in (error.__cause__, error.__context__):
        if earlier is not None:
            yield from _chain(earlier)


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_machinery_folders()) or frame.filename.startswith("<frozen ")


def _is_users(frame: traceback.FrameSummary) -> bool:
    library = sysconfig.get_paths()["stdlib"]
    installed = "site-packages" in frame.filename or "dist-packages" in frame.filename
    return not (_is_machinery(frame) or installed or frame.filename.startswith(library))


@cache
def _machinery_folders() -> tuple[str, ...]:
    """Folders of the packages, found without importing them."""
    folders = [str(Path(superconv_ray.__file__).parent)]
    for name in _MACHINERY[1:]:
        specification = importlib.util.find_spec(name)
        if specification and specification.origin:
            folders.append(str(Path(specification.origin).parent))
    return tuple(f"{folder}/" for folder in folders)
