"""Data sets of image files, with a folder for each class."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from superconv_ray.data.checked_files import problems
from superconv_ray.data.image_files import ImageFiles, Listing, list_files
from superconv_ray.data.images import (
    CENTER_CROP,
    Damaged,
    ImageDataset,
    check_settings,
    digest_of_parts,
    listed,
    numbered,
    refuse,
    sampled,
)
from superconv_ray.data.uris import below, without_secrets


def image_folder(
    train: str | Path,
    test: str | Path,
    *,
    image_size: int,
    test_classes: str | Path | None = None,
    center_crop: float = CENTER_CROP,
    damaged: Damaged = "refuse",
) -> ImageDataset:
    """Return a data set of image files, with a folder for each class, as in ImageNet.

    Each call lists the folders again and checks new files. Nothing is decoded yet.

    Args:
        train: Folder, or URI such as ``s3://bucket/train``, of ``class/file``.
        test: The same for the test images, or for validation images that are used as such.
        image_size: Height and width of the images that a model sees, in pixels.
        test_classes: If the test images lie in no class folders: a text file with a line
            ``file class ...`` for each of them, with spaces or commas between, such as Kaggle's
            ``LOC_val_solution.csv`` of ImageNet. Suffixes of files may be missing.
        center_crop: Side of the central square, as a share of an image's shorter side.
        damaged: "refuse" raises an error if files are no images or truncated, by their first and
            last bytes; at a URI, only by name and size. "skip" decodes each file once, and leaves
            out those that cannot be.

    Raises:
        ValueError: A setting breaks its rule; a folder is missing or a class has no images; classes
            of the test images differ from those of the training images; or files are refused.
    """
    check_settings(image_size, center_crop, damaged)
    parts = [_Part.listed(place, whole=damaged == "skip") for place in (train, test)]
    refuse([problem for part in parts for problem in part.problems()], damaged)
    names = [
        _by_folder(parts[0]),
        _by_folder(parts[1]) if test_classes is None else _by_file(parts[1], Path(test_classes)),
    ]
    classes = sorted(set(names[0]))
    labels = [
        numbered(of_part, classes, part.root) for of_part, part in zip(names, parts, strict=True)
    ]
    images = [ImageFiles.of(part.listing, part.good) for part in parts]
    return ImageDataset(
        train=images[0],
        train_labels=labels[0],
        test=images[1],
        test_labels=labels[1],
        image_size=image_size,
        center_crop=center_crop,
        contents=digest_of_parts(map(_identity, images, labels)),
        skipped=sum(len(part.bad) for part in parts),
        classes=tuple(classes),
    )


@dataclass(frozen=True)
class _Part:
    """The files of the training or the test images.

    Attributes:
        listing: All of them.
        bad: What is wrong with some, by name.
    """

    listing: Listing
    bad: Mapping[str, str]

    @classmethod
    def listed(cls, place: str | Path, *, whole: bool) -> _Part:
        listing = list_files(place)
        return cls(listing, problems(listing, whole=whole))

    @property
    def root(self) -> str:
        """Where the images are, for messages."""
        return without_secrets(self.listing.root)

    @property
    def good(self) -> list[int]:
        """Numbers of the files that can be used."""
        return [i for i, name in enumerate(self.listing.names) if name not in self.bad]

    @property
    def names(self) -> list[str]:
        """Names of these files."""
        return [name for name in self.listing.names if name not in self.bad]

    def problems(self) -> list[tuple[str, str]]:
        """Full names of the others, and what is wrong with them."""
        return [(self.path(name), problem) for name, problem in self.bad.items()]

    def path(self, name: str) -> str:
        """Full path or URI of a file or folder, for messages."""
        return without_secrets(below(self.listing.root, name))


def _by_folder(part: _Part) -> list[str]:
    """Return the class of each file: the name of its folder."""
    outside = [name for name in part.names if "/" not in name]
    folders = part.listing.folders
    if outside or not folders:
        raise ValueError(
            f"{part.root} must hold a folder for each class, got "
            + (f"images outside of them: {outside[0]}" if outside else "none")
        )
    names = [name.partition("/")[0] for name in part.names]
    empty = sorted(set(folders) - set(names))
    if empty:
        found = [item for item in part.bad.items() if item[0].partition("/")[0] == empty[0]]
        raise ValueError(
            f"every class must have images, but {part.path(empty[0])} has none"
            + (f" that can be used: {listed(found)}" if found else "")
            + (f"; nor do {len(empty) - 1} more" if len(empty) > 1 else "")
        )
    return names


def _by_file(part: _Part, path: Path) -> list[str]:
    """Return the class of each file, as a text file says."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"test_classes {path} cannot be read: {error}") from None
    fields = (re.split(r"[,\s]+", line.strip()) for line in lines)
    class_of: dict[str, str] = {}
    for name, known, *_ in (line for line in fields if len(line) > 1):
        if class_of.setdefault(_stem(name), known) != known:
            raise ValueError(
                f"test_classes must name one class for {_stem(name)}, but {path} has "
                f"{class_of[_stem(name)]} and {known}; folders and suffixes do not tell files apart"
            )
    without = [name for name in part.names if _stem(name) not in class_of]
    if without:
        raise ValueError(
            f"test_classes must name a class for every test image, but {path} has none for "
            f"{without[0]} ({len(without)} in all)"
        )
    return [class_of[_stem(name)] for name in part.names]


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _identity(images: ImageFiles, labels: npt.NDArray[np.int64]) -> list[object]:
    """What a digest covers: names, sizes and classes of all files, and contents of some."""
    contents = [hashlib.sha256(images.read(i)).hexdigest() for i in sampled(len(images))]
    names = images.names.to_pylist()
    return [*zip(names, images.sizes.tolist(), labels.tolist(), strict=True), *contents]
