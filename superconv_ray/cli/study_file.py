"""A study file, and the flags that the parameters of its study function become."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click

from superconv_ray.design.study import Study

StudySource = Study | Callable[..., Study]
"""A study, or a function that makes one; the function's parameters become flags."""


def load_study(path: Path) -> StudySource:
    """Return the `study` that a Python file defines: a Study, or a function that makes one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file defines no `study`.
        Exception: Whatever the file itself raises.
    """
    if not path.is_file() or path.suffix != ".py":
        raise FileNotFoundError(f"no study file {path}; it must be a Python file, *.py")
    if hides := _hidden_module(path):
        raise ValueError(f"{path} has the name of the module {path.stem!r} ({hides}); rename it")
    sys.path.insert(0, str(path.resolve().parent))
    loader = SourceFileLoader(path.stem, str(path))
    specification = importlib.util.spec_from_loader(path.stem, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    # Not from bytecode: Python would take what is out of date if an edit changes neither the length
    # of the file nor the second in which it was written.
    exec(loader.source_to_code(path.read_bytes(), str(path)), module.__dict__)
    return require_source(getattr(module, "study", None), f"{path}: `study`")


def require_source(found: Any, where: str) -> StudySource:
    """Return what was found if it is a study, or a function that makes one.

    Raises:
        ValueError: It is something else.
    """
    if found is Study or not (isinstance(found, Study) or callable(found)):
        raise ValueError(f"{where} must be a Study or a function that makes one, got {found!r}")
    source: StudySource = found
    return source


def _hidden_module(path: Path) -> str:
    """Where a module lies that others could no longer import; empty if there is none."""
    if path.stem in sys.stdlib_module_names:
        return "Python's own"
    try:
        found = importlib.util.find_spec(path.stem)
    except (ImportError, ValueError):
        return ""
    origin = (found.origin or "") if found else ""
    return origin if "site-packages" in origin or "dist-packages" in origin else ""


def make_study(source: StudySource, **flags: Any) -> Study:
    """Return the study, or what the function that makes it returns for the given flags.

    Raises:
        TypeError: The function returns something else.
    """
    study = source if isinstance(source, Study) else source(**flags)
    if not isinstance(study, Study):
        raise TypeError(f"the function `study` must return a Study, got {study!r}")
    return study


def study_flags(source: StudySource) -> dict[str, click.Option]:
    """Return a flag for every parameter of a function that makes a study, by parameter name.

    Raises:
        TypeError: A parameter has no default, or a type that no flag can have.
    """
    if isinstance(source, Study):
        return {}
    try:
        kinds = inspect.get_annotations(source, eval_str=True)
    except NameError as error:
        raise TypeError(f"a type in the signature of `study` cannot be found: {error}") from None
    flags = {}
    for name, parameter in inspect.signature(source).parameters.items():
        default = parameter.default
        if default is inspect.Parameter.empty:
            raise TypeError(
                f"a parameter of a study function becomes a flag: {name!r} must have a default"
            )
        flags[name] = _flag(name, kinds.get(name, type(default)), default)
    return flags


def _flag(name: str, kind: Any, default: Any) -> click.Option:
    flag = "--" + name.replace("_", "-")
    declared = kind
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        arms = [arm for arm in get_args(kind) if arm is not type(None)]
        kind = arms[0] if len(arms) == 1 else None
    many = get_origin(kind) in (list, tuple)
    single = get_args(kind)[0] if many else kind
    chosen = get_origin(single) is Literal and all(isinstance(it, str) for it in get_args(single))
    known = chosen or single in (str, int, float, bool, Path)
    if not known:
        raise TypeError(
            f"a parameter of a study function becomes a flag: {name!r} must be annotated as a str, "
            f"int, float, bool, Path, Literal of str or a list of these, got {declared!r}"
        )
    if single is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=default, show_default=True)
    return click.Option(
        [flag],
        type=click.Choice(get_args(single)) if chosen else single,
        multiple=many,
        default=default,
        show_default=True,
        help="Can be given several times." if many else None,
    )
