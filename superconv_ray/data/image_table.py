"""Data sets of encoded images in Parquet files, the layout in which public data sets are shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from superconv_ray.data.decoding import Cropping, DamagedImageError, Pixels, decode
from superconv_ray.data.images import (
    CENTER_CROP,
    Damaged,
    ImageDataset,
    check_settings,
    digest_of_parts,
    numbered,
    refuse,
)
from superconv_ray.data.parquet_images import Package, Places, parquet_files


def image_table(
    train: Places,
    test: Places,
    *,
    image_size: int,
    image_column: str = "image",
    label_column: str = "label",
    center_crop: float = CENTER_CROP,
    damaged: Damaged = "refuse",
) -> ImageDataset:
    """Return a data set of encoded images in Parquet files.

    Args:
        train: Files, folders or URIs of the training images; several are joined in this order.
        test: The same for the test images.
        image_size: Height and width of the images that a model sees, in pixels.
        image_column: Column of the encoded images: bytes, or a struct with a field ``bytes``.
        label_column: Column of the classes: integers from 0, or text.
        center_crop: Side of the central square, as a share of an image's shorter side.
        damaged: "refuse" raises an error if images are no images or truncated, by their first and
            last bytes. "skip" decodes each image once, and leaves out those that cannot be.

    Raises:
        ValueError: A setting breaks its rule; there are no such files or columns; classes differ;
            or images are refused.
    """
    check_settings(image_size, center_crop, damaged)
    columns = (image_column, label_column)
    packages = [
        Package(parquet_files(places), columns, damaged == "skip") for places in (train, test)
    ]
    contents = [package.contents() for package in packages]
    refuse([problem for content in contents for problem in content.problems], damaged)
    rows = [content.good for content in contents]
    names = [content.labels[chosen] for content, chosen in zip(contents, rows, strict=True)]
    labels, classes = _numbered(names, packages[1].place)
    return ImageDataset(
        train=TableImages(packages[0], contents[0].digest, rows[0]),
        train_labels=labels[0],
        test=TableImages(packages[1], contents[1].digest, rows[1]),
        test_labels=labels[1],
        image_size=image_size,
        center_crop=center_crop,
        contents=digest_of_parts(
            [content.digest, *of_part.tolist()]
            for content, of_part in zip(contents, labels, strict=True)
        ),
        skipped=sum(len(content.problems) for content in contents),
        classes=classes,
    )


def _numbered(
    names: Sequence[npt.NDArray[Any]], where: str
) -> tuple[list[npt.NDArray[np.int64]], tuple[str, ...]]:
    """Return the numbers of the classes of both parts, and their names if they have any."""
    if all(np.issubdtype(of_part.dtype, np.integer) for of_part in names):
        return [of_part.astype(np.int64) for of_part in names], ()
    texts = [of_part.astype(str).tolist() for of_part in names]
    classes = sorted(set(texts[0]))
    return [numbered(of_part, classes, where) for of_part in texts], tuple(classes)


@cache
def _table(package: Package, digest: str) -> pa.Table:
    """Return the rows as they were when the study was planned; see `Package.table`."""
    return package.table(digest)


@dataclass(frozen=True, eq=False)
class TableImages:
    """Images in the rows of Parquet files; see `ImageSource`.

    Attributes:
        package: The files.
        digest: Of all their images when the study was planned.
        rows: Numbers of the rows that are used.
    """

    package: Package
    digest: str
    rows: npt.NDArray[np.int64] = field(repr=False)

    @property
    def remote(self) -> bool:
        """False: they are read from this machine's cache."""
        return False

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, index: int, cropping: Cropping, size: int) -> Pixels:
        """Return a part of an image; see `ImageSource`."""
        row = int(self.rows[index])
        table = _table(self.package, self.digest)
        try:
            return decode(memoryview(table["image"][row].as_buffer()), cropping, size)
        except DamagedImageError as error:
            raise DamagedImageError(
                f"image {row} of {self.package.place} cannot be decoded: {error}. Remove it, or "
                "set damaged='skip' and run the study again"
            ) from None
