"""CPUs, GPUs and processes of a trial: what the user asks for, and what that means on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from superconv_ray.design.fields import COUNT, NOT_NEGATIVE, POSITIVE, checked

Amount: TypeAlias = float | Literal["auto"]
"""A number, or "auto": derived from measured peaks."""


@dataclass(frozen=True)
class Amounts:
    """What every trial of a run requests.

    Attributes:
        cpus: CPUs of a trial; None: one for each process.
        gpus: GPUs of a trial, fractions allowed; None: one each where there are any.
        processes: Processes that share a trial's batches; None: one for each of its GPUs.

    Raises:
        ValueError: An amount is impossible, or the processes cannot share the GPUs.
    """

    cpus: Amount | None = None
    gpus: Amount | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        cpus, gpus, processes = self.cpus, self.gpus, self.processes
        for name, amount, rule in (("cpus", cpus, POSITIVE), ("gpus", gpus, NOT_NEGATIVE)):
            if amount != "auto":
                checked(f"{name}_per_trial", amount, float | None, rule)
        checked("processes_per_trial", processes, int | None, COUNT)
        if isinstance(gpus, float | int) and gpus and not _fit(gpus, processes):
            raise ValueError(
                "gpus_per_trial must be at most 1 for a trial of one process, or one for each "
                f"process of a trial; got {gpus:g} for processes_per_trial={processes}"
            )
        if "auto" in (cpus, gpus) and (processes or 1) > 1:
            raise ValueError(
                f"processes_per_trial must be 1 with 'auto', which measures single processes; "
                f"got {processes}"
            )

    def filled_in(self, *, has_gpus: bool) -> FilledIn:
        """Return the amounts for a cluster with or without GPUs."""
        gpus = self.gpus
        if not has_gpus and gpus in (None, "auto"):
            gpus = 0.0
        elif gpus is None:
            gpus = float(self.processes or 1)
        processes = self.processes or (1 if gpus == "auto" else max(1, int(gpus)))
        return FilledIn(float(processes) if self.cpus is None else self.cpus, gpus, processes)


@dataclass(frozen=True)
class FilledIn:
    """Amounts without a None.

    Attributes:
        cpus: CPUs of a trial.
        gpus: GPUs of a trial; 0: it runs on CPUs.
        processes: Processes of a trial.
    """

    cpus: Amount
    gpus: Amount
    processes: int

    @property
    def measured(self) -> bool:
        """Whether what a trial requests depends on measured peaks."""
        return "auto" in (self.cpus, self.gpus)

    @property
    def threads(self) -> int:
        """CPU threads of each process."""
        return 1 if self.cpus == "auto" else max(1, round(self.cpus / self.processes))


def _fit(gpus: float, processes: int | None) -> bool:
    """Whether each process gets a GPU of its own, or the only one a share."""
    return gpus <= 1 if (processes or gpus) <= 1 else gpus == (processes or int(gpus))
