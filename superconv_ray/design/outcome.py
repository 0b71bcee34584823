"""How a trial ended: what a worker tells the planner and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["completed", "diverged", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one trial.

    Attributes:
        status: "completed"; "diverged", which is a result as well; or "failed", which is not.
        measurements: Column name to value, the trial's own settings not included.
        curve: Rows of the learning curve; trainings leave it empty, it is in the store.
        error: For a failed trial: what was raised, with traceback.
    """

    status: Status
    measurements: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[Mapping[str, Any]] = ()
    error: str | None = None
