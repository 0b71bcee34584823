"""The store: results as Parquet, checkpoints and study definitions, on any filesystem of `Files`.

    STORE/store.json                 schema version
    STORE/trials/<id>.parquet        one row; written last: with its curve there, the trial is done
    STORE/curves/<id>.parquet        the trial's learning curve
    STORE/failures/<id>.json         what a trial raised; deleted once it succeeds
    STORE/checkpoints/<id>.pt        only while a trial is unfinished
    STORE/studies/<name>.json        every definition a study has had, the current one last
    STORE/studies/<name>.parquet     which trials the current definition uses, and what for
    STORE/studies/<name>/<digest>.parquet   the same of an earlier definition
    STORE/leases/<study>/            who runs a study at present; see `lease`, `trial_claims`
    STORE/set_aside/                 damaged files of the tables, if there were any
    STORE/checked/                   which image files were checked; see `data.notes`

`Store` reads. `writing` and `compaction` write, `integrity` finds damaged files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.text import counted, did_you_mean
from superconv_ray.storage import schema, tables
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError as StoreError
from superconv_ray.storage.frames import GrowingFrame, to_frame
from superconv_ray.storage.integrity import warn_left_out
from superconv_ray.storage.parquet_files import read_whole
from superconv_ray.storage.seal import DamagedFileError, read_checkpoint, read_json
from superconv_ray.storage.tables import Filters, read_table, read_tables


def open_store(uri: str | Path, *, known: bool = False) -> Store:
    """Open a store; an empty folder, or one that does not exist yet, is an empty store.

    Args:
        uri: A local path, or a URI such as ``s3://bucket/folder``.
        known: Whether another process uses the store at present. If it is away, this one waits
            for it longer.

    Raises:
        ValueError: The scheme of the URI is unknown.
        StoreError: The store cannot be read, or another version of this package wrote it.
    """
    return Store(Files(uri, known=known))


class Store:
    """The results in a folder or an object store, as pandas frames; see `open_store`.

    Attributes:
        files: The folder.
        is_new: Whether no run has written to it yet.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        reads = f"this superconv_ray reads schema version {schema.SCHEMA_VERSION}"
        try:
            marker = read_json(files, "store.json")
        except DamagedFileError as error:
            raise StoreError(
                f"store.json in the store {files.place} is damaged or of another version of the "
                f"package ({error.why}; {reads}): use that version, delete the file if the rest of "
                "the folder is a store of this version, or choose another folder"
            ) from None
        self.is_new = marker is None
        if marker is None:
            files.check_bucket()
        elif (version := marker.get("schema_version")) != schema.SCHEMA_VERSION:
            raise StoreError(
                f"the store {files.place} has schema version {version!r}, but {reads}: use a "
                "version of the package that reads it, or choose another folder"
            )

    def __repr__(self) -> str:
        names, finished = self._contents()
        return f"Store({self.files.place!r}): {finished}{''.join(f'; {name}' for name in names)}"

    def _repr_html_(self) -> str:
        names, finished = self._contents()
        items = "".join(f"<li>{escape(name)}</li>" for name in names)
        return f"<p>Store {escape(self.files.place)}: {escape(finished)}</p><ul>{items}</ul>"

    def _contents(self) -> tuple[list[str], str]:
        """The studies and the number of finished trials, in words; or that the store is away."""
        try:
            names = [f"study {name!r}" for name in self.studies()]
            return names, counted(len(self.finished_ids()), "finished trial")
        except StoreError as error:
            return [], str(error)

    # Trials

    def trials(
        self,
        study: str | None = None,
        *,
        filters: Filters = None,
        columns: Sequence[str] | None = None,
        ids: Iterable[str] | None = None,
        correctness: bool = False,
    ) -> pd.DataFrame:
        """Return a row for each finished trial; of a study, a row for each trial and arm.

        Args:
            study: Only the trials of this study, joined with its table (see `members`).
            filters: Conditions on the columns of the trials, evaluated while Parquet is read.
            columns: Columns of the trials to read; None: all but the next two.
            ids: Only these trials; files that hold none of them are not opened.
            correctness: Whether to read, as well, which test samples each trial classifies
                correctly: the columns test_correct and test_correct_reestimated, from which
                `compare` knows how much a gap owes to the choice of the test set.

        Raises:
            StoreError: There is no such study, or the store cannot be read.
            ValueError: A column does not exist, or a condition does not fit its column.
        """
        only = None if ids is None else frozenset(ids)
        wanted = _wanted(columns, correctness)
        if study is None:
            return to_frame(read_table(self.files, "trials", filters, wanted, only))
        members = self.members(study)
        own = frozenset(members["trial_id"])
        wanted = ["trial_id", *(c for c in wanted if c != "trial_id")]
        only = own if only is None else own & only
        table = read_table(self.files, "trials", filters, wanted, only)
        # A trial that several studies share keeps the data_fraction that the first one asked for.
        rows = to_frame(table).drop(columns="data_fraction", errors="ignore")
        return members.merge(rows, on="trial_id", how="inner")

    def curves(
        self,
        study: str | None = None,
        *,
        filters: Filters = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the learning curves of finished trials: a row for each evaluation, by trial, step.

        Args:
            study: Only the trials of this study.
            filters: Conditions on the columns of the curves, evaluated while Parquet is read.
            columns: Columns to read; None: all.

        Raises:
            StoreError, ValueError: As `trials`.
        """
        only = None if study is None else frozenset(self.members(study)["trial_id"])
        found = GrowingFrame()
        read_tables(self.files, "curves", found.append, filters, columns, only)
        return found.frame()

    def finished_ids(self) -> frozenset[str]:
        """Return the ids of the finished trials, diverged ones included."""
        return tables.finished_ids(self.files)

    def begun_ids(self) -> frozenset[str]:
        """Return the ids of unfinished trials that have a checkpoint; a short one has none.

        A worker that was killed, or slept while another one finished its trial, may leave one.
        """
        begun = _stems(self.files.names("checkpoints"), ".pt")
        return begun - self.finished_ids() if begun else begun

    def checkpoint(self, trial_id: str) -> bytes | None:
        """Return the checkpoint of an unfinished trial, if there is one.

        Raises:
            DamagedFileError: It is damaged, or of another version of the package.
        """
        return read_checkpoint(self.files, f"checkpoints/{trial_id}.pt")

    def failures(self) -> dict[str, dict[str, Any]]:
        """Return error and settings by trial id, of trials that raised and are not finished."""
        failed = _stems(self.files.names("failures"), ".json")
        found = {}
        for trial_id in sorted(failed - self.finished_ids() if failed else ()):
            try:
                if failure := read_json(self.files, f"failures/{trial_id}.json"):
                    found[trial_id] = failure
            except DamagedFileError as error:
                warn_left_out(error)
        return found

    # Studies

    def studies(self) -> list[str]:
        """Return the names of the studies that were run on this store."""
        return sorted(_stems(self.files.names("studies"), ".json"))

    def study(self, name: str) -> StudyDefinition:
        """Return the current definition of a study: that of its latest run.

        Raises:
            StoreError: There is no such study, or its file is damaged.
        """
        if found := self.definitions(name):
            return found[-1]
        names = self.studies()
        others = f"; there are: {', '.join(map(repr, names))}{did_you_mean(name, names)}"
        raise StoreError(
            f"no study {name!r} in the store {self.files.place}"
            f"{others if names else ', which has no study yet: run it first'}"
        )

    def definitions(self, name: str) -> tuple[StudyDefinition, ...]:
        """Return all definitions that a study has had, the current one last; () if there is none.

        Raises:
            StoreError: The file that holds them is damaged.
        """
        file = f"studies/{name}.json"
        content = read_json(self.files, file)
        if content is None:
            return ()
        try:
            return tuple(map(StudyDefinition.from_json, content["definitions"]))
        except ValueError as error:
            raise StoreError(f"{file} in the store {self.files.place}: {error}") from None

    def members(self, study: str, *, definition: str | None = None) -> pd.DataFrame:
        """Return the trials that a study uses: arm, cell, role, and which settings were chosen.

        Args:
            study: Name of the study.
            definition: Digest of one of its `definitions`; None: the current one.

        Raises:
            StoreError: There is no such study, or its table is damaged.
        """
        current = self.study(study).digest
        digest = definition or current
        file = f"studies/{study}.parquet" if digest == current else earlier_table(study, digest)
        table = read_whole(self.files, file, schema.MEMBERSHIPS)
        if table is None:
            table = schema.MEMBERSHIPS.empty_table()
        # A run that was killed between its two files leaves the table of another definition.
        return to_frame(table.filter(pc.field("definition") == digest))


def earlier_table(study: str, digest: str) -> str:
    """Return the file with the members of a definition that is not the current one."""
    return f"studies/{study}/{digest}.parquet"


def _wanted(columns: Sequence[str] | None, correctness: bool) -> list[str]:
    """Columns of the trials to read."""
    if columns is None:
        columns = [name for name in schema.TRIALS.names if name not in schema.CORRECTNESS]
    return list(dict.fromkeys([*columns, *(schema.CORRECTNESS if correctness else ())]))


def _stems(names: Iterable[str], suffix: str) -> frozenset[str]:
    return frozenset(name.removesuffix(suffix) for name in names if name.endswith(suffix))
