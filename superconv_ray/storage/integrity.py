"""Damaged files: left out by readers with a warning, and set aside by the next run.

Names are trusted until a file is read. What a damaged file held counts as not done once the file
is set aside; of a compact file, that is only what cannot be read any more.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.parquet_files import (
    TABLES,
    check_form,
    ids_in,
    is_compact,
    is_of_a_table,
    read_part,
    scan_intact,
    write_compact,
)
from superconv_ray.storage.seal import DamagedFileError, SealedFile, read_json

FILES_AT_ONCE = 50
"""Files given to threads at a time: given all at once, each took 0.1 MB until the last was read."""
PARALLEL_REQUESTS = 4
"""Files read or deleted at a time: an object store answers each only after some milliseconds."""


class DamagedFileWarning(UserWarning):
    """A file of the store cannot be read and was left out."""


def warn_left_out(error: DamagedFileError) -> None:
    """Warn that what is damaged of a file was left out."""
    warnings.warn(f"{error}; until then it is left out", DamagedFileWarning, stacklevel=2)


def set_aside(files: Files, error: DamagedFileError, consequence: str) -> str:
    """Move a damaged file to ``set_aside/``, and return a line that says so."""
    files.move(error.name, f"set_aside/{error.name}")
    return (
        f"{error.name} in the store {files.place} is damaged: {error.why}. It was moved to "
        f"set_aside/; {consequence}"
    )


def set_aside_damaged(files: Files, study: str) -> list[str]:
    """Read every file that a run of a study relies on, and move the damaged ones.

    Checkpoints are verified when they are needed.

    Returns:
        A line for each: which file, what is wrong with it, and what follows.

    Raises:
        StoreError: Another version of the package wrote a file, or it cannot be read.
    """
    folders = (f"studies/{study}", "failures", *TABLES)
    listed = [f"{folder}/{name}" for folder in folders for name in files.names(folder)]
    tables = {name for name in listed if name.startswith(tuple(TABLES))}
    names = [f"studies/{study}.json", f"studies/{study}.parquet"]
    names += [n for n in listed if n not in tables or is_of_a_table(n.rpartition("/")[2])]

    def damage_of(name: str) -> DamagedFileError | None:
        return files.patiently("read", lambda: _damage_of(files, name))

    found: list[DamagedFileError | None] = []
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        for start in range(0, len(names), FILES_AT_ONCE):
            found += pool.map(damage_of, names[start : start + FILES_AT_ONCE])
    lines = []
    for error in filter(None, found):
        consequence: str | None = "the run writes it again; finished trials are kept"
        if is_compact(error.name):
            consequence = files.patiently("read", partial(_keep_intact, files, error.name))
        elif error.name in tables:
            consequence = "the trial is trained again"
        if consequence:
            lines.append(set_aside(files, error, consequence))
    return lines


def _damage_of(files: Files, name: str) -> DamagedFileError | None:
    """Return what is wrong with a file; None if nothing is, or if it is gone."""
    try:
        if name.endswith(".json"):
            read_json(files, name)
        elif is_compact(name):
            source = SealedFile(files, name)
            source.verify()
            check_form(files, name, source)
        else:
            part = read_part(files, name)
            if not name.startswith("studies/"):
                check_form(files, name, part)
    except DamagedFileError as error:
        return error
    except FileNotFoundError:
        pass
    return None


def _keep_intact(files: Files, name: str) -> str | None:
    """Write the intact row groups of a damaged compact file to another one, and say what is lost.

    None: Nothing is, as only the first attempt to read it failed.
    """
    folder = name.partition("/")[0]
    try:
        source = SealedFile(files, name)
    except DamagedFileError:
        return "its trials are trained again"
    rows = scan_intact(TABLES[folder], source)
    kept, ids = sorted(rows["trial_id"].unique().to_pylist()), ids_in(source)
    if len(kept) == len(ids):
        return None
    if kept:
        write_compact(files, folder, rows, kept)
    return f"{len(ids) - len(kept)} of its {len(ids)} trials are trained again"
