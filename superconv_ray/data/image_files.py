"""Image files in folders: listing them, and reading one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import fs

from superconv_ray.data.decoding import Cropping, DamagedImageError, Pixels, decode
from superconv_ray.data.images import ChangedDataError, DataUnavailableError
from superconv_ray.data.patient_filesystem import filesystem_of
from superconv_ray.data.uris import below, without_secrets

PAUSES = (1.0, 4.0)
"""Seconds to wait before another attempt to read a file."""


@dataclass(frozen=True)
class Listing:
    """The files below a folder, sorted by name; hidden ones are left out.

    Attributes:
        root: Path or URI of the folder.
        names: Paths below it, with forward slashes.
        sizes: Bytes of each.
        changed: Time of each one's last change, in nanoseconds, or 0 if it is unknown.
        folders: Names of its subfolders.
    """

    root: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    changed: tuple[int, ...]
    folders: tuple[str, ...]


def list_files(root: str | Path) -> Listing:
    """List the files below a folder or a URI.

    Raises:
        ValueError: There is no such folder, or no filesystem of the URI.
    """
    place = place_of(root)
    filesystem, base = opened(place)
    try:
        found = filesystem.get_file_info(fs.FileSelector(base, recursive=True))
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"the folder of images {without_secrets(place)} cannot be listed: {error}"
        ) from None
    start = len(base.rstrip("/")) + 1
    files, folders = [], []
    for info in found:
        name = info.path[start:]
        if any(part.startswith(".") for part in name.split("/")):
            continue
        if info.type == fs.FileType.File:
            files.append((name, info.size, info.mtime_ns or 0))
        elif "/" not in name:
            folders.append(name)
    names, sizes, changed = zip(*sorted(files), strict=True) if files else ((), (), ())
    return Listing(place, names, sizes, changed, tuple(sorted(folders)))


def place_of(path: str | Path) -> str:
    """Return a URI as it is, or a path in full."""
    return str(path) if "://" in str(path) else str(Path(path).expanduser().resolve())


@cache
def opened(place: str) -> tuple[Any, str]:
    """Return the filesystem of a path or URI, and the path in it.

    Raises:
        ValueError: There is none.
    """
    try:
        return filesystem_of(place)
    except (ValueError, ImportError, OSError) as error:
        raise ValueError(
            "images must be in a local folder or at a URI such as s3://bucket/folder; "
            f"{place.partition('://')[0]}:// cannot be opened ({type(error).__name__})"
        ) from None


def is_remote(place: str) -> bool:
    """Whether a path or URI is on a server that takes long to answer."""
    return bool(opened(place)[0].type_name != "local")


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images in files below a folder; see `ImageSource`.

    Attributes:
        root: Path or URI of the folder.
        names: Paths below it.
        sizes: Bytes of each, int64.
    """

    root: str = field(repr=False)  # a URI may hold secrets
    names: pa.Array = field(repr=False)
    sizes: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, listing: Listing, chosen: Sequence[int]) -> ImageFiles:
        """Return some of the files of a listing, by number."""
        names = pa.array([listing.names[i] for i in chosen], pa.large_string())
        return cls(listing.root, names, np.array([listing.sizes[i] for i in chosen], np.int64))

    @property
    def remote(self) -> bool:
        """Whether the files are on a server."""
        return is_remote(self.root)

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, index: int, cropping: Cropping, size: int) -> Pixels:
        """Return a part of an image; see `ImageSource`."""
        content = self.read(index)
        try:
            return decode(content, cropping, size)
        except DamagedImageError as error:
            raise DamagedImageError(
                f"{self.path(index)} cannot be decoded: {error}. Remove or repair it, or set "
                "damaged='skip' and run the study again"
            ) from None

    def path(self, index: int) -> str:
        """Return the full path or URI of a file, without secrets."""
        return without_secrets(below(self.root, self.names[index].as_py()))

    def read(self, index: int) -> bytes:
        """Return the content of a file.

        Raises:
            ChangedDataError: It is gone, or has another size than it had.
            DataUnavailableError: It cannot be read.
        """
        for pause in (*PAUSES, None):
            try:
                content = self._read(index)
                break
            except FileNotFoundError:
                self._check_root()
                raise ChangedDataError(self._changed(index, "it is gone")) from None
            except OSError as error:
                if pause is None:
                    raise self._unavailable(f"{self.path(index)}: {error}") from None
                time.sleep(pause)
        expected = int(self.sizes[index])
        if len(content) != expected:
            sizes = f"it has {len(content):,} bytes and had {expected:,}"
            raise ChangedDataError(self._changed(index, sizes))
        return content

    def _read(self, index: int) -> bytes:
        filesystem, base = opened(self.root)
        path = below(base, self.names[index].as_py())
        if filesystem.type_name == "local":
            return Path(path).read_bytes()
        with filesystem.open_input_stream(path) as file:
            return bytes(file.read())

    def _check_root(self) -> None:
        filesystem, base = opened(self.root)
        if filesystem.get_file_info(base).type == fs.FileType.NotFound:
            raise self._unavailable("there is no such folder any more") from None

    def _unavailable(self, why: str) -> DataUnavailableError:
        return DataUnavailableError(
            f"the images in {without_secrets(self.root)} cannot be read ({why}). Run the study "
            "again when they can: the trial continues from its checkpoint"
        )

    def _changed(self, index: int, what: str) -> str:
        return (
            f"{self.path(index)} is not what it was when the study was planned: {what}. Finished "
            "trials are kept; run the study again, and trials on the changed data are new ones"
        )
