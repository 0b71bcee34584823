"""Whole files on any pyarrow filesystem: written atomically or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs


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
            self.filesystem, self.root = fs.FileSystem.from_uri(text)
        except (pa.ArrowInvalid, ValueError) as error:
            raise ValueError(
                "store must be a local path or a URI such as s3://bucket/folder, gs://... or "
                f"abfs://...; got {str(uri)!r} ({error})"
            ) from None
        self.uri = text

    def path(self, name: str) -> str:
        """Full path of a file inside the folder, as its filesystem wants it."""
        return f"{self.root.rstrip('/')}/{name}"

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file. A reader finds the old content or the new, never a part.

        On object stores a PUT is atomic; elsewhere a temporary file is renamed.
        """
        target = self.path(name)
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        written = f"{target}.{uuid.uuid4().hex}.tmp" if local else target
        if local:
            self.filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(written) as stream:
            stream.write(content)
        if local:
            self.filesystem.move(written, target)

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
        """Names of the files in a sub-folder, sorted; unfinished ones are left out."""
        selector: Any = fs.FileSelector(self.path(folder), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(
            info.base_name
            for info in found
            if info.type == fs.FileType.File and not info.base_name.endswith(".tmp")
        )
