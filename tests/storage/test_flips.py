"""A flipped bit anywhere in a store changes no number that is read: it is harmless, or it is named.

`benchmarks.faults` does the same many times over, with whole runs.
"""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.storage import parquet_files
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.integrity import DamagedFileWarning, set_aside_damaged
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import make_trial, member, ordered, write

FLIPS = 20
"""Of each file."""
SEEDS = range(8)
UNFINISHED = make_trial(100)
EARLIER = StudyDefinition(name="one").digest
READS: dict[str, Callable[[Store], Any]] = {
    "trials": lambda store: ordered(store.trials()),
    "curves": lambda store: ordered(store.curves()),
    "some curves": lambda store: ordered(
        store.curves(columns=["trial_id", "test_loss"], filters=[("step", ">", 1)])
    ),
    "members": lambda store: store.members("one"),
    "earlier members": lambda store: store.members("one", definition=EARLIER),
    "definitions": lambda store: store.definitions("one"),
    "failures": lambda store: store.failures(),
    "checkpoint": lambda store: store.checkpoint(UNFINISHED.id),
}
FILES = {
    "store.json": ["definitions"],
    f"trials/{make_trial(7).id}.parquet": ["trials"],
    f"curves/{make_trial(7).id}.parquet": ["curves", "some curves"],
    "trials/compact-*.parquet": ["trials", "curves"],
    "curves/compact-*.parquet": ["curves", "some curves"],
    "studies/one.json": ["definitions", "members"],
    "studies/one.parquet": ["members"],
    f"studies/one/{EARLIER}.parquet": ["earlier members"],
    f"failures/{UNFINISHED.id}.json": ["failures"],
    f"checkpoints/{UNFINISHED.id}.pt": ["checkpoint"],
}
"""Files of a store, and what is read from them."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a file of every kind; compact files have several row groups."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    store = open_store(folder)
    writer = StoreWriter(store)
    writer.initialize()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_files, "ROWS_PER_GROUP", 6)
        write(store, *SEEDS[:-1])
        compact(store.files)
    write(store, SEEDS[-1])
    writer.write_study(StudyDefinition(name="one"), [member(seed, "a") for seed in SEEDS[:2]])
    writer.write_study(
        StudyDefinition(name="one", seeds=[9]), [member(seed, "a") for seed in SEEDS]
    )
    writer.write_failure(UNFINISHED, "boom")
    writer.write_checkpoint(UNFINISHED.id, bytes(range(256)))
    return folder


def look(folder: Path, reads: Iterable[str]) -> dict[str, Any]:
    """What is read; an error in place of what cannot be."""
    found: dict[str, Any] = {}
    for what in reads:
        try:
            found[what] = READS[what](open_store(folder))
        except StoreError as error:
            found[what] = error
    return found


def lacks_at_most(found: Any, whole: Any) -> bool:
    """Whether this is the whole, or a part of it in which nothing is changed."""
    if isinstance(whole, pd.DataFrame):
        rows, all_rows = ([*map(repr, f.to_dict("records"))] for f in (found, whole))
        return len(set(rows)) == len(rows) and set(rows) <= set(all_rows)
    if isinstance(whole, dict):
        return bool(found.items() <= whole.items())
    return bool(found == whole)


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_changes_nothing_that_is_read_or_is_named(
    file: str, whole: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(whole, tmp_path / "store")
    (path,) = folder.glob(file)
    content, before = path.read_bytes(), look(folder, FILES[file])
    start = f"{path.relative_to(folder)} in the store {folder} is damaged"
    chance = random.Random(file)
    found_damaged = 0
    for _ in range(FLIPS):
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", DamagedFileWarning)
            after = look(folder, FILES[file])
        named = [str(w.message) for w in told]
        for what, found in after.items():
            if isinstance(found, StoreError):
                named.append(str(found))
            else:
                assert lacks_at_most(found, before[what]), what
        assert all(text.startswith(start) for text in named)
        assert named or repr(after) == repr(before)
        found_damaged += bool(named)
    assert found_damaged > FLIPS / 2


@pytest.mark.parametrize("folder", ["trials", "curves"])
def test_of_a_compact_file_only_the_damaged_row_group_is_lost(
    folder: str, whole: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(whole, tmp_path / "store")
    (path,) = place.glob(f"{folder}/compact-*.parquet")
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    store = open_store(place)
    (line,) = set_aside_damaged(store.files, "one")
    lost = 6 if folder == "trials" else 2
    assert line.endswith(f"It was moved to set_aside/; {lost} of its 7 trials are trained again")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(store.finished_ids()) == 8 - lost
        kept = {"trials": store.trials, "curves": store.curves}[folder]()
    assert set(kept["trial_id"].astype(str)) == store.finished_ids()
    write(store, *SEEDS)
    compact(store.files)
    assert repr(look(place, READS)) == repr(look(whole, READS))


class Unreliable(Files):
    """Its memory, or the way to it, flips a bit of each file once."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.flipped: set[str] = set()

    def path(self, name: str) -> str:
        """Return a changed copy of a file at first, and then the file."""
        path = Path(super().path(name))
        if not name.startswith("curves/compact-") or name in self.flipped:
            return str(path)
        self.flipped.add(name)
        content = bytearray(path.read_bytes())
        content[60] ^= 1
        path.with_name("copy").write_bytes(content)
        return str(path.with_name("copy"))


def test_a_file_that_is_whole_when_it_is_read_again_is_not_set_aside(
    whole: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(whole, tmp_path / "store")
    unreliable = Unreliable(str(place))
    assert set_aside_damaged(unreliable, "one") == []
    assert len(unreliable.flipped) == 1
    assert repr(look(place, READS)) == repr(look(whole, READS))
