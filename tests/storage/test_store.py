"""The store: real Parquet on the disk, in memory, and after a kill."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.storage import schema
from superconv_ray.storage.compaction import MAX_COMPACT_FILES, compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import DamagedFileWarning, set_aside_damaged
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter

FINISHED_AT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


def make_trial(seed: int = 0, **changes: Any) -> CompleteTrial:
    settings: dict[str, Any] = {"steps": 10, "max_lr": 0.1, "data_count": 100, "seed": seed}
    return Trial(**settings | changes).complete()


def make_outcome(seed: int = 0) -> Outcome:
    measurements = {
        "steps_done": 10,
        "train_loss": math.nan,
        "test_accuracy": seed / 1000,
        "precision_used": "fp32",
        "finished_at": FINISHED_AT,
    }
    return Outcome("completed", measurements)


def make_curve(seed: int = 0) -> list[dict[str, Any]]:
    """Three rows; only the columns that identify trials and rows."""
    return [
        {
            "step": step,
            "samples": 128 * step,
            "epoch": step / 10,
            "lr": 0.1 / step,
            "test_loss": math.nan if step == 1 else seed + 1 / step,
            "eval_count": 5,
        }
        for step in (1, 2, 10)
    ]


def write(store: Store, *seeds: int) -> list[CompleteTrial]:
    trials = [make_trial(seed) for seed in seeds]
    for seed, trial in zip(seeds, trials, strict=True):
        StoreWriter(store).write_result(trial, make_outcome(seed), make_curve(seed))
    return trials


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order that does not depend on which files they lie in."""
    by = [name for name in ("trial_id", "step") if name in frame]
    return frame.astype({"trial_id": str}).sort_values(by, ignore_index=True)


