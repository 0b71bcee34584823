"""Errors as users of the command line see them."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import Trial
from superconv_ray.cli import errors
from superconv_ray.execution.tracebacks import is_deliberate
from tests.cli.study_files import TINY, WITH_BROKEN_MODEL, assert_one_line

SUPERCONV = str(Path(sys.executable).with_name("superconv"))


MISTAKES = [
    ('policy="constant"', 'polcy="constant"', "'polcy' is not a field of a trial; did you mean"),
    ("data_count=(60,)", "data_fraction=(1.5,)", "data_fraction must be in (0, 1], got 1.5"),
    ("data_count=(60,)", "data_fraction=(0.001,)", "class"),
    ('model="small_cnn"', 'model="smal_cnn"', "got 'smal_cnn'; did you mean 'small_cnn'?"),
    ('dataset="digits"', 'dataset="digit"', "got 'digit'; did you mean 'digits'?"),
    ("iterations(20)", "20", "budget must come from iterations(...)"),
    (
        "study = Study",
        "other = Study",
        "`study` must be a Study or a function that makes one, got N",
    ),
    ("study = Study", "study = Study\nother = Study", "got <class"),
    ("study = Study", "study = main\nother = Study", "must have a default"),
]


@pytest.mark.parametrize("command", ["plan", "run", "status"])
@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_in_a_study_is_one_line_and_nothing_is_written(
    command: str,
    old: str,
    new: str,
    message: str,
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = superconv(command, write(TINY, old, new))
    assert_one_line(result, message)
    assert set(os.listdir(tmp_path)) <= {"a_study.py", "__pycache__"}


def test_a_mistake_is_one_line_from_a_study_file_too(write: Callable[..., Path]) -> None:
    path = write(TINY, 'policy="constant"', 'polcy="constant"')
    done = subprocess.run(
        [sys.executable, str(path), "plan"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: arm 'constant' at data_count=60: Arm(...): 'polcy' is")
    assert len(done.stderr.splitlines()) == 1


def test_the_whole_traceback_is_shown_on_request(
    superconv: Callable[..., Result], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERCONV_TRACEBACK", "1")
    result = superconv("plan", write(TINY, "data_count=(60,)", "data_fraction=(1.5,)"))
    assert isinstance(result.exception, ValueError)


def test_a_study_function_that_makes_no_study_is_one_line(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    path = write("def study(seeds: int = 3) -> int:\n    return seeds\n")
    assert_one_line(superconv("plan", path), "`study` must return a Study, got 3")


# The user's own code


def assert_users_traceback(result: Result, *lines: str) -> None:
    """The traceback has these lines, each once, and no frame of click or of this package."""
    assert result.exit_code == 2
    for line in lines:
        assert result.stderr.count(line) == 1, result.stderr
    assert result.stderr.rstrip().endswith(lines[-1])
    assert "site-packages" not in result.stderr
    assert str(Path("superconv_ray", "")) not in result.stderr


def test_a_syntax_error_is_shown_as_python_shows_it(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    result = superconv("plan", write("def study(:\n"))
    assert_users_traceback(
        result, "a_study.py", "line 1", "def study(:", "SyntaxError: invalid syntax"
    )
    assert "Traceback" not in result.stderr


def test_a_missing_import_is_shown_at_its_line(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    result = superconv("run", write("import os\nimport not_installed\n"))
    assert_users_traceback(
        result, "a_study.py", "line 2", "ModuleNotFoundError: No module named 'not_installed'"
    )


def test_what_a_study_function_raises_is_shown_at_its_line(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    text = 'def study(seeds: int = 3):\n    return {}["name"]\n'
    assert_users_traceback(superconv("plan", write(text)), "line 2, in study", "KeyError: 'name'")


def test_a_file_that_a_data_function_misses_is_shown_at_its_line(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    data = 'datasets={"own": lambda: open("missing.csv")},\n    base='
    result = superconv("plan", write(TINY, "base=", data))
    assert_users_traceback(result, "in <lambda>", "No such file or directory: 'missing.csv'")


def test_what_a_model_raises_is_shown_at_its_line_before_anything_runs(
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    store_uri: str,
    assert_untouched: Callable[[str], None],
) -> None:
    path = write(WITH_BROKEN_MODEL, " and len(x) > 2:", ":")
    for command in (["plan"], ["run", "--local", "--store", store_uri]):
        result = superconv(command[0], path, *command[1:])
        assert_users_traceback(result, "in forward", "RuntimeError: no luck")
    assert_untouched(store_uri)


WITH_OWN_CODE = """
import numpy as np
import torch
from sklearn.metrics import accuracy_score
from torch import nn

