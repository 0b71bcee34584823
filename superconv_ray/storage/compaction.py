"""Compaction: the parts of a table are folded into a few large files.

Readers and writers go on meanwhile. A crash leaves trials in two files, of which readers take one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyarrow as pa

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import DAMAGE, PARALLEL_REQUESTS, reason, warn_left_out
from superconv_ray.storage.parquet_files import (
    COMPACT_FORM,
    IDS,
    TABLES,
    as_schema,
    read_part,
    write_table,
)
from superconv_ray.storage.tables import finished_ids, list_table, scan

MAX_COMPACT_FILES = 8
PARTS_AT_ONCE = 1000
"""Parts folded into one compact file: bounds the memory that a compaction takes."""
ABANDONED_AFTER = timedelta(days=1)
"""Age at which the writer of an unfinished file is certainly gone."""


def compact(files: Files) -> None:
    """Fold the parts of finished trials, and remove what killed writers have left."""
    finished = finished_ids(files)
    for folder in TABLES:
        _fold(files, folder, finished)
    # A worker that is killed right after it wrote its trial's row leaves these behind.
    for folder in ("checkpoints", "failures"):
        for name in files.names(folder):
            if name.partition(".")[0] in finished:
                files.delete(f"{folder}/{name}")
    for folder in (*TABLES, "checkpoints", "failures", "studies"):
        files.remove_unfinished(folder, ABANDONED_AFTER)


def _fold(files: Files, folder: str, foldable: frozenset[str]) -> None:
    """Fold the parts, then the compact files if there are many; what is folded is deleted."""
    listing = list_table(files, folder)
    parts = sorted(listing.parts & foldable)
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        for start in range(0, len(parts), PARTS_AT_ONCE):
            names = {i: f"{folder}/{i}.parquet" for i in parts[start : start + PARTS_AT_ONCE]}
            fresh = [trial_id for trial_id in names if trial_id not in listing.compacted]
            contents = pool.map(files.read, [names[trial_id] for trial_id in fresh])
            found = {}
            for trial_id, content in zip(fresh, contents, strict=True):
                if content is None:
                    continue  # another process has folded it
                try:
                    found[trial_id] = read_part(folder, trial_id, content)
                except DAMAGE as error:
                    warn_left_out(files, folder, f"{trial_id}.parquet", reason(error))
                    del names[trial_id]
            if found:
                rows = as_schema(TABLES[folder], list(found.values()))
                _write_compact(files, folder, rows, list(found))
            list(pool.map(files.delete, names.values()))
    files.patiently("read", lambda: _merge(files, folder), relists=True)


def _merge(files: Files, folder: str) -> None:
    """Fold the compact files into one if there are many."""
    listing = list_table(files, folder)
    if len(listing.compact) <= MAX_COMPACT_FILES:
        return
    rows = pa.concat_tables(
        scan(files, folder, [name], once) for name, once in listing.each_trial_once()
    )
    table = TABLES[folder]
    by = [(name, "ascending") for name in ("trial_id", "step") if name in table.names]
    rows = rows.cast(table).combine_chunks().sort_by(by)
    merged = _write_compact(files, folder, rows, sorted(listing.compacted))
    for name in listing.compact.keys() - {merged}:
        files.delete(f"{folder}/{name}")


def _write_compact(files: Files, folder: str, rows: pa.Table, ids: Sequence[str]) -> str:
    """Write the rows of these trials, sorted by them, as a file named after them."""
    name = f"compact-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.parquet"
    footer = {**(rows.schema.metadata or {}), IDS: json.dumps(ids)}
    write_table(files, f"{folder}/{name}", rows.replace_schema_metadata(footer), COMPACT_FORM)
    return name
