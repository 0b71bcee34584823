"""Encoded images as arrays of one size: decoded, cropped and resized with Pillow.

Pillow releases Python's lock while it decodes and resizes, so that threads use all cores. It lets
libjpeg decode a photograph at 1/2, 1/4 or 1/8 of its size where that leaves enough pixels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

Pixels: TypeAlias = npt.NDArray[np.uint8]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in pixels."""
Cropping: TypeAlias = Callable[[int, int], Box]
"""Returns the part to show of an image of some width and height."""

CHANNELS = 3  # all images become RGB
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
"""Range of a random crop's share of the image, and of its width over its height.

Source: Szegedy et al., arXiv 1409.4842, section 6; He et al. and the ImageNet examples use it.
"""
_TRIES = 10
DRAWS = 2 * _TRIES + 2
"""Uniform random numbers that a random crop takes."""

_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL = 1024
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""What Pillow raises for damaged files."""


class DamagedImageError(ValueError):
    """A file cannot be decoded; the message names it."""


def center_crop(share: float) -> Cropping:
    """Return the cropping to the square in the middle, whose side is a share of the shorter one."""

    def box(width: int, height: int) -> Box:
        side = share * min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

    return box


def random_crop(draws: Sequence[float]) -> Cropping:
    """Return the cropping to a part of random area, aspect and place.

    Args:
        draws: `DRAWS` numbers in [0, 1), which decide. Ten tries may each be too wide or too high
            for the image; then it is cropped in the middle, as far as the aspect requires.
    """

    def box(width: int, height: int) -> Box:
        for area_draw, aspect_draw in zip(draws[0:-2:2], draws[1:-2:2], strict=True):
            area = width * height * _between(*AREA, area_draw)
            aspect = math.exp(_between(math.log(ASPECT[0]), math.log(ASPECT[1]), aspect_draw))
            wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < wide <= width and 0 < high <= height:
                left = int(draws[-2] * (width - wide + 1))
                top = int(draws[-1] * (height - high + 1))
                return left, top, left + wide, top + high
        wide, high = min(width, round(height * ASPECT[1])), min(height, round(width / ASPECT[0]))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    return box


def _between(low: float, high: float, draw: float) -> float:
    return low + (high - low) * draw


def decode(content: bytes | memoryview, cropping: Cropping, size: int) -> Pixels:
    """Return a part of an encoded image as RGB, [size, size, 3].

    Grey images are repeated in all channels, CMYK is converted, transparency is dropped, and images
    of 16 bits keep the upper 8.

    Raises:
        DamagedImageError: It is no image, or truncated. The caller adds which file it is.
    """
    try:
        image = Image.open(io.BytesIO(content))
    except UNREADABLE as error:
        raise DamagedImageError(_reason(error)) from None
    return shown(image, cropping, size)


def shown(image: Image.Image, cropping: Cropping, size: int) -> Pixels:
    """Return a part of an image as RGB, [size, size, 3]; see `decode`."""
    try:
        return _shown(image, cropping, size)
    except UNREADABLE as error:
        raise DamagedImageError(_reason(error)) from None


def _shown(image: Image.Image, cropping: Cropping, size: int) -> Pixels:
    width, height = image.size
    left, top, right, bottom = cropping(width, height)
    reduction = min(right - left, bottom - top) / size
    if reduction > 1:  # only for JPEG; for others it does nothing
        image.draft(None, (int(width / reduction), int(height / reduction)))
    image = _rgb(image)
    across, down = image.width / width, image.height / height
    box = (
        *(left * across, top * down),
        *(min(right * across, image.width), min(bottom * down, image.height)),
    )
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("pixels must have 8 or 16 bits, got floats")
    return image.convert("RGB")


def problem_of(file: BinaryIO, *, whole: bool) -> str | None:
    """Return why a file cannot be used, or None.

    Args:
        file: An encoded image.
        whole: Decode all of it. Otherwise look at its beginning, and at its end where the format
            says how files end.
    """
    try:
        with Image.open(file) as image:
            if whole:
                _rgb(image)
                return None
            ending = _LAST_BYTES.get(image.format or "")
        if ending is None:
            return None
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return None if ending in file.read() else "truncated: its end is missing"
    except UNREADABLE as error:
        return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return str(error) or type(error).__name__
