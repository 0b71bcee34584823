from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from superconv_ray.data.decoding import Box, DamagedImageError, center_crop
from superconv_ray.data.image_samples import image_samples
from superconv_ray.data.images import ImageDataset
from tests.image_files import CLASSES, picture


class Pictures:
    """Pictures of all classes in turn, in some form."""

    def __init__(self, count: int, form: Callable[[Any], Any] = lambda image: image) -> None:
        self.count = count
        self.form = form
        self.reads = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        self.reads += 1
        return self.form(picture(CLASSES[index % 3], index)), index % 3


class Labeled(Pictures):
    @property
    def targets(self) -> list[int]:
        return [index % 3 for index in range(self.count)]


def data_of(form: Callable[[Any], Any] = lambda image: image, **settings: Any) -> ImageDataset:
    return image_samples(Pictures(9, form), Pictures(3, form), **{"image_size": 8} | settings)


def as_bytes(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "form",
    [
        lambda image: image,
        as_bytes,
        np.asarray,
        lambda image: torch.from_numpy(np.array(image)).movedim(-1, 0),
    ],
)
def test_images_of_any_form_give_the_same_pixels(form: Callable[[Any], Any]) -> None:
    data, expected = data_of(form), data_of()
    assert data.train_labels.tolist() == [0, 1, 2] * 3
    for index in range(9):
        found = data.train.pixels(index, center_crop(0.875), 8)
        assert np.array_equal(found, expected.train.pixels(index, center_crop(0.875), 8))


@pytest.mark.parametrize(
    "form",
    [
        lambda im: np.asarray(im)[..., 0],
        lambda im: np.asarray(im)[..., :1],
        lambda im: torch.from_numpy(np.array(im)[..., 0]),
        lambda im: torch.from_numpy(np.array(im)[..., 0])[None],
    ],
)
def test_grey_images_become_rgb_and_stay_upright(form: Callable[[Any], Any]) -> None:
    def upper_half(width: int, height: int) -> Box:
        return 0, 0, width, height / 2

    def black_below(image: Any) -> Any:
        image.paste((0, 0, 0), (0, image.height // 2, image.width, image.height))
        return form(image)

    data = data_of(black_below)
    assert data.train.pixels(0, upper_half, 8)[:6].min() > 0
    found = data.train.pixels(0, center_crop(1.0), 8)
    assert found.shape == (8, 8, 3)
    assert np.array_equal(found[..., 0], found[..., 1])


def test_classes_that_are_listed_need_no_reading() -> None:
    train = Labeled(300)
    data = image_samples(train, Labeled(3), image_size=8)
    assert data.train_labels.tolist() == [0, 1, 2] * 100
    assert train.reads == 2 * 64  # for the digest


def test_the_digest_covers_classes_some_images_and_the_version() -> None:
    digest = data_of().digest()
    assert data_of().digest() == digest
    assert data_of(version="2").digest() != digest
    assert data_of(lambda image: image.rotate(180)).digest() != digest


def test_an_image_that_differs_when_it_is_read_again_is_refused() -> None:
    draws = np.random.default_rng(0)
    with pytest.raises(ValueError, match="training sample 0 must be the same whenever it is read"):
        data_of(lambda image: image.rotate(draws.uniform(0, 360)))


@pytest.mark.parametrize(
    ("form", "found"),
    [
        (lambda image: np.asarray(image) / 255, r"float64 of shape \(20, 24, 3\)"),
        (lambda _: None, "a NoneType"),
    ],
)
def test_something_else_than_an_image_is_refused(form: Callable[[Any], Any], found: str) -> None:
    with pytest.raises(ValueError, match=f"training sample 0 cannot be used: .*got {found}"):
        data_of(form)


def test_classes_that_are_no_integers_are_refused() -> None:
    train = Labeled(3)
    train.__class__ = type("Named", (Pictures,), {"labels": ["a", "b", "c"]})
    with pytest.raises(ValueError, match="classes of the training samples must be integers"):
        image_samples(train, Pictures(3), image_size=8)


def test_classes_that_are_listed_must_be_those_of_the_samples() -> None:
    class Sorted(Pictures):
        targets = (0, 0, 0, 1, 1, 1, 2, 2, 2)

    with pytest.raises(ValueError, match=r"training sample 1 must be of the class .* 0, got 1"):
        image_samples(Sorted(9), Pictures(3), image_size=8)


def test_a_picture_that_is_read_when_it_is_needed_is_named() -> None:
    def opened(image: Any) -> Image.Image:
        return Image.open(io.BytesIO(as_bytes(image)[:-100]))

    with pytest.raises(ValueError, match=r"training sample 0 cannot be used: .*truncated"):
        data_of(opened)
    data = data_of()
    data.train.samples.form = opened  # type: ignore[attr-defined]
    with pytest.raises(DamagedImageError, match=r"sample 4 cannot be decoded: .*truncated"):
        data.train.pixels(4, center_crop(1.0), 8)


def test_an_image_that_breaks_later_is_named() -> None:
    data = data_of(as_bytes)
    data.train.samples.form = lambda _: b"text"  # type: ignore[attr-defined]
    with pytest.raises(DamagedImageError, match="training sample 4 cannot be decoded: not an"):
        data.train.pixels(4, center_crop(1.0), 8)
