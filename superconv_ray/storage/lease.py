"""One driver per study: a second one is refused, and one that was replaced can write no more.

    STORE/leases/<study>/<driver>.json    the claim of a driver; renewed while it lives
    STORE/leases/<study>/<driver>/        its trials (see `trial_claims`), and unfinished files
    STORE/leases/<study>/<driver>.lost    another driver has taken over

Every driver writes a claim of its own and then lists the claims. Where a listing shows all earlier
writes (a disk, NFS, S3, GCS, Azure), at least one of two drivers sees the other's claim, and
withdraws its own. A claim that is not renewed expires, by the store's clock, so that the drivers'
clocks need not agree. If the store's times are of no use, a newcomer watches whether it is renewed.

A driver that was stopped, such as a laptop that slept, may wake up after another one took over. Its
view of the study is stale, so all that it writes except results goes through `Lease.files`, and
every such write is refused. On a disk that is one operation with the takeover: files are renamed
out of a folder that the takeover removes. pyarrow has no conditional write for object stores. There
the lease is checked before each write, and a driver that is stopped for longer than its lease in
the midst of a request can still overwrite the study's table. No trial is lost by that: the next run
of the study puts its table right.

Results of trials are written without a lease. They are keyed by all that determines them.
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import signal
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError
from superconv_ray.storage.seal import DamagedFileError, read_json, write_json

EXPIRY_SECONDS = 60.0
RENEWAL_SECONDS = 15.0
ATTEMPTS = 4
"""Two drivers that claim a study at the same moment both withdraw, and try again."""
CLOCK_SECONDS = 5.0
"""Time by which a claim may be newer than one that was written after it."""


class StudyInUseError(StoreError):
    """Another driver is running the study on this store."""


@dataclass(frozen=True)
class Claim:
    """The driver that runs a study.

    Attributes:
        host: Name of the driver's machine.
        processes: Where its pid is valid: the boot of the machine, as machines may share a name,
            and the container, which may number its own processes.
        pid: Process id of the driver; 0: unknown, as the claim is damaged.
        since: Start of the run, ISO 8601, UTC.
        renewed_at: When it was last renewed, in seconds since 1970 by the clock of the machine.
    """

    host: str
    processes: str
    pid: int
    since: str
    renewed_at: float

    def __str__(self) -> str:
        if not self.pid:
            return "a driver whose claim is damaged"
        return f"process {self.pid} on {self.host} since {self.since}"

    def owner_is_dead(self) -> bool:
        """Whether the driver is known to have ended; only this machine can look its pid up."""
        if (self.host, self.processes) != (platform.node(), _processes()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is alive, and another user's
        return False


class Lease:
    """The right to run a study, until another driver takes it over.

    Attributes:
        claim: The file that says who holds it.
        folder: Where unfinished files lie; see `Fence`.
        files: The store's files. Writing one fails with StudyInUseError once the lease is lost.
    """

    def __init__(self, files: Files, study: str) -> None:
        self.folder = f"leases/{study}/{uuid.uuid4().hex}"
        self.claim = f"{self.folder}.json"
        self.files = files.behind(self)
        self._store = files
        self._study = study
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._renewed_at = time.time()  # goes on while the machine sleeps, unlike other clocks
        self._watched: dict[str, tuple[Claim, float]] = {}  # claim file -> first seen, and when

    def take(self) -> None:
        """Take the lease.

        Raises:
            StudyInUseError: Another driver holds it.
            StoreError: The store cannot be written.
        """
        refusals = 0
        while True:
            self._store.add_folder(self.folder)
            write_json(self._store, self.claim, self._content())
            other = self._other()
            if other is None:
                return
            self.give_up()
            if other.may_be_dead:
                time.sleep(RENEWAL_SECONDS / 5)
                continue
            refusals += 1
            if refusals == ATTEMPTS:
                raise StudyInUseError(self._in_use(other))
            time.sleep(random.uniform(0.05, 0.25))

    def renew(self) -> None:
        """Show that this driver lives.

        Raises:
            StudyInUseError: Another driver has taken over.
            StoreError: The store cannot be written.
        """
        begun = time.time()
        write_json(self.files, self.claim, self._content())
        self._renewed_at = begun  # the machine may have slept since the claim was in the store

    def check_if_overdue(self) -> None:
        """Check it if it was not renewed in time, as after a sleep; otherwise this costs nothing.

        Raises:
            StudyInUseError: Another driver has taken over.
        """
        if abs(time.time() - self._renewed_at) > 2 * RENEWAL_SECONDS:
            self.check()

    def check(self) -> None:
        """Raise a StudyInUseError if another driver has taken over."""
        if not is_held(self._store, self.claim):
            raise StudyInUseError(
                f"this run of study {self._study!r} did not renew its lease for "
                f"{EXPIRY_SECONDS:.0f} s, and another run has taken over in the store "
                f"{self._store.place}; what is finished is kept, and the other run goes on with "
                "the rest"
            )

    def give_up(self) -> None:
        """Let another driver take the lease at once."""
        self._store.remove_folder(self.folder)
        self._store.delete(self.claim)
        self._store.delete(_mark_of(self.claim))

    def _content(self) -> dict[str, Any]:
        return asdict(Claim(platform.node(), _processes(), os.getpid(), self._since, time.time()))

    def _other(self) -> _Other | None:
        """Return another living driver; drivers whose claims have expired are replaced."""
        place = Path(self.folder).parent.as_posix()
        times = self._store.times(place)
        now = times.pop(Path(self.claim).name, None)
        for name, written_at in times.items():
            file = f"{place}/{name}"
            claim = read_claim(self._store, file) if name.endswith(".json") else None
            if claim is None or _mark_of(name) in times:
                continue
            ahead = written_at - now if written_at and now else 0.0
            if written_at and now and ahead <= CLOCK_SECONDS:
                other = _Other(claim, max(0.0, -ahead))
            else:
                other = self._watch(name, claim, ahead)
            if claim.owner_is_dead() or other.age > EXPIRY_SECONDS:
                self._replace(file, claim)
            else:
                return other
        return None

    def _watch(self, name: str, claim: Claim, ahead: float) -> _Other:
        """Judge a claim by whether it is renewed: its time cannot be compared with ours."""
        if name not in self._watched:
            self._watched[name] = claim, time.monotonic()
            warnings.warn(
                f"study {self._study!r} in the store {self._store.place} may be in use"
                f"{_clock_note(claim, ahead)}: waiting for up to {EXPIRY_SECONDS:.0f} s to see "
                "whether the claim is renewed",
                stacklevel=2,
            )
        first, since = self._watched[name]
        if claim != first:
            return _Other(claim, 0.0, note=_clock_note(claim, ahead))
        return _Other(claim, time.monotonic() - since, may_be_dead=True)

    def _replace(self, file: str, claim: Claim) -> None:
        """Take over from a driver; if it wakes up, it can write no more."""
        if not claim.owner_is_dead():
            self._store.write(_mark_of(file), b"{}")
        self._store.remove_folder(file.removesuffix(".json"))
        self._store.delete(file)

    def _in_use(self, other: _Other) -> str:
        claim = other.claim
        return (
            f"study {self._study!r} in the store {self._store.place} has been run by {claim}, "
            f"last seen {other.age:.0f} s ago{other.note}. Wait until it ends, or stop it there "
            f"with Ctrl-C. If it was killed, repeat the command {EXPIRY_SECONDS:.0f} s after it "
            "was last seen. `status` and `show` work meanwhile"
        )


@dataclass(frozen=True)
class _Other:
    """Another driver, and for how many seconds it has not renewed its claim, as far as known."""

    claim: Claim
    age: float
    may_be_dead: bool = False
    note: str = ""


@contextlib.contextmanager
def lease(files: Files, study: str) -> Iterator[Lease]:
    """Hold the lease on a study, and renew it in the background.

    If this driver stops renewing (a laptop that slept), another one may take the study over. This
    driver is then interrupted as by Ctrl-C, and can write no more through the lease's files.

    Raises:
        StudyInUseError: Another driver holds the lease, or has taken it over.
        StoreError: The store cannot be written.
    """
    held = Lease(files, study)
    held.take()
    over, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not over.wait(RENEWAL_SECONDS):
            try:
                held.renew()
            except StudyInUseError:
                lost.set()
                if not over.is_set():  # otherwise this driver is ending as it is
                    os.kill(os.getpid(), signal.SIGINT)
                return
            except StoreError:
                pass  # while the store is away nobody else can take the study over either

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        try:
            yield held
        finally:
            over.set()
            renewing.join(timeout=1.0)  # the thread may be waiting for the store
            with contextlib.suppress(StoreError):  # the claim expires by itself
                held.give_up()
    except KeyboardInterrupt:  # which the thread may have sent just before it was over
        if lost.is_set():
            held.check()
        raise


def is_held(files: Files, claim: str) -> bool:
    """Return whether the driver that wrote a claim still runs its study."""
    names = files.names(Path(claim).parent.as_posix())
    return Path(claim).name in names and Path(_mark_of(claim)).name not in names


def _mark_of(claim: str) -> str:
    """The file that says that a claim no longer counts, should its driver renew it."""
    return f"{claim.removesuffix('.json')}.lost"


def _clock_note(claim: Claim, ahead: float) -> str:
    """Whose clock is off, for a claim that is dated in the future."""
    if ahead <= CLOCK_SECONDS:
        return ""
    host = claim.host or "its machine"
    whose = f"the clock of {host} is ahead of this machine's; synchronize the two"
    if claim.host == platform.node():
        whose = "the clock of this machine was set back meanwhile"
    return f", by a claim of {claim.host or 'a driver'} that is {ahead:.0f} s ahead: {whose}"


def read_claim(files: Files, name: str) -> Claim | None:
    """Read a claim; None if it was withdrawn meanwhile.

    A damaged one counts: its driver may live, and renews it if it does.
    """
    try:
        record = read_json(files, name)
        return Claim(**record) if record is not None else None
    except (DamagedFileError, TypeError):
        return Claim(host="", processes="", pid=0, since="", renewed_at=0.0)


def _processes() -> str:
    """Identify what numbers the pids: a namespace of this machine since its boot."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{uuid.getnode():x}"
