"""JPEG files of photographs in ImageNet's layout, made from the two that scikit-learn ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_photographs(folder: Path, count: int, classes: int = 10) -> None:
    """Write JPEG files of 500 x 375 pixels, ImageNet's most frequent size, into class folders.

    Each shows another part of a photograph. They have about 50 kB; ImageNet's have 110 kB.
    """
    from sklearn.datasets import load_sample_image

    draws = np.random.default_rng(0)
    photographs = [Image.fromarray(load_sample_image(n)) for n in ("china.jpg", "flower.jpg")]
    for number in range(count):
        image = photographs[number % 2]
        share = draws.uniform(0.5, 0.95)
        wide, high = share * image.width, share * image.height
        left, top = draws.uniform(0, image.width - wide), draws.uniform(0, image.height - high)
        part = image.resize((500, 375), box=(left, top, left + wide, top + high))
        path = folder / f"class{number % classes}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=90)
