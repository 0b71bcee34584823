"""What is written is read, and is whole after a kill."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from superconv_ray.design.outcome import Outcome
from superconv_ray.storage import schema
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.parquet_files import write_part
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    FINISHED_AT,
    assert_holds,
    contents,
    make_curve,
    make_outcome,
    make_trial,
    write,
)

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
            assert pd.isna(row[name])
        else:
            assert row[name] == value
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
    assert list(trials) == [c for c in schema.TRIALS.names if c not in schema.CORRECTNESS]
    assert list(curves) == schema.CURVES.names
    for name in ("steps", "seed", "data_count", "steps_done", "cycles"):
        assert trials[name] == "Int64"
    for name in ("max_lr", "data_fraction", "train_loss", "beta2"):
        assert trials[name] == "float64"
    for name in ("trial_id", "dataset", "model_digest"):
        assert trials[name] in ("str", "object")  # object before pandas 3
    assert trials["finished_at"] == "datetime64[us, UTC]"
    assert trials["milestones"] == "object"
    assert {curves[name] for name in ("step", "samples", "eval_count")} == {"Int64"}
    assert {curves[name] for name in ("epoch", "lr", "test_loss")} == {"float64"}


def test_an_unset_integer_is_missing_and_not_a_float(store: Store) -> None:
    StoreWriter(store).write_result(
        make_trial(eval_count=None), Outcome("completed"), [{"step": 1}]
    )
    StoreWriter(store).write_result(make_trial(eval_count=5), Outcome("completed"), [{"step": 1}])
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
            assert found.metadata[b"superconv_ray.schema_version"] == b"2"


def test_parts_that_lack_columns_are_folded_with_these_missing(store: Store) -> None:
    """Columns that were added to the tables later."""
    old, new = write(store, 1, 2)
    for folder, added in (("trials", "test_accuracy"), ("curves", "eval_count")):
        name = f"{folder}/{old.id}.parquet"
        rows = pq.read_table(Path(store.files.uri) / name).drop_columns([added])
        write_part(store.files, name, rows)
    compact(store.files)
    accuracy = store.trials().set_index("trial_id")["test_accuracy"]
    assert accuracy.isna().to_dict() == {old.id: True, new.id: False}
    lacking = store.curves().groupby("trial_id", observed=True)["eval_count"].count()
    assert (lacking[old.id], lacking[new.id]) == (0, len(make_curve()))


def test_a_result_without_a_curve_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=f"the curve of trial {make_trial().id} must have a row"):
        StoreWriter(store).write_result(make_trial(), make_outcome(), [])
    assert store.finished_ids() == frozenset()


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


# Killed


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.storage.stored import make_curve, make_outcome, make_trial
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
    print("written", flush=True)
    if seed % 10 == 0:
        compact(store.files)
"""


def test_after_a_kill_at_any_moment_all_that_is_readable_is_whole(store_uri: str) -> None:
    chance = random.Random(0)
    kept = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, store_uri, str(Path(__file__).parents[2])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(chance.randint(5, 30)):
                assert process.stdout.readline() == "written\n"
            time.sleep(chance.uniform(0.0, 0.02))  # somewhere in the next trial, or in a compaction
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
