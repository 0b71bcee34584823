"""One driver per study: a second one on the same store is refused, and told who runs it.

    STORE/leases/<study>/<driver>.json

pyarrow has no conditional write for object stores, so there is no lock file. Every driver writes a
claim of its own and then lists the claims. Where a listing shows all earlier writes (a disk, NFS,
S3, GCS, Azure), at least one of two drivers sees the other's claim, and withdraws its own. A driver
renews its claim while it lives; afterwards the claim expires, by the store's clock, so that the
drivers' clocks need not agree.

If the lease failed nevertheless, trials would be trained twice and nothing would be lost: every
write is keyed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError

EXPIRY_SECONDS = 60.0
RENEWAL_SECONDS = 15.0
ATTEMPTS = 4
"""Two drivers that claim a study at the same moment both withdraw, and try again."""


class StudyInUseError(StoreError):
    """Another driver is running the study on this store."""


@dataclass(frozen=True)
class Claim:
    """The driver that runs a study.

    Attributes:
        host: Name of the driver's machine.
        processes: Where its pid is valid: the boot of the machine, as machines may share a name,
            and the container, which may number its own processes.
        pid: Process id of the driver.
        since: Start of the run, ISO 8601, UTC.
    """

    host: str
    processes: str
    pid: int
    since: str

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


@contextlib.contextmanager
def lease(files: Files, study: str) -> Iterator[str]:
    """Hold the lease on a study, and renew it in the background. Yields the claim's file.

    If this driver stops renewing (a laptop that slept), another one may take the study over. This
    driver is then interrupted as by Ctrl-C: it saves what is in progress, and ends.

    Raises:
        StudyInUseError: Another driver holds the lease, or has taken it over.
        StoreError: The store cannot be written.
    """
    folder = f"leases/{study}"
    own = f"{uuid.uuid4().hex}.json"
    file = f"{folder}/{own}"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    claim = Claim(platform.node(), _processes(), os.getpid(), since)
    content = json.dumps(asdict(claim)).encode()
    _claim(files, study, folder, own, content)
    over, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not over.wait(RENEWAL_SECONDS):
            # While the store is away nobody else can take the study over either.
            with contextlib.suppress(StoreError):
                if own not in files.names(folder):
                    lost.set()
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                files.write(file, content)

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        yield file
    except KeyboardInterrupt:
        if not lost.is_set():
            raise
        raise StudyInUseError(
            f"this run of study {study!r} did not renew its lease for {EXPIRY_SECONDS:.0f} s, and "
            f"another run has taken over in the store {files.place}; what was in progress here is "
            "saved"
        ) from None
    finally:
        over.set()
        renewing.join(timeout=1.0)  # the thread may be waiting for the store
        with contextlib.suppress(StoreError):  # the claim expires by itself
            files.delete(file)


def _claim(files: Files, study: str, folder: str, own: str, content: bytes) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        files.write(f"{folder}/{own}", content)
        other = _other(files, folder, own)
        if other is None:
            return
        files.delete(f"{folder}/{own}")
        if attempt == ATTEMPTS:
            raise StudyInUseError(_who(files, study, *other))
        time.sleep(random.uniform(0.05, 0.25))


def _who(files: Files, study: str, claim: Claim, age: float) -> str:
    return (
        f"study {study!r} in the store {files.place} has been run by process {claim.pid} on "
        f"{claim.host} since {claim.since}, last seen {age:.0f} s ago. Wait until it ends, or stop "
        "it there with Ctrl-C. If it was killed, repeat the command "
        f"{EXPIRY_SECONDS:.0f} s after it was last seen. `status` and `show` work meanwhile"
    )


def _other(files: Files, folder: str, own: str) -> tuple[Claim, float] | None:
    """Return another live driver's claim and its age; claims of dead drivers are removed."""
    for name, age in files.ages(folder).items():
        claim = _read(files, f"{folder}/{name}") if name != own else None
        if claim is None:
            continue
        # Where files have no times, only the dead driver's own machine can remove its claim.
        if claim.owner_is_dead() or (age is not None and age > EXPIRY_SECONDS):
            files.delete(f"{folder}/{name}")
        else:
            return claim, age or 0.0
    return None


def _read(files: Files, name: str) -> Claim | None:
    """Read a claim; None if it was withdrawn meanwhile, or is no claim."""
    try:
        return Claim(**json.loads(files.read(name) or b"{}"))
    except (ValueError, TypeError):
        return None


def _processes() -> str:
    """Identify what numbers the pids: a namespace of this machine since its boot."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{uuid.getnode():x}"
