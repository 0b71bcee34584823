"""Arrow tables as pandas frames.

Nullable integers stay integers, a missing float is NaN, and ids of curves are categories. Lists are
tuples, which pandas can group by.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame."""
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    for field in table.schema:
        if pa.types.is_list(field.type):
            frame[field.name] = frame[field.name].map(lambda v: tuple(v.tolist()), "ignore")
    return frame


class GrowingFrame:
    """A frame of numbers and dictionaries that grows by tables: for reading 10^7 rows and more.

    Arrow's own conversion holds the whole table beside the whole frame. Here a table is given up
    once its values are copied, so the memory is that of the frame and one column.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Floats | _Integers | _Categories] = {}

    def append(self, table: pa.Table) -> None:
        """Append the rows of a table, whose columns are int64, float64 or dictionary-encoded.

        All tables have the columns of the first one.
        """
        if not self._columns:
            self._columns = {field.name: _growing(field.type) for field in table.schema}
        for name, column in self._columns.items():
            for chunk in table[name].chunks:
                column.append(chunk)

    def frame(self) -> pd.DataFrame:
        """Return the rows of all tables; nothing can be appended afterwards."""
        return pd.DataFrame({k: v.finished() for k, v in self._columns.items()}, copy=False)


class _Growing:
    """A NumPy array that grows. Its spare memory is never touched, and so takes none."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._values = np.empty(1024, dtype)
        self._count = 0

    def append(self, values: np.ndarray) -> None:
        count = self._count + len(values)
        if count > len(self._values):
            larger = np.empty(max(count, 2 * len(self._values)), self._values.dtype)
            larger[: self._count] = self._values[: self._count]
            self._values = larger
        self._values[self._count : count] = values
        self._count = count

    def finished(self) -> np.ndarray:
        return self._values[: self._count]


class _Floats:
    def __init__(self) -> None:
        self._values = _Growing(np.float64)

    def append(self, chunk: pa.Array) -> None:
        self._values.append(chunk.to_numpy(zero_copy_only=False))  # null becomes NaN

    def finished(self) -> np.ndarray:
        return self._values.finished()


class _Integers:
    def __init__(self) -> None:
        self._values, self._missing = _Growing(np.int64), _Growing(np.bool_)

    def append(self, chunk: pa.Array) -> None:
        self._values.append(chunk.fill_null(0).to_numpy())
        self._missing.append(chunk.is_null().to_numpy(zero_copy_only=False))

    def finished(self) -> pd.arrays.IntegerArray:
        return pd.arrays.IntegerArray(self._values.finished(), self._missing.finished())


class _Categories:
    def __init__(self) -> None:
        self._codes = _Growing(np.int32)
        self._places: dict[str, int] = {}

    def append(self, chunk: pa.DictionaryArray) -> None:
        own = [self._places.setdefault(v, len(self._places)) for v in chunk.dictionary.to_pylist()]
        self._codes.append(np.array(own, np.int32)[chunk.indices.to_numpy()])

    def finished(self) -> pd.Categorical[str]:
        return pd.Categorical.from_codes(self._codes.finished(), pd.Index(list(self._places)))


def _growing(kind: pa.DataType) -> _Floats | _Integers | _Categories:
    if pa.types.is_dictionary(kind):
        return _Categories()
    return _Integers() if pa.types.is_integer(kind) else _Floats()
