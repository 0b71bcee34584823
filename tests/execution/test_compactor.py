"""While a run goes on, its parts are folded in the background."""

from __future__ import annotations

import threading

import pytest

from superconv_ray import Arm, Study, Trial, iterations
from superconv_ray.execution import compactor, session
from superconv_ray.execution.compactor import Compactor
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError
from superconv_ray.storage.store import Store, open_store
from tests.storage.stored import assert_holds, names, write


@pytest.fixture(autouse=True)
def _few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compactor, "TRIALS_BETWEEN", 3)


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def parts(store: Store) -> list[str]:
    found = [*names(store, "trials"), *names(store, "curves")]
    return [name for name in found if not name.startswith("compact-")]


def test_parts_are_folded_each_time_enough_trials_have_ended(store: Store) -> None:
    write(store, *range(5))
    with Compactor(store.files) as background:
        background.trial_ended()
        background.trial_ended()
    assert len(parts(store)) == 10
    with Compactor(store.files) as background:
        for _ in range(3):
            background.trial_ended()
    assert parts(store) == []
    assert_holds(store, *range(5))


def test_the_run_goes_on_during_a_compaction_and_does_not_start_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, goes_on, count = threading.Event(), threading.Event(), 0

    def compact(_: Files) -> None:
        nonlocal count
        count += 1
        started.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(compactor, "compact", compact)
    with Compactor(store.files) as background:
        for _ in range(3):
            background.trial_ended()
        assert started.wait(60)
        for _ in range(10):
            background.trial_ended()
        goes_on.set()
    assert count == 1


def test_a_store_that_is_away_does_not_end_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def compact(_: Files) -> None:
        nonlocal count
        count += 1
        raise StoreError("away")

    monkeypatch.setattr(compactor, "compact", compact)
    for _ in range(2):
        with Compactor(store.files) as background:
            for _ in range(3):
                background.trial_ended()
    assert count == 2


def test_a_run_that_ends_without_its_last_compaction_leaves_few_parts(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "compact", lambda _: None)
    study = Study(
        name="long",
        base=Trial(data_count=60, batch_size=16),
        arms={"a": Arm(policy="constant", max_lr=0.1)},
        budget=iterations(2),
        seeds=9,
    )
    result = study.run(store_uri, local=True, progress=False)
    assert len(result.trials) == 9
    # The nine trials were due for a compaction once at least, after the first three.
    assert len(parts(open_store(store_uri))) <= 2 * (9 - 3)