def contents(store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    return ordered(store.trials()), ordered(store.curves())


def assert_holds(store: Store, *seeds: int) -> None:
    """Exactly the results of these trials, each once."""
    trials, curves = contents(store)
    expected = sorted((make_trial(seed).id, seed) for seed in seeds)
    assert trials["trial_id"].tolist() == [trial_id for trial_id, _ in expected]
    assert trials["test_accuracy"].tolist() == [seed / 1000 for _, seed in expected]
    assert curves["trial_id"].tolist() == [trial_id for trial_id, _ in expected for _ in range(3)]
    assert curves["step"].tolist() == [1, 2, 10] * len(expected)
    assert curves["test_loss"][2::3].tolist() == [seed + 0.1 for _, seed in expected]
    assert store.finished_ids() == {trial_id for trial_id, _ in expected}


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def names(store: Store, folder: str) -> list[str]:
    """All files of a folder, unfinished ones included."""
    return sorted(path.name for path in (Path(store.files.uri) / folder).iterdir())


# Written and read


def test_a_result_is_read_as_it_was_written(store: Store) -> None:
    trial = make_trial(7, policy="piecewise", weight_decay=0.01)
    StoreWriter(store).write_result(trial, make_outcome(7), make_curve(7))
    (row,) = store.trials().to_dict("records")
    assert row["trial_id"] == trial.id
    assert row["kind"] == "training"
    assert row["status"] == "completed"
    for name, value in trial.settings().items():
        if value is None:
            assert name == "milestones" or pd.isna(row[name])
        elif isinstance(value, tuple):
            assert tuple(row[name]) == value
        else:
            assert row[name] == value
    assert row["milestones"].tolist() == list(trial.milestones or ())
    assert row["finished_at"] == FINISHED_AT
    assert math.isnan(row["train_loss"])
    assert row["test_accuracy"] == 0.007

    curve = store.curves()
    assert curve["trial_id"].tolist() == [trial.id] * 3
    expected = pd.DataFrame(make_curve(7))
    pd.testing.assert_frame_equal(curve[list(expected)], expected, check_dtype=False)
    assert curve["validation_loss"].isna().all()


def test_columns_have_proper_types_with_and_without_rows(store: Store) -> None:
    def types() -> tuple[dict[str, str], dict[str, str]]:
        frames = store.trials(), store.curves()
        return tuple({k: str(v) for k, v in f.dtypes.items()} for f in frames)  # type: ignore[return-value]

    empty = types()
    write(store, 1, 2)
    trials, curves = types()
    assert (trials, curves) == empty
    assert list(trials) == schema.TRIALS.names
    assert list(curves) == schema.CURVES.names
    for name in ("steps", "seed", "data_count", "steps_done", "cycles"):
        assert trials[name] == "Int64"
    for name in ("max_lr", "data_fraction", "train_loss", "beta2"):
        assert trials[name] == "float64"
    for name in ("trial_id", "dataset", "model_digest"):
        assert trials[name] == "str"
    assert trials["finished_at"] == "datetime64[us, UTC]"
    assert trials["milestones"] == "object"
    assert {curves[name] for name in ("step", "samples", "eval_count")} == {"Int64"}
    assert {curves[name] for name in ("epoch", "lr", "test_loss")} == {"float64"}


def test_an_unset_integer_is_missing_and_not_a_float(store: Store) -> None:
    StoreWriter(store).write_result(make_trial(eval_count=None), Outcome("completed"), [])
    StoreWriter(store).write_result(make_trial(eval_count=5), Outcome("completed"), [])
    assert sorted(store.trials()["eval_count"].tolist(), key=str) == [5, pd.NA]


@pytest.mark.parametrize("kind", ["parts", "compact"])
def test_files_hold_the_documented_columns_and_compact_ones_what_they_mean(
    store: Store, kind: str
) -> None:
    (trial,) = write(store, 1)
    if kind == "compact":
        compact(store.files)
    for folder, table in (("trials", schema.TRIALS), ("curves", schema.CURVES)):
        (name,) = store.files.names(folder)
        assert (name == f"{trial.id}.parquet") == (kind == "parts")
        found = pq.read_schema(Path(store.files.uri) / folder / name)
        assert found.equals(table)
        if kind == "compact":
            assert all(found.field(name).metadata[b"description"] for name in found.names)
            assert found.metadata[b"superconv_ray.schema_version"] == b"1"


def test_parts_of_an_older_version_are_folded_with_what_they_lack_missing(store: Store) -> None:
    old, new = write(store, 1, 2)
    for folder, added in (("trials", "test_accuracy"), ("curves", "eval_count")):
        path = Path(store.files.uri) / folder / f"{old.id}.parquet"
        pq.write_table(pq.read_table(path).drop_columns([added]), path)
    compact(store.files)
    accuracy = store.trials().set_index("trial_id")["test_accuracy"]
    assert accuracy.isna().to_dict() == {old.id: True, new.id: False}
    lacking = store.curves().groupby("trial_id", observed=True)["eval_count"].count()
    assert (lacking[old.id], lacking[new.id]) == (0, len(make_curve()))


def test_writing_a_result_again_changes_nothing(store: Store) -> None:
    write(store, 1, 2)
    before = contents(store)
    write(store, 1, 2)
    for one, other in zip(before, contents(store), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_an_unknown_measurement_is_refused_and_the_trial_is_not_done(store: Store) -> None:
    with pytest.raises(KeyError, match="surprise"):
        StoreWriter(store).write_result(
            make_trial(), Outcome("completed", {"surprise": 1}), make_curve()
        )
    assert store.finished_ids() == frozenset()
    assert store.curves().empty


# What counts as done


def test_a_store_that_does_not_exist_yet_is_empty_and_is_not_made_by_reading(store: Store) -> None:
    assert store.trials().empty
    assert store.curves().empty
    assert store.finished_ids() == frozenset()
    assert store.failures() == {}
    assert store.studies() == []
    assert store.checkpoint("0" * 20) is None
    compact(store.files)
    assert not Path(store.files.uri).exists()


def orphan_curve(store: Store, seed: int) -> None:
    """What a worker leaves that is killed between writing a curve and its trial's row."""
    write(store, seed)
    store.files.delete(f"trials/{make_trial(seed).id}.parquet")


def test_a_curve_without_its_row_is_not_done_and_not_read(store: Store) -> None:
    write(store, 1)
    orphan_curve(store, 2)
    assert_holds(store, 1)


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


def test_files_that_are_no_results_are_not_read(store: Store) -> None:
    (trial,) = write(store, 1)
    folder = Path(store.files.uri) / "trials"
    whole = (folder / f"{trial.id}.parquet").read_bytes()
    other = make_trial(2).id
    (folder / f".{other}.parquet.0123abcd.tmp").write_bytes(whole[:100])
    (folder / f"{other}.parquet.0123abcd.tmp").write_bytes(whole[:100])
    (folder / f"{other}.parquet").touch()
    (folder / "notes.txt").write_text("mine")
    assert_holds(store, 1)
    compact(store.files)
    assert_holds(store, 1)


# Killed


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from test_store import make_curve, make_outcome, make_trial
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.store import open_store
from superconv_ray.storage.writing import StoreWriter

store = open_store(sys.argv[1])
writer = StoreWriter(store)
print("ready", flush=True)
seed = len(store.finished_ids())
while True:
    trial = make_trial(seed)
    writer.write_checkpoint(trial.id, b"x" * 1000)
    writer.write_result(trial, make_outcome(seed), make_curve(seed))
    writer.delete_checkpoint(trial.id)
    seed += 1
    if seed % 10 == 0:
        compact(store.files)
"""


def test_after_a_kill_at_any_moment_all_that_is_readable_is_whole(store_uri: str) -> None:
    chance = random.Random(0)
    kept = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, store_uri, str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.2, 0.8))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        store = open_store(store_uri)
        done = len(store.finished_ids())
        assert done >= kept
        assert_holds(store, *range(done))
        plain = pd.read_parquet(Path(store_uri) / "trials")
        assert set(plain["trial_id"]) == store.finished_ids()
        kept = done
    assert kept > 10
    compact(store.files)
    assert_holds(store, *range(kept))


# Damaged


def cut_off(content: bytes) -> bytes:
    return content[:-100]


def with_a_flipped_bit(content: bytes) -> bytes:
    """In the first page of data, where nothing but its checksum tells."""
    changed = bytearray(content)
    changed[60] ^= 1
    return bytes(changed)


def of_something_else(content: bytes) -> bytes:
    del content
    return pd.DataFrame({"x": [1, 2]}).to_parquet()


def no_parquet(content: bytes) -> bytes:
    return b"x" * len(content)


def of_another_trial(content: bytes) -> bytes:
    table = pq.read_table(pa.BufferReader(content))
    ids = pa.array(["f" * 20] * len(table))
    sink = pa.BufferOutputStream()
    footer = table.schema.metadata  # a compact file says in it which trials are to be expected
    pq.write_table(table.set_column(0, "trial_id", ids).replace_schema_metadata(footer), sink)
    return bytes(sink.getvalue())


def gone(content: bytes) -> None:
    del content


Damage = Callable[[bytes], bytes | None]


def damage(store: Store, name: str, how: Damage) -> None:
    content = store.files.read(name)
    assert content is not None
    changed = how(content)
    store.files.delete(name)
    if changed is not None:
        store.files.write(name, changed)


@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize(
    "how", [cut_off, with_a_flipped_bit, of_something_else, no_parquet, of_another_trial, gone]
)
def test_a_damaged_part_is_set_aside_and_its_trial_is_not_done(
    store: Store, folder: str, how: Damage
) -> None:
    write(store, 1, 2, 3)
    name = f"{folder}/{make_trial(2).id}.parquet"
    damage(store, name, how)
    said = set_aside_damaged(store.files)
    if how is gone:
        assert said == []
    else:
        (line,) = said
        start = rf"{name} in the store {store.files.place} is damaged and was moved to set_aside/; "
        assert re.match(start + r"what it held is trained again: \w+: .", line)
        assert names(store, f"set_aside/{folder}") == [Path(name).name]
    assert set_aside_damaged(store.files) == []
    assert_holds(store, 1, 3)
    compact(store.files)
    assert_holds(store, 1, 3)
    write(store, 2)
    assert_holds(store, 1, 2, 3)
    compact(store.files)
    assert_holds(store, 1, 2, 3)


@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize(
    "how", [cut_off, with_a_flipped_bit, of_something_else, no_parquet, of_another_trial, gone]
)
def test_no_trial_of_a_damaged_compact_file_is_done(store: Store, folder: str, how: Damage) -> None:
    write(store, 1, 2)
    compact(store.files)
    (name,) = names(store, folder)
    write(store, 3)
    compact(store.files)
    damage(store, f"{folder}/{name}", how)
    assert len(set_aside_damaged(store.files)) == (how is not gone)
    assert set_aside_damaged(store.files) == []
    assert_holds(store, 3)
    write(store, 1, 2)
    assert_holds(store, 1, 2, 3)
    compact(store.files)
    assert_holds(store, 1, 2, 3)


@pytest.mark.parametrize("kind", ["parts", "compact"])
@pytest.mark.parametrize("folder", ["trials", "curves"])
@pytest.mark.parametrize("how", [cut_off, with_a_flipped_bit, of_something_else, no_parquet])
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
    for columns in (None, ["trial_id"], [schema.TRIALS.names[1] if folder == "trials" else "step"]):
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
    assert len(set_aside_damaged(store.files)) == 1
    assert_holds(store, 2)


def test_whole_files_of_every_kind_are_not_set_aside(store: Store) -> None:
    write(store, *range(4))
    compact(store.files)
    write(store, 5)
    StoreWriter(store).write_result(make_trial(6), Outcome("diverged"), [])
    before = contents(store)
    assert set_aside_damaged(store.files) == []
    for one, other in zip(before, contents(store), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_parts_of_an_older_version_are_not_damaged(store: Store) -> None:
    (trial,) = write(store, 1)
    path = Path(store.files.uri) / "curves" / f"{trial.id}.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["eval_count"]), path)
    assert set_aside_damaged(store.files) == []


def test_a_damaged_marker_is_an_error_with_the_next_step(store: Store, store_uri: str) -> None:
    StoreWriter(store).initialize()
    for content in (b"no json", b"[]", b"{}"):
        store.files.write("store.json", content)
        with pytest.raises(StoreError, match=r"store.json is damaged or not of .* delete it if"):
            open_store(store_uri)


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


# Compaction


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


# Versions


def test_a_store_of_a_newer_version_is_refused(store: Store, store_uri: str) -> None:
    StoreWriter(store).initialize()
    assert open_store(store_uri).trials().empty
    newer = {"schema_version": schema.SCHEMA_VERSION + 1}
    (Path(store_uri) / "store.json").write_text(json.dumps(newer))
    with pytest.raises(StoreError, match=r"has schema version 2, but .* reads up to 1: update"):
        open_store(store_uri)


def test_a_store_that_cannot_be_written_is_noticed_when_it_is_initialized(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"store .*file/store cannot be"):
        StoreWriter(open_store(tmp_path / "file" / "store")).initialize()


# Checkpoints and failures


def test_a_checkpoint_is_kept_until_it_is_deleted(store: Store) -> None:
    trial = make_trial()
    StoreWriter(store).write_checkpoint(trial.id, b"one")
    StoreWriter(store).write_checkpoint(trial.id, b"two")
    assert store.checkpoint(trial.id) == b"two"
    assert store.checkpoint(make_trial(1).id) is None
    StoreWriter(store).delete_checkpoint(trial.id)
    StoreWriter(store).delete_checkpoint(trial.id)
    assert store.checkpoint(trial.id) is None


def test_a_failure_is_noted_with_its_settings_and_cleared_by_success(store: Store) -> None:
    trial = make_trial(3)
    StoreWriter(store).write_failure(trial, "RuntimeError: boom")
    StoreWriter(store).write_failure(make_trial(4), "other")
    failure = store.failures()[trial.id]
    assert failure["error"] == "RuntimeError: boom"
    assert failure["settings"]["seed"] == 3
    assert store.finished_ids() == frozenset()
    write(store, 3)
    assert list(store.failures()) == [make_trial(4).id]


def test_a_trial_that_is_done_has_not_failed(store: Store) -> None:
    # At-least-once: one worker may fail after another has succeeded.
    write(store, 1)
    StoreWriter(store).write_failure(make_trial(1), "too late")
    assert store.failures() == {}


# Studies


def member(seed: int, arm: str, **changes: Any) -> dict[str, Any]:
    row = {"trial_id": make_trial(seed).id, "arm": arm, "cell": 0, "role": "training"}
    return row | changes


def test_a_study_is_read_as_it_was_written(store: Store) -> None:
    definition = StudyDefinition(name="one", arms={"a": {"max_lr": 0.1}})
    tests = [make_trial(8).id, make_trial(9).id]
    rows = [member(1, "a"), member(2, "b", cell=1, chosen_from=tests)]
    StoreWriter(store).write_study(definition, rows)
    assert store.study("one") == definition
    members = store.members("one")
    assert list(members) == schema.MEMBERSHIPS.names
    assert members["study"].tolist() == ["one", "one"]
    assert members["definition"].tolist() == [definition.digest] * 2
    assert members["arm"].tolist() == ["a", "b"]
    assert members["cell"].tolist() == [0, 1]
    assert members["chosen_from"][1].tolist() == tests
    assert members["chosen_by"].isna().all()


def test_a_study_without_trials_has_empty_tables(store: Store) -> None:
    StoreWriter(store).write_study(StudyDefinition(name="one"), [])
    assert store.members("one").empty
    assert store.trials("one").empty
    assert store.curves("one").empty
    assert {"arm", "role", "test_accuracy"} <= set(store.trials("one"))


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    for read in (store.study, store.members, store.trials, store.curves):
        with pytest.raises(StoreError, match=r"no study 'oen' in the store .*there are: none"):
            read("oen")
    StoreWriter(store).write_study(StudyDefinition(name="two"), [])
    StoreWriter(store).write_study(StudyDefinition(name="one"), [])
    assert store.studies() == ["one", "two"]
    for read in (store.study, store.members, store.trials, store.curves):
        with pytest.raises(StoreError, match=r"no study 'oen' .*there are: 'one', 'two'"):
            read("oen")


def test_the_trials_of_a_study_are_its_finished_ones_with_the_study_columns(store: Store) -> None:
    write(store, 1, 2, 3)
    shared = [member(1, "a"), member(1, "b"), member(2, "b"), member(99, "b")]
    StoreWriter(store).write_study(StudyDefinition(name="one"), shared)
    trials = store.trials("one")
    assert sorted(zip(trials["arm"], trials["seed"], strict=True)) == [("a", 1), ("b", 1), ("b", 2)]
    assert set(trials["study"]) == {"one"}
    curves = store.curves("one")
    assert set(curves["trial_id"]) == {make_trial(1).id, make_trial(2).id}
    assert len(curves) == 6


# Filters and columns


@pytest.fixture(params=["parts", "compact", "both"])
def filled(request: pytest.FixtureRequest, store: Store) -> Store:
    """Trials 1 to 4 and a study of 2 to 4, in files of each kind."""
    write(store, 1, 2)
    if request.param != "parts":
        compact(store.files)
    write(store, 3, 4)
    if request.param == "compact":
        compact(store.files)
    StoreWriter(store).write_study(
        StudyDefinition(name="one"), [member(seed, "a") for seed in (2, 3, 4)]
    )
    return store


def test_trials_are_filtered_by_conditions_and_by_expressions(filled: Store) -> None:
    for filters in (
        [("seed", ">=", 2), ("seed", "<", 4)],
        (pc.field("seed") >= 2) & (pc.field("seed") < 4),
    ):
        assert sorted(filled.trials(filters=filters)["seed"]) == [2, 3]
    assert sorted(filled.trials(filters=[("seed", "in", [1, 4])])["seed"]) == [1, 4]
    assert len(filled.trials(filters=[("dataset", "==", "mnist")])) == 0
    assert len(filled.trials(filters=[])) == 4


def test_curves_are_filtered_by_conditions_and_by_expressions(filled: Store) -> None:
    one = make_trial(1).id
    for filters in (
        [("trial_id", "==", one), ("step", ">", 1)],
        [("trial_id", "in", [one]), ("step", "in", [2, 10])],
        (pc.field("trial_id") == one) & (pc.field("step") > 1),
    ):
        curves = filled.curves(filters=filters)
        assert curves["step"].tolist() == [2, 10]
        assert set(curves["trial_id"]) == {one}
    assert len(filled.curves(filters=[("test_loss", ">", 4.05)])) == 2


def test_filters_narrow_a_study(filled: Store) -> None:
    assert sorted(filled.trials("one", filters=[("seed", "<", 4)])["seed"]) == [2, 3]
    curves = filled.curves("one", filters=pc.field("step") == 10)
    assert set(curves["trial_id"]) == {make_trial(seed).id for seed in (2, 3, 4)}
    assert len(curves) == 3


def test_only_the_columns_that_are_asked_for_are_read(filled: Store) -> None:
    trials = filled.trials(columns=["seed", "status"], filters=[("steps", "==", 10)])
    assert list(trials) == ["seed", "status"]
    assert sorted(trials["seed"]) == [1, 2, 3, 4]
    assert list(filled.curves(columns=["lr", "step"])) == ["lr", "step"]
    of_study = filled.trials("one", columns=["seed"])
    assert list(of_study) == [*schema.MEMBERSHIPS.names, "seed"]
    assert len(of_study) == 3


def test_an_unknown_column_is_an_error_that_lists_the_columns(filled: Store) -> None:
    message = r"no column 'accuracy'; did you mean 'test_accuracy'\?; columns: trial_id, .*, seed, "
    with pytest.raises(ValueError, match=message):
        filled.trials(columns=["seed", "accuracy"])
    with pytest.raises(ValueError, match=r"columns: there is no column 'seed'.*columns: trial_id"):
        filled.curves("one", columns=["seed"])


@pytest.mark.parametrize("read", [Store.trials, Store.curves])
def test_an_unknown_column_in_filters_is_an_error_that_names_the_nearest(
    filled: Store, read: Callable[..., pd.DataFrame]
) -> None:
    message = r"^filters: there is no column 'steppp'; did you mean 'steps?'\?; columns: trial_id, "
    for filters in ([("steppp", ">", 1)], pc.field("steppp") > 1):
        with pytest.raises(ValueError, match=message) as raised:
            read(filled, filters=filters)
        assert "\n" not in str(raised.value)


def test_a_condition_of_another_type_is_an_error_in_one_line(filled: Store) -> None:
    with pytest.raises(ValueError, match=r"^filters do not fit the columns: ") as raised:
        filled.trials(filters=[("seed", "==", "one")])
    assert "\n" not in str(raised.value)


def test_the_text_of_a_store_says_what_is_in_it(filled: Store) -> None:
    assert repr(filled) == f"Store({filled.files.place!r}): 4 finished trials; study 'one'"
    html = filled._repr_html_()
    assert "4 finished trials" in html
    assert "<li>study &#x27;one&#x27;</li>" in html


class Busy(Files):
    """A store that answers its first reads of a study's files with SLOW_DOWN."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.refusals = 1

    def path(self, name: str) -> str:
        if name.startswith("studies/") and name.endswith(".parquet") and self.refusals:
            self.refusals -= 1
            raise OSError("When reading: AWS Error SLOW_DOWN: Please reduce your request rate")
        return super().path(name)


def test_a_store_that_is_busy_is_asked_again_for_the_members(filled: Store) -> None:
    files = Busy(filled.files.uri)
    assert len(Store(files).members("one")) == 3
    assert files.refusals == 0


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
    assert text.endswith("delete it and run the study again; finished trials are kept")
    assert "\n" not in text


# Definitions that follow each other


def test_every_definition_is_kept_with_its_members(store: Store) -> None:
    writer, first = StoreWriter(store), StudyDefinition(name="one", seeds=[1])
    second = StudyDefinition(name="one", seeds=[1, 2])
    writer.write_study(first, [member(1, "a")])
    writer.write_study(second, [member(1, "a"), member(2, "a")])
    assert store.definitions("one") == (first, second)
    assert store.study("one") == second
    assert len(store.members("one")) == 2
    assert len(store.members("one", definition=first.digest)) == 1
    writer.write_study(first, [member(1, "b")])
    assert store.definitions("one") == (second, first)
    assert store.members("one")["arm"].tolist() == ["b"]
    assert len(store.members("one", definition=second.digest)) == 2
    assert store.studies() == ["one"]


def test_a_kill_between_the_files_of_a_study_leaves_no_foreign_members(store: Store) -> None:
    writer, first = StoreWriter(store), StudyDefinition(name="one", seeds=[1])
    writer.write_study(first, [member(1, "a")])
    table = store.files.read("studies/one.parquet")
    writer.write_study(StudyDefinition(name="one", seeds=[2]), [member(2, "a")])
    assert table is not None
    store.files.write("studies/one.parquet", table)  # as before the second write
    assert store.members("one").empty
    assert len(store.members("one", definition=first.digest)) == 1


def test_the_rows_of_a_curve_lie_together_in_order_of_the_steps(filled: Store) -> None:
    curves = filled.curves()
    assert curves["step"].tolist() == [1, 2, 10] * 4
    assert (curves["trial_id"].astype(str) != curves["trial_id"].astype(str).shift()).sum() == 4


# Other readers


@pytest.mark.parametrize("kind", ["parts", "compact"])
def test_pandas_and_pyarrow_read_the_tables_without_this_package(store: Store, kind: str) -> None:
    write(store, 1, 2, 3)
    StoreWriter(store).write_study(StudyDefinition(name="one"), [member(1, "a")])
    if kind == "compact":
        compact(store.files)
    folder = Path(store.files.uri)
    trials = pd.read_parquet(folder / "trials")
    assert sorted(trials["seed"]) == [1, 2, 3]
    assert list(trials) == schema.TRIALS.names
    joined = pd.read_parquet(folder / "curves").merge(trials, on="trial_id")
    assert len(joined) == 9
    table = pq.read_table(folder / "curves", filters=[("trial_id", "==", make_trial(2).id)])
    assert table["step"].to_pylist() == [1, 2, 10]
    assert table.schema.field("trial_id").type == pa.string()
    assert pd.read_parquet(folder / "studies" / "one.parquet")["arm"].tolist() == ["a"]


def test_duckdb_reads_the_tables_without_this_package(store: Store) -> None:
    duckdb = pytest.importorskip("duckdb")
    write(store, 1, 2, 3)
    compact(store.files)
    query = f"select count(*), max(seed) from '{store.files.uri}/trials/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(3, 3)]


# Other filesystems


def subtree(folder: Path) -> Files:
    files = Files("/")
    files.filesystem, files.root = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), "in"
    return files


def in_memory(_: Path) -> Files:
    files = Files("/")
    files.filesystem, files.root = fs._MockFileSystem(), "in"
    return files


def of_fsspec(folder: Path) -> Files:
    return Files(f"fsspec+memory://store-{folder.name}")


@pytest.mark.parametrize("make", [subtree, in_memory, of_fsspec])
def test_a_store_works_on_filesystems_that_are_not_the_local_disk(
    make: Callable[[Path], Files], tmp_path: Path
) -> None:
    store = Store(make(tmp_path))
    StoreWriter(store).initialize()
    assert store.trials().empty
    write(store, 1, 2)
    orphan_curve(store, 3)
    assert_holds(store, 1, 2)
    compact(store.files)
    assert_holds(store, 1, 2)
    write(store, 4)
    StoreWriter(store).write_checkpoint(make_trial(5).id, b"state")
    StoreWriter(store).write_failure(make_trial(5), "boom")
    StoreWriter(store).write_study(StudyDefinition(name="one"), [member(1, "a"), member(4, "b")])
    compact(store.files)
    store = Store(store.files)
    assert_holds(store, 1, 2, 4)
    assert store.checkpoint(make_trial(5).id) == b"state"
    assert list(store.failures()) == [make_trial(5).id]
    assert store.studies() == ["one"]
    assert sorted(store.trials("one")["arm"]) == ["a", "b"]
    assert len(store.curves(filters=[("step", "==", 2)])) == 3


def test_a_shared_trial_has_the_data_fraction_that_each_study_asked_for(store: Store) -> None:
    asked = {"a": 0.1, "b": 0.1001}
    trial = make_trial(data_fraction=asked["a"])
    StoreWriter(store).write_result(trial, Outcome("completed"), [])
    for name, fraction in asked.items():
        member = {"trial_id": trial.id, "arm": "x", "cell": 0, "data_fraction": fraction}
        StoreWriter(store).write_study(StudyDefinition(name=name), [member])
    found = {name: store.trials(name)["data_fraction"].tolist() for name in asked}
    assert found == {name: [fraction] for name, fraction in asked.items()}


# Some trials only


def test_files_that_hold_none_of_the_asked_trials_are_not_opened(store: Store) -> None:
    write(store, 0, 1)
    compact(store.files)
    write(store, 2, 3)
    store.files.write(f"trials/{make_trial(3).id}.parquet", b"no Parquet")
    wanted = [make_trial(seed).id for seed in (1, 2)]
    found = store.trials(ids=wanted, columns=["trial_id", "seed"])
    assert sorted(found["seed"]) == [1, 2]
    assert store.trials(ids=[]).empty


def test_trials_of_a_study_may_be_asked_for_by_id(store: Store) -> None:
    write(store, 0, 1, 2)
    StoreWriter(store).write_study(StudyDefinition(name="s"), [member(0, "a"), member(1, "a")])
    ids = [make_trial(seed).id for seed in (1, 2)]
    assert list(store.trials("s", ids=ids)["seed"]) == [1]  # 2 is not the study's
