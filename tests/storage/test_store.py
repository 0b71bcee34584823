"""The store as a user reads it: versions, studies, other readers, other filesystems."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.storage import schema
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.seal import write_json
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    assert_holds,
    contents,
    make_trial,
    member,
    orphan_curve,
    write,
)

# Opening


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"schema_version": 1}'])
def test_a_damaged_marker_or_one_of_an_older_version_is_an_error_with_the_next_step(
    store: Store, store_uri: str, content: bytes
) -> None:
    store.files.write("store.json", content)
    expected = (
        r"^store\.json in the store .* is damaged or of another version .* this superconv_ray "
        r"reads schema version 2\): use that version, delete the file if .* or choose another .*$"
    )
    with pytest.raises(StoreError, match=expected):
        open_store(store_uri)


@pytest.mark.parametrize("version", [schema.SCHEMA_VERSION + 1, 1, -1, None, "2", 2.5])
def test_a_store_of_another_version_is_refused(
    store: Store, store_uri: str, version: object
) -> None:
    StoreWriter(store).initialize()
    assert open_store(store_uri).trials().empty
    write_json(store.files, "store.json", {"schema_version": version})
    expected = (
        rf"has schema version {version!r}, but this superconv_ray reads schema version 2: use"
    )
    with pytest.raises(StoreError, match=re.escape(expected)):
        open_store(store_uri)


# Studies


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
    assert members["chosen_from"][1] == tuple(tests)
    assert members["chosen_by"].isna().all()


def test_a_study_without_trials_has_empty_tables(store: Store) -> None:
    StoreWriter(store).write_study(StudyDefinition(name="one"), [])
    assert store.members("one").empty
    assert store.trials("one").empty
    assert store.curves("one").empty
    assert {"arm", "role", "test_accuracy"} <= set(store.trials("one"))


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    for read in (store.study, store.members, store.trials, store.curves):
        with pytest.raises(
            StoreError, match=r"no study 'oen' in the store .*has no study yet: run it first"
        ):
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


# Its text, and a store that is busy


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


def test_a_finished_trial_whose_checkpoint_was_left_behind_is_not_begun(store: Store) -> None:
    write(store, 1)
    for seed in (1, 2):
        StoreWriter(store).write_checkpoint(make_trial(seed).id, b"state")
    assert store.begun_ids() == {make_trial(2).id}


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
    assert trials["test_correct"].map(lambda b: np.unpackbits(np.frombuffer(b, np.uint8))[5]).all()
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
    StoreWriter(store).write_result(trial, Outcome("completed"), [{"step": 1}])
    for name, fraction in asked.items():
        member = {"trial_id": trial.id, "arm": "x", "cell": 0, "data_fraction": fraction}
        StoreWriter(store).write_study(StudyDefinition(name=name), [member])
    found = {name: store.trials(name)["data_fraction"].tolist() for name in asked}
    assert found == {name: [fraction] for name, fraction in asked.items()}


@pytest.mark.parametrize("files", [1, 3])
def test_frames_can_be_written_to(store: Store, files: int) -> None:
    for seed in range(files):
        write(store, seed)
        compact(store.files)
    for frame in contents(store):
        for name in map(str, frame.select_dtypes("number")):
            frame.loc[0, name] = 7
            assert frame.loc[0, name] == 7


@pytest.mark.parametrize("kind", ["parts", "compact"])
def test_correctness_is_read_on_request_only(store: Store, kind: str) -> None:
    write(store, 1, 2)
    StoreWriter(store).write_study(StudyDefinition(name="one"), [member(1, "a")])
    if kind == "compact":
        compact(store.files)
    for study in (None, "one"):
        assert not set(schema.CORRECTNESS) & set(store.trials(study))
        found = store.trials(study, correctness=True)
        assert set(found["test_correct"]) == {bytes([4])}
        assert found["test_correct_reestimated"].isna().all()
        few = store.trials(study, columns=["seed"], correctness=True)
        assert set(few["test_correct"]) == {bytes([4])}
        assert "max_lr" not in few
