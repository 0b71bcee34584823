"""The README and the documentation: every code block runs, and what they state is so.

Python blocks are executed, those of a page one after the other, next to a store in which the
quickstart and the study of the page on limited data are finished, with results that are made up.
Commands of `superconv` and of study files are executed if they only read (`export` takes too long);
of the others the options are checked against the program. Other commands, such as those of
clusters, are checked for shell syntax only.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import torch
from click.testing import Result

import superconv_ray
from benchmarks.made_study import write_made_study
from superconv_ray.execution.probe import Probe
from tests.documents import PAGES, ROOT, blocks, commands, python_module

READING = {"plan", "status", "show", "report"}
ON_RAY = {"tutorial.md"}
"""Pages whose Python runs a study on Ray."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def those_with(language: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "page", [page for page in PAGES if blocks(page, language)], ids=name_of
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the studies and the store that pages read."""
    folder = tmp_path_factory.mktemp("documents")
    first = blocks(ROOT / "docs" / "guides" / "limited_data.md", "python")[0]
    on_the_page: dict[str, Any] = {}
    exec(first.code, on_the_page)
    for names in (runpy.run_path(str(ROOT / "studies" / "quickstart.py")), on_the_page):
        write_made_study(names["study"], str(folder / "results"))
    shutil.copytree(
        ROOT / "studies", folder / "studies", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is the working directory."""
    folder = shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


@those_with("python")
def test_the_python_of_a_page_runs(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if page.name in ON_RAY:
        request.getfixturevalue("ray_session")
    # A module in a file, as its classes and functions travel to workers with their source
    name = f"code_of_{page.stem}"
    path = place / f"{name}.py"
    path.write_text(python_module(page), encoding="utf-8")
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, name, module)
    exec(displaying(path), module.__dict__)


def displaying(path: Path) -> CodeType:
    """A module's code which, like a notebook, asks for the text of expressions that stand alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Expr):
            shown = ast.Call(ast.Name("repr", ast.Load()), [node.value], [])
            node.value = ast.copy_location(shown, node.value)
    return compile(ast.fix_missing_locations(tree), path, "exec")


def arguments_of(words: Sequence[str]) -> list[str] | None:
    """What `superconv` would be called with, if the command is one of its or of a study file."""
    if words[0] == "superconv":
        return list(words[1:])
    if words[0] == "python" and words[1].startswith("studies/"):
        path, command, *flags = words[1:]
        return [command, path, *flags]
    return None


COMMANDS = sorted({tuple(words) for page in PAGES for words in commands(page)})
"""Those of all pages, each once."""
ARGUMENTS = [found for words in COMMANDS if (found := arguments_of(words)) is not None]


def test_what_pages_make_is_in_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    made = {target for words in COMMANDS if words[0] == "make" for target in words[1:]}
    assert made
    assert made <= set(targets)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
@pytest.mark.usefixtures("place")
def test_a_command_of_a_page_exists(
    arguments: list[str], superconv: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Probe(torch.device("cpu"), seconds=0.01)
    monkeypatch.setattr(Probe, "here", lambda: short)
    runs = arguments[0] in READING and "--live" not in arguments
    runs = (runs or "--once" in arguments) and "--dataset" not in arguments
    result = superconv(*arguments, *([] if runs else ["--help"]))
    assert result.exit_code == 0, result.output


@those_with("sh")
def test_shell_blocks_are_shell(page: Path) -> None:
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)


def test_every_block_is_of_a_language_that_is_checked() -> None:
    fences = re.compile(r"^ *```(\S+)", flags=re.MULTILINE)
    languages = {found for page in PAGES for found in fences.findall(page.read_text())}
    directives = {"{toctree}", "{include}", "{eval-rst}"}
    assert languages - directives == {"python", "sh", "text"}


def test_links_to_files_lead_somewhere() -> None:
    """Within the documentation Sphinx checks them; this is for those who read it unbuilt."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_public_name_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "api.md").read_text()
    documented = set(re.findall(r"auto(?:class|function|exception|data):: (\w+)", reference))
    assert documented - {"superconv_ray"} == set(superconv_ray.__all__)
