"""Small image files for tests: classes are told by their mean color."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
COLORS = {"ant": (200, 60, 60), "bee": (60, 200, 60), "cat": (60, 60, 200)}


def picture(name: str, seed: int, size: tuple[int, int] = (24, 20)) -> Image.Image:
    """A noisy image of a class, of some width and height."""
    draws = np.random.default_rng([seed, len(name), ord(name[0])])
    noise = draws.normal(0, 40, (size[1], size[0], 3))
    return Image.fromarray((noise + COLORS[name]).clip(0, 255).astype(np.uint8))


def make_folder(root: Path, each: int, *, classes: Sequence[str] = CLASSES, seed: int = 0) -> Path:
    """Write so many JPEG files of each class, of several sizes, into class folders."""
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            size = (20 + number % 5, 18 + number % 7)
            picture(name, seed + number, size).save(root / name / f"{number:03}.jpg", quality=90)
    return root
