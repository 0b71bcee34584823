"""Data sets of encoded images in Parquet files, the layout in which public data sets are shared.

Parquet is read in groups of rows. A batch of random rows would read, and throw away, a group for
each. So the images are unpacked once into a file that is mapped into memory, in the user's cache
folder of each machine. It takes as much room as the images.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from superconv_ray.data.decoding import Cropping, DamagedImageError, Pixels, decode, problem_of
from superconv_ray.data.image_files import Listing, list_files, opened, place_of, replaced
from superconv_ray.data.images import (
    CENTER_CROP,
    ChangedDataError,
    Damaged,
    DataUnavailableError,
    ImageDataset,
    check_settings,
    digest_of_parts,
    numbered,
    refuse,
)
from superconv_ray.data.readers import default_data_dir

Places = str | Path | Sequence[str | Path]
"""A Parquet file, a folder of them, or several; paths or URIs."""
_ROWS = 256
_unpacking = threading.Lock()


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
        _Package(_parquet_files(places), columns, damaged == "skip") for places in (train, test)
    ]
    contents = [package.contents() for package in packages]
    refuse([problem for content in contents for problem in content.problems], damaged)
    rows = [content.good for content in contents]
    names = [content.labels[chosen] for content, chosen in zip(contents, rows, strict=True)]
    labels, classes = _numbered(names, packages[1].place)
    return ImageDataset(
        train=TableImages(packages[0], rows[0]),
        train_labels=labels[0],
        test=TableImages(packages[1], rows[1]),
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


@dataclass(frozen=True)
class _File:
    """A Parquet file: path or URI of its folder, name in it, size, and time of its last change."""

    root: str
    name: str
    size: int
    changed: int

    @property
    def place(self) -> str:
        return f"{self.root}/{self.name}"


def _parquet_files(places: Places) -> tuple[_File, ...]:
    """Return the Parquet files at some places.

    Raises:
        ValueError: There is none.
    """
    several = [places] if isinstance(places, str | Path) else places
    found = [file for place in several for file in _files_at(place_of(place))]
    if not found:
        raise ValueError(
            f"there must be .parquet files at {', '.join(map(str, several))}, got none"
        )
    return tuple(found)


def _files_at(place: str) -> Iterator[_File]:
    filesystem, path = opened(place)
    if filesystem.get_file_info(path).type == fs.FileType.File:
        root, _, name = place.rpartition("/")
        info = filesystem.get_file_info(path)
        yield _File(root, name, info.size, info.mtime_ns or 0)
        return
    listing: Listing = list_files(place)
    for name, size, changed in zip(listing.names, listing.sizes, listing.changed, strict=True):
        if name.endswith(".parquet"):
            yield _File(listing.root, name, size, changed)


@dataclass(frozen=True, eq=False)
class _Contents:
    """What is in an unpacked file.

    Attributes:
        digest: Of all images.
        labels: Value of the label column of each row.
        problems: Names of the rows with problems, and what these are.
        bad: Their numbers.
    """

    digest: str
    labels: npt.NDArray[Any]
    problems: Sequence[tuple[str, str]]
    bad: Sequence[int]

    @property
    def good(self) -> npt.NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.labels)), self.bad).astype(np.int64)


@dataclass(frozen=True)
class _Package:
    """The Parquet files of one part, and the file that they are unpacked into.

    Attributes:
        files: The Parquet files.
        columns: Names of the columns of images and labels.
        whole: Whether each image is decoded to check it.
    """

    files: tuple[_File, ...]
    columns: tuple[str, str]
    whole: bool

    @property
    def place(self) -> str:
        """The first file, for messages."""
        return self.files[0].place

    @property
    def unpacked(self) -> Path:
        key = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        return default_data_dir() / "unpacked" / f"{key}.arrow"

    @property
    def _notes(self) -> Path:
        return self.unpacked.with_suffix(".json")

    def contents(self) -> _Contents:
        """Return what is in the files, which are unpacked the first time."""
        labels = _table(self)["label"].to_numpy()
        notes = json.loads(self._notes.read_text(encoding="utf-8"))
        problems = [(name, why) for _, name, why in notes["problems"]]
        return _Contents(
            notes["digest"], labels, problems, [row for row, _, _ in notes["problems"]]
        )

    def ensure(self) -> None:
        """Unpack the files unless this machine has done so.

        Raises:
            ChangedDataError: They are not what they were when the study was planned.
            DataUnavailableError: They cannot be read.
            ValueError: They do not have the columns.
        """
        with _unpacking:
            if self._notes.exists() and self.unpacked.exists():
                return
            self.unpacked.parent.mkdir(parents=True, exist_ok=True)
            with replaced(self.unpacked) as new:
                notes = self._unpack(new)
            with replaced(self._notes) as new:  # last: it says that the other one is complete
                new.write_text(json.dumps(notes), encoding="utf-8")

    def _unpack(self, target: Path) -> dict[str, Any]:
        """Write images and labels to a file; return the images' digest, and rows with problems."""
        sha, problems, row = hashlib.sha256(), [], 0
        with contextlib.ExitStack() as stack:
            writer = None
            for file in self.files:
                start = row
                for batch in self._batches(file):
                    writer = writer or stack.enter_context(pa.ipc.new_file(target, batch.schema))
                    writer.write_batch(batch)
                    for content in batch["image"]:
                        image = content.as_buffer() if content.is_valid else b""
                        sha.update(f"{len(image)}/".encode())
                        sha.update(image)
                        if problem := self._problem(image):
                            problems.append((row, f"{file.place} row {row - start}", problem))
                        row += 1
        if not row:
            raise ValueError(f"{self.place} must have rows, got none")
        return {"digest": sha.hexdigest(), "problems": problems}

    def _problem(self, image: pa.Buffer | bytes) -> str | None:
        return problem_of(io.BytesIO(image), whole=self.whole) if len(image) else "empty"

    def _batches(self, file: _File) -> Iterator[pa.RecordBatch]:
        """Yield the images and labels of a file as columns `image` and `label`."""
        filesystem, base = opened(file.root)
        path = f"{base.rstrip('/')}/{file.name}"
        try:
            info = filesystem.get_file_info(path)
            if info.type != fs.FileType.File or info.size != file.size:
                raise ChangedDataError(
                    f"{file.place} is not what it was when the study was planned: it is gone, or "
                    "has another size. Finished trials are kept; run the study again"
                )
            with pq.ParquetFile(filesystem.open_input_file(path)) as table:
                yield from self._columns(file, table)
        except OSError as error:
            raise DataUnavailableError(f"{file.place} cannot be read: {error}") from None

    def _columns(self, file: _File, table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        schema = table.schema_arrow
        for name in self.columns:
            if name not in schema.names:
                raise ValueError(
                    f"{file.place} must have a column {name!r}, got {', '.join(schema.names)}"
                )
        image, label = self.columns
        kind = schema.field(image).type
        if not (
            _is_binary(kind) or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)
        ):
            raise ValueError(
                f"column {image!r} of {file.place} must hold bytes, or structs with a field "
                f"'bytes', got {kind}"
            )
        for batch in table.iter_batches(_ROWS, columns=[image, label]):
            images, labels = batch[image], batch[label]
            if pa.types.is_struct(kind):
                images = images.field("bytes")
            if pa.types.is_dictionary(labels.type):
                labels = labels.dictionary_decode()
            yield pa.record_batch({"image": images.cast(pa.binary()), "label": labels})


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@cache
def _table(package: _Package) -> pa.Table:
    """Return the unpacked rows, mapped into memory: only what is looked at is read.

    They are unpacked first on a machine that has not done so.
    """
    package.ensure()
    with pa.memory_map(str(package.unpacked)) as file:
        return pa.ipc.open_file(file).read_all()


@dataclass(frozen=True, eq=False)
class TableImages:
    """Images in the rows of Parquet files; see `ImageSource`.

    Attributes:
        package: The files.
        rows: Numbers of the rows that are used.
    """

    package: _Package
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
        try:
            return decode(
                memoryview(_table(self.package)["image"][row].as_buffer()), cropping, size
            )
        except DamagedImageError as error:
            raise DamagedImageError(
                f"image {row} of {self.package.place} cannot be decoded: {error}. Remove it, or "
                "set damaged='skip' and run the study again"
            ) from None
