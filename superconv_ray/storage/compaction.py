"""Compaction: the parts of a table are folded into a few large files.

Readers and writers go on meanwhile. A crash leaves trials in two files, of which readers take one.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pyarrow as pa

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import PARALLEL_REQUESTS, warn_left_out
from superconv_ray.storage.parquet_files import TABLES, read_parts_whole, scan, write_compact
from superconv_ray.storage.seal import DamagedFileError, SealedFile
from superconv_ray.storage.tables import finished_ids, is_any_of, list_table, read_parts

MAX_COMPACT_FILES = 8
"""Compact files that may still grow; of more, the smallest are merged."""
FULL = 8192
"""Trials from which on a compact file is not merged any more: bounds time and memory of a merge."""
ABANDONED_AFTER = timedelta(days=1)
"""Age at which the writer of an unfinished file is certainly gone."""


def compact(files: Files) -> None:
    """Fold the parts of finished trials, and remove what killed writers have left."""
    finished = finished_ids(files)
    for folder in TABLES:
        files.patiently("read", partial(_fold, files, folder, finished), relists=True)
        files.patiently("read", partial(_merge, files, folder), relists=True)
    # A worker that is killed right after it wrote its trial's row leaves these behind.
    for folder in ("checkpoints", "failures"):
        for name in files.names(folder):
            if name.partition(".")[0] in finished:
                files.delete(f"{folder}/{name}")
    for folder in (*TABLES, "checkpoints", "failures", "studies"):
        files.remove_unfinished(folder, ABANDONED_AFTER)


def _fold(files: Files, folder: str, foldable: frozenset[str]) -> None:
    """Fold the parts into compact files, and delete them."""
    listing = list_table(files, folder)
    parts = listing.parts & foldable
    _delete_parts(files, folder, parts & listing.compacted)
    for some in read_parts(files, folder, parts - listing.compacted):
        if some:
            rows = read_parts_whole(TABLES[folder], some.values())
            write_compact(files, folder, rows, list(some))
            _delete_parts(files, folder, some)


def _delete_parts(files: Files, folder: str, ids: Collection[str]) -> None:
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        list(pool.map(files.delete, [f"{folder}/{trial_id}.parquet" for trial_id in ids]))


def _merge(files: Files, folder: str) -> None:
    """Fold small compact files into one if there are many."""
    small = _to_merge(list_table(files, folder).compact)
    table, found, seen = TABLES[folder], [], set[str]()
    for name, ids in small.items():
        fresh = ids - seen
        seen |= ids
        try:
            source = SealedFile(files, f"{folder}/{name}")
            found.append(scan(table, [source], None if fresh == ids else is_any_of(fresh)))
        except DamagedFileError as error:  # what is intact of it stays where it is
            warn_left_out(error)
            return
    if not found:
        return
    by = [(name, "ascending") for name in ("trial_id", "step") if name in table.names]
    rows = pa.concat_tables(found).cast(table).combine_chunks().sort_by(by)
    merged = write_compact(files, folder, rows, sorted(seen))
    for name in small.keys() - {merged}:
        files.delete(f"{folder}/{name}")


def _to_merge(compact: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return the smallest files that are not full, up to two full ones together; none if few."""
    growing = sorted((len(ids), name) for name, ids in compact.items() if len(ids) < FULL)
    if len(growing) <= MAX_COMPACT_FILES:
        return {}
    totals = itertools.accumulate(count for count, _ in growing)
    chosen = [name for (_, name), total in zip(growing, totals, strict=True) if total <= 2 * FULL]
    return {name: compact[name] for name in chosen}
