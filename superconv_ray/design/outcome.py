"""Outcome of a trial, which a worker reports to the planner and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["completed", "diverged", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one trial.

    Attributes:
        status: "completed" and "diverged" are results; "failed" is not.
        measurements: Column name -> value, without the trial's settings.
        curve: Rows of the learning curve. Trainings leave it empty; the store has their curves.
        error: Traceback of a failed trial.
    """

    status: Status
    measurements: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[Mapping[str, Any]] = ()
    error: str | None = None
