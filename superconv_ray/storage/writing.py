"""Writing to a store: what workers and the session do. Users read, with `Store`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.storage import schema
from superconv_ray.storage.parquet_files import read_whole, write_part
from superconv_ray.storage.seal import write_checkpoint, write_json
from superconv_ray.storage.store import Store, earlier_table


class StoreWriter:
    """Writes to a store. Every write is keyed by a trial's id or a study's name, and repeatable.

    Args:
        store: Where to write.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = store.files

    def initialize(self) -> None:
        """Write the schema version, so that a store that cannot be written is noticed early."""
        write_json(self._files, "store.json", {"schema_version": schema.SCHEMA_VERSION})

    def write_result(
        self, trial: CompleteTrial, outcome: Outcome, curve: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write a finished trial: its curve, then its row, which makes it done.

        Raises:
            ValueError: The curve has no rows; that of every finished trial has its last step.
        """
        rows = [{"trial_id": trial.id, **row} for row in curve]
        if not rows:
            raise ValueError(f"the curve of trial {trial.id} must have a row at least, got none")
        table = schema.to_table(rows, schema.CURVES)
        write_part(self._files, f"curves/{trial.id}.parquet", table)
        row = {
            "trial_id": trial.id,
            "kind": trial.kind,
            **trial.settings(),
            "status": outcome.status,
            **outcome.measurements,
        }
        table = schema.to_table([row], schema.TRIALS)
        write_part(self._files, f"trials/{trial.id}.parquet", table)
        self._files.delete(f"failures/{trial.id}.json")

    def write_failure(self, trial: CompleteTrial, error: str) -> None:
        """Write what a trial raised. It counts as not done, and the next run tries it again."""
        content = {"trial_id": trial.id, "error": error, "settings": trial.settings()}
        write_json(self._files, f"failures/{trial.id}.json", content)

    def write_checkpoint(self, trial_id: str, content: bytes) -> None:
        """Write the state of an unfinished trial."""
        write_checkpoint(self._files, f"checkpoints/{trial_id}.pt", content)

    def delete_checkpoint(self, trial_id: str) -> None:
        """Delete the state of a trial."""
        self._files.delete(f"checkpoints/{trial_id}.pt")

    def write_study(
        self, definition: StudyDefinition, members: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write a study's definition, and the table of the trials it uses.

        The definition becomes the current one of its name. Earlier ones are kept, with their
        tables in a folder of the study's name.
        """
        name, digest = definition.name, definition.digest
        earlier = self._store.definitions(name)
        if earlier and earlier[-1].digest != digest:
            current = read_whole(self._files, f"studies/{name}.parquet", schema.MEMBERSHIPS)
            if current is not None:
                write_part(self._files, earlier_table(name, earlier[-1].digest), current)
        kept = [old.to_json() for old in earlier if old.digest != digest]
        content = {"definitions": [*kept, definition.to_json()]}
        write_json(self._files, f"studies/{name}.json", content)
        rows = [{"study": name, "definition": digest, **row} for row in members]
        table = schema.to_table(rows, schema.MEMBERSHIPS)
        write_part(self._files, f"studies/{name}.parquet", table)
