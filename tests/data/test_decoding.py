from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from superconv_ray.data.decoding import (
    AREA,
    ASPECT,
    DRAWS,
    DamagedImageError,
    center_crop,
    decode,
    problem_of,
    random_crop,
)

NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def encoded(pixels: Any, kind: str = "PNG", mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, kind)
    return file.getvalue()


def test_the_whole_of_an_image_of_the_right_size_is_unchanged() -> None:
    square = NOISE[:, :60]
    assert np.array_equal(decode(encoded(square), center_crop(1.0), 60), square)


def test_the_central_square_is_a_share_of_the_shorter_side() -> None:
    assert center_crop(0.5)(80, 60) == (25.0, 15.0, 55.0, 45.0)
    assert np.array_equal(decode(encoded(NOISE), center_crop(0.5), 30), NOISE[15:45, 25:55])


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr", "RGB"])
def test_a_jpeg_of_any_colors_becomes_rgb(mode: str) -> None:
    red = np.full((32, 32, 3), (200, 40, 30), np.uint8)
    found = decode(encoded(red, "JPEG", mode), center_crop(1.0), 8).reshape(-1, 3).mean(0)
    grey = 0.299 * 200 + 0.587 * 40 + 0.114 * 30
    expected = [grey] * 3 if mode == "L" else [200, 40, 30]
    assert found == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_palettes_and_transparency_become_rgb(mode: str) -> None:
    assert decode(encoded(NOISE, "PNG", mode), center_crop(1.0), 8).shape == (8, 8, 3)


def test_an_image_of_16_bits_keeps_the_upper_8() -> None:
    wide = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    found = decode(encoded(wide), center_crop(1.0), 64)
    assert np.array_equal(found[..., 0], wide >> 8)
    assert np.array_equal(found[..., 0], found[..., 2])


def test_a_large_photograph_that_is_decoded_smaller_looks_the_same() -> None:
    ramp = np.linspace(0, 255, 640)[None, :, None] * np.ones((480, 1, 3))
    content = encoded(ramp.astype(np.uint8), "JPEG")
    small = decode(content, center_crop(1.0), 32).astype(float)  # by an eighth
    whole = Image.open(io.BytesIO(content)).resize((32, 32), 2, box=(80, 0, 560, 480))
    assert np.abs(small - np.asarray(whole)).max() <= 2


def test_random_crops_keep_area_aspect_and_the_image() -> None:
    draws = np.random.default_rng(1).random((500, DRAWS))
    boxes = np.array([random_crop(row.tolist())(500, 375) for row in draws])
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 500).all()
    assert (boxes[:, 3] <= 375).all()
    share, aspect = wide * high / (500 * 375), wide / high
    assert share.min() == pytest.approx(AREA[0], abs=0.02)
    assert share.max() > 0.8
    assert ASPECT[0] - 0.02 < aspect.min() < aspect.max() < ASPECT[1] + 0.02
    assert len(np.unique(boxes, axis=0)) > 490


def test_an_image_too_narrow_for_any_random_crop_is_cropped_in_its_middle() -> None:
    assert random_crop([0.99] * DRAWS)(1000, 12) == (492, 0, 508, 12)
    assert random_crop([0.99] * DRAWS)(12, 1000) == (0, 492, 12, 508)


def test_content_that_cannot_be_decoded_says_why() -> None:
    whole = encoded(NOISE, "JPEG")
    with pytest.raises(DamagedImageError, match="not an image"):
        decode(b"some text", center_crop(1.0), 8)
    with pytest.raises(DamagedImageError, match="truncated"):
        decode(whole[: len(whole) // 2], center_crop(1.0), 8)
    floats = encoded(NOISE[..., 0].astype(np.float32), "TIFF")
    with pytest.raises(DamagedImageError, match="8 or 16 bits"):
        decode(floats, center_crop(1.0), 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_truncated_file_is_found_without_decoding_it(kind: str, whole: bool) -> None:
    content = encoded(NOISE, kind)
    assert problem_of(io.BytesIO(content), whole=whole) is None
    problem = problem_of(io.BytesIO(content[: len(content) // 2]), whole=whole)
    assert problem is not None
    assert "truncated" in problem


def test_damage_in_the_middle_is_found_by_decoding_alone() -> None:
    content = bytearray(encoded(NOISE))
    content[len(content) // 2] ^= 255
    assert problem_of(io.BytesIO(content), whole=False) is None
    assert problem_of(io.BytesIO(content), whole=True) is not None
