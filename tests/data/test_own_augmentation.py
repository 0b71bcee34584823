"""Augmentation by the user's own code: what it gets, and what it must give back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from superconv_ray.data.batches import TrainingBatches, input_statistics, prepare
from superconv_ray.data.own_augmentation import OwnAugmentation


def images(count: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 6, 6, 3), generator=generator, dtype=torch.uint8)


def batches(function: Any, *, is_pipeline: bool, inputs: Tensor | None = None) -> TrainingBatches:
    inputs = images() if inputs is None else inputs
    indices = torch.arange(len(inputs))
    return TrainingBatches(
        inputs,
        torch.arange(len(inputs)),
        indices,
        batch_size=len(inputs),
        seed=0,
        augment=OwnAugmentation("mine", function, is_pipeline),
        statistics=input_statistics(inputs, indices),
    )


def test_a_pipeline_changes_each_image_by_itself_before_it_is_standardized() -> None:
    given = batches(v2.RandomHorizontalFlip(), is_pipeline=True)
    x, y = given.batch(0)
    inputs = images()
    upright = prepare(inputs, input_statistics(inputs, torch.arange(12)))[y]
    flipped = upright.flip(3)
    kinds = [
        (torch.equal(got, up), torch.equal(got, over))
        for got, up, over in zip(x, upright, flipped, strict=True)
    ]
    assert set(kinds) == {(True, False), (False, True)}


def test_a_pipeline_gets_images_as_the_data_set_stores_them() -> None:
    seen = []

    def look(image: Tensor) -> Tensor:
        seen.append((image.shape, image.dtype))
        return image

    batches(look, is_pipeline=True).batch(0)
    assert seen == [((3, 6, 6), torch.uint8)] * 12


@pytest.mark.parametrize("inputs", [images(), torch.randn(12, 5)])
def test_a_function_gets_the_standardized_batch(inputs: Tensor) -> None:
    given = batches(
        lambda x: x + torch.rand(len(x), *[1] * (x.ndim - 1)), is_pipeline=False, inputs=inputs
    )
    x, y = given.batch(0)
    plain = prepare(inputs, input_statistics(inputs, torch.arange(12)))[y]
    added = (x - plain).flatten(1)
    assert added.std(1).max() < 1e-5
    assert len(set(added.mean(1).tolist())) == 12


def test_a_step_has_the_same_batch_in_any_order_of_calls() -> None:
    given = batches(lambda x: x + torch.randn_like(x), is_pipeline=False)
    first, second = given.batch(0)[0], given.batch(1)[0]
    torch.rand(7)
    assert torch.equal(given.batch(0)[0], first)
    assert not torch.equal(given.batch(1)[0], first)
    assert torch.equal(given.batch(1)[0], second)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: x[:, :, :4], r"\[12, 3, 4, 6\] of torch.float32"),
        (lambda x: x.double(), r"\[12, 3, 6, 6\] of torch.float64"),
        (lambda x: None, "a NoneType"),  # noqa: ARG005
    ],
)
def test_shape_and_type_must_stay(function: Any, found: str) -> None:
    expected = (
        rf"^augment 'mine' must keep shape and type, \[12, 3, 6, 6\] of torch.float32, got {found}"
    )
    with pytest.raises(ValueError, match=expected):
        batches(function, is_pipeline=False).batch(0)
    with pytest.raises(ValueError, match=r"got .* of torch\.float32"):
        batches(v2.ToDtype(torch.float32, scale=True), is_pipeline=True).batch(0)
