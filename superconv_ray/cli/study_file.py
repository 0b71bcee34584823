"""A study file, and the flags that the parameters of its study function become."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

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
    sys.path.insert(0, str(path.resolve().parent))
    loader = SourceFileLoader(path.stem, str(path))
    specification = importlib.util.spec_from_loader(path.stem, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    # Not from bytecode: Python would take what is out of date if an edit changes neither the length
    # of the file nor the second in which it was written.
    exec(loader.source_to_code(path.read_bytes(), str(path)), module.__dict__)
    study = getattr(module, "study", None)
    if not (isinstance(study, Study) or callable(study)):
        raise ValueError(
            f"{path} must define `study`, a Study or a function that makes one; got {study!r}"
        )
    return study


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
    kinds = inspect.get_annotations(source, eval_str=True)
    return {
        name: _flag(name, kinds.get(name, str), parameter.default)
        for name, parameter in inspect.signature(source).parameters.items()
    }


def _flag(name: str, kind: Any, default: Any) -> click.Option:
    flag = "--" + name.replace("_", "-")
    if isinstance(kind, UnionType):
        kind = next(arm for arm in get_args(kind) if arm is not type(None))
    many = get_origin(kind) in (list, tuple)
    single = get_args(kind)[0] if many else kind
    chosen = get_origin(single) is Literal and all(isinstance(it, str) for it in get_args(single))
    known = chosen or single in (str, int, float, bool, Path)
    if default is inspect.Parameter.empty or not known:
        raise TypeError(
            "a parameter of a study function becomes a flag: it must have a default and be a str, "
            f"int, float, bool, Path, Literal of str or a list of these; {name!r} is {kind!r}"
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
