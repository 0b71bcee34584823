"""Training budgets, and how each unit becomes a number of optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from superconv_ray.data.allocation import exact_fraction
from superconv_ray.design.fields import COUNT, POSITIVE, checked, number


@dataclass(frozen=True)
class Budget:
    """Length of a training; made by `iterations`, `epochs`, `samples` or `seconds`.

    Attributes:
        amount: Number of units.
        unit: What the amount counts.
        step_seconds: Batch size -> measured seconds per optimizer step; only used by a budget in
            seconds.
    """

    amount: float
    unit: Literal["iterations", "epochs", "samples", "seconds"]
    step_seconds: Mapping[int, float] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        # Tables distinguish budgets by this text, so it keeps every digit.
        amount = int(self.amount) if self.amount == int(self.amount) else self.amount
        times = f", {dict(self.step_seconds)}" if self.unit == "seconds" else ""
        return f"{self.unit}({amount!r}{times})"

    def __post_init__(self) -> None:
        name, amount = f"budget in {self.unit}", self.amount
        steps = self.unit == "iterations"
        amount = checked(name, amount, int, COUNT) if steps else number(name, amount, POSITIVE)
        object.__setattr__(self, "amount", amount)

    def steps(self, training_count: int, batch_size: int) -> int:
        """Return the number of optimizer steps that the budget allows.

        This is the only place where units become steps.

        Args:
            training_count: Samples to train on, without those held out for validation.
            batch_size: Samples per step.

        Raises:
            ValueError: The budget is in seconds and has no measured time for this batch size.
        """
        if self.unit == "iterations":
            return int(self.amount)
        if self.unit == "seconds":
            if batch_size not in self.step_seconds:
                known = ", ".join(map(str, self.step_seconds)) or "none"
                raise ValueError(
                    "step_seconds must hold the measured time of a step for every batch size, "
                    f"got none for batch_size {batch_size}; known batch sizes: {known}"
                )
            return max(1, round(self.amount / self.step_seconds[batch_size]))
        # Exact fractions: in floats, 1.1 epochs of 100 samples are slightly more than 110.
        seen = exact_fraction(self.amount) * (training_count if self.unit == "epochs" else 1)
        return max(1, math.ceil(seen / batch_size))


def iterations(count: int) -> Budget:
    """Return a budget of optimizer steps: equal updates whatever the number of labels."""
    return Budget(count, "iterations")


def epochs(count: float) -> Budget:
    """Return a budget of passes over the limited labels: fewer labels, fewer steps."""
    return Budget(count, "epochs")


def samples(count: float) -> Budget:
    """Return a budget of samples seen: equal computation whatever the batch size."""
    return Budget(count, "samples")


def seconds(amount: float, step_seconds: Mapping[int, float]) -> Budget:
    """Return a budget of training time.

    Measured times turn it into steps, so the number of steps is the same on every machine.

    Args:
        amount: Seconds of training, without evaluations.
        step_seconds: Batch size -> seconds per optimizer step. `analysis.step_seconds` computes
            them from trials that ran on the hardware in question.

    Raises:
        TypeError: The times are no mapping, or hold something else than numbers.
        ValueError: A time is not finite and positive.
    """
    if not isinstance(step_seconds, Mapping):
        raise TypeError(
            f"step_seconds must map batch sizes to seconds, such as {{64: 0.01}}, "
            f"got {step_seconds!r}"
        )
    times = {
        checked("step_seconds: batch size", batch_size, int, COUNT): number(
            f"step_seconds for {batch_size}", time, POSITIVE
        )
        for batch_size, time in step_seconds.items()
    }
    return Budget(amount, "seconds", times)


def check_budget(budget: object) -> None:
    """Raise a `TypeError` unless this is a budget."""
    if not isinstance(budget, Budget):
        raise TypeError(
            "budget must come from iterations(...), epochs(...), samples(...) or seconds(...), "
            f"got {budget!r}"
        )
