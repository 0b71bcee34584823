"""Seals: a reader finds in a file what was written, or learns that the file is damaged.

Every file of a store holds a SHA-256 of its name and its content, so that a file under another
one's name is damaged, too:

    JSON         field "sha256": the digest of the other fields
    checkpoint   a line in front of the content: format version, length and digest
    Parquet      in front of the footer, where other readers look for nothing: CRC-32 checksums of
                 the data, and the digest of them and of the footer

A Parquet file has a checksum for each column of each row group, so that who reads a few columns
checks only these, and that a flipped bit takes one row group with it. The seal is read with the
footer, in one request.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError

CHECKPOINT_FORMAT = 1
_CHECKPOINT = re.compile(rb"superconv_ray checkpoint (\d+) (\d+) ([0-9a-f]{64})\n")
_SEGMENT = struct.Struct("<QI")
"""End of a segment of the data, and its checksum."""
_SEAL = struct.Struct("<I32s")
"""Number of segments, and the digest; the segments precede it, the footer follows."""
_TAIL = 64 * 1024
"""Bytes read at the end of a file, in the hope that they hold footer and seal."""


class DamagedFileError(StoreError):
    """A file of the store is not what was written.

    Attributes:
        name: The file, within the store.
        why: What is wrong with it.
    """

    def __init__(self, text: str, name: str = "", why: str = "") -> None:
        super().__init__(text)
        self.name, self.why = name, why

    @classmethod
    def of(cls, files: Files, name: str, why: str) -> DamagedFileError:
        """Return the error of a file, with the way out."""
        text = (
            f"{name} in the store {files.place} is damaged: {why}. Run the study again: that moves "
            "the file to set_aside/ and repeats only what is lost"
        )
        return cls(text, name, why)


_CHANGED = "its content does not match its checksum"


def _digest(name: str, *content: bytes | memoryview) -> bytes:
    found = hashlib.sha256(f"{name}\n".encode())
    for part in content:
        found.update(part)
    return found.digest()


# JSON


def write_json(files: Files, name: str, record: Mapping[str, Any]) -> None:
    """Write a record with its digest."""
    digest = _digest(name, json.dumps(record).encode()).hex()
    files.write(name, json.dumps({**record, "sha256": digest}, indent=1).encode())


def read_json(files: Files, name: str) -> dict[str, Any] | None:
    """Read a record; None if there is no such file.

    Raises:
        DamagedFileError: The file is damaged.
    """
    content = files.read(name)
    if content is None:
        return None
    try:
        record: dict[str, Any] = json.loads(content)
        found = record.pop("sha256")
    except (ValueError, TypeError, AttributeError, KeyError):
        raise DamagedFileError.of(files, name, "it is no JSON with a checksum") from None
    if found != _digest(name, json.dumps(record).encode()).hex():
        raise DamagedFileError.of(files, name, _CHANGED)
    return record


# Checkpoints


def write_checkpoint(files: Files, name: str, content: bytes) -> None:
    """Write a checkpoint with its digest."""
    digest = _digest(name, content).hex()
    head = f"superconv_ray checkpoint {CHECKPOINT_FORMAT} {len(content)} {digest}\n"
    files.write(name, head.encode() + content)


def read_checkpoint(files: Files, name: str) -> bytes | None:
    """Read a checkpoint; None if there is no such file.

    Raises:
        DamagedFileError: The file is damaged, or of another version.
    """
    content = files.read(name)
    if content is None:
        return None
    head = _CHECKPOINT.match(content)
    if head is None:
        raise DamagedFileError.of(files, name, "it is no checkpoint of superconv_ray")
    version, length, digest = int(head[1]), int(head[2]), head[3].decode()
    state = content[head.end() :]
    if version != CHECKPOINT_FORMAT:
        why = f"it has format {version}, this superconv_ray reads {CHECKPOINT_FORMAT}"
    elif length != len(state):
        why = f"it has {len(state)} bytes instead of {length}"
    elif digest != _digest(name, state).hex():
        why = _CHANGED
    else:
        return state
    raise DamagedFileError.of(files, name, why)


# Parquet


def seal_parquet(name: str, content: pa.Buffer, *, by_column: bool) -> bytes:
    """Return a Parquet file with its seal.

    Args:
        name: Name of the file within the store.
        content: A Parquet file.
        by_column: Whether each column of each row group has a checksum, for files of which readers
            read a part; otherwise all data have one.
    """
    data = memoryview(content)
    begin = len(data) - _after_seal(data)
    ends = _column_ends(content) if by_column else [begin]
    segments = b"".join(
        _SEGMENT.pack(end, crc32(data[start:end]))
        for start, end in zip([0, *ends], ends, strict=False)
    )
    seal = _SEAL.pack(len(ends), _digest(name, segments, data[begin:]))
    return b"".join([data[:begin], segments, seal, data[begin:]])


def _after_seal(end: bytes | memoryview) -> int:
    """Bytes that follow the seal: Parquet's footer, its length, and the mark "PAR1"."""
    return int.from_bytes(end[-8:-4], "little") + 8


