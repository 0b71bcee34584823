"""A frame that grows by tables is the frame of all their rows."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.storage.frames import GrowingFrame, to_frame

Row = tuple[str, int | None, float | None]
SCHEMA = pa.schema(
    {
        "trial_id": pa.dictionary(pa.int32(), pa.string()),
        "step": pa.int64(),
        "loss": pa.float64(),
    }
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(),
    )
)


def table(rows: list[Row]) -> pa.Table:
    ids, steps, losses = ([row[k] for row in rows] for k in range(3))
    encoded = pa.array(ids, pa.string()).dictionary_encode()
    return pa.table([encoded, pa.array(steps, pa.int64()), pa.array(losses, pa.float64())], SCHEMA)


def frame(tables: list[pa.Table]) -> pd.DataFrame:
    growing = GrowingFrame()
    for one in tables:
        growing.append(one)
    return growing.frame()


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_it_is_what_arrow_makes_of_the_joined_table(pieces: list[list[Row]]) -> None:
    tables = [table(rows) for rows in pieces]
    joined = pa.concat_tables(tables)
    pd.testing.assert_frame_equal(frame(tables), to_frame(joined), check_categorical=False)
    assert frame([joined]).equals(frame(tables))  # however the rows lie in chunks


def test_it_grows_beyond_its_first_memory() -> None:
    many = [table([("a", step, step / 2) for step in range(700)]) for _ in range(5)]
    pd.testing.assert_frame_equal(frame(many), to_frame(pa.concat_tables(many)))


def test_empty_tables_make_an_empty_frame_with_their_columns() -> None:
    empty = frame([SCHEMA.empty_table()])
    assert empty.empty
    assert empty.dtypes.astype(str).to_dict() == {
        "trial_id": "category",
        "step": "Int64",
        "loss": "float64",
    }
