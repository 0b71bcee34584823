"""Labeled images that stay encoded until they are needed, for data that does not fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from superconv_ray.data.catalog import DatasetFacts, Task
from superconv_ray.data.dataset import Dataset, check_classes
from superconv_ray.data.decoding import CHANNELS, Cropping, DamagedImageError, Pixels

Damaged = Literal["refuse", "skip"]
"""What to do with files that cannot be decoded."""
CENTER_CROP = 0.875
"""Side of the central square that evaluations show, as a share of an image's shorter side.

Source: 224 of 256 pixels, as in He et al., arXiv 1512.03385, and the ImageNet examples.
"""
SAMPLED = 64
"""Samples of each part whose contents the digest covers; of all it covers names and sizes."""
_NAMED = 5
"""Files that a message names."""


class ChangedDataError(ValueError):
    """An image is not the one that the study was planned with; the message names it."""


class DataUnavailableError(OSError):
    """The images cannot be read at the moment. Nothing is wrong with the trial that needs them."""


class NoBatchError(DataUnavailableError):
    """The images of a training batch cannot be read: its step has not begun."""


IMAGE_ERRORS = (DamagedImageError, ChangedDataError, DataUnavailableError)
"""Errors of reading images, whose messages say everything."""


class ImageSource(Protocol):
    """The images of one part of a data set, by number. Many threads read at a time."""

    @property
    def remote(self) -> bool:
        """Whether reading is mostly waiting for a server, so that more threads help."""

    def __len__(self) -> int: ...

    def pixels(self, index: int, cropping: Cropping, size: int) -> Pixels:
        """Return a part of an image, uint8 [size, size, 3].

        Raises:
            DamagedImageError: The image cannot be decoded.
            ChangedDataError: It is not the one that the study was planned with.
            DataUnavailableError: It cannot be read at the moment.
        """


# eq=False: a comparison of arrays has no single truth value; compare digests instead.
@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDataset:
    """Training and test images in files; `image_folder` and its siblings make one.

    A study uses it like a `Dataset`: subsets, validation labels and digests work alike. Images are
    decoded as RGB of `image_size` x `image_size` pixels: the central square, unless a trial's
    `augment` crops at random.

    Attributes:
        train: The training images.
        train_labels: Their classes, int64 [n], 0..C-1.
        test: The test images.
        test_labels: Their classes.
        image_size: Height and width of the images that a model sees, in pixels.
        center_crop: Side of the central square, as a share of an image's shorter side, in (0, 1].
        contents: Digest of the files.
        skipped: Number of files that were left out because they cannot be decoded.
        classes: Names of the classes, if they have any.

    Raises:
        ValueError: A field breaks its rule; the message names field, rule and value.
    """

    train: ImageSource
    train_labels: npt.NDArray[np.int64] = field(repr=False)
    test: ImageSource
    test_labels: npt.NDArray[np.int64] = field(repr=False)
    image_size: int
    center_crop: float = CENTER_CROP
    contents: str
    skipped: int = 0
    classes: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        check_settings(self.image_size, self.center_crop)
        for part in ("train", "test"):
            images, labels = getattr(self, part), getattr(self, f"{part}_labels")
            if not 0 < len(labels) == len(images):
                raise ValueError(
                    f"{part} must have as many images as labels, and at least one, got "
                    f"{len(images)} and {len(labels)}"
                )
        check_classes(self.train_labels, self.test_labels)

    @property
    def task(self) -> Task:
        """What the labels are for."""
        return "classification"

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    @property
    def train_class_counts(self) -> tuple[int, ...]:
        """Training images of each class."""
        return tuple(np.bincount(self.train_labels).tolist())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image as a model sees it."""
        return (CHANNELS, self.image_size, self.image_size)

    @property
    def decoded_bytes(self) -> int:
        """Memory that all images take once they are decoded."""
        return (len(self.train_labels) + len(self.test_labels)) * int(np.prod(self.input_shape))

    def facts(self, name: str) -> DatasetFacts:
        """Return what a plan needs to know about this data set, under the given name."""
        return DatasetFacts(
            name,
            self.train_class_counts,
            len(self.test_labels),
            self.input_shape,
            are_encoded=True,
        )

    def digest(self) -> str:
        """Return 16 hex digits that identify contents and settings, the same in every process."""
        text = f"{self.contents}/{self.image_size}/{self.center_crop}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


AnyDataset: TypeAlias = Dataset | ImageDataset
"""A data set that a study can use."""


def check_settings(image_size: int, center_crop: float, damaged: str = "refuse") -> None:
    """Check the settings that all sources of images share.

    Raises:
        ValueError: One breaks its rule.
    """
    if not isinstance(image_size, int) or image_size < 1:
        raise ValueError(f"image_size must be a whole number of pixels >= 1, got {image_size!r}")
    if not 0 < center_crop <= 1:
        raise ValueError(f"center_crop must be in (0, 1], got {center_crop!r}")
    if damaged not in get_args(Damaged):
        raise ValueError(f"damaged must be one of 'refuse', 'skip', got {damaged!r}")


def refuse(problems: Sequence[tuple[str, str]], damaged: str) -> None:
    """Raise an error that names files with problems, unless they are to be skipped.

    Args:
        problems: Names of files, and what is wrong with each.
        damaged: See `Damaged`.

    Raises:
        ValueError: There are some, and they are to be refused.
    """
    if problems and damaged == "refuse":
        raise ValueError(
            f"{len(problems)} of the files cannot be used: {listed(problems)}. Remove or repair "
            "them, or set damaged='skip'"
        )


def listed(problems: Sequence[tuple[str, str]]) -> str:
    """Return a few files and their problems, for messages."""
    shown = [f"{name} ({problem})" for name, problem in problems[:_NAMED]]
    more = len(problems) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more else "")


def digest_of_parts(parts: Iterable[Iterable[object]]) -> str:
    """Return a digest of what identifies the images of all parts."""
    sha = hashlib.sha256()
    for part in parts:
        for item in part:
            sha.update(f"{item}\n".encode())
        sha.update(b"\n")
    return sha.hexdigest()


def sampled(count: int) -> list[int]:
    """Return up to `SAMPLED` numbers of images, evenly spaced."""
    return sorted(set(np.linspace(0, count - 1, min(count, SAMPLED)).astype(int).tolist()))


def numbered(names: Sequence[str], classes: Sequence[str], where: str) -> npt.NDArray[np.int64]:
    """Return the numbers of class names.

    Raises:
        ValueError: A name is not one of the classes of the training images.
    """
    number = {name: c for c, name in enumerate(classes)}
    unknown = sorted(set(names) - number.keys())
    if unknown:
        raise ValueError(
            f"{where} must have the classes of the training images, but these do not have "
            f"{', '.join(map(repr, unknown[:_NAMED]))} ({len(unknown)} in all)"
        )
    return np.array([number[name] for name in names], dtype=np.int64)
