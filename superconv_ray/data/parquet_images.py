"""Parquet files of encoded images, unpacked once on each machine.

Parquet is read in groups of rows. A batch of random rows would read, and throw away, a group for
each. So the images are unpacked once into a file that is mapped into memory, in the user's cache
folder of each machine. It takes as much room as the images.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from superconv_ray.data.decoding import problem_of
from superconv_ray.data.image_files import Listing, list_files, opened, place_of
from superconv_ray.data.images import ChangedDataError, DataUnavailableError
from superconv_ray.data.notes import replaced
from superconv_ray.data.readers import default_data_dir
from superconv_ray.data.uris import below, folder_and_name, without_secrets

Places = str | Path | Sequence[str | Path]
"""A Parquet file, a folder of them, or several; paths or URIs."""
_ROWS = 256


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file: path or URI of its folder, name in it, size, and time of its last change."""

    root: str
    name: str
    size: int
    changed: int

    @property
    def place(self) -> str:
        """Its full path or URI, without secrets."""
        return without_secrets(below(self.root, self.name))


def parquet_files(places: Places) -> tuple[ParquetFile, ...]:
    """Return the Parquet files at some places.

    Raises:
        ValueError: There is none.
    """
    several = [places] if isinstance(places, str | Path) else places
    found = [file for place in several for file in _files_at(place_of(place))]
    if not found:
        raise ValueError(
            "there must be .parquet files at "
            f"{', '.join(without_secrets(str(place)) for place in several)}, got none"
        )
    return tuple(found)


def _files_at(place: str) -> Iterator[ParquetFile]:
    filesystem, path = opened(place)
    if filesystem.get_file_info(path).type == fs.FileType.File:
        root, name = folder_and_name(place)
        info = filesystem.get_file_info(path)
        yield ParquetFile(root, name, info.size, info.mtime_ns or 0)
        return
    listing: Listing = list_files(place)
    for name, size, changed in zip(listing.names, listing.sizes, listing.changed, strict=True):
        if name.endswith(".parquet"):
            yield ParquetFile(listing.root, name, size, changed)


@dataclass(frozen=True, eq=False)
class Contents:
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
        """Numbers of the rows without problems, int64."""
        return np.setdiff1d(np.arange(len(self.labels)), self.bad).astype(np.int64)


@dataclass(frozen=True)
class Package:
    """The Parquet files of one part, and the file that they are unpacked into.

    Attributes:
        files: The Parquet files.
        columns: Names of the columns of images and labels.
        whole: Whether each image is decoded to check it.
    """

    files: tuple[ParquetFile, ...]
    columns: tuple[str, str]
    whole: bool

    @property
    def place(self) -> str:
        """The first file, for messages."""
        return self.files[0].place

    @property
    def unpacked(self) -> Path:
        """The file that holds all rows."""
        key = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        return default_data_dir() / "unpacked" / f"{key}.arrow"

    @property
    def _notes(self) -> Path:
        return self.unpacked.with_suffix(".json")

    def contents(self) -> Contents:
        """Return what is in the files, which are unpacked the first time.

        Raises:
            DataUnavailableError, ValueError: See `table`.
        """
        labels = self.table()["label"].to_numpy()
        notes = self._found() or {}
        problems = [(name, why) for _, name, why in notes["problems"]]
        return Contents(notes["digest"], labels, problems, [row for row, _, _ in notes["problems"]])

    def table(self, digest: str | None = None) -> pa.Table:
        """Return the unpacked rows, mapped into memory: only what is looked at is read.

        They are unpacked first on a machine that has not done so.

        Args:
            digest: Of the images when the study was planned; None: they may be any.

        Raises:
            ChangedDataError: They are not what they were when the study was planned.
            DataUnavailableError: They cannot be read.
            ValueError: They do not have the columns.
        """
        if not self._found(digest):
            self.unpacked.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self.unpacked.with_suffix(".lock")):
                if not self._found(digest):  # another process of this machine may have done so
                    self._write(digest)
        with pa.memory_map(str(self.unpacked)) as file:
            return pa.ipc.open_file(file).read_all()

    def _found(self, digest: str | None = None) -> dict[str, Any] | None:
        """Return the notes of this machine's unpacked file, if it has one of these images."""
        if not (self._notes.exists() and self.unpacked.exists()):
            return None
        notes: dict[str, Any] = json.loads(self._notes.read_text(encoding="utf-8"))
        return notes if digest in (None, notes["digest"]) else None

    def _write(self, digest: str | None) -> None:
        with replaced(self.unpacked) as new:
            notes = self._unpack(new)
            if digest not in (None, notes["digest"]):
                raise ChangedDataError(
                    _changed(self.place, "its images, or those of a file beside it, are others")
                )
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

    def _batches(self, file: ParquetFile) -> Iterator[pa.RecordBatch]:
        """Yield the images and labels of a file as columns `image` and `label`."""
        filesystem, base = opened(file.root)
        path = below(base, file.name)
        try:
            info = filesystem.get_file_info(path)
            if info.type != fs.FileType.File or info.size != file.size:
                raise ChangedDataError(_changed(file.place, "it is gone, or has another size"))
            with pq.ParquetFile(filesystem.open_input_file(path)) as table:
                yield from self._columns(file, table)
        except OSError as error:
            raise DataUnavailableError(f"{file.place} cannot be read: {error}") from None

    def _columns(self, file: ParquetFile, table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
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


def _changed(place: str, what: str) -> str:
    return (
        f"{place} is not what it was when the study was planned: {what}. Finished trials are kept; "
        "run the study again"
    )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other thread or process of this machine is in here with the same file."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        yield
