"""The Parquet files of a table: their names, how they are written, and how they are read.

A part, ``<trial id>.parquet``, holds the rows of one trial. Compaction folds parts into
``compact-*.parquet``, which lists its trials in its footer, and none of whose trials is split
between two row groups. Other Parquet files, such as a study's members, are written like parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from superconv_ray.storage import schema
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError
from superconv_ray.storage.seal import DamagedFileError, SealedFile, seal_parquet

TABLES = {"trials": schema.TRIALS, "curves": schema.CURVES}
"""The tables that are kept as parts and compact files, by the names of their folders."""
PART = re.compile(r"([0-9a-f]{20})\.parquet")
ROWS_PER_GROUP = 64 * 1024
"""Rows of a row group, of which a flipped bit may take one."""
_IDS = b"superconv_ray.trial_ids"
"""Key of the trial ids in the footer of a compact file."""


def is_compact(name: str) -> bool:
    """Whether a file of a table, with or without its folder, holds many trials."""
    return name.rpartition("/")[2].startswith("compact-")


def is_of_a_table(name: str) -> bool:
    """Whether a file belongs to a table at all."""
    return is_compact(name) or PART.fullmatch(name) is not None


# Writing


def write_part(files: Files, name: str, table: pa.Table) -> None:
    """Write a small table as one Parquet file."""
    sink = pa.BufferOutputStream()
    # What helps to read large files costs more here than it saves. The schema with its
    # descriptions, three quarters of a part, is that of the compact files.
    pq.write_table(
        table,
        sink,
        compression="snappy",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    files.write(name, seal_parquet(name, sink.getvalue(), by_column=False))


def write_compact(files: Files, folder: str, rows: pa.Table, ids: Sequence[str]) -> str:
    """Write the rows of these trials, sorted by them, as a file named after them."""
    name = f"compact-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.parquet"
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, TABLES[folder], compression="zstd") as writer:
        for start, stop in _row_groups(rows["trial_id"]):
            writer.write_table(rows.slice(start, stop - start).cast(TABLES[folder]))
        writer.add_key_value_metadata({_IDS: json.dumps(ids)})
    path = f"{folder}/{name}"
    files.write(path, seal_parquet(path, sink.getvalue(), by_column=True))
    return name


def _row_groups(trial_ids: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 row of the row groups: whole trials, as many as they can hold."""
    encoded = trial_ids.dictionary_encode().unify_dictionaries().combine_chunks()
    ends = [*np.flatnonzero(np.diff(encoded.indices.to_numpy())) + 1, len(trial_ids)]
    start = 0
    while start < len(trial_ids):
        one = bisect_right(ends, start)
        fitting = bisect_right(ends, start + ROWS_PER_GROUP) - 1
        stop = int(ends[max(one, fitting)])
        yield start, stop
        start = stop


# Reading


def read_part(files: Files, name: str) -> pa.BufferReader:
    """Return a file that `write_part` wrote, for `scan`.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is damaged.
    """
    content = files.read(name)
    if content is None:
        raise FileNotFoundError(f"{files.place}/{name}")
    reader = pa.BufferReader(content)
    SealedFile(files, name, reader).verify()
    return reader


def read_whole(files: Files, name: str, table: pa.Schema) -> pa.Table | None:
    """Return all rows of a file that `write_part` wrote; None if there is no such file.

    Raises:
        DamagedFileError: It is damaged.
    """
    try:
        return scan(table, [read_part(files, name)])
    except FileNotFoundError:
        return None


def scan(
    table: pa.Schema,
    sources: Iterable[pa.NativeFile | SealedFile],
    condition: pc.Expression | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Read the rows of some files that fulfil a condition. Columns that a file lacks are null.

    Raises:
        DamagedFileError: One of the files is damaged.
    """
    return _rows(table, map(_fragment, sources), condition, columns)


def read_parts_whole(
    table: pa.Schema, parts: Iterable[pa.BufferReader], columns: Sequence[str] | None = None
) -> pa.Table:
    """Read all rows of parts as `scan` does, in half of its time or less.

    The columns have one chunk each: chunks of one row would take ten times the memory of the rows.
    """
    found = [pq.ParquetFile(part).read(columns, use_threads=False) for part in parts]
    rows = pa.concat_tables(found, promote_options="default").combine_chunks()
    known, result = set(rows.column_names), _with_dictionary(table)
    fields = [result.field(name) for name in columns or table.names]
    values = [
        rows[field.name].cast(field.type)
        if field.name in known
        else pa.nulls(len(rows), field.type)
        for field in fields
    ]
    return pa.table(values, schema=pa.schema(fields))


def scan_intact(
    table: pa.Schema,
    source: SealedFile,
    condition: pc.Expression | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Read a compact file without its damaged row groups."""
    found = [_rows(table, [], condition, columns)]
    for group in _fragment(source).split_by_row_group():
        with contextlib.suppress(DamagedFileError):
            found.append(_rows(table, [group], condition, columns))
    return pa.concat_tables(found)


def _fragment(source: pa.NativeFile | SealedFile) -> ds.ParquetFileFragment:
    opened = pa.PythonFile(source, mode="r") if isinstance(source, SealedFile) else source
    return _format().make_fragment(opened)


def _rows(
    table: pa.Schema,
    fragments: Iterable[ds.ParquetFileFragment],
    condition: pc.Expression | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    source = ds.FileSystemDataset(list(fragments), _with_dictionary(table), _format())
    return source.to_table(columns=list(columns) if columns else None, filter=condition)


@lru_cache
def _format() -> ds.ParquetFileFormat:
    return ds.ParquetFileFormat(dictionary_columns=["trial_id"])


def _with_dictionary(table: pa.Schema) -> pa.Schema:
    """The schema with trial ids dictionary-encoded: a curve repeats its id in every row."""
    if "step" not in table.names:
        return table
    index = table.get_field_index("trial_id")
    return table.set(index, pa.field("trial_id", pa.dictionary(pa.int32(), pa.string())))


# Footers


def ids_in(source: SealedFile) -> frozenset[str]:
    """Return the trials that a compact file holds, as its footer lists them."""
    return _parsed(pq.read_metadata(source).metadata[_IDS])


@lru_cache(maxsize=64)
def _parsed(ids: bytes) -> frozenset[str]:
    """Parse a list once: both tables list the same trials, and are read again and again."""
    return frozenset(json.loads(ids))


def check_form(files: Files, name: str, source: pa.NativeFile | SealedFile) -> None:
    """Check that a file of a table has rows, a trial's exactly one, and only known columns.

    Raises:
        DamagedFileError: It has another number of rows.
        StoreError: Its columns are those of another version of the package.
    """
    metadata = pq.read_metadata(source)
    folder = name.partition("/")[0]
    most = 1 if folder == "trials" and not is_compact(name) else metadata.num_rows
    if not 1 <= metadata.num_rows <= most:
        raise DamagedFileError.of(files, name, f"it holds {metadata.num_rows} rows")
    kinds = {field.name: field.type for field in TABLES[folder]}
    for field in metadata.schema.to_arrow_schema():
        if kinds.get(field.name) != field.type:
            raise StoreError(
                f"{name} in the store {files.place} has a column {field.name!r} of type "
                f"{field.type}, which this superconv_ray does not know: another version wrote it"
            )
