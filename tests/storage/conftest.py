"""A store, and one that holds a few results."""

from __future__ import annotations

import pytest

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.store import Store, open_store
from superconv_ray.storage.writing import StoreWriter
from tests.storage.stored import (
    member,
    write,
)


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


@pytest.fixture(params=["parts", "compact", "both"])
def filled(request: pytest.FixtureRequest, store: Store) -> Store:
    """Trials 1 to 4 and a study of 2 to 4, in files of each kind."""
    write(store, 1, 2)
    if request.param != "parts":
        compact(store.files)
    write(store, 3, 4)
    if request.param == "compact":
        compact(store.files)
    StoreWriter(store).write_study(
        StudyDefinition(name="one"), [member(seed, "a") for seed in (2, 3, 4)]
    )
    return store
