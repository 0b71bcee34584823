"""Whole files on any pyarrow filesystem: written atomically or not at all."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
"""pyarrow's names of the filesystems on which a file appears when it is complete."""


def without_secrets(text: str) -> str:
    """A path or URI without the user, password and options that a URI may hold."""
    if "://" not in text:
        return text
    return re.sub(r"//[^/@:]*:[^/@]*@", "//", text.partition("?")[0])


class Files:
    """A folder on a local disk or an object store.

    Args:
        uri: A local path, or a URI that pyarrow knows (``s3://``, ``gs://``, ``abfs://``, ...).

    Raises:
        ValueError: The URI is of no known scheme.
    """

    def __init__(self, uri: str | Path) -> None:
        text = str(uri)
        if "://" not in text:
            text = str(Path(text).expanduser().resolve())
        try:
            self.filesystem, self.root = fs.FileSystem.from_uri(_with_options(text))
        except (pa.ArrowInvalid, ValueError) as error:
            raise ValueError(
                "store must be a local path or a URI such as s3://bucket/folder, gs://... or "
                f"abfs://...; got {str(uri)!r} ({error})"
            ) from None
        self.uri = text

    @property
    def place(self) -> str:
        """The path or URI without the secrets that a URI may hold, for messages."""
        return without_secrets(self.uri)

    def path(self, name: str) -> str:
        """Full path of a file inside the folder, as its filesystem wants it."""
        return f"{self.root.rstrip('/')}/{name}"

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file. A reader finds the old content or the new, never a part.

        An object store shows a file once it is complete; elsewhere a temporary file is renamed.
        Its name starts with a dot, so that other Parquet readers overlook what a kill leaves.
        """
        target = self.path(name)
        if self.filesystem.type_name in _OBJECT_STORES:
            self._write_in_place(target, content)
            return
        folder, _, base = target.rpartition("/")
        unfinished = f"{folder}/.{base}.{uuid.uuid4().hex}.tmp"
        self.filesystem.create_dir(folder, recursive=True)
        self._write_in_place(unfinished, content)
        if isinstance(self.filesystem, fs.LocalFileSystem):
            _sync(unfinished)
        self.filesystem.move(unfinished, target)

    def _write_in_place(self, path: str, content: bytes | pa.Buffer) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def read(self, name: str) -> bytes | None:
        """Content of a file, or None if there is no such file."""
        try:
            with self.filesystem.open_input_stream(self.path(name)) as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove a file; it is no error if it is gone already."""
        try:
            self.filesystem.delete_file(self.path(name))
        except FileNotFoundError:
            return

    def names(self, folder: str) -> list[str]:
        """Names of the files in a sub-folder, sorted; unfinished ones are left out.

        Azure shows a file that is being written as an empty one. No file of ours is empty.
        """
        selector: Any = fs.FileSelector(self.path(folder), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(
            info.base_name
            for info in found
            if info.type == fs.FileType.File and info.size and not info.base_name.endswith(".tmp")
        )


def _with_options(uri: str) -> str:
    """Delayed opening makes a small file on S3 one request instead of three."""
    if not uri.startswith("s3://") or "allow_delayed_open" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"


def _sync(path: str) -> None:
    """Put a file on the disk itself: else its new name can outlive a power cut without it."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
