"""The user's models on other machines, which real workers stand for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from torch.utils.data import ConcatDataset, Subset

from superconv_ray import (
    Arm,
    Study,
    Trial,
    from_range_test,
    image_samples,
    iterations,
    open_store,
)
from superconv_ray.design.building import make_plan
from superconv_ray.execution.model_transport import check_code_loads, code_of, shipped_by_value
from superconv_ray.execution.session import RunOptions, run_plan

pytestmark = pytest.mark.usefixtures("ray_session")

LAYERS = """
from torch import nn

class Head(nn.Linear):
    pass
"""
NET = """
from torch import nn
from layers_of_mine import Head

def half(outputs, targets):
    return halved(nn.functional.cross_entropy(outputs, targets))

def halved(loss):
    return loss / 2

def mistakes(outputs, targets):
    return halved((outputs.argmax(1) != targets).sum())

def plain(*, input_shape, classes, dropout):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

def layered(*, input_shape, classes, dropout):
    return nn.Sequential(nn.Flatten(), Head(64, classes))
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module and what it imports, in a folder that this process has and no worker knows."""
    (tmp_path / "layers_of_mine.py").write_text(LAYERS)
    (tmp_path / "net_of_mine.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("net_of_mine")
    del sys.modules["net_of_mine"], sys.modules["layers_of_mine"]


def test_a_model_of_a_module_that_only_the_driver_has_travels_as_code(net: ModuleType) -> None:
    with shipped_by_value([net.plain]):
        check_code_loads({"net": net.plain})


def test_classes_of_both_parts_and_inside_of_wrappers_travel_as_code() -> None:
    class Images(list[Any]):
        pass

    class Others(Images):
        pass

    class Tests(Images):
        pass

    def rows_of(kind: type[Images]) -> Any:
        return kind((np.zeros((4, 4), np.uint8), k % 2) for k in range(8))

    train: Any = ConcatDataset([Subset(rows_of(Images), range(6)), rows_of(Others)])
    study = Study(
        name="wrapped",
        base=Trial(dataset="mine", batch_size=4),
        arms={"constant": Arm(policy="constant", max_lr=0.1)},
        budget=iterations(2),
        seeds=1,
        datasets={"mine": image_samples(train, rows_of(Tests), image_size=4)},
    )
    code = code_of(make_plan(study))
    assert {Images, Others, Tests} <= set(code.values())
    assert code["class Tests of data set 'mine'"] is Tests


def test_a_package_that_a_node_lacks_is_named_before_anything_is_trained(
    net: ModuleType, store_uri: str
) -> None:
    study = Study(
        name="layered",
        base=Trial(dataset="digits", data_count=60, batch_size=16, model="net"),
        arms={"constant": Arm(policy="constant", max_lr=0.1)},
        budget=iterations(2),
        seeds=1,
        models={"net": net.layered},
    )
    expected = (
        r"model 'net' cannot be loaded \(ModuleNotFoundError: No module named 'layers_of_mine'\) "
        r"on host \S+: install what it needs on every node, for example in setup_commands "
    )
    with pytest.raises(ValueError, match=expected):
        run_plan(make_plan(study), RunOptions(store=store_uri), Console(quiet=True))
    assert len(open_store(store_uri).trials()) == 0


def test_functions_that_only_the_driver_has_give_the_numbers_of_a_local_run(
    net: ModuleType, tmp_path: Path, assert_same_results: Callable[[str, str], None]
) -> None:
    metric: Any = {"metric": net.mistakes, "metric_goal": "minimize"}
    study = Study(
        name="halved",
        base=Trial(dataset="digits", data_count=60, batch_size=16, loss=net.half, **metric),
        arms={"one_cycle": Arm(max_lr=from_range_test(steps=10, points=5))},
        budget=iterations(4),
        seeds=1,
    )
    uris = [str(tmp_path / place) for place in ("ray", "local")]
    for uri in uris:
        options = RunOptions(store=uri, local=uri.endswith("local"))
        assert run_plan(make_plan(study), options, Console(quiet=True)).trained == 2
    assert_same_results(*uris)
    trials = open_store(uris[0]).trials("halved")
    assert [*trials["loss"]] == ["half", "half"]
    assert trials["loss_digest"].nunique() == 1
    assert trials["metric"].eq("mistakes").all()
    (training,) = trials[trials["role"] == "training"].to_dict("records")
    assert training["test_metric"] == round(360 * (1 - training["test_accuracy"])) / 2
