"""A store that others can write to: no file of it runs code in a process that reads it."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from superconv_ray.storage.compaction import compact
from superconv_ray.storage.seal import seal_parquet
from superconv_ray.storage.store import Store
from tests.storage.stored import make_trial, write


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("within", ["type", "value"])
@pytest.mark.parametrize("column", ["status", "unheard_of"])
def test_code_for_the_types_that_ray_registers_does_not_run(
    within: str, column: str, store: Store, tmp_path: Path
) -> None:
    """Tune's import registers them with pyarrow, in the driver and in every worker."""
    pytest.importorskip("ray.tune")
    made = tmp_path / "by the code"
    code = pickle.dumps(Code(made))
    write(store, 1)
    name = f"trials/{make_trial(1).id}.parquet"
    if within == "type":
        poison(store, name, column, pa.array([[1]]), "ray.data.arrow_tensor", code)
    else:
        values = pa.array([code], pa.large_binary())
        poison(store, name, column, values, "ray.data.arrow_pickled_object", b"")
    for use in (store.trials, lambda: compact(store.files), store.trials):
        with contextlib.suppress(Exception):  # whatever it says
            use()
    assert not made.exists()


def poison(
    store: Store, name: str, column: str, values: pa.Array, extension: str, metadata: bytes
) -> None:
    """Put a column of an extension type into a file, and seal it as its writer would."""
    content = store.files.read(name)
    assert content is not None
    rows = pq.read_table(pa.BufferReader(content))
    kept = rows.drop_columns([n for n in rows.column_names if n == column])
    names = {"ARROW:extension:name": extension, "ARROW:extension:metadata": metadata}
    field = pa.field(column, values.type, metadata=names)
    poisoned = pa.Table.from_arrays([*kept.columns, values], schema=kept.schema.append(field))
    sink = pa.BufferOutputStream()
    pq.write_table(poisoned, sink)
    store.files.write(name, seal_parquet(name, sink.getvalue(), by_column=False))
