"""Compaction changes nothing that is read, whatever happens meanwhile."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from superconv_ray.storage import compaction, filesystem, tables
from superconv_ray.storage.compaction import MAX_COMPACT_FILES, compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    assert_holds,
    contents,
    make_trial,
    names,
    ordered,
    orphan_curve,
    write,
)


def test_compaction_keeps_orphan_curves_out_until_their_trial_is_done(store: Store) -> None:
    write(store, 1)
    orphan_curve(store, 2)
    compact(store.files)
    assert_holds(store, 1)
    assert f"{make_trial(2).id}.parquet" in names(store, "curves")
    write(store, 2)
    assert_holds(store, 1, 2)
    compact(store.files)
    assert_holds(store, 1, 2)
    assert f"{make_trial(2).id}.parquet" not in names(store, "curves")


def test_compaction_does_not_change_what_is_read(store: Store) -> None:
    write(store, *range(12))
    before = contents(store)
    for _ in range(3):
        compact(store.files)
        assert [len(names(store, folder)) for folder in ("trials", "curves")] == [1, 1]
        for one, other in zip(before, contents(store), strict=True):
            pd.testing.assert_frame_equal(one, other)


def test_compaction_takes_up_new_results_and_merges_many_files(store: Store) -> None:
    for seed in range(2 * MAX_COMPACT_FILES + 2):
        write(store, seed)
        compact(store.files)
        assert all(name.startswith("compact-") for name in names(store, "trials"))
        assert len(names(store, "trials")) <= MAX_COMPACT_FILES
        assert len(names(store, "curves")) <= MAX_COMPACT_FILES
    assert_holds(store, *range(2 * MAX_COMPACT_FILES + 2))


def test_a_crash_before_parts_are_deleted_gives_no_repeats(store: Store, tmp_path: Path) -> None:
    write(store, 1, 2, 3)
    shutil.copytree(store.files.uri, tmp_path / "before")
    compact(store.files)
    shutil.copytree(tmp_path / "before", store.files.uri, dirs_exist_ok=True)
    assert len(names(store, "trials")) == 4
    assert_holds(store, 1, 2, 3)
    write(store, 4)
    assert_holds(store, 1, 2, 3, 4)
    compact(store.files)
    assert not [name for name in names(store, "trials") if not name.startswith("compact-")]
    assert not [name for name in names(store, "curves") if not name.startswith("compact-")]
    assert_holds(store, 1, 2, 3, 4)


def test_a_crash_before_merged_files_are_deleted_gives_no_repeats(
    store: Store, tmp_path: Path
) -> None:
    for seed in range(MAX_COMPACT_FILES):
        write(store, seed)
        compact(store.files)
    assert len(names(store, "trials")) == MAX_COMPACT_FILES
    shutil.copytree(store.files.uri, tmp_path / "before")
    write(store, 100)
    compact(store.files)
    assert len(names(store, "trials")) == 1
    shutil.copytree(tmp_path / "before", store.files.uri, dirs_exist_ok=True)
    assert len(names(store, "trials")) == MAX_COMPACT_FILES + 1
    assert_holds(store, *range(MAX_COMPACT_FILES), 100)
    compact(store.files)
    assert_holds(store, *range(MAX_COMPACT_FILES), 100)
    assert len(names(store, "trials")) == 1


def test_a_result_written_again_after_compaction_is_read_once(store: Store) -> None:
    write(store, 1, 2)
    compact(store.files)
    write(store, 1)
    assert_holds(store, 1, 2)
    compact(store.files)
    assert_holds(store, 1, 2)
    assert len(names(store, "trials")) == 1


def test_readers_never_fail_and_lose_nothing_while_results_are_written_and_compacted(
    store: Store, store_uri: str
) -> None:
    problems: list[str] = []
    rounds = 0
    stop = threading.Event()

    def read() -> None:
        nonlocal rounds
        reader, before = open_store(store_uri), 0
        while not stop.is_set():
            try:
                trials, curves = reader.trials(), reader.curves()
            except Exception as error:
                problems.append(repr(error))
                return
            steps = curves.groupby("trial_id", observed=True)["step"].agg(list)
            if trials["trial_id"].duplicated().any() or len(trials) < before:
                problems.append(f"{len(trials)} trials after {before}")
            if not set(trials["trial_id"]) <= set(steps.index):
                problems.append("a trial without its curve")
            if any(found != [1, 2, 10] for found in steps):
                problems.append("a curve that is not whole")
            before = len(trials)
            rounds += 1

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for seed in range(0, 24, 2):
        write(store, seed, seed + 1)
        compact(store.files)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert rounds >= 3
    assert_holds(store, *range(24))


class SlowListing(Files):
    """Between the two halves of its first listings, another process compacts the store."""

    def __init__(self, uri: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(uri)
        self._meanwhile = meanwhile
        self.listed = 0

    def names(self, folder: str) -> list[str]:
        found = super().names(folder)
        self.listed += 1
        if self.listed == 1:
            self._meanwhile()
        # As a local disk does it: a name is listed, and left out if there is no such file any more.
        return [name for name in found if Path(self.path(f"{folder}/{name}")).exists()]


def test_a_compaction_during_a_listing_hides_nothing(store: Store, store_uri: str) -> None:
    write(store, 1, 2, 3)
    slow = SlowListing(store_uri, lambda: compact(store.files))
    assert len(Store(slow).trials()) == 3
    assert slow.listed > 2


class CompactedMeanwhile(Files):
    """Another process compacts the store after some part was read."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.compacted = False

    def read(self, name: str) -> bytes | None:
        content = super().read(name)
        if name.startswith("curves/") and not self.compacted:
            self.compacted = True
            compact(Files(self.uri))
        return content


