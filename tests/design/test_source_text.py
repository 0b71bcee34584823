from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from superconv_ray.design.source_text import source_text
from tests.design.made import module_of

SOURCE = '''
def marked(made):
    return made


def build(*, input_shape, classes, dropout):
    return classes  # how many


class Net:
    """A docstring with a line that looks like code:

class Net: pass
    """

    width = 3

    def __init__(self, *, input_shape, classes, dropout):
        self.layers = 3

    @property
    def depth(self):
        return self.layers


@marked
class Marked(Net):
    @staticmethod
    def other():
        return [
            1,
        ]


class Bare(Net):
    width = 4


def factory():
    class Net:
        def forward(self):
            return "inner"

    return Net


Inner = factory()
'''
NAMES = ("build", "Net", "Marked", "Bare", "Inner")


@pytest.fixture
def in_file(tmp_path: Path) -> ModuleType:
    return module_of(tmp_path / "own_models_of_a_file.py", SOURCE)


@pytest.mark.parametrize("name", ["build", "Net", "Marked", "Bare"])
def test_the_source_of_what_is_in_a_file_is_that_of_inspect(in_file: ModuleType, name: str) -> None:
    definition = getattr(in_file, name)
    assert source_text(definition) == inspect.getsource(definition)


def test_a_class_in_a_function_is_not_taken_for_another_of_its_name(in_file: ModuleType) -> None:
    assert '"inner"' in source_text(in_file.Inner)
    assert "self.layers = 3" in source_text(in_file.Net)


SHELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from superconv_ray.design.source_text import source_text
from tests.design.made import module_of

config = Config()
config.HistoryManager.enabled = False  # no file
shell = InteractiveShell.instance(config=config)
found = []
for cell, names in json.load(sys.stdin):
    result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    texts = {}
    for name in names:
        try:
            texts[name] = source_text(shell.user_ns[name])
        except (OSError, TypeError) as error:
            texts[name] = None
    found.append(texts)
print("FOUND" + json.dumps(found))
"""


def in_notebook(*cells: tuple[str, tuple[str, ...]]) -> list[dict[str, str | None]]:
    """Run cells in IPython; the source of these names, as seen after each cell."""
    done = subprocess.run(
        [sys.executable, "-c", SHELL],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        check=True,
    )
    texts: list[dict[str, str | None]] = json.loads(done.stdout.rpartition("FOUND")[2])
    return texts


def test_definitions_in_a_notebook_cell_have_the_source_that_they_have_in_a_file(
    in_file: ModuleType,
) -> None:
    (texts,) = in_notebook((SOURCE, NAMES))
    assert texts == {name: source_text(getattr(in_file, name)) for name in NAMES}


def test_a_cell_that_runs_again_after_an_edit_has_its_new_source() -> None:
    first, edited, other = in_notebook(
        (SOURCE, NAMES),
        (SOURCE.replace("layers = 3", "layers = 4").replace("width = 4", "width = 5"), NAMES),
        ("unrelated = 1", NAMES),
    )
    assert "layers = 4" in (edited["Net"] or "")
    assert "width = 5" in (edited["Bare"] or "")
    assert first["build"] == edited["build"]
    assert other == edited


def test_a_source_that_is_really_missing_is_an_error() -> None:
    hidden = "exec('''class Net:\\n    def f(self): ...\\ndef build(): ...''')"
    shown = "class Net:\n    def f(self):\n        return 1\n"
    names = ("Net", "build")
    before, after = in_notebook((f"{shown}\nbuild = len", ()), (hidden, names))
    assert (before, after) == ({}, {"Net": None, "build": None})  # not that of the earlier cell
    with pytest.raises(TypeError):
        source_text(len)


def test_a_magic_before_a_definition_does_not_hide_it() -> None:
    (texts,) = in_notebook(
        ("%env A_NAME=1\nclass Net:\n    def f(self):\n        return 1\n", ("Net",))
    )
    assert texts == {"Net": "class Net:\n    def f(self):\n        return 1\n"}
