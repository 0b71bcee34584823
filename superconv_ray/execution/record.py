"""The record of a study in its store: its definition, and the trials that it uses."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from superconv_ray.data.uris import without_secrets
from superconv_ray.design.definition import Provenance, define
from superconv_ray.design.plan import Plan
from superconv_ray.design.version import VERSION
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter


class StudyRecord:
    """Writes what a study is and which trials it uses, again and again while it runs.

    Trials of an earlier run of the same or a smaller definition stay members of their cells until
    the planner knows the cells' trainings: it may have to repeat damaged trials first, or add some,
    before it knows which settings they choose.

    Args:
        store: Where the study is run.
        plan: The study, whose definition `versions.check_definition` has let pass.
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        self._definition = define(plan, provenance=_provenance())
        self._earlier = self._members_so_far()

    def write(self, planner: Planner) -> None:
        """Write the definition and the members known so far.

        Raises:
            StoreError: The store cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        definition = replace(
            self._definition,
            trials=planner.total,
            provenance=replace(self._definition.provenance, written_at=now),
        )
        rows = [asdict(member) for member in planner.memberships]
        known = {(row["cell"], row["trial_id"]) for row in rows}
        settled = {row["cell"] for row in rows if row["role"] == "training"}
        rows += [
            row
            for row in self._earlier
            if row["cell"] not in settled and (row["cell"], row["trial_id"]) not in known
        ]
        StoreWriter(self._store).write_study(definition, rows)

    def _members_so_far(self) -> list[dict[str, Any]]:
        """Rows of the definition that this one continues or extends, with its numbers of cells."""
        name, own = self._definition.name, {c.key: c.cell for c in self._definition.cells}
        for earlier in reversed(self._store.definitions(name)):
            if not self._definition.extends(earlier):
                continue
            members = self._store.members(name, definition=earlier.digest)
            if len(members):
                number = {cell.cell: own.get(cell.key) for cell in earlier.cells}
                cells = members["cell"].map(number)
                rows = members.assign(cell=cells).drop(columns=["study", "definition"])
                return cast("list[dict[str, Any]]", rows[cells.notna()].to_dict("records"))
        return []


def _provenance() -> Provenance:
    return Provenance(
        package_version=VERSION,
        python=platform.python_version(),
        commit=_git_commit(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        command=" ".join(map(without_secrets, sys.argv)),
    )


def _git_commit() -> str | None:
    """Commit of the code the study is run from, marked if files were changed since."""
    folder = Path(sys.argv[0]).resolve().parent if sys.argv[0] else Path.cwd()
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result: Any = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return str(result.stdout).strip()
