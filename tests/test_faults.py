"""The benchmark of injected faults finds what it looks for, and finds nothing in today's store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fault_injection.answers import COUNTED, Finding, Reading, compare
from benchmarks.fault_injection.damage import SECTOR, Damager, Fault, make_faults
from benchmarks.fault_injection.drivers import Disturbed
from benchmarks.fault_injection.stores import Sample, make_samples
from benchmarks.faults import Tally, figures
from superconv_ray.storage import store
from superconv_ray.storage.filesystem import Files

FILE = "trials/compact-1.parquet"
TRUTH = Reading([(("a", "1"), "0.5"), (("b", "1"), "0.25")], "")


def kinds(found: list[Finding]) -> list[str]:
    return [finding.kind for finding in found]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (TRUTH, []),
        (Reading(TRUTH.answer, f"{FILE} is damaged"), []),
        (Reading([(("a", "1"), "-0.5"), (("b", "1"), "0.25")], ""), ["wrong"]),
        (Reading([(("a", "1"), "-0.5"), (("b", "1"), "0.25")], f"{FILE} is damaged"), ["wrong"]),
        (Reading([(("b", "1"), "0.25")], ""), ["wrong"]),
        (Reading([(("b", "1"), "0.25")], f"{FILE} is damaged"), []),
        (Reading([(("b", "1"), "0.25")], "another file is damaged"), ["wrong"]),
        (Reading([(("a", "1"), "0.5")], f"{FILE} is damaged"), ["lost"]),
        (Reading([*(TRUTH.answer or []), (("a", "1"), "0.5")], FILE), ["duplicated"]),
        (Reading([*(TRUTH.answer or []), (("c", "1"), "0.5")], FILE), ["wrong"]),
        (Reading(None, f"StoreError: {FILE} is damaged"), []),
        (Reading(None, "ArrowInvalid: no footer"), ["crashed"]),
    ],
)
def test_an_answer_is_right_or_says_which_file_is_damaged(
    got: Reading, expected: list[str]
) -> None:
    """The file holds trial "a" only."""
    assert kinds(compare("trials()", TRUTH, got, FILE, frozenset({"a"}))) == expected


def test_faults_damage_what_they_name() -> None:
    content = bytes(range(200)) * 10

    def damaged(how: str, at: int = 0) -> bytes:
        return Fault("finished", FILE, how, at).damaged(content)

    flipped = damaged("flip", 8 * 100 + 1)
    assert [i for i in range(2000) if flipped[i] != content[i]] == [100]
    assert flipped[100] == content[100] ^ 2
    assert damaged("zeros", 1) == content[:SECTOR] + bytes(SECTOR) + content[2 * SECTOR :]
    assert damaged("zeros", 3) == content[: 3 * SECTOR] + bytes(2000 - 3 * SECTOR)
    assert damaged("cut", 7) == content[:7]
    assert damaged("empty") == b""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def damager(samples: dict[str, Sample], tmp_path_factory: pytest.TempPathFactory) -> Damager:
    return Damager(samples, tmp_path_factory.mktemp("damaged"))


def test_every_kind_of_file_is_damaged_in_every_way_and_again_alike(
    samples: dict[str, Sample],
) -> None:
    faults = make_faults(samples, 110, seed=0)
    ways: dict[str, list[str]] = {}
    for fault in faults:
        ways.setdefault(fault.kind, []).append(fault.how)
    expected = sorted([*["flip"] * 10, "zeros", "cut", "empty"])
    assert {kind: sorted(ways[kind]) for kind in ways} == dict.fromkeys(
        [
            *("row of a trial", "curve of a trial", "compact trials", "compact curves"),
            *("definition", "study table", "earlier study table", "store.json"),
            *("failure", "checkpoint", "lease"),
        ],
        expected,
    )
    assert make_faults(samples, 110, seed=0) == faults
    assert make_faults(samples, 110, seed=1) != faults


def some_faults(samples: dict[str, Sample]) -> Iterator[Fault]:
    """A fault of each kind of file, of another way in turn."""
    faults = make_faults(samples, 11, seed=2)
    ways = ("flip", "zeros", "cut", "empty")
    for number, kind in enumerate(dict.fromkeys(fault.kind for fault in faults)):
        own = {fault.how: fault for fault in faults if fault.kind == kind}
        yield own[ways[number % len(ways)]]


def test_no_damage_is_silent(samples: dict[str, Sample], damager: Damager) -> None:
    found = {fault: damager.check(fault) for fault in some_faults(samples)}
    assert {fault: lines for fault, lines in found.items() if lines} == {}


def test_a_damaged_checkpoint_that_is_used_without_a_word_is_found(
    samples: dict[str, Sample], damager: Damager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be if checkpoints had no checksum."""

    def unchecked(files: Files, name: str) -> bytes | None:
        return (files.read(name) or b"").partition(b"\n")[2]

    monkeypatch.setattr(store, "read_checkpoint", unchecked)
    (file,) = {f.file for f in make_faults(samples, 1, 0) if f.kind == "checkpoint"}
    content = (samples["unfinished"].folder / file).read_bytes()
    weights = content.index(b"/data/") + 100
    found = damager.check(Fault("unfinished", file, "flip", 8 * weights))
    assert "wrong" in kinds(found)


def test_killed_and_sleeping_runs_lose_and_repeat_nothing(tmp_path: Path) -> None:
    disturbed = Disturbed(tmp_path, begun=False)
    some = [disturbed.operations // 3, disturbed.operations * 2 // 3]
    assert [line for at in some for line in disturbed.kill(at)] == []
    assert [line for _, found in disturbed.wake(some) for line in found] == []


def test_figures_count_faults_and_not_findings() -> None:
    tally = Tally()
    tally.add("definition", "flip", [Finding("wrong", "a"), Finding("wrong", "b")])
    tally.add("definition", "flip", [])
    tally.add("sleepers", 1, [Finding("lost", "c")])
    assert tally.line("definition") == (
        "definition: 2 faults: wrong 1, lost 0, duplicated 0, crashed 0"
    )
    assert {name: tally.total(name) for name in COUNTED} == {
        "wrong": 1,
        "lost": 1,
        "duplicated": 0,
        "crashed": 0,
    }
    values = [figure.value for figure in figures(tally, 1, ["definition"], ["sleepers"])]
    assert values == [1, 1, 0, 1, 1, 1, 0, 0]
