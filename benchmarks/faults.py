"""Faults injected into a store: whatever is damaged, killed or asleep, no answer may become wrong.

    python -m benchmarks.faults [--flips 2000] [--meetings 40] [--seed 0] [--jobs 1]

A store of a tiny study has a file of every kind: rows and curves of trials, each as a part and
compacted; the study's definition, its table and an earlier table; a failure; the checkpoint of an
unfinished trial; a driver's lease; the store's version. Three kinds of fault are injected:

    damage    Single bits of these files are flipped, as many of every kind. A tenth as many
              sectors of 512 bytes become zeros, and as many files are cut off; and one of each
              kind becomes empty. After each fault every reader reads the store, and the study is
              run again
    kills     A run of four trials is killed with SIGKILL before each operation that changes its
              store, or in its middle, and run again; once from the start, once with half of the
              trials there
    sleepers  The run is stopped with SIGSTOP before each such operation, for longer than its lease.
              Another run takes over and finishes the study. Then the first one wakes up. In
              "meetings" both are stopped, at random operations, and wake up in turn

It counts the faults after which something was

    wrong       A reader answered anything else than before without naming the damaged file, or
                whatever it named, with a number that was never true. Or a run ended with other
                results than an undisturbed one, bit for bit. Or it used a damaged checkpoint
                without saying so
    lost        A finished trial was not found although its files are whole, or was not there after
                the next run
    duplicated  A trial was trained again although its files are whole; or is twice in an answer;
                or two drivers were let in at a time. (A driver that wakes up in the middle of a
                trial may end it, although another one has ended it meanwhile)
    crashed     A reader or a run ended with an error that does not name the damaged file

Readers are `trials()`, `curves()`, `studies()`, `members()`, `failures()` and so on, `status`,
`show` with the tables of `report`, and `watch`. Times and the machine's name are not compared
between runs. Exit code 1: something is not zero.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.fault_injection.answers import COUNTED, Finding
from benchmarks.fault_injection.damage import check_all, make_faults
from benchmarks.fault_injection.drivers import Disturbed
from benchmarks.fault_injection.stores import make_samples
from benchmarks.recording import Figure, add_save_flag, save

SHOWN = 3
"""Findings printed for each kind of fault."""


class Tally:
    """Counts of faults and of what followed from them, by kind of fault."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.found: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, what: object, findings: Sequence[Finding]) -> None:
        """Count a fault, and print some of its findings."""
        self.faults[kind] += 1
        kinds = {finding.kind for finding in findings}
        if kinds and sum(self.found[kind, name] for name in COUNTED) < SHOWN:
            for finding in findings[:SHOWN]:
                print(f"  {finding.kind}: {what}: {finding.line}", flush=True)
        self.found.update((kind, name) for name in kinds)

    def line(self, kind: str) -> str:
        """The counts of one kind of fault."""
        counts = ", ".join(f"{name} {self.found[kind, name]}" for name in COUNTED)
        return f"{kind}: {self.faults[kind]} faults: {counts}"

    def total(self, name: str, kinds: Iterable[str] | None = None) -> int:
        """How many faults had a finding of this name."""
        return sum(self.found[kind, name] for kind in (kinds or self.faults))


def benchmark(given: argparse.Namespace, folder: Path) -> tuple[bool, list[Figure]]:
    """Print the counts of every kind of fault.

    Returns:
        Whether all of them are zero, and the figures to save.
    """
    tally = Tally()
    flips, files = inject_damage(tally, given.flips, given.seed, given.jobs, folder)
    sleep = inject_sleep(tally, given.meetings, given.seed, folder)
    runs = [*inject_kills(tally, folder), *sleep]
    total = {name: tally.total(name) for name in COUNTED}
    print(
        f"{tally.faults.total()} faults: silent wrong answers {total['wrong']}, "
        f"lost {total['lost']}, duplicated {total['duplicated']}, crashed {total['crashed']}"
    )
    return not sum(total.values()), figures(tally, flips, files, runs)


def inject_damage(
    tally: Tally, flips: int, seed: int, jobs: int, folder: Path
) -> tuple[int, list[str]]:
    """Damage files. Return the number of flipped bits, and the kinds of files."""
    samples = make_samples(folder / "samples")
    faults = make_faults(samples, flips, seed)
    kinds = list(dict.fromkeys(fault.kind for fault in faults))
    checked = check_all(samples, faults, folder / "damage", jobs)
    for number, (fault, findings) in enumerate(checked, 1):
        tally.add(fault.kind, fault, findings)
        if number == len(faults) or faults[number].kind != fault.kind:
            print(tally.line(fault.kind), flush=True)
    return sum(fault.how == "flip" for fault in faults), kinds


def inject_kills(tally: Tally, folder: Path) -> Iterator[str]:
    """Kill runs at every operation. Yield the kinds of faults."""
    for begun in (False, True):
        kind = f"kills of a run that {'continues' if begun else 'begins'}"
        disturbed = Disturbed(folder / f"kills-{begun}", begun=begun)
        for at in range(1, disturbed.operations + 1):
            tally.add(kind, at, disturbed.kill(at))
        print(tally.line(kind), flush=True)
        yield kind


def inject_sleep(tally: Tally, meetings: int, seed: int, folder: Path) -> Iterator[str]:
    """Stop runs and wake them. Yield the kinds of faults."""
    disturbed = Disturbed(folder / "sleepers", begun=False)
    kind = "sleepers"
    for at, findings in disturbed.wake(range(1, disturbed.operations + 1)):
        tally.add(kind, at, findings)
    print(tally.line(kind), flush=True)
    yield kind
    draw, kind = random.Random(seed), "meetings"
    for number in range(meetings):
        tally.add(kind, number, disturbed.meet(draw))
    print(tally.line(kind), flush=True)
    yield kind


def figures(tally: Tally, flips: int, files: Sequence[str], runs: Sequence[str]) -> list[Figure]:
    """The counts of a run of the benchmark.

    Args:
        tally: All counts.
        flips: Number of flipped bits among the damages.
        files: Kinds of files that were damaged.
        runs: Kinds of disturbed runs.
    """
    kills = [kind for kind in runs if kind.startswith("kills")]
    sleepers = [kind for kind in runs if kind not in kills]
    others = _sum(tally, files) - flips
    return [
        Figure(f"bits flipped in files of {len(files)} kinds", flips, ""),
        Figure("files with zeroed sectors, cut off or emptied", others, ""),
        Figure("runs killed, at every operation that changes the store", _sum(tally, kills), ""),
        Figure("drivers stopped for longer than their lease", _sum(tally, sleepers), ""),
        Figure("silent wrong answers after all of these", tally.total("wrong"), ""),
        Figure("trials lost", tally.total("lost"), ""),
        Figure("trials trained twice", tally.total("duplicated"), ""),
        Figure("errors that do not name the damaged file", tally.total("crashed"), ""),
    ]


def _sum(tally: Tally, kinds: Iterable[str]) -> int:
    return sum(tally.faults[kind] for kind in kinds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--meetings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that read damaged files")
    add_save_flag(parser)
    return parser.parse_args()


if __name__ == "__main__":
    given = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as well
    os.environ["OMP_NUM_THREADS"] = "1"
    memory = "/dev/shm"  # no time for flushing to disk
    scratch = Path(tempfile.mkdtemp(dir=memory if Path(memory).is_dir() else None))
    try:
        whole, measured = benchmark(given, scratch)
        if given.save:
            save("faults", measured)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if whole else 1)
