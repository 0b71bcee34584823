"""The store: results as Parquet, checkpoints and study definitions, on any filesystem of `Files`.

    STORE/store.json                 schema version
    STORE/trials/<id>.parquet        one row; written last: with its curve there, the trial is done
    STORE/curves/<id>.parquet        the trial's learning curve
    STORE/failures/<id>.json         what a trial raised; gone once it succeeds
    STORE/checkpoints/<id>.pt        only while a trial is unfinished
    STORE/studies/<name>.json        every definition a study has had, the current one last
    STORE/studies/<name>.parquet     which trials the current definition uses, and what for
    STORE/studies/<name>/<digest>.parquet   the same of an earlier definition
    STORE/leases/<study>/            who runs a study at present; see `lease`
    STORE/set_aside/                 damaged files of the tables, if there were any

Compaction folds the small files of trials/ and curves/ into compact-*.parquet. A compact file lists
its trials in its footer; where a trial is in several files, readers take it once.

Names are trusted until a file is read. What is found to be damaged then (cut off, with pages that
do not fit their checksums, or of something else) is left out by readers, with a warning, and set
aside by the next run, which trains its trials again.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.storage import schema
from superconv_ray.storage.filesystem import Files, is_passing
from superconv_ray.storage.filesystem import StoreError as StoreError

Filters: TypeAlias = pc.Expression | Sequence[tuple[str, str, Any]] | None
"""A pyarrow expression, or conditions such as ``[("dataset", "==", "digits")]``, all of which hold.
"""

MAX_COMPACT_FILES = 8
PARTS_AT_ONCE = 1000
"""Parts folded into one compact file: bounds the memory that a compaction takes."""
PARALLEL_REQUESTS = 4
"""Files read or deleted at a time: an object store answers each only after some milliseconds."""
ABANDONED_AFTER = timedelta(days=1)
"""Age at which an unfinished file is that of a killed writer, for certain."""
_TABLES = {"trials": schema.TRIALS, "curves": schema.CURVES}
_PART = re.compile(r"([0-9a-f]{20})\.parquet")
_IDS = b"superconv_ray.trial_ids"


# A part has few rows and is soon folded: what helps to read large files costs more there than it
# saves. The schema with its descriptions, three quarters of a part, is that of the compact files.
_PART_FORM = {
    "compression": "snappy",
    "use_dictionary": False,
    "write_statistics": False,
    "store_schema": False,
    "write_page_checksum": True,
}
_COMPACT_FORM = {
    "compression": "zstd",
    "row_group_size": 64 * 1024,
    "write_page_checksum": True,
}
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)
"""What pyarrow and json raise for a file that is not what its name says."""


class DamagedFileWarning(UserWarning):
    """A file of the store cannot be read and was left out."""


@dataclass(frozen=True)
class _Listing:
    """The files of one table: compact file -> its trial ids, and ids that have a part file."""

    compact: Mapping[str, frozenset[str]]
    parts: frozenset[str]

    @cached_property
    def compacted(self) -> frozenset[str]:
        first, *others = self.compact.values() or [frozenset[str]()]
        return first.union(*others) if others else first

    @property
    def ids(self) -> frozenset[str]:
        return self.parts | self.compacted if self.parts else self.compacted

    def among(self, ids: frozenset[str]) -> _Listing:
        """The files that hold some of these trials."""
        compact = {name: own for name, own in self.compact.items() if own & ids}
        return _Listing(compact, self.parts & ids)

    def each_trial_once(
        self, without: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, pc.Expression | None]]:
        """Every compact file, and which of its rows to read lest a trial come twice."""
        seen = without
        for name, ids in self.compact.items():
            again = sorted(seen & ids)
            yield name, ~_is_any_of(again) if again else None
            seen |= ids


def open_store(uri: str | Path, *, known: bool = False) -> Store:
    """Open a store; an empty folder, or one that does not exist yet, is an empty store.

    Args:
        uri: A local path, or a URI; see `files.Files`.
        known: Another process uses it at present: if it is away, it is waited for longer.

    Raises:
        ValueError: The URI is of no known scheme.
        StoreError: The store cannot be read, or is of a newer version of this package.
    """
    return Store(Files(uri, known=known))


class Store:
    """Results by trial id. Every write is keyed by the id and may be repeated; see `open_store`."""

    def __init__(self, files: Files) -> None:
        self.files = files
        marker = files.read("store.json")
        if marker is None:
            files.check_bucket()
        try:
            version = int(json.loads(marker)["schema_version"]) if marker else schema.SCHEMA_VERSION
        except _DAMAGE as error:
            raise StoreError(
                f"{files.place}/store.json is damaged or not of superconv_ray ({error!r}): delete "
                "it if the folder is a store, or choose another folder"
            ) from None
        if version > schema.SCHEMA_VERSION:
            raise StoreError(
                f"the store {files.place} has schema version {version}, but this superconv_ray "
                f"reads up to {schema.SCHEMA_VERSION}: update the package"
            )

    # Writing

    def initialise(self) -> None:
        """Write the schema version, so that a store that cannot be written is found out early."""
        content = json.dumps({"schema_version": schema.SCHEMA_VERSION})
        self.files.write("store.json", content.encode())

    def write_result(
        self, trial: CompleteTrial, outcome: Outcome, curve: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write a finished trial: its curve, then its row, which makes it done."""
        rows = [{"trial_id": trial.id, **row} for row in curve]
        self._write_table(f"curves/{trial.id}.parquet", schema.to_table(rows, schema.CURVES))
        row = {
            "trial_id": trial.id,
            "kind": trial.kind,
            **trial.settings(),
            "status": outcome.status,
            **outcome.measurements,
        }
        self._write_table(f"trials/{trial.id}.parquet", schema.to_table([row], schema.TRIALS))
        self.files.delete(f"failures/{trial.id}.json")

    def write_failure(self, trial: CompleteTrial, error: str) -> None:
        """Note what a trial raised; it counts as not done and is run again with the next run."""
        content = {"trial_id": trial.id, "error": error, "settings": trial.settings()}
        self.files.write(f"failures/{trial.id}.json", json.dumps(content, indent=1).encode())

    def write_checkpoint(self, trial_id: str, content: bytes) -> None:
        """Keep the state of an unfinished trial."""
        self.files.write(f"checkpoints/{trial_id}.pt", content)

    def delete_checkpoint(self, trial_id: str) -> None:
        """Forget the state of a trial."""
        self.files.delete(f"checkpoints/{trial_id}.pt")

    def write_study(
        self, definition: StudyDefinition, members: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write a study's definition, and the table of the trials it uses.

        The definition becomes the current one of its name. Earlier ones are kept, with their
        tables in a folder of the study's name.
        """
        name, digest = definition.name, definition.digest
        earlier = self.definitions(name)
        if earlier and earlier[-1].digest != digest:
            current = self.files.read(f"studies/{name}.parquet")
            if current is not None:
                self.files.write(_earlier_table(name, earlier[-1].digest), current)
        kept = [old.to_json() for old in earlier if old.digest != digest]
        content = json.dumps({"definitions": [*kept, definition.to_json()]}, indent=1)
        self.files.write(f"studies/{name}.json", content.encode())
        rows = [{"study": name, "definition": digest, **row} for row in members]
        table = schema.to_table(rows, schema.MEMBERSHIPS)
        self._write_table(f"studies/{name}.parquet", table)

    def set_aside_damaged(self) -> list[str]:
        """Read every file of the tables, and take those out that are damaged.

        Their trials count as not done from then on.

        Returns:
            A line for each: which file, what is wrong with it, and what follows.
        """
        said = []
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            for folder in _TABLES:
                names = [name for name in self.files.names(folder) if _is_of_a_table(name)]
                reasons = pool.map(lambda name, of=folder: self._damage(of, name), names)
                for name, reason in zip(names, reasons, strict=True):
                    if reason:
                        self.files.move(f"{folder}/{name}", f"set_aside/{folder}/{name}")
                        said.append(
                            f"{folder}/{name} in the store {self.files.place} is damaged and was "
                            f"moved to set_aside/; what it held is trained again: {reason}"
                        )
        return said

    def compact(self) -> None:
        """Fold part files into compact ones. Readers and writers may go on meanwhile."""
        finished = self.finished_ids()
        for folder, table in _TABLES.items():
            self._compact(folder, table, finished)
        # A worker that is killed right after its trial's row was written leaves these behind.
        for trial_id in finished & _stems(self.files.names("checkpoints"), ".pt"):
            self.delete_checkpoint(trial_id)
        for trial_id in finished & _stems(self.files.names("failures"), ".json"):
            self.files.delete(f"failures/{trial_id}.json")
        for folder in (*_TABLES, "checkpoints", "failures", "studies"):
            self.files.remove_unfinished(folder, ABANDONED_AFTER)

    # Reading

    def finished_ids(self) -> frozenset[str]:
        """Ids of the trials that are done: their row is there, and their curve."""
        rows = self._list("trials").ids  # first: a worker writes the curve before the row
        return rows & self._list("curves").ids

    def failures(self) -> dict[str, dict[str, Any]]:
        """Trial id to error and settings, for trials that raised and have not succeeded since."""
        failed = _stems(self.files.names("failures"), ".json")
        found = {}
        for trial_id in sorted(failed - self.finished_ids() if failed else ()):
            if content := self.files.read(f"failures/{trial_id}.json"):
                found[trial_id] = json.loads(content)
        return found

    def checkpoint(self, trial_id: str) -> bytes | None:
        """The kept state of an unfinished trial, if there is one."""
        return self.files.read(f"checkpoints/{trial_id}.pt")

    def begun_ids(self) -> frozenset[str]:
        """Ids of unfinished trials whose state is kept; one that is short, or new, has none yet."""
        return _stems(self.files.names("checkpoints"), ".pt")

    def studies(self) -> list[str]:
        """Names of the studies that were run on this store."""
        return sorted(_stems(self.files.names("studies"), ".json"))

    def study(self, name: str) -> StudyDefinition:
        """The current definition of a study: that of its latest run.

        Raises:
            StoreError: There is no such study, or its definition cannot be read.
        """
        found = self.definitions(name)
        if not found:
            known = ", ".join(map(repr, self.studies())) or "none"
            raise StoreError(
                f"no study {name!r} in the store {self.files.place}; there are: {known}"
            )
        return found[-1]

    def definitions(self, name: str) -> tuple[StudyDefinition, ...]:
        """All definitions that a study has had, the current one last; none if there is no study.

        Raises:
            StoreError: The file that holds them is damaged.
        """
        file = f"studies/{name}.json"
        content = self.files.read(file)
        if content is None:
            return ()
        try:
            return tuple(map(StudyDefinition.from_json, json.loads(content)["definitions"]))
        except _DAMAGE as error:
            raise self._damaged_study(file, error) from None

    def members(self, study: str, *, definition: str | None = None) -> pd.DataFrame:
        """The trials that a study uses: arm, cell, role, and which settings were chosen.

        Args:
            study: Name of the study.
            definition: Digest of one of its `definitions`; None: the current one.

        Raises:
            StoreError: There is no such study, or its table is damaged.
        """
        current = self.study(study).digest
        digest = definition or current
        file = f"studies/{study}.parquet" if digest == current else _earlier_table(study, digest)
        content = self.files.read(file)
        try:
            table = schema.MEMBERSHIPS.empty_table() if content is None else _read_whole(content)
            # A run that was killed between its two files leaves the table of another definition.
            return _to_pandas(table.filter(pc.field("definition") == digest))
        except _DAMAGE as error:
            raise self._damaged_study(file, error) from None

    def _damaged_study(self, file: str, error: BaseException) -> StoreError:
        return StoreError(
            f"{file} in the store {self.files.place} is damaged ({_reason(error)}): delete it and "
            "run the study again; finished trials are kept"
        )

    def trials(
        self,
        study: str | None = None,
        *,
        filters: Filters = None,
        columns: Sequence[str] | None = None,
        ids: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """One row a finished trial; of a study: one row a trial and arm, with the study's columns.

        Args:
            study: Only the trials of this study, joined with its table (see `members`).
            filters: Conditions on the columns of the trials, evaluated while Parquet is read.
            columns: Columns of the trials to read; None: all.
            ids: Only these trials; files that hold none of them are not opened.

        Raises:
            StoreError: There is no such study.
        """
        only = None if ids is None else frozenset(ids)
        if study is None:
            return _to_pandas(self._read("trials", schema.TRIALS, filters, columns, only))
        members = self.members(study)
        own = frozenset(members["trial_id"])
        wanted = columns and ["trial_id", *(c for c in columns if c != "trial_id")]
        only = own if only is None else own & only
        table = self._read("trials", schema.TRIALS, filters, wanted, only)
        # A trial that several studies share keeps the data_fraction that the first one asked for.
        rows = _to_pandas(table).drop(columns="data_fraction", errors="ignore")
        return members.merge(rows, on="trial_id", how="inner")

    def curves(
        self,
        study: str | None = None,
        *,
        filters: Filters = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Learning curves of finished trials, one row an evaluation, by trial and step.

        Args:
            study: Only the trials of this study.
            filters: Conditions on the columns of the curves, evaluated while Parquet is read.
            columns: Columns to read; None: all.
        """
        only = None if study is None else frozenset(self.members(study)["trial_id"])
        return _to_pandas(self._read("curves", schema.CURVES, filters, columns, only))

    # Files

    def _write_table(
        self, name: str, table: pa.Table, form: Mapping[str, Any] = _PART_FORM
    ) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **form)
        self.files.write(name, sink.getvalue())

    def _list(self, folder: str) -> _Listing:
        """The table's files. A compact file that goes while its footer is read: listed anew."""
        return self.files.patiently("read", lambda: self._list_once(folder), listed_anew=True)

    def _list_once(self, folder: str) -> _Listing:
        names = self._stable_names(folder)
        parts = frozenset(match[1] for name in names if (match := _PART.fullmatch(name)))
        compact = {}
        for name in filter(_is_compact, names):
            path = self.files.path(f"{folder}/{name}")
            try:
                footer = pq.read_metadata(path, filesystem=self.files.filesystem).metadata
                compact[name] = _ids_in(footer)
            except _DAMAGE as error:
                if _is_not_of_the_file(error):
                    raise
                self._leave_out(folder, name, _reason(error))
        return _Listing(compact, parts)

    def _leave_out(self, folder: str, name: str, reason: str) -> None:
        warnings.warn(
            f"{folder}/{name} in the store {self.files.place} is damaged and was left out; the "
            f"next run sets it aside and trains again what it held: {reason}",
            DamagedFileWarning,
            stacklevel=3,
        )

    def _stable_names(self, folder: str) -> list[str]:
        """Names during whose listing no compact file has come or gone.

        A listing is no snapshot: during a compaction it can lack the new compact file and, being
        deleted already, the parts that went into it.
        """
        names, again = self.files.names(folder), self.files.names(folder)
        while list(filter(_is_compact, names)) != list(filter(_is_compact, again)):
            names, again = again, self.files.names(folder)
        return names

    def _read(
        self,
        folder: str,
        table: pa.Schema,
        filters: Filters,
        columns: Sequence[str] | None,
        only: frozenset[str] | None,
    ) -> pa.Table:
        if columns and (unknown := sorted(set(columns) - set(table.names))):
            raise ValueError(f"columns must be among {', '.join(table.names)}; got {unknown[0]!r}")
        return self.files.patiently(
            "read", lambda: self._read_once(folder, table, filters, columns, only), listed_anew=True
        )

    def _read_once(
        self,
        folder: str,
        table: pa.Schema,
        filters: Filters,
        columns: Sequence[str] | None,
        only: frozenset[str] | None,
    ) -> pa.Table:
        """The union of compact files and parts, every finished trial once."""
        trials, curves = (self._list(name) for name in _TABLES)  # trials first: see finished_ids
        listing, other = (trials, curves) if folder == "trials" else (curves, trials)
        if only is not None:
            listing, filters = listing.among(only), _all_of(_is_any_of(only), filters)
        fresh = sorted((listing.parts & other.ids) - listing.compacted)
        halves = listing.compacted - other.ids
        pieces = [([name], once) for name, once in listing.each_trial_once(halves)]
        pieces.append(([f"{trial_id}.parquet" for trial_id in fresh], None))
        return pa.concat_tables(
            self._scan_undamaged(folder, names, table, _all_of(once, filters), columns)
            for names, once in pieces
        )

    def _scan_undamaged(
        self,
        folder: str,
        names: Sequence[str],
        table: pa.Schema,
        condition: pc.Expression | None,
        columns: Sequence[str] | None,
    ) -> pa.Table:
        """Only where reading fails is it worth it to find out which file is the culprit."""
        wanted = columns and [*columns, *({"trial_id"} - set(columns))]
        parts = frozenset(match[1] for name in names if (match := _PART.fullmatch(name)))
        try:
            rows = self._scan(folder, names, table, condition, wanted)
            if parts:  # a file of something else reads as rows of nothing but nulls
                _check_ids(rows, parts)
            return rows.select(columns) if columns else rows
        except _DAMAGE as error:
            if _is_not_of_the_file(error):
                raise
            with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
                reasons = list(pool.map(lambda name: self._damage(folder, name), names))
            damaged = {n: why for n, why in zip(names, reasons, strict=True) if why}
            if not damaged:
                raise
        for name, reason in damaged.items():
            self._leave_out(folder, name, reason)
        whole = [name for name in names if name not in damaged]
        return self._scan(folder, whole, table, condition, columns)

    def _damage(self, folder: str, name: str) -> str | None:
        """What is wrong with a file of a table; None if nothing is, or if it is gone."""
        content = self.files.read(f"{folder}/{name}")
        if content is None:
            return None
        part = _PART.fullmatch(name)
        try:
            if part:
                _as(_TABLES[folder], [_read_part(folder, part[1], content)])
                return None
            source = _parquet(content)
            expected = _ids_in(source.metadata.metadata)
            for batch in source.iter_batches(use_threads=False):
                rows = _as(_TABLES[folder], [pa.Table.from_batches([batch])])
                _check_ids(rows, expected)
        except _DAMAGE as error:
            return _reason(error)
        return None

    def _scan(
        self,
        folder: str,
        names: Sequence[str],
        table: pa.Schema,
        condition: pc.Expression | None,
        columns: Sequence[str] | None,
    ) -> pa.Table:
        paths = [self.files.path(f"{folder}/{name}") for name in names]
        typed = _with_dictionary(table)
        source = ds.dataset(
            paths,
            schema=typed,
            filesystem=self.files.filesystem,
            format=_format(),
        )
        return source.to_table(columns=list(columns) if columns else None, filter=condition)

    def _compact(self, folder: str, table: pa.Schema, foldable: frozenset[str]) -> None:
        """Fold the parts, then the compact files if there are many; what is folded is deleted.

        A crash in between leaves trials in two files, which readers sort out.
        """
        listing = self._list(folder)
        parts = sorted(listing.parts & foldable)
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            for start in range(0, len(parts), PARTS_AT_ONCE):
                names = {i: f"{folder}/{i}.parquet" for i in parts[start : start + PARTS_AT_ONCE]}
                fresh = [trial_id for trial_id in names if trial_id not in listing.compacted]
                contents = pool.map(self.files.read, [names[trial_id] for trial_id in fresh])
                found = {}
                for trial_id, content in zip(fresh, contents, strict=True):
                    if content is None:
                        continue  # another process has folded it
                    try:
                        found[trial_id] = _read_part(folder, trial_id, content)
                    except _DAMAGE as error:
                        self._leave_out(folder, f"{trial_id}.parquet", _reason(error))
                        del names[trial_id]
                if found:
                    self._write_compact(folder, _as(table, list(found.values())), list(found))
                list(pool.map(self.files.delete, names.values()))
        self.files.patiently("read", lambda: self._merge(folder, table), listed_anew=True)

    def _merge(self, folder: str, table: pa.Schema) -> None:
        """Fold the compact files into one if there are many."""
        listing = self._list(folder)
        if len(listing.compact) <= MAX_COMPACT_FILES:
            return
        rows = pa.concat_tables(
            self._scan(folder, [name], table, once, None)
            for name, once in listing.each_trial_once()
        )
        by = [(name, "ascending") for name in ("trial_id", "step") if name in table.names]
        rows = rows.cast(table).combine_chunks().sort_by(by)
        merged = self._write_compact(folder, rows, sorted(listing.compacted))
        for name in listing.compact.keys() - {merged}:
            self.files.delete(f"{folder}/{name}")

    def _write_compact(self, folder: str, rows: pa.Table, ids: Sequence[str]) -> str:
        """Write the rows of these trials, sorted by them, as a file named after them."""
        name = f"compact-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.parquet"
        footer = {**(rows.schema.metadata or {}), _IDS: json.dumps(ids)}
        self._write_table(f"{folder}/{name}", rows.replace_schema_metadata(footer), _COMPACT_FORM)
        return name


