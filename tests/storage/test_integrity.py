"""Damaged files are named, left out, and set aside."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.storage import schema
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import DamagedFileWarning, set_aside_damaged
from superconv_ray.storage.parquet_files import TABLES, write_part
from superconv_ray.storage.seal import DamagedFileError
from superconv_ray.storage.store import Store, StoreError
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    Damage,
    assert_holds,
    contents,
    cut_off,
    damage,
    emptied,
    gone,
    make_trial,
    member,
    names,
    no_parquet,
    of_another_trial,
    of_something_else,
    with_a_flipped_bit,
    write,
)


@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize(
    "how",
    [cut_off, emptied, with_a_flipped_bit, of_something_else, no_parquet, of_another_trial, gone],
)
def test_a_damaged_part_is_set_aside_and_its_trial_is_not_done(
    store: Store, folder: str, how: Damage
) -> None:
    write(store, 1, 2, 3)
    name = f"{folder}/{make_trial(2).id}.parquet"
    damage(store, name, how)
    said = set_aside_damaged(store.files, "one")
    if how is gone:
        assert said == []
    else:
        (line,) = said
        start = (
            rf"{name} in the store {store.files.place} is damaged: it.+ was moved to set_aside/; "
        )
        assert re.fullmatch(start + r"the trial is trained again", line)
        assert names(store, f"set_aside/{folder}") == [Path(name).name]
    assert set_aside_damaged(store.files, "one") == []
    assert_holds(store, 1, 3)
    compact(store.files)
    assert_holds(store, 1, 3)
    write(store, 2)
    assert_holds(store, 1, 2, 3)
    compact(store.files)
    assert_holds(store, 1, 2, 3)


@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize(
    "how",
    [cut_off, emptied, with_a_flipped_bit, of_something_else, no_parquet, of_another_trial, gone],
)
def test_no_trial_of_a_damaged_compact_file_is_done(store: Store, folder: str, how: Damage) -> None:
    write(store, 1, 2)
    compact(store.files)
    (name,) = names(store, folder)
    write(store, 3)
    compact(store.files)
    damage(store, f"{folder}/{name}", how)
    assert len(set_aside_damaged(store.files, "one")) == (how is not gone)
    assert set_aside_damaged(store.files, "one") == []
    assert_holds(store, 3)
    write(store, 1, 2)
    assert_holds(store, 1, 2, 3)
    compact(store.files)
    assert_holds(store, 1, 2, 3)


@pytest.mark.parametrize("kind", ["parts", "compact"])
@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize(
    "how", [cut_off, emptied, with_a_flipped_bit, of_something_else, no_parquet]
)
def test_readers_leave_damaged_files_out_with_a_warning_and_change_nothing(
    store: Store, kind: str, folder: str, how: Damage
) -> None:
    for seed in (1, 2):
        write(store, seed)
        if kind == "compact":
            compact(store.files)
    before = names(store, folder)
    damage(store, f"{folder}/{before[0]}", how)
    read = {"trials": store.trials, "curves": store.curves}[folder]
    for columns in (None, ["trial_id"]):
        with pytest.warns(DamagedFileWarning, match=f"{folder}/{before[0]} in the .* left out"):
            assert len(read(columns=columns)) == (1 if folder == "trials" else 3)
    assert names(store, folder) == before


def test_compaction_leaves_a_damaged_part_where_it_is(store: Store) -> None:
    write(store, 1, 2)
    name = f"{make_trial(1).id}.parquet"
    damage(store, f"curves/{name}", cut_off)
    with pytest.warns(DamagedFileWarning, match=f"curves/{name}"):
        compact(store.files)
    assert name in names(store, "curves")
    assert len(set_aside_damaged(store.files, "one")) == 1
    assert_holds(store, 2)


def test_whole_files_of_every_kind_are_not_set_aside(store: Store) -> None:
    write(store, *range(4))
    compact(store.files)
    write(store, 5)
    StoreWriter(store).write_result(make_trial(6), Outcome("diverged"), [{"step": 1}])
    before = contents(store)
    assert set_aside_damaged(store.files, "one") == []
    for one, other in zip(before, contents(store), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_compaction_removes_unfinished_files_that_are_a_day_old(store: Store) -> None:
    write(store, 1)
    StoreWriter(store).write_checkpoint(make_trial(2).id, b"state")
    folder = Path(store.files.uri) / "checkpoints"
    for name, age in (("old", 90_000), ("new", 80_000)):
        path = folder / f".{name}.pt.0123.tmp"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    compact(store.files)
    assert names(store, "checkpoints") == [".new.pt.0123.tmp", f"{make_trial(2).id}.pt"]


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        ("json", cut_off),
        ("json", no_parquet),
        ("parquet", cut_off),
        ("parquet", no_parquet),
        ("parquet", with_a_flipped_bit),
        ("parquet", of_something_else),
    ],
)
def test_a_damaged_file_of_a_study_is_named_with_the_way_out(
    filled: Store, how: Damage, suffix: str
) -> None:
    damage(filled, f"studies/one.{suffix}", how)
    with pytest.raises(StoreError) as raised:
        filled.trials("one")
    text = str(raised.value)
    assert text.startswith(f"studies/one.{suffix} in the store {filled.files.place} is damaged")
    assert "Run the study again: that moves the file to set_aside/" in text
    assert "\n" not in text


class Forbidden(Files):
    """A store one of whose files this user may not read."""

    def __init__(self, uri: str, forbidden: str) -> None:
        super().__init__(uri)
        self.forbidden = forbidden

    def path(self, name: str) -> str:
        if name == self.forbidden:
            raise PermissionError(13, "Permission denied", super().path(name))
        return super().path(name)


@pytest.mark.parametrize("kind", ["parts", "compact"])
@pytest.mark.parametrize("folder", ["trials", "curves", "studies"])
def test_a_file_that_may_not_be_read_is_no_damage_but_an_error_with_the_way_out(
    store: Store, kind: str, folder: str
) -> None:
    write(store, 1, 2)
    StoreWriter(store).write_study(StudyDefinition(name="one"), [member(1, "a"), member(2, "a")])
    if kind == "compact":
        compact(store.files)
    name = f"{folder}/{names(store, folder)[0]}"
    forbidden = Store(Forbidden(store.files.uri, name))
    for look in (
        {"trials": forbidden.trials, "curves": forbidden.curves}.get(folder, forbidden.study),
        lambda _: set_aside_damaged(forbidden.files, "one"),
    ):
        with pytest.raises(StoreError, match=rf"permission is missing, .*{name}") as raised:
            look("one")
        assert not isinstance(raised.value, DamagedFileError)
    assert name.partition("/")[2] in names(store, folder)


@pytest.mark.parametrize(("folder", "count"), [("trials", 0), ("trials", 2), ("curves", 0)])
def test_a_finished_trial_has_one_row_and_a_curve_with_rows_or_is_damaged(
    store: Store, folder: str, count: int
) -> None:
    (trial,) = write(store, 1)
    name = f"{folder}/{trial.id}.parquet"
    rows = [{"trial_id": trial.id}] * count
    write_part(store.files, name, schema.to_table(rows, TABLES[folder]))
    (line,) = set_aside_damaged(store.files, "one")
    assert line.startswith(f"{name} in the store {store.files.place} is damaged: it holds {count} ")
    assert_holds(store)


@pytest.mark.parametrize("column", [{"surprise": [1]}, {"steps": ["ten"]}])
def test_a_file_with_columns_of_another_version_is_refused_and_stays_where_it_is(
    store: Store, column: dict[str, list[object]]
) -> None:
    (trial,) = write(store, 1)
    name = f"trials/{trial.id}.parquet"
    write_part(store.files, name, pa.table({"trial_id": [trial.id], **column}))
    with pytest.raises(StoreError, match=rf"^{name} in .* has a column '{next(iter(column))}' of"):
        set_aside_damaged(store.files, "one")
    assert names(store, "trials") == [f"{trial.id}.parquet"]