def _column_ends(content: pa.Buffer) -> list[int]:
    """Where the columns of the row groups end; each begins where the one before it ends."""
    metadata = pq.read_metadata(pa.BufferReader(content))
    ends = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            offsets = (column.dictionary_page_offset, column.data_page_offset)
            begin = min(offset for offset in offsets if offset is not None)
            ends.append(begin + column.total_compressed_size)
    return ends


class SealedFile(io.RawIOBase):
    """A Parquet file of a store as a file for pyarrow. What is read of it is verified.

    Args:
        files: The store's.
        name: Name of the file.
        source: The file, if it is open already.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: Footer or seal are damaged. `read` raises it for the data.
    """

    def __init__(self, files: Files, name: str, source: pa.NativeFile | None = None) -> None:
        self._files, self._name = files, name
        self._source = source or files.filesystem.open_input_file(files.path(name))
        self._size = self._source.size()
        self._position = 0
        self._tail = b""
        self._last(min(self._size, _TAIL))
        after_seal = _after_seal(self._last(8))
        self._trusted = self._last(after_seal + _SEAL.size)
        count, digest = _SEAL.unpack(self._trusted[: _SEAL.size])
        length = count * _SEGMENT.size
        segments = self._last(length + len(self._trusted))[:length]
        if digest != _digest(name, segments, self._last(after_seal)):
            raise self._damaged(_CHANGED)
        self._ends = [end for end, _ in _SEGMENT.iter_unpack(segments)]
        self._sums = [checksum for _, checksum in _SEGMENT.iter_unpack(segments)]

    def _damaged(self, why: str) -> DamagedFileError:
        return DamagedFileError.of(self._files, self._name, why)

    def _last(self, count: int) -> bytes:
        """Return so many bytes at the end of the file."""
        if count > self._size or self._size < 8:
            raise self._damaged("it is cut off, or superconv_ray did not write it")
        if count > len(self._tail):
            self._tail = self._source.read_at(count, self._size - count)
        return self._tail[len(self._tail) - count :]

    def verify(self) -> None:
        """Read and verify all data.

        Raises:
            DamagedFileError: Some are damaged.
        """
        for start, end in zip([0, *self._ends], self._ends, strict=False):
            self._verified(start, end)

    def _verified(self, start: int, stop: int) -> bytes:
        """Return a range of the data, after verifying the segments that it touches."""
        first, last = bisect_right(self._ends, start), bisect_left(self._ends, stop)
        begin = self._ends[first - 1] if first else 0
        data = memoryview(self._source.read_at(self._ends[last] - begin, begin))
        at = 0
        for end, checksum in zip(self._ends[first : last + 1], self._sums[first:], strict=False):
            if crc32(data[at : end - begin]) != checksum:
                raise self._damaged(_CHANGED)
            at = end - begin
        return bytes(data[start - begin : stop - begin])

    # What pyarrow calls

    def read(self, count: int = -1) -> bytes:
        """Return so many bytes from the current position, or all that follow it."""
        start = self._position
        stop = self._size if count < 0 else min(start + count, self._size)
        self._position = stop
        trusted = self._size - len(self._trusted)
        if stop <= trusted:
            return self._verified(start, stop)
        # Parquet is looking for its footer. It does not use what it reads in front of that, and
        # could not: no page begins with zeros.
        return (
            bytes(max(trusted - start, 0)) + self._trusted[max(start - trusted, 0) : stop - trusted]
        )

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the current position."""
        return self._position

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it has positions."""
        return True
