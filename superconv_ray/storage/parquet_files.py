"""The Parquet files of a table: their names, how they are written, and how a whole one is read.

A part, ``<trial id>.parquet``, holds the rows of one trial. Compaction folds parts into
``compact-*.parquet``, which lists its trials in its footer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from superconv_ray.storage import schema
from superconv_ray.storage.filesystem import Files

TABLES = {"trials": schema.TRIALS, "curves": schema.CURVES}
"""The tables that are kept as parts and compact files, by the names of their folders."""
PART = re.compile(r"([0-9a-f]{20})\.parquet")
IDS = b"superconv_ray.trial_ids"
"""Key of the trial ids in the footer of a compact file."""

# A part has few rows and is soon folded: what helps to read large files costs more there than it
# saves. The schema with its descriptions, three quarters of a part, is that of the compact files.
PART_FORM = {
    "compression": "snappy",
    "use_dictionary": False,
    "write_statistics": False,
    "store_schema": False,
    "write_page_checksum": True,
}
COMPACT_FORM = {
    "compression": "zstd",
    "row_group_size": 64 * 1024,
    "write_page_checksum": True,
}


def is_compact(name: str) -> bool:
    """Whether a file of a table holds many trials."""
    return name.startswith("compact-")


def is_of_a_table(name: str) -> bool:
    """Whether a file belongs to a table at all."""
    return is_compact(name) or PART.fullmatch(name) is not None


def write_table(
    files: Files, name: str, table: pa.Table, form: Mapping[str, Any] = PART_FORM
) -> None:
    """Write a table as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **form)
    files.write(name, sink.getvalue())


def opened(content: bytes) -> pq.ParquetFile:
    """Open a Parquet file; reading it verifies the checksums of its pages."""
    return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)


def read_whole(content: bytes) -> pa.Table:
    """Read all rows of a Parquet file."""
    return opened(content).read(use_threads=False)


def read_part(folder: str, trial_id: str, content: bytes) -> pa.Table:
    """Read the rows of a trial.

    Raises:
        ValueError: The file holds something else. pyarrow raises its own exceptions as well.
    """
    rows = read_whole(content)
    check_ids(rows, frozenset({trial_id}))
    if folder == "trials" and len(rows) != 1:
        raise ValueError(f"it holds {len(rows)} rows instead of one")
    return rows


def check_ids(rows: pa.Table, expected: frozenset[str]) -> None:
    """Check that rows are of the expected trials only.

    Raises:
        ValueError: There is a row of another trial.
    """
    if foreign := frozenset(rows["trial_id"].unique().to_pylist()) - expected:
        raise ValueError(f"it holds rows of trial {min(map(str, foreign))}")


def ids_in(footer: Mapping[bytes, bytes] | None) -> frozenset[str]:
    """Return the trials that a compact file holds, as its footer lists them.

    Raises:
        ValueError: The footer has no list.
    """
    if not footer or IDS not in footer:
        raise ValueError("it does not list its trials: it was not written by superconv_ray")
    return _parsed(footer[IDS])


@lru_cache(maxsize=16)
def _parsed(ids: bytes) -> frozenset[str]:
    """Parse a list once: both tables list the same trials, and are read again and again."""
    return frozenset(json.loads(ids))


def as_schema(table: pa.Schema, parts: Sequence[pa.Table]) -> pa.Table:
    """Join the rows of parts in one schema; a column that a part lacks is null in its rows.

    Parts that an older version of the package wrote lack the columns added since.
    """
    rows = pa.concat_tables(parts, promote_options="default").combine_chunks()
    known = set(rows.column_names)
    columns = [rows[f.name] if f.name in known else pa.nulls(len(rows), f.type) for f in table]
    return pa.table(columns, names=table.names).cast(table)
