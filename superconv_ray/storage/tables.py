"""Reading a table that is spread over parts and compact files, while others write and compact it.

Readers take the union of all files, and every trial once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from superconv_ray.design.text import did_you_mean
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import one_line
from superconv_ray.storage.integrity import PARALLEL_REQUESTS, warn_left_out
from superconv_ray.storage.parquet_files import (
    PART,
    TABLES,
    ids_in,
    is_compact,
    read_part,
    read_parts_whole,
    scan,
    scan_intact,
)
from superconv_ray.storage.seal import DamagedFileError, SealedFile

PARTS_AT_ONCE = 1000
"""Parts that are read, or folded into one compact file, at a time: bounds the memory."""

Filters: TypeAlias = pc.Expression | Sequence[tuple[str, str, Any]] | None
"""A pyarrow expression, or conditions such as ``[("dataset", "==", "digits")]``, all of which hold.
"""


@dataclass(frozen=True)
class Listing:
    """The files of one table.

    Attributes:
        compact: Compact file -> ids of its trials.
        parts: Ids of the trials that have a part.
    """

    compact: Mapping[str, frozenset[str]]
    parts: frozenset[str]

    @cached_property
    def compacted(self) -> frozenset[str]:
        """Ids of the trials in compact files."""
        first, *others = self.compact.values() or [frozenset[str]()]
        return first.union(*others) if others else first

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all trials."""
        return self.parts | self.compacted if self.parts else self.compacted


def list_table(files: Files, folder: str) -> Listing:
    """List a table's files; again if a compact file goes while its footer is read."""
    return files.patiently("read", lambda: _list_once(files, folder), relists=True)


def finished_ids(files: Files) -> frozenset[str]:
    """Ids of the trials that are done: their row is there, and their curve."""
    rows = list_table(files, "trials").ids  # first: a worker writes the curve before the row
    return rows & list_table(files, "curves").ids


def _list_once(files: Files, folder: str) -> Listing:
    names = _stable_names(files, folder)
    parts = frozenset(match[1] for name in names if (match := PART.fullmatch(name)))
    compact = {}
    for name in filter(is_compact, names):
        try:
            compact[name] = ids_in(SealedFile(files, f"{folder}/{name}"))
        except DamagedFileError as error:
            warn_left_out(error)
    return Listing(compact, parts)


def _stable_names(files: Files, folder: str) -> list[str]:
    """Names during whose listing no compact file has come or gone.

    A listing is no snapshot: during a compaction it can lack the new compact file and, deleted
    already, the parts that went into it.
    """
    names, again = files.names(folder), files.names(folder)
    while list(filter(is_compact, names)) != list(filter(is_compact, again)):
        names, again = again, files.names(folder)
    return names


def read_table(
    files: Files,
    folder: str,
    filters: Filters = None,
    columns: Sequence[str] | None = None,
    only: frozenset[str] | None = None,
) -> pa.Table:
    """Read the rows of finished trials; see `read_tables`."""
    found: list[pa.Table] = []
    read_tables(files, folder, found.append, filters, columns, only)
    return pa.concat_tables(found)


def read_tables(
    files: Files,
    folder: str,
    take: Callable[[pa.Table], None],
    filters: Filters = None,
    columns: Sequence[str] | None = None,
    only: frozenset[str] | None = None,
) -> None:
    """Read the rows of finished trials, in pieces.

    Another process may compact the files meanwhile. What has been read is kept, and the rest is
    looked for in the new files.

    Args:
        files: The store's.
        folder: "trials" or "curves".
        take: Takes a piece; the first one is without rows.
        filters: Conditions on the columns, evaluated while Parquet is read.
        columns: Columns to read; None: all.
        only: Ids of the trials to read; files that hold none of them are not opened.

    Raises:
        ValueError: A column does not exist, or a condition does not fit its column.
        StoreError: The store cannot be read.
    """
    table = TABLES[folder]
    for name in columns or ():
        if name not in table.names:
            raise ValueError(_no_column("columns", name, table))
    condition = _checked(filters, table)
    take(scan(table, [], None, columns))
    done: set[str] = set()

    def read_rest() -> None:
        trials, curves = (list_table(files, f) for f in TABLES)  # trials first: see finished_ids
        listing, finished = trials if folder == "trials" else curves, trials.ids & curves.ids
        wanted = finished if only is None else finished & only
        for name, ids in listing.compact.items():
            if fresh := (ids & wanted) - done:
                once = condition if fresh == ids else both(is_any_of(fresh), condition)
                take(read_compact(files, f"{folder}/{name}", once, columns))
                done.update(fresh)
        for parts in read_parts(files, folder, (listing.parts & wanted) - done):
            if condition is None and parts:
                take(read_parts_whole(table, parts.values(), columns))
            else:
                take(scan(table, parts.values(), condition, columns))
            done.update(parts)

    files.patiently("read", read_rest, relists=True)


def read_parts(
    files: Files, folder: str, ids: Iterable[str]
) -> Iterator[dict[str, pa.BufferReader]]:
    """Yield the parts of some trials for `scan`, by id, so many at a time.

    Damaged ones are left out with a warning.

    Raises:
        FileNotFoundError: All others were yielded, and some are gone: another process folds them.
    """

    def read(trial_id: str) -> pa.BufferReader | DamagedFileError | FileNotFoundError:
        try:
            return read_part(files, f"{folder}/{trial_id}.parquet")
        except (DamagedFileError, FileNotFoundError) as error:
            return error

    in_order, gone = sorted(ids), None
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        for start in range(0, len(in_order), PARTS_AT_ONCE):
            some = in_order[start : start + PARTS_AT_ONCE]
            parts = {}
            for trial_id, part in zip(some, pool.map(read, some), strict=True):
                if isinstance(part, DamagedFileError):
                    warn_left_out(part)
                elif isinstance(part, FileNotFoundError):
                    gone = part
                else:
                    parts[trial_id] = part
            yield parts
    if gone:
        raise gone


def read_compact(
    files: Files,
    name: str,
    condition: pc.Expression | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Read the rows of a compact file; damaged row groups are left out with a warning."""
    table = TABLES[name.partition("/")[0]]
    try:
        return scan(table, [SealedFile(files, name)], condition, columns)
    except DamagedFileError as error:
        warn_left_out(error)
    return scan_intact(table, SealedFile(files, name), condition, columns)


# Conditions


def is_any_of(trial_ids: Iterable[str]) -> pc.Expression:
    """The condition that a row is of one of these trials."""
    # With its type, or pyarrow refuses an empty list.
    return pc.field("trial_id").isin(pa.array(list(trial_ids), pa.string()))


def both(one: pc.Expression | None, other: pc.Expression | None) -> pc.Expression | None:
    """The condition that two conditions hold, each of which may be None."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _checked(filters: Filters, table: pa.Schema) -> pc.Expression | None:
    """The filters as one expression, tried on a table without rows before any file is read."""
    if filters is None or (not isinstance(filters, pc.Expression) and not len(filters)):
        return None
    try:
        given = filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
        ds.dataset(table.empty_table()).to_table(filter=given)
    except (pa.ArrowException, ValueError, TypeError) as error:
        if unknown := re.search(r"No match for FieldRef\.Name\((.*?)\)", str(error)):
            raise ValueError(_no_column("filters", unknown[1], table)) from None
        raise ValueError(f"filters do not fit the columns: {one_line(error)}") from None
    return given


def _no_column(argument: str, name: str, table: pa.Schema) -> str:
    return (
        f"{argument}: there is no column {name!r}{did_you_mean(name, table.names)}; columns: "
        f"{', '.join(table.names)}"
    )
