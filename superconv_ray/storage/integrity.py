"""Damaged files: found, named, left out by readers, and set aside by the next run.

Names are trusted until a file is read. A file is damaged if it is cut off, if its pages do not fit
their checksums, or if it holds something else. Its trials count as not done once it is set aside.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError, is_passing
from superconv_ray.storage.parquet_files import (
    PART,
    TABLES,
    as_schema,
    check_ids,
    ids_in,
    is_of_a_table,
    opened,
    read_part,
)

DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)
"""What pyarrow and json raise for a file that is not what its name says."""
PARALLEL_REQUESTS = 4
"""Files read or deleted at a time: an object store answers each only after some milliseconds."""


class DamagedFileWarning(UserWarning):
    """A file of the store cannot be read and was left out."""


def is_not_of_the_file(error: BaseException) -> bool:
    """Whether an error of reading is not the file's fault: it is gone, or the store is away."""
    return isinstance(error, FileNotFoundError | StoreError) or is_passing(error)


def reason(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def damage_of(files: Files, folder: str, name: str) -> str | None:
    """Return what is wrong with a file of a table; None if nothing is, or if it is gone."""
    content = files.read(f"{folder}/{name}")
    if content is None:
        return None
    part = PART.fullmatch(name)
    try:
        if part:
            as_schema(TABLES[folder], [read_part(folder, part[1], content)])
            return None
        source = opened(content)
        expected = ids_in(source.metadata.metadata)
        for batch in source.iter_batches(use_threads=False):
            rows = as_schema(TABLES[folder], [pa.Table.from_batches([batch])])
            check_ids(rows, expected)
    except DAMAGE as error:
        return reason(error)
    return None


def damages(files: Files, folder: str, names: list[str]) -> dict[str, str]:
    """Return what is wrong with each file of a table that is damaged."""
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        found = list(pool.map(lambda name: damage_of(files, folder, name), names))
    return {name: why for name, why in zip(names, found, strict=True) if why}


def warn_left_out(files: Files, folder: str, name: str, why: str) -> None:
    """Warn that a damaged file was left out."""
    warnings.warn(
        f"{folder}/{name} in the store {files.place} is damaged and was left out; the next run "
        f"sets it aside and trains again what it held: {why}",
        DamagedFileWarning,
        stacklevel=3,
    )


def set_aside_damaged(files: Files) -> list[str]:
    """Read every file of the tables, and move the damaged ones to ``set_aside/``.

    Returns:
        A line for each: which file, what is wrong with it, and what follows.
    """
    lines = []
    for folder in TABLES:
        names = [name for name in files.names(folder) if is_of_a_table(name)]
        for name, why in damages(files, folder, names).items():
            files.move(f"{folder}/{name}", f"set_aside/{folder}/{name}")
            lines.append(
                f"{folder}/{name} in the store {files.place} is damaged and was moved to "
                f"set_aside/; what it held is trained again: {why}"
            )
    return lines
