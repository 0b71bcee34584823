"""Studies, data and models for the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from superconv_ray.data.dataset import Dataset
from superconv_ray.design.budget import iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.plan import Cell, Plan
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial, Template, Trial


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "question",
        "base": Trial(dataset="cifar10", model="resnet20", batch_size=32, max_lr=0.1),
        "budget": iterations(400),
        "seeds": 2,
    }
    return Study(**{**settings, **changes})


def the_cell(**changes: Any) -> Cell:
    (cell,) = make_plan(study(**changes)).cells
    return cell


def base(**settings: Any) -> Trial:
    return replace(study().base, **settings)


def own_data(pixel: int = 0, test_pixel: int = 0) -> Dataset:
    """Five samples of each of two classes; black but for one pixel in each part."""
    train = np.zeros((10, 6, 7), dtype=np.uint8)
    test = np.zeros((4, 6, 7), dtype=np.uint8)
    train[3, 0, 0], test[1, 0, 0] = pixel, test_pixel
    return Dataset(
        train_inputs=train,
        train_labels=np.arange(10) % 2,
        test_inputs=test,
        test_labels=np.arange(4) % 2,
    )


def own_model(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> Any:
    raise NotImplementedError("a plan builds no model")


def ids(plan: Plan) -> list[str]:
    return [trial.id for trial in distinct(plan) if isinstance(trial, CompleteTrial)]


def distinct(plan: Plan) -> list[Template]:
    return [trial for replicates in plan.distinct for trial in replicates]


def range_tests_of(cell: Cell) -> Sequence[CompleteTrial]:
    return cell.range_tests or ()


def error(**changes: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        make_plan(study(**changes))
    return str(caught.value)


def own(**changes: Any) -> Study:
    return study(
        **{
            "base": Trial(dataset="mine", model="my_net", batch_size=2, max_lr=0.1),
            "datasets": {"mine": own_data()},
            "models": {"my_net": own_model},
            **changes,
        }
    )


def module_of(path: Path, source: str) -> ModuleType:
    path.write_text(source)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # where inspect looks for the source of a class
    specification.loader.exec_module(module)
    return module


def fields_of(given: Study) -> dict[str, Any]:
    return {field.name: getattr(given, field.name) for field in fields(given)}