def test_what_was_read_before_a_compaction_is_kept_and_the_rest_found(
    store: Store, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PARTS_AT_ONCE", 1)
    write(store, *range(4))
    expected = contents(store)
    files = CompactedMeanwhile(store_uri)
    pd.testing.assert_frame_equal(ordered(Store(files).curves()), expected[1])
    assert files.compacted


class Vanishing(Files):
    """Lists a compact file that is gone when it is opened: other processes merge all the time."""

    def __init__(self, uri: str, listings: int) -> None:
        super().__init__(uri)
        self.listings = listings

    def names(self, folder: str) -> list[str]:
        self.listings -= 1
        ghost = ["compact-0123.parquet"] if self.listings > 0 else []
        return [*super().names(folder), *ghost]


def test_a_reader_outlasts_many_compactions(store: Store, store_uri: str) -> None:
    write(store, 1, 2)
    assert len(Store(Vanishing(store_uri, listings=40)).trials()) == 2


def test_files_that_vanish_again_and_again_are_an_error_of_the_store(
    store: Store, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "PATIENCE", 0.1)
    write(store, 1, 2)
    with pytest.raises(StoreError, match=r"^the store .* cannot be read: .*compact-0123.parquet"):
        Store(Vanishing(store_uri, listings=10**6)).trials()


def test_two_compactions_at_once_lose_nothing(store: Store, store_uri: str) -> None:
    for start in range(0, 30, 10):
        write(store, *range(start, start + 10))
        threads = [threading.Thread(target=compact, args=[Files(store_uri)]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert_holds(store, *range(start + 10))


def test_compaction_removes_what_killed_workers_left_of_finished_trials(store: Store) -> None:
    done, running = make_trial(1), make_trial(2)
    write(store, 1)
    for trial in (done, running):
        StoreWriter(store).write_checkpoint(trial.id, b"state")
        StoreWriter(store).write_failure(trial, "boom")
    compact(store.files)
    assert names(store, "checkpoints") == [f"{running.id}.pt"]
    assert names(store, "failures") == [f"{running.id}.json"]


def test_full_files_are_not_merged_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "FULL", 5)
    count, most = 30, 0
    for seed in range(count):
        write(store, seed)
        before = set(names(store, "trials"))
        full = {name for name in before if trials_in(store, name) >= 5}
        compact(store.files)
        assert full <= set(names(store, "trials"))
        most = max(most, *(trials_in(store, name) for name in names(store, "trials")))
    assert_holds(store, *range(count))
    assert 5 <= most <= 10
    assert len(names(store, "trials")) <= count // 5 + MAX_COMPACT_FILES


def trials_in(store: Store, name: str) -> int:
    return len(pd.read_parquet(Path(store.files.uri, "trials", name), columns=["trial_id"]))
