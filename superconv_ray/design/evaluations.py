"""When a trial is evaluated, and on how many training samples."""

from __future__ import annotations

PROBE_COUNT = 10_000
"""Largest number of training samples for the final evaluation, or for BN statistics."""


def early_steps(steps: int, interval: int) -> frozenset[int]:
    """Steps 1, 2, 4, ... below the first interval and the end of a run: it may diverge there."""
    return frozenset(2**k for k in range(interval.bit_length()) if 2**k < min(interval, steps))


def row_steps(steps: int, interval: int) -> frozenset[int]:
    """Steps after which a curve row is due: 1, 2, 4, ... up to interval, then every interval.

    The last step always is. It is the only one if the interval is not shorter than the run: whoever
    asks for no row before the end has none to pay for.
    """
    if interval >= steps:
        return frozenset({steps})
    return early_steps(steps, interval) | {*range(interval, steps, interval), steps}
