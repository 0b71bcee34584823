"""What counts as done; filters, columns and trials that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pytest

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.storage import schema
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    assert_holds,
    make_trial,
    member,
    orphan_curve,
    write,
)

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


def test_a_curve_without_its_row_is_not_done_and_not_read(store: Store) -> None:
    write(store, 1)
    orphan_curve(store, 2)
    assert_holds(store, 1)


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


# Filters and columns


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
