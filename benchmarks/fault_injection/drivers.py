"""Drivers that are killed, and drivers that are stopped for longer than their lease and wake up."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from benchmarks.fault_injection.answers import (
    OF_A_STUDY,
    RESULTS,
    Finding,
    compare_entries,
    read_study,
)
from benchmarks.fault_injection.operations import LEASE_SECONDS, Driver, Log
from superconv_ray.storage.store import open_store

SEEDS = 2
"""Seeds of the study whose run is disturbed; each has a range test and a training."""
ASLEEP_AT_A_TIME = 12
"""Stopped drivers that wait for their lease to expire together."""


class Disturbed:
    """Disturbs runs of a study, and compares their stores with that of an undisturbed run.

    Args:
        scratch: Folder for the stores.
        begun: Whether the runs find a store with the trials of one seed, instead of none.
    """

    def __init__(self, scratch: Path, *, begun: bool) -> None:
        self._scratch = scratch
        self._start = scratch / "start"
        scratch.mkdir(exist_ok=True)
        if begun:
            Driver(self._start, scratch / "log", seeds=SEEDS - 1).wait()
        else:
            self._start.mkdir()
        undisturbed = self._copy("undisturbed")
        log = Driver(undisturbed, scratch / "log", seeds=SEEDS).wait()
        if not log.of("finished"):
            raise RuntimeError(f"the undisturbed run did not finish: {log.events}")
        self.operations = len(log.of("operation"))
        readings = read_study(undisturbed, (*RESULTS, *OF_A_STUDY))
        self._truth = {name: one.answer or [] for name, one in readings.items()}
        self._trials = {trial_id for (trial_id,), _ in self._truth["finished_ids()"]}
        self._begun = open_store(self._start).finished_ids()

    def kill(self, at: int) -> list[Finding]:
        """Kill a run before an operation, run again, and return what went wrong."""
        store = self._copy("killed")
        killed = self._driver(store, "killed", at, signal.SIGKILL).wait()
        place = f"killed before operation {at}"
        finished = open_store(store).finished_ids()
        found = list(self._partial(place, store, killed))
        again = self._driver(store, "again").wait()
        found += _misdeeds(f"{place}, run again", again, finished)
        return [*found, *self._whole(place, store)]

    def wake(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[Finding]]]:
        """Stop a run before each of these operations, let another one finish, and wake it."""
        for start in range(0, len(numbers), ASLEEP_AT_A_TIME):
            some = numbers[start : start + ASLEEP_AT_A_TIME]
            stores = {at: self._copy(f"asleep-{at}") for at in some}
            asleep = {}
            for at, store in stores.items():
                driver = self._driver(store, f"asleep-{at}", at, signal.SIGSTOP)
                if driver.wait_until_stopped():
                    asleep[at] = driver
            time.sleep(1.2 * LEASE_SECONDS)
            for at, driver in asleep.items():
                yield at, self._wake(f"stopped before operation {at}", driver, stores[at])
            for store in stores.values():
                shutil.rmtree(store)

    def _wake(self, place: str, asleep: Driver, store: Path) -> list[Finding]:
        between = self._driver(store, "between").wait()
        finished = open_store(store).finished_ids()
        asleep.wake()
        woken = asleep.wait().after("stopped")
        found = _misdeeds(f"{place}, another run meanwhile", between, ())
        found += _misdeeds(f"{place}, woken", woken, finished, may_be_refused=True)
        found += self._whole(f"{place}, woken", store)
        return found + self._last_run(place, store)

    def meet(self, draw: random.Random) -> list[Finding]:
        """Stop a run, stop another one that took over, wake the first, then the other."""
        first, second = (draw.randrange(1, self.operations + 1) for _ in range(2))
        place = f"stopped before operation {first}, another run before {second}"
        store = self._copy("meeting")
        asleep = self._driver(store, "asleep", first, signal.SIGSTOP)
        if not asleep.wait_until_stopped():
            return []
        time.sleep(1.2 * LEASE_SECONDS)
        other = self._driver(store, "other", second, signal.SIGSTOP)
        other_stopped = other.wait_until_stopped()
        finished = open_store(store).finished_ids()
        asleep.wake()
        woken = asleep.wait().after("stopped")
        if other_stopped:
            other.wake()
        found = _misdeeds(f"{place}, woken", woken, finished, may_be_refused=True)
        found += _misdeeds(f"{place}, the other run", other.wait(), (), may_be_refused=True)
        return found + self._last_run(place, store)

    def _last_run(self, place: str, store: Path) -> list[Finding]:
        """Run again, as a user would do, and compare with the truth."""
        finished = open_store(store).finished_ids()
        last = self._driver(store, "last").wait()
        found = _misdeeds(f"{place}, run again", last, finished)
        return [*found, *self._whole(f"{place}, run again", store)]

    def _partial(self, place: str, store: Path, killed: Log) -> Iterator[Finding]:
        """Compare what a killed run left with the truth. Trials that it did not keep may lack."""
        unfinished = self._trials - set(killed.of("kept")) - self._begun
        for reader, got in read_study(store, RESULTS).items():
            name = f"{place}: {reader}"
            if got.answer is None:
                yield Finding("crashed", f"{name} raised {got.said}")
            else:
                yield from compare_entries(name, self._truth[reader], got.answer, unfinished)

    def _whole(self, place: str, store: Path) -> Iterator[Finding]:
        """Compare a finished study with the truth."""
        for reader, got in read_study(store).items():
            name = f"{place}: {reader}"
            if got.answer is None:
                yield Finding("crashed", f"{name} raised {got.said}")
            else:
                yield from compare_entries(name, self._truth[reader], got.answer)

    def _copy(self, name: str) -> Path:
        copy = self._scratch / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._start, copy)
        return copy

    def _driver(
        self, store: Path, name: str, at: int | None = None, number: int = signal.SIGKILL
    ) -> Driver:
        log = self._scratch / f"{name}.log"
        return Driver(store, log, seeds=SEEDS, at=at, number=number)


def _misdeeds(
    place: str, log: Log, finished: Collection[str], *, may_be_refused: bool = False
) -> list[Finding]:
    """What a run may not do: crash, hang, be refused, or begin to train what is finished.

    A driver that wakes up in the middle of a trial may end it: it cannot know that another one has
    ended the trial meanwhile.
    """
    lines = [*log.of("crashed"), *log.of("hung"), *([] if may_be_refused else log.of("refused"))]
    found = [Finding("crashed", f"{place}: {line[-300:]}") for line in lines]
    twice = set(log.of("began")) & set(log.of("trained")) & set(finished)
    return found + [Finding("duplicated", f"{place}: trained {id_} again") for id_ in twice]
