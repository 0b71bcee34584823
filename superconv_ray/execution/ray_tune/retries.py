"""What happens to a trial whose worker was lost: it is started again, or given up.

To Ray Tune each start is a trial of its own. Tune's own retries count the loss of a node as a
failure of the trial, and count a worker that dies between two trials twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from superconv_ray.execution.worker_failures import judge

MAX_ATTEMPTS = 4
"""Worker deaths after which a trial is given up. Lost nodes do not count."""
MAX_LOST_NODES = 20
"""Lost nodes after which a trial is suspected of bringing them down."""


@dataclass(frozen=True)
class Decision:
    """What to do with a trial whose worker was lost.

    Attributes:
        start_again: Start the trial again; otherwise give it up.
        trial_to_blame: Whether the trial itself may have killed the worker.
        cause: What happened and, where something helps, what to change.
        reasons: What Ray said about each death, for a trial that is given up.
    """

    start_again: bool
    trial_to_blame: bool
    cause: str
    reasons: tuple[str, ...] = ()


class Retries:
    """Counts the workers and nodes that were lost under each trial."""

    def __init__(self) -> None:
        self._deaths: defaultdict[str, list[str]] = defaultdict(list)
        self._lost_nodes: Counter[str] = Counter()

    def lost(self, trial_id: str, reason: str) -> Decision:
        """Count a loss and decide.

        Args:
            trial_id: Id of the trial.
            reason: What Ray said about the worker.
        """
        death = judge(reason)
        if death.blameless:
            self._lost_nodes[trial_id] += 1
        else:
            self._deaths[trial_id].append(reason)
        deaths, nodes = self._deaths[trial_id], self._lost_nodes[trial_id]
        if len(deaths) < MAX_ATTEMPTS and nodes < MAX_LOST_NODES:
            return Decision(True, not death.blameless, death.cause)
        summary = f"given up: {len(deaths)} workers died at the trial"
        if death.blameless:
            summary += f", and {nodes} nodes were lost"
        return Decision(
            False, not death.blameless, f"{summary}: {death.cause}", tuple(deaths or [reason])
        )

    def forget(self, trial_id: str) -> None:
        """Drop the counts of a trial that has ended."""
        self._deaths.pop(trial_id, None)
        self._lost_nodes.pop(trial_id, None)