from superconv_ray import Arm, Study, Trial, iterations


class Net(nn.Module):
    def __init__(self, input_shape, classes, dropout):
        super().__init__()
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        return self.linear(x.flatten(1))


def loss(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets)


def metric(outputs, targets):
    return (outputs.argmax(1) == targets).mean()


def augment(x):
    return x + 1


def optimizer(groups):
    return torch.optim.SGD(groups)


study = Study(
    name="own_code",
    base=Trial(
        dataset="digits",
        model="net",
        loss=loss,
        metric=metric,
        metric_goal="maximize",
        augment=augment,
        optimizer=optimizer,
    ),
    arms={"one_cycle": Arm(max_lr=0.1)},
    budget=iterations(20),
    models={"net": Net},
)
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", ""),
        ("classes, dropout)", "classes)", "model Net must accept (*, input_shape: "),
        ("def forward", "def backward", "is missing the required"),
        ("loss(outputs, targets):", "loss(outputs):", "loss 'loss' as loss(outputs, targets), "),
        ("loss=loss", "loss=nn.CrossEntropyLoss", "loss 'CrossEntropyLoss' as loss(outputs, "),
        ("entropy(outputs, ", "entropy(outputs.detach(), ", "0 of tensors does not require grad"),
        ("metric=metric", "metric=accuracy_score", "metric 'accuracy_score' as metric(outputs, "),
        (").mean()", ").mean() * np.nan", "'metric' must be finite for outputs that are all zero"),
        ("augment(x)", "augment(x, y)", "augment 'augment' as augment(x) of a batch, which "),
        ("x + 1", "x * torch.nan", "augment 'augment' must give finite numbers, got NaN or inf"),
        ("optimizer(groups)", "optimizer(groups, lr)", "optimizer 'optimizer' as optimizer(groups"),
        ("optim.SGD", "optim.LBFGS", "optimizer 'optimizer' as optimizer(groups), whose step() "),
    ],
)
def test_own_code_that_does_not_fit_how_it_is_called_is_one_line(
    old: str, new: str, message: str, superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    result = superconv("plan", write(WITH_OWN_CODE, old, new) if old else write(WITH_OWN_CODE))
    if message:
        assert_one_line(result, message)
    else:
        assert result.exit_code == 0, result.stderr


def test_a_rejected_setting_is_shown_with_its_line(
    superconv: Callable[..., Result], write: Callable[..., Path]
) -> None:
    result = superconv("plan", write(TINY, "batch_size=16", "batchsize=16"))
    line = 1 + TINY[: TINY.index("batch_size")].count("\n")
    assert result.stderr.startswith(f"error in a_study.py, line {line}: Trial(...): 'batchsize'")


# Errors inside the package


@pytest.mark.parametrize("place", ["api.plan.make_plan", "design.building._range_tests"])
def test_an_error_inside_the_package_is_raised_with_a_request_to_report_it(
    place: str,
    superconv: Callable[..., Result],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"superconv_ray.{place}", operator.neg)  # Python raises in the package
    result = superconv("plan", write())
    assert isinstance(result.exception, TypeError)
    assert "Please report it" in result.exception.__notes__[0]


def test_only_what_the_package_raises_itself_is_for_users() -> None:
    with pytest.raises(ValueError, match="max_lr") as rejected:
        Trial(max_lr=-1)
    with pytest.raises(ValueError, match="invalid literal") as accident:
        Trial.complete(Trial(max_lr=int("x")))
    assert is_deliberate(rejected.value)
    assert not is_deliberate(accident.value)


def test_the_command_that_continues_keeps_the_options_of_a_store_and_hides_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = "s3://key:secret@bucket/x?scheme=http&endpoint_override=localhost:1&session_token=abc"
    monkeypatch.setattr(sys, "argv", ["study.py", "run", "--store", store])
    assert errors._own_command() == (
        "python study.py run --store 's3://bucket/x?scheme=http&endpoint_override=localhost:1'"
    )
