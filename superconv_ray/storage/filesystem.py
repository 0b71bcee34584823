"""Whole files on any pyarrow or fsspec filesystem: written atomically or not at all.

A store that does not answer for a while is waited for; see `filesystem_errors` for which errors
may pass.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import time
import uuid
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyarrow import fs

from superconv_ray.data.patient_filesystem import FIRST_PATIENCE
from superconv_ray.data.uris import without_secrets
from superconv_ray.storage.filesystem_errors import (
    StoreError,
    is_passing,
    one_line,
    store_error,
)
from superconv_ray.storage.opening import open_filesystem

Result = TypeVar("Result")

PATIENCE = 120.0
"""Seconds to wait for a store that has answered before: time for a server to restart."""
LONGEST_PAUSE = 8.0

_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
"""pyarrow's names of the filesystems on which a file appears only once it is complete."""


class Fence(Protocol):
    """Stands between a writer and the store, and lets it write no more once it is replaced.

    Attributes:
        folder: Where its unfinished files lie. Where files are renamed into place, whoever takes
            this folder away keeps them from being finished.
    """

    folder: str

    def check(self) -> None:
        """Raise a StoreError if the writer was replaced."""


class Files:
    """The files of a folder: on a disk, in an object store, or wherever pyarrow or fsspec read.

    Args:
        uri: A local path, or a URI: ``s3://``, ``gs://``, ``abfs://``, or a scheme of fsspec.
        known: Whether it has answered another process, so that its address is right.

    Raises:
        ValueError: The scheme is unknown, or its package is missing.
        StoreError: Nothing at the URI can be opened.
    """

    def __init__(self, uri: str | Path, *, known: bool = False) -> None:
        if not isinstance(uri, str | Path) or not str(uri).strip():
            raise ValueError(f"store must be a path or a URI, got {uri!r}")
        self.uri = str(uri) if "://" in str(uri) else _resolved(Path(uri))
        self.filesystem, self.root = open_filesystem(self.uri)
        self._answered = known
        self._fence: Fence | None = None

    def behind(self, fence: Fence) -> Files:
        """Return the same files for a writer that may be replaced while it writes.

        A replaced writer cannot finish a file where files are renamed into place. On an object
        store it could, if it was replaced after it had asked the fence: within one request.
        """
        fenced = copy.copy(self)
        fenced._fence = fence
        return fenced

    @property
    def place(self) -> str:
        """The path or URI without secrets, for messages and commands."""
        return without_secrets(self.uri)

    @property
    def is_object_store(self) -> bool:
        """Whether a file appears only once it is complete, so that no rename is needed."""
        return self.filesystem.type_name in _OBJECT_STORES

    def path(self, name: str) -> str:
        """Return the full path of a file in the folder, as its filesystem expects it."""
        return f"{self.root.rstrip('/')}/{name}"

    def check_bucket(self) -> None:
        """Check that the bucket exists: an object store lists a missing one as empty.

        Raises:
            StoreError: There is no such bucket.
        """
        if not self.is_object_store:
            return
        bucket = self.root.partition("/")[0]
        try:
            found = self.patiently("read", lambda: self.filesystem.get_file_info(bucket))
        except StoreError:
            return  # permission for a folder need not include its bucket
        if found.type == fs.FileType.NotFound:
            raise store_error(self.place, "read", OSError("NO_SUCH_BUCKET"))

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file. A reader finds the old content or the new, never half of it.

        An object store shows a file once it is complete; elsewhere a temporary file is renamed.
        Its name starts with a dot, so that Parquet readers ignore what a killed writer leaves.

        Raises:
            StoreError: The file cannot be written.
        """
        try:
            self.patiently("written", lambda: self._write(self.path(name), content))
        except FileNotFoundError as error:
            self._check_fence()
            raise store_error(self.place, "written", error) from error
        except NotImplementedError as error:  # such as of fsspec's for http://
            why = OSError("its filesystem can only be read")
            raise store_error(self.place, "written", why) from error

    def _check_fence(self) -> None:
        if self._fence:
            self._fence.check()

    def _write(self, target: str, content: bytes | pa.Buffer) -> None:
        self._check_fence()
        if self.is_object_store:
            self._write_in_place(target, content)
            return
        folder, _, base = target.rpartition("/")
        begun_in = self.path(self._fence.folder) if self._fence else folder
        unfinished = f"{begun_in}/.{base}.{uuid.uuid4().hex}.tmp"
        self._create_folder(folder)
        try:
            self._write_in_place(unfinished, content)
            self._sync(unfinished)
            self.filesystem.move(unfinished, target)
            self._sync(folder)
        except OSError:
            with contextlib.suppress(OSError):  # a full disk may not even hold an empty file
                self.filesystem.delete_file(unfinished)
            raise

    def _write_in_place(self, path: str, content: bytes | pa.Buffer) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def _create_folder(self, folder: str) -> None:
        """Create a folder if it does not exist, so that it survives a power cut."""
        missing = [path for path in (Path(folder), *Path(folder).parents) if not path.exists()]
        self.filesystem.create_dir(folder, recursive=True)
        for path in missing:
            self._sync(str(path.parent))

    def _sync(self, path: str) -> None:
        """Flush a file, or the names in a folder, to the disk.

        After a power cut, a file could otherwise have its new name and not its content, or not
        exist although what it replaces is deleted.
        """
        if not isinstance(self.filesystem, fs.LocalFileSystem):
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is no such file.

        Raises:
            StoreError: The file cannot be read.
        """

        def read() -> bytes:
            with self.filesystem.open_input_stream(self.path(name)) as stream:
                content: bytes = stream.read()
                return content

        try:
            return self.patiently("read", read)
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove a file. A file that is already gone is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.patiently("written", lambda: self.filesystem.delete_file(self.path(name)))

    def add_folder(self, name: str) -> None:
        """Create a folder; an object store has none."""
        if not self.is_object_store:
            self.patiently("written", lambda: self._create_folder(self.path(name)))

    def remove_folder(self, name: str) -> None:
        """Remove a folder and what is in it; on a disk, at once for whoever writes there."""
        if self.is_object_store:
            for file in self.tree(name):
                self.delete(file)
            return
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            self.patiently("written", lambda: self.filesystem.move(path, f"{path}.gone"))
            self.patiently("written", lambda: self.filesystem.delete_dir(f"{path}.gone"))

    def move(self, name: str, target: str) -> None:
        """Rename a file, by copying it: not every store can rename. It may be gone already."""
        content = self.read(name)
        if content is not None:
            self.write(target, content)
            self.delete(name)

    def names(self, folder: str) -> list[str]:
        """Return the names of the finished files in a subfolder, sorted."""
        return sorted(info.base_name for info in self._finished(folder))

    def times(self, folder: str) -> dict[str, float | None]:
        """Return when each file of a subfolder was written, in seconds by the store's clock.

        None: the filesystem does not know.
        """
        infos = self._finished(folder)
        return {i.base_name: i.mtime_ns / 1e9 if i.mtime_ns else None for i in infos}

    def tree(self, folder: str) -> dict[str, tuple[int, int | None]]:
        """Return each file below a folder: its path in the store -> size, and when it was written.

        Two files of a path that differ in neither are the same.
        """
        root = self.root.strip("/")
        return {
            info.path.strip("/").removeprefix(root).strip("/"): (info.size, info.mtime_ns)
            for info in self._finished(folder, recursive=True)
        }

    def remove_unfinished(self, folder: str, older_than: timedelta) -> None:
        """Remove unfinished files of killed writers; an object store has none."""
        if self.is_object_store:
            return
        before = time.time_ns() - older_than.total_seconds() * 1e9
        for info in self._infos(folder):
            if info.base_name.endswith(".tmp") and info.mtime_ns and info.mtime_ns < before:
                self.delete(f"{folder}/{info.base_name}")

    def _finished(self, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
        """The finished files of a folder.

        Azure lists a file that is being written as an empty one. Elsewhere an empty file has lost
        its content, and is listed, so that whoever reads it finds that it is damaged.
        """
        may_be_empty = self.filesystem.type_name != "abfs"
        return [
            info
            for info in self._infos(folder, recursive=recursive)
            if (info.size or may_be_empty) and not info.base_name.endswith(".tmp")
        ]

    def _infos(self, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
        selector: Any = fs.FileSelector(
            self.path(folder), allow_not_found=True, recursive=recursive
        )
        found = self.patiently("read", lambda: self.filesystem.get_file_info(selector))
        return [info for info in found if info.type == fs.FileType.File]

    def patiently(
        self, done: str, action: Callable[[], Result], *, relists: bool = False
    ) -> Result:
        """Do something, and repeat it after growing pauses while its error may pass.

        Args:
            done: What is done with the store, for the message: "read" or "written".
            action: What to do; it may be repeated.
            relists: Whether the action lists files before it reads them. A file that is gone when
                it is read is then no error: another process has compacted it.

        Raises:
            StoreError: The error lasted too long, or does not pass.
            FileNotFoundError: A file does not exist.
        """
        begun, pause, vanished = time.monotonic(), 0.25, 0
        while True:
            try:
                result = action()
            except FileNotFoundError as error:
                self._answered = True
                if not relists:
                    raise
                vanished += 1
                if time.monotonic() - begun > PATIENCE:
                    raise store_error(self.place, done, error) from error
                time.sleep(min(0.01 * vanished, 1.0))
            except StoreError:
                raise
            except OSError as error:
                patience = PATIENCE if self._answered else FIRST_PATIENCE
                if not is_passing(error) or time.monotonic() - begun + pause > patience:
                    raise store_error(self.place, done, error) from error
                if pause > 1.0:  # short hitches are not worth a warning
                    reason = one_line(error)
                    warnings.warn(
                        f"the store {self.place} does not answer; retrying for up to "
                        f"{patience:.0f} s: {reason}",
                        stacklevel=2,
                    )
                # Workers that are refused at the same moment must not all retry at the same moment.
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._answered = True
                return result


def _resolved(path: Path) -> str:
    """The absolute path without symbolic links.

    Raises:
        StoreError: They form a loop.
    """
    try:
        return str(path.expanduser().resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13
        raise StoreError(f"the store {path} cannot be opened: {one_line(error)}") from None
