"""When a trial is evaluated, and on how many training samples."""

from __future__ import annotations

PROBE_COUNT = 10_000
"""Largest number of training samples for the final evaluation, or for BN statistics."""


def row_steps(steps: int, interval: int) -> frozenset[int]:
    """Steps after which a curve row is due: 1, 2, 4, ... up to interval, then every interval.

    The last step always is.
    """
    early = {2**k for k in range(interval.bit_length()) if 2**k < min(interval, steps)}
    return frozenset(early | set(range(interval, steps, interval)) | {steps})
