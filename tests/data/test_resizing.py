from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from superconv_ray.data.resizing import resized, size_at


def test_each_size_has_an_equal_part_of_the_run() -> None:
    assert [size_at(step, 6, (8, 12, 16)) for step in range(6)] == [8, 8, 12, 12, 16, 16]
    assert [size_at(step, 5, (8, 16)) for step in range(5)] == [8, 8, 8, 16, 16]
    assert [size_at(step, 3, (4, 5, 6)) for step in range(3)] == [4, 5, 6]


@pytest.mark.parametrize("size", [5, 8, 13])
def test_images_shrink_as_in_pillow(size: int) -> None:
    pixels = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    expected = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    (small,) = resized(torch.from_numpy(pixels)[None, None], size)[0]
    assert small.numpy() == pytest.approx(expected, abs=1e-6)


def test_the_layout_stays_channels_last_and_nothing_is_done_at_the_same_size() -> None:
    x = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert resized(x, 8) is x
    assert resized(x, 4).shape == (2, 3, 4, 4)
    assert resized(x, 4).is_contiguous(memory_format=torch.channels_last)