def _format() -> ds.ParquetFileFormat:
    """How tables are scanned: a flipped bit is an error instead of a number."""
    return ds.ParquetFileFormat(
        dictionary_columns=["trial_id"],
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(
            page_checksum_verification=True
        ),
    )


def _parquet(content: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)


def _read_whole(content: bytes) -> pa.Table:
    return _parquet(content).read(use_threads=False)


def _earlier_table(study: str, digest: str) -> str:
    """The file with the members of a study's definition that is not the current one."""
    return f"studies/{study}/{digest}.parquet"


def _read_part(folder: str, trial_id: str, content: bytes) -> pa.Table:
    """The rows of a trial; an exception of `_DAMAGE` if the file holds anything else."""
    rows = _read_whole(content)
    _check_ids(rows, frozenset({trial_id}))
    if folder == "trials" and len(rows) != 1:
        raise ValueError(f"it holds {len(rows)} rows instead of one")
    return rows


def _check_ids(rows: pa.Table, expected: frozenset[str]) -> None:
    if foreign := frozenset(rows["trial_id"].unique().to_pylist()) - expected:
        raise ValueError(f"it holds rows of trial {min(map(str, foreign))}")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _as(table: pa.Schema, parts: Sequence[pa.Table]) -> pa.Table:
    """All rows of the parts in one table's schema; columns that a part lacks are null.

    A part that an older version of the package wrote lacks what was added since.
    """
    rows = pa.concat_tables(parts, promote_options="default").combine_chunks()
    known = set(rows.column_names)
    columns = [rows[f.name] if f.name in known else pa.nulls(len(rows), f.type) for f in table]
    return pa.table(columns, names=table.names).cast(table)


