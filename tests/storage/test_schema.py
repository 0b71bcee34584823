"""The tables' columns, and rows as tables of exactly these."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from superconv_ray.design.trial import Trial
from superconv_ray.design.trial_fields import describe_fields, field_names
from superconv_ray.storage import schema

TABLES = [schema.TRIALS, schema.CURVES, schema.MEMBERSHIPS]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described(table: pa.Schema) -> None:
    assert len(set(table.names)) == len(table.names)
    for column in table:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert len(column.metadata[b"description"].decode()) >= 5


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_its_schema_version(table: pa.Schema) -> None:
    assert table.metadata == {b"superconv_ray.schema_version": b"2"}


def test_the_row_of_a_trial_holds_its_id_its_kind_and_every_field_in_order() -> None:
    names = schema.TRIALS.names
    assert names[:2] == ["trial_id", "kind"]
    assert tuple(names[2 : 2 + len(field_names())]) == field_names()
    assert "status" in names[2 + len(field_names()) :]


def test_fields_have_the_type_they_are_declared_with_and_their_own_description() -> None:
    types = {
        "str": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "tuple of float": pa.list_(pa.float64()),
        "tuple of int": pa.list_(pa.int64()),
    }
    for name, kind, text in describe_fields():
        column = schema.TRIALS.field(name)
        assert column.type == types[kind]
        assert column.metadata[b"description"].decode() == text


def test_rows_become_a_table_of_exactly_the_schema() -> None:
    rows = [
        {"trial_id": "a", "milestones": (0.5, 0.75), "steps": 10, "max_lr": 1},
        {"status": "completed", "finished_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC)},
    ]
    table = schema.to_table(rows, schema.TRIALS)
    assert table.schema.equals(schema.TRIALS, check_metadata=True)
    first, second = table.to_pylist()
    assert (first["trial_id"], first["milestones"], first["steps"]) == ("a", [0.5, 0.75], 10)
    assert first["max_lr"] == 1.0
    assert first["status"] is None
    assert second["finished_at"] == datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


def test_nan_becomes_null_and_infinity_stays() -> None:
    rows = [{"trial_id": "a", "train_loss": math.nan, "test_loss": math.inf}]
    (row,) = schema.to_table(rows, schema.CURVES).to_pylist()
    assert row["train_loss"] is None
    assert row["test_loss"] == math.inf


@pytest.mark.parametrize("table", TABLES)
def test_no_rows_are_an_empty_table_with_all_columns(table: pa.Schema) -> None:
    empty = schema.to_table([], table)
    assert empty.num_rows == 0
    assert empty.schema.equals(table, check_metadata=True)


def test_rows_may_come_from_an_iterator() -> None:
    rows = ({"trial_id": letter} for letter in "abc")
    assert schema.to_table(rows, schema.CURVES)["trial_id"].to_pylist() == ["a", "b", "c"]


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(KeyError, match=r"no such column: \['surprise'\]"):
        schema.to_table([{"trial_id": "a"}, {"surprise": 1}], schema.CURVES)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        schema.to_table([{"step": "many"}], schema.CURVES)


def test_all_settings_of_a_trial_fit() -> None:
    trial = Trial(steps=10, max_lr=0.1, data_count=100, policy="piecewise").complete()
    (row,) = schema.to_table([trial.settings()], schema.TRIALS).to_pylist()
    expected = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in trial.settings().items()
    }
    assert {name: row[name] for name in expected} == expected
    assert row["milestones"]
