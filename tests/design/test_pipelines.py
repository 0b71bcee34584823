"""Pipelines of torchvision's transforms as settings."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.trial import CompleteTrial, Trial
from tests.own_code import flip_and_shift


def complete(augment: Any) -> CompleteTrial:
    return Trial(data_count=100, max_lr=0.1, steps=20, augment=augment).complete()


def test_a_pipeline_is_named_by_its_transforms_or_by_the_user() -> None:
    pipeline = flip_and_shift()
    assert complete(pipeline).augment == "RandomHorizontalFlip+RandomCrop"
    assert complete(v2.RandomErasing()).augment == "RandomErasing"
    pipeline.__name__ = "flip_and_shift"
    trial = complete(pipeline)
    assert trial.augment == "flip_and_shift"
    assert trial.augment_digest == complete(flip_and_shift()).augment_digest


def test_equal_pipelines_are_equal_trials() -> None:
    assert complete(flip_and_shift()).id == complete(flip_and_shift()).id
    assert pickle.loads(pickle.dumps(complete(flip_and_shift()))).id == (
        complete(flip_and_shift()).id
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (v2.RandomCrop(8, padding=1), v2.RandomCrop(8, padding=2)),
        # Which their repr does not show:
        (v2.RandomApply([v2.GaussianBlur(3)], p=0.2), v2.RandomApply([v2.GaussianBlur(3)], p=0.3)),
        (v2.Compose([v2.ColorJitter(0.1)]), v2.Compose([v2.ColorJitter(0.2)])),
        (
            v2.RandomApply([v2.RandomErasing(scale=(0.1, 0.2))]),
            v2.RandomApply([v2.RandomErasing(scale=(0.1, 0.3))]),
        ),
        (
            v2.RandomApply(torch.nn.ModuleList([v2.GaussianBlur(3)])),
            v2.RandomApply(torch.nn.ModuleList([v2.GaussianBlur(5)])),
        ),
    ],
)
def test_ids_change_with_every_setting_of_a_transform(one: Any, other: Any) -> None:
    assert OwnFunction(one) == OwnFunction(other)
    assert complete(one).id != complete(other).id


class Mine(v2.Transform):  # type: ignore[misc]
    def transform(self, inpt: Any, params: Any) -> Any:  # noqa: ARG002
        return inpt


@pytest.mark.parametrize("inside", [v2.Lambda(lambda x: x), Mine()])
def test_code_that_no_id_covers_is_refused_inside_a_pipeline(inside: Any) -> None:
    with pytest.raises(ValueError, match=r"holds .*whose source no trial id would cover: use a fu"):
        complete(v2.Compose([v2.RandomHorizontalFlip(), inside]))
