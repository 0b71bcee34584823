from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import superconv_ray.analysis as analysis
from tests.test_imports import loaded

GROUPS = Path(analysis.__file__).parent


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_name_is_a_documented_function(name: str) -> None:
    function = getattr(analysis, name)
    assert inspect.isfunction(function)
    assert inspect.getdoc(function)


def test_completion_offers_the_public_names_before_anything_is_imported() -> None:
    names = loaded("import superconv_ray.analysis as a\nprint(*dir(a), file=sys.stderr)")
    assert set(analysis.__all__) <= set(names)
    assert not {"numpy", "scipy", "pandas"} & set(names)


def test_a_function_is_found_although_a_module_has_its_name() -> None:
    code = "import superconv_ray.analysis.settings.optimum\n"
    code += "from superconv_ray.analysis import optimum, speedup\n"
    loaded(f"{code}optimum.__code__, speedup.__code__")


def test_a_public_name_is_never_a_module_or_a_group_of_modules_of_the_room() -> None:
    # Once imported, they would be what the room has under that name.
    parts = {part.stem for part in GROUPS.iterdir()}
    assert not parts & set(analysis.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'compaer'"):
        analysis.compaer  # noqa: B018


def test_all_is_what_the_type_checker_sees() -> None:
    tree = ast.parse(Path(analysis.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(imported) == sorted(analysis.__all__)
