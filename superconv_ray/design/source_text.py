"""Source text of functions and classes, also of those defined in a notebook cell."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import Any


def source_text(definition: Any) -> str:
    """Return the source of a function or class.

    `inspect.getsource` finds functions of a notebook cell, but not classes: it looks for the file
    of their module, which a notebook does not have. The code of their methods knows its cell.

    Raises:
        OSError, TypeError: The source is not available, or this is neither function nor class.
    """
    if not isinstance(definition, type):
        return _of_function(definition)
    codes = list(_codes(definition))
    found = _around(codes, definition.__name__)
    if not codes and definition.__module__ == "__main__":
        found = _in_last_cell(definition)
    return found or inspect.getsource(definition)


def _of_function(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code and code.co_filename == "<string>":
        # From Python 3.13 on, `inspect` takes the text of `python -c` for that of code made by exec
        raise OSError(f"the source of {code.co_name!r}, which was made by exec, is not available")
    return inspect.getsource(function)


def _around(codes: Iterable[CodeType], name: str) -> str | None:
    """Source of the class of this name whose body has the code of one of its methods."""
    for code in codes:
        linecache.checkcache(code.co_filename)
        lines = linecache.getlines(code.co_filename)
        for node in _class_nodes(lines, name):
            if node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno):
                return _block(lines, node)
    return None


def _in_last_cell(cls: type) -> str | None:
    """Source of a class without methods, from the last notebook cell that defines its name."""
    cells = getattr(sys.modules["__main__"], "In", ())  # IPython's list of executed cells
    for cell in reversed(cells):
        lines = cell.splitlines(keepends=True)
        for node in reversed(list(_class_nodes(lines, cls.__name__))):
            return _block(lines, node)
    return None


def _codes(cls: type) -> Iterator[CodeType]:
    """Code of the methods that were defined in the body of a class."""
    for member in vars(cls).values():
        for part in (member, *(getattr(member, name, None) for name in ("fget", "__func__"))):
            function = inspect.unwrap(part) if callable(part) else part
            if (
                inspect.isfunction(function)
                and function.__qualname__ == f"{cls.__qualname__}.{function.__name__}"
            ):
                yield function.__code__


def _class_nodes(lines: Sequence[str], name: str) -> Iterator[ast.ClassDef]:
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return  # a cell magic, or not Python at all
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield node


def _block(lines: Sequence[str], node: ast.ClassDef) -> str:
    """Return the text as `inspect.getsource` does, so that ids do not depend on the place."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "".join(inspect.getblock(lines[first - 1 :]))
