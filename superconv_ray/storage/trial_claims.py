"""Which driver trains a trial that several studies use: the one that claims it first.

    STORE/leases/<study>/<driver>/trials-<n>.json    ids of trials that a driver claims

A driver claims trials before it trains them, all that are ready at a time, so that claims cost one
small file for each choice that a study makes. As with leases, it first writes its claim and then
looks for others' claims, and withdraws what another driver has. Claims go with the lease of their
driver: when it ends or dies, they no longer count.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator

from superconv_ray.storage import lease as leases
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import Claim, Lease
from superconv_ray.storage.seal import DamagedFileError, read_json, write_json


class TrialClaims:
    """The trials that a driver claims, and those that drivers of other studies do.

    Args:
        held: The driver's lease.

    Attributes:
        held: The same.
    """

    def __init__(self, held: Lease) -> None:
        self.held = held
        self._files: Files = held.files
        self._folder = held.folder
        self._study = held.folder.split("/")[1]
        self._number = 0
        self._renewed: dict[str, tuple[Claim, float]] = {}  # claim file -> content, since when
        self._read: dict[tuple[str, int, int | None], frozenset[str]] = {}
        self._seen: object = None
        self.others_were_active()

    def claim(self, ids: Collection[str]) -> dict[str, str]:
        """Claim trials.

        Returns:
            Those that another driver has: id -> which driver, in words.
        """
        self._number += 1
        file = f"{self._folder}/trials-{self._number}.json"
        write_json(self._files, file, {"trials": sorted(ids)})
        taken = self.taken(ids)
        if taken:
            write_json(self._files, file, {"trials": sorted(set(ids) - taken.keys())})
        return taken

    def taken(self, ids: Collection[str]) -> dict[str, str]:
        """Return the trials that a living driver of another study has: id -> which, in words."""
        found: dict[str, str] = {}
        for place, claim in self._living():
            who = f"study {place.split('/')[1]!r} (process {claim.pid} on {claim.host})"
            found |= dict.fromkeys(self._claimed(place) & frozenset(ids), who)
        return found

    def others_were_active(self) -> bool:
        """Return whether drivers of other studies have begun, recorded or ended since last asked.

        Only then can the store have results that this driver did not find there before.
        """
        own = (f"{self._study}.json", f"{self._study}.parquet")
        recorded = {k: v for k, v in self._files.times("studies").items() if k not in own}
        before, self._seen = self._seen, (recorded, [place for place, _ in self._living()])
        return before != self._seen

    def _living(self) -> Iterator[tuple[str, Claim]]:
        """Yield the folder and the claim of each driver of another study that renews its claim."""
        names = self._files.tree("leases")
        for name in sorted(names):
            folder = name.removesuffix(".json")
            if name.count("/") != 2 or folder == name or folder == self._folder:
                continue
            claim = leases.read_claim(self._files, name)
            if claim is None or f"{folder}.lost" in names or claim.owner_is_dead():
                continue
            known, since = self._renewed.get(name, (None, 0.0))
            if claim != known:
                since = time.monotonic()
                self._renewed[name] = claim, since
            if time.monotonic() - since <= leases.EXPIRY_SECONDS:
                yield folder, claim

    def _claimed(self, place: str) -> frozenset[str]:
        """Ids of the trials that a driver claims; a file is read again only if it has changed."""
        claimed: frozenset[str] = frozenset()
        for name, version in self._files.tree(place).items():
            key = (name, *version)
            if key not in self._read:
                with contextlib.suppress(DamagedFileError):  # then its trials are trained twice
                    record = read_json(self._files, name) or {"trials": ()}
                    self._read[key] = frozenset(record["trials"])
            claimed |= self._read.get(key, frozenset())
        return claimed
