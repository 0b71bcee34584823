"""Reading a table that is spread over parts and compact files, while others write and compact it.

Readers take the union of all files, and every trial once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from superconv_ray.design.text import did_you_mean
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import (
    DAMAGE,
    damages,
    is_not_of_the_file,
    reason,
    warn_left_out,
)
from superconv_ray.storage.parquet_files import PART, TABLES, check_ids, ids_in, is_compact

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

    def among(self, ids: frozenset[str]) -> Listing:
        """Return the files that hold some of these trials."""
        compact = {name: own for name, own in self.compact.items() if own & ids}
        return Listing(compact, self.parts & ids)

    def each_trial_once(
        self, without: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, pc.Expression | None]]:
        """Yield every compact file, and which of its rows to read to avoid duplicates."""
        seen = without
        for name, ids in self.compact.items():
            again = sorted(seen & ids)
            yield name, ~is_any_of(again) if again else None
            seen |= ids


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
        path = files.path(f"{folder}/{name}")
        try:
            compact[name] = ids_in(pq.read_metadata(path, filesystem=files.filesystem).metadata)
        except DAMAGE as error:
            if is_not_of_the_file(error):
                raise
            warn_left_out(files, folder, name, reason(error))
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
    """Read the rows of finished trials.

    Args:
        files: The store's.
        folder: "trials" or "curves".
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
    return files.patiently(
        "read", lambda: _read_once(files, folder, condition, columns, only), relists=True
    )


def _read_once(
    files: Files,
    folder: str,
    condition: pc.Expression | None,
    columns: Sequence[str] | None,
    only: frozenset[str] | None,
) -> pa.Table:
    trials, curves = (list_table(files, name) for name in TABLES)  # trials first: see finished_ids
    listing, other = (trials, curves) if folder == "trials" else (curves, trials)
    if only is not None:
        listing, condition = listing.among(only), both(is_any_of(only), condition)
    fresh = sorted((listing.parts & other.ids) - listing.compacted)
    halves = listing.compacted - other.ids
    pieces = [([name], once) for name, once in listing.each_trial_once(halves)]
    pieces.append(([f"{trial_id}.parquet" for trial_id in fresh], None))
    return pa.concat_tables(
        _scan_undamaged(files, folder, names, both(once, condition), columns)
        for names, once in pieces
    )


def _scan_undamaged(
    files: Files,
    folder: str,
    names: list[str],
    condition: pc.Expression | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    """Scan files; only if that fails, find out which of them are damaged and leave these out."""
    wanted = columns and [*columns, *({"trial_id"} - set(columns))]
    parts = frozenset(match[1] for name in names if (match := PART.fullmatch(name)))
    try:
        rows = scan(files, folder, names, condition, wanted)
        if parts:  # a file of something else reads as rows of nothing but nulls
            check_ids(rows, parts)
        return rows.select(columns) if columns else rows
    except DAMAGE as error:
        if is_not_of_the_file(error):
            raise
        damaged = damages(files, folder, names)
        if not damaged:
            raise
    for name, why in damaged.items():
        warn_left_out(files, folder, name, why)
    whole = [name for name in names if name not in damaged]
    return scan(files, folder, whole, condition, columns)


def scan(
    files: Files,
    folder: str,
    names: Sequence[str],
    condition: pc.Expression | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Read the rows of some files of a table that fulfil a condition."""
    source = ds.dataset(
        [files.path(f"{folder}/{name}") for name in names],
        schema=_with_dictionary(TABLES[folder]),
        filesystem=files.filesystem,
        format=ds.ParquetFileFormat(
            dictionary_columns=["trial_id"],
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(
                page_checksum_verification=True  # a flipped bit is an error, not a number
            ),
        ),
    )
    return source.to_table(columns=list(columns) if columns else None, filter=condition)


def _with_dictionary(table: pa.Schema) -> pa.Schema:
    """The schema with trial ids dictionary-encoded: a curve repeats its id in every row."""
    index = table.get_field_index("trial_id")
    if "step" not in table.names:
        return table
    return table.set(index, pa.field("trial_id", pa.dictionary(pa.int32(), pa.string())))


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
        raise ValueError(f"filters do not fit the columns: {reason(error)}") from None
    return given


def _no_column(argument: str, name: str, table: pa.Schema) -> str:
    return (
        f"{argument}: there is no column {name!r}{did_you_mean(name, table.names)}; columns: "
        f"{', '.join(table.names)}"
    )
