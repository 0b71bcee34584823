"""Tracebacks of the user's code, without the frames of the machinery around it."""

from __future__ import annotations

import dis
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


def in_users_code(error: BaseException) -> bool:
    """Whether the user's code, or a library that it called, raised an error."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    own = [place for place, file in enumerate(files) if is_users(file)]
    return bool(own) and not any(map(is_ours, files[own[-1] :]))


def is_ours(filename: str) -> bool:
    """Whether a frame runs this package."""
    return filename.startswith(_machinery_folders()[0])


def is_deliberate(error: BaseException) -> bool:
    """Whether a ``raise`` statement of this package raised a ValueError or TypeError for users.

    What Python or a library raises inside this package, such as the TypeError of ``None + 1``, is a
    defect of the package, and its message was not written for users.
    """
    innermost = error.__traceback__
    if innermost is None or not isinstance(error, ValueError | TypeError):
        return False
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    code = innermost.tb_frame.f_code
    raised = dis.opname[code.co_code[innermost.tb_lasti]] == "RAISE_VARARGS"
    return raised and is_ours(code.co_filename)


def _is_machinery(filename: str) -> bool:
    # As of dataclasses, and of packages compiled by Cython, which name their files without a folder
    generated = filename.startswith("<frozen ") or filename == "<string>"
    generated = generated or filename.endswith((".pyx", ".pxi"))
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