def _is_compact(name: str) -> bool:
    return name.startswith("compact-")


def _is_of_a_table(name: str) -> bool:
    return _is_compact(name) or _PART.fullmatch(name) is not None


def _stems(names: Iterable[str], suffix: str) -> frozenset[str]:
    return frozenset(name.removesuffix(suffix) for name in names if name.endswith(suffix))


def _is_not_of_the_file(error: BaseException) -> bool:
    """Whether an error of reading is not the file's own fault: it is gone, or the store is away."""
    return isinstance(error, FileNotFoundError | StoreError) or is_passing(error)


def _ids_in(footer: Mapping[bytes, bytes] | None) -> frozenset[str]:
    """The trials that a compact file holds, as its footer says."""
    if not footer or _IDS not in footer:
        raise ValueError("it does not list its trials: it was not written by superconv_ray")
    return _parsed(footer[_IDS])


@lru_cache(maxsize=2 * MAX_COMPACT_FILES)
def _parsed(ids: bytes) -> frozenset[str]:
    """Once, although both tables list the same trials, and are read again and again."""
    return frozenset(json.loads(ids))


def _is_any_of(trial_ids: Iterable[str]) -> pc.Expression:
    # With its type, or pyarrow refuses an empty list.
    return pc.field("trial_id").isin(pa.array(list(trial_ids), pa.string()))


def _all_of(condition: pc.Expression | None, filters: Filters) -> pc.Expression | None:
    if filters is None or (not isinstance(filters, pc.Expression) and not len(filters)):
        return condition
    given = filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
    return given if condition is None else condition & given


def _with_dictionary(table: pa.Schema) -> pa.Schema:
    """The schema with trial ids dictionary-encoded: a curve repeats its id in every row."""
    index = table.get_field_index("trial_id")
    if "step" not in table.names:
        return table
    return table.set(index, pa.field("trial_id", pa.dictionary(pa.int32(), pa.string())))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Nullable integers stay integers; a missing float is NaN; ids of curves are categories."""
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame
