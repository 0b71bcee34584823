from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from superconv_ray.data.dataset import Dataset
from superconv_ray.design.budget import epochs
from superconv_ray.design.building import make_plan
from tests.design.made import (
    base,
    error,
    fields_of,
    ids,
    module_of,
    own,
    own_data,
    own_model,
    the_cell,
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dataset": "cifar-10"}, "got 'cifar-10'; did you mean 'cifar10'?"),
        ({"dataset": "imagenet22k"}, "got 'imagenet22k'"),
    ],
)
def test_an_unknown_data_set_is_rejected_with_the_known_ones(
    settings: dict[str, Any], expected: str
) -> None:
    assert error(base=base(**settings), datasets={"mine": own_data()}) == (
        "arm 'one_cycle': dataset must be one of 'digits', 'mnist', 'fashion_mnist', 'cifar10', "
        f"'cifar100', 'mine' or given to the study as datasets={{...}}, {expected}"
    )


def test_an_unknown_model_is_rejected_with_the_known_ones() -> None:
    message = error(base=base(model="resnet-20"), models={"mine": own_model})
    assert message.startswith("arm 'one_cycle': model must be one of 'bottleneck56', ")
    assert message.endswith(
        "'wrn28_10', 'torchvision:NAME', 'mine' or given to the study as models={...}, "
        "got 'resnet-20'; did you mean 'resnet20'?"
    )


def test_own_data_and_models_are_planned_like_built_in_ones() -> None:
    plan = make_plan(own(budget=epochs(3)))
    trial = plan.cells[0].trainings[0]
    assert (trial.dataset, trial.data_count, trial.steps) == ("mine", 10, 15)
    assert trial.dataset_digest == own_data().digest()
    assert trial.model_digest is not None
    assert plan.datasets["mine"].train_class_counts == (5, 5)


def test_built_in_data_and_models_have_no_digest() -> None:
    trial = the_cell(datasets={"mine": own_data()}, models={"my_net": own_model}).trainings[0]
    assert (trial.dataset_digest, trial.model_digest) == (None, None)


def test_a_function_that_loads_the_data_gives_the_same_ids() -> None:
    assert ids(make_plan(own(datasets={"mine": own_data}))) == ids(make_plan(own()))


@pytest.mark.parametrize("edited", [own_data(pixel=1), own_data(test_pixel=1)])
def test_editing_the_data_changes_the_ids(edited: Dataset) -> None:
    assert not set(ids(make_plan(own(datasets={"mine": edited})))) & set(ids(make_plan(own())))


MODEL_SOURCE = """
WIDTH = 8

class Net:
    def __init__(self, *, input_shape, classes, dropout):
        self.layers = 3

def build(*, input_shape, classes, dropout):
    return Net(input_shape=input_shape, classes=classes, dropout=dropout)
"""


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("Net", "layers = 3", "layers = 4"), ("build", "dropout=dropout)", ")")],
)
def test_ids_change_with_the_source_of_a_model_and_not_with_the_code_around_it(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    def plan_ids(file: str, source: str) -> list[str]:
        model = getattr(module_of(tmp_path / f"{file}.py", source), name)
        return ids(make_plan(own(models={"my_net": model})))

    before = plan_ids("own_model_before", MODEL_SOURCE)
    assert plan_ids("own_model_moved", MODEL_SOURCE.replace("WIDTH = 8", "")) == before
    edited = plan_ids("own_model_edited", MODEL_SOURCE.replace(old, new))
    assert not set(edited) & set(before)


@pytest.mark.parametrize("model", [functools.partial(own_model, dropout=0.1), len])
def test_a_model_whose_source_cannot_be_read_is_rejected(model: Any) -> None:
    # Its id would stay when it is edited, and old results would pass for new ones.
    assert error(**fields_of(own(models={"my_net": model}))).startswith(
        "models: 'my_net' must be a function or class whose source can be read, because trial ids "
    )


@pytest.mark.parametrize(
    ("model", "kind"), [("my_net", "'my_net'"), (nn.Linear(1, 1), "a Linear that is built already")]
)
def test_a_model_that_builds_nothing_is_rejected(model: Any, kind: str) -> None:
    assert error(**fields_of(own(models={"my_net": model}))) == (
        f"models: 'my_net' must be a class or function that builds it, got {kind}"
    )


@pytest.mark.parametrize("load", [Dataset, lambda path: path])
def test_a_data_function_has_no_parameters(load: Any) -> None:
    with pytest.raises(TypeError, match=r"^datasets: 'mine' must be a data set, or a function wit"):
        make_plan(own(datasets={"mine": load}))


@pytest.mark.parametrize("data", [(np.zeros(3), np.zeros(3)), lambda: [1, 2]])
def test_an_object_that_is_no_data_set_is_rejected(data: Any) -> None:
    assert error(**fields_of(own(datasets={"mine": data}))).startswith(
        "datasets: 'mine' must be a Dataset, an ImageDataset or a function that returns one, got "
    )
