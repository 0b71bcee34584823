"""Time and price of what is left of a study: its trials times measured paces, on some slots."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from superconv_ray.design.text import counted, duration
from superconv_ray.design.trial import Template
from superconv_ray.execution.estimate import bounds_on_slots
from superconv_ray.execution.pace import (
    COST_FIELDS,
    Facts,
    Pace,
    Spread,
    evaluated_samples,
    facts_of,
    workload,
    workload_text,
)
from superconv_ray.planning.planner import Planner, Stage

START_SECONDS = Spread(5.0, 10.0, 20.0)
"""Start of Ray on a machine and of its workers, which load torch."""
TRIAL_SECONDS = Spread(0.02, 0.05, 0.1)
"""Overhead of a trial, without its steps and evaluations: its model, its row in the store, Tune."""
EARLIEST_END = 0.5
"""Share of its steps after which a trial that tries out a rate may have diverged."""
FURTHER_SEEDS = Spread(0.0, 0.5, 1.0)
"""Share of the seeds that may be added: none of them, half, all."""


@dataclass(frozen=True)
class Costing:
    """What a cost is computed for.

    Attributes:
        slots: Trials that run at a time; None: one for each CPU of this machine or, if the paces
            are a GPU's, for each of its GPUs.
        price_per_hour: Price of all slots together for an hour, in any currency; None: not asked
            for.
        probe: Whether to measure on this machine what the store does not know; None: if slots or a
            price are given.
        images_per_second: Known rate at which a slot trains; None: measured.

    Raises:
        ValueError: A number is not positive.
    """

    slots: int | None = None
    price_per_hour: float | None = None
    probe: bool | None = None
    images_per_second: float | None = None

    def __post_init__(self) -> None:
        for name in ("slots", "price_per_hour", "images_per_second"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a number > 0, got {value!r}")
        if self.slots is not None and int(self.slots) != self.slots:
            raise ValueError(f"slots must be a whole number, got {self.slots!r}")

    @property
    def probes(self) -> bool:
        """Whether what is unknown is measured on this machine."""
        if self.probe is None:
            return self.slots is not None or self.price_per_hour is not None
        return self.probe


@dataclass(frozen=True)
class StudyCost:
    """What is left of a study, in time and money.

    Attributes:
        slots: Trials that run at a time.
        seconds: Time from start to end; None if a pace is unknown.
        busy_seconds: The same with one trial at a time, without the start of Ray.
        price: `seconds` at the price per hour; None if no price is given or the time is unknown.
        price_per_hour: As given.
        measured: A line for each pace that is known: its value and where it comes from.
        unknown: A line for each workload whose pace is not known.
        uncertain: What the ends of the intervals differ in besides the paces.
    """

    slots: int
    seconds: Spread | None
    busy_seconds: Spread | None
    price_per_hour: float | None = None
    measured: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    price: Spread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.seconds and self.price_per_hour:
            price = self.seconds.times(self.price_per_hour / 3600)
            object.__setattr__(self, "price", price)

    def lines(self) -> Iterator[str]:
        """The cost in words."""
        yield from (f"pace: {line}" for line in self.measured)
        if self.unknown:
            yield f"estimated time: unknown (no pace of {'; '.join(self.unknown)})"
            return
        assert self.seconds is not None
        assert self.busy_seconds is not None
        if not self.busy_seconds.high:
            return
        yield (
            f"estimated time: {_interval(self.seconds)} on {counted(self.slots, 'slot')} "
            f"({_interval(self.busy_seconds)} one trial at a time)"
        )
        if self.price:
            low, likely, high = (f"{value:,.2f}" for value in self.price)
            yield f"estimated price: {likely} [{low} to {high}] at {self.price_per_hour:g} an hour"
        if self.uncertain:
            yield f"the intervals allow for {'; '.join(self.uncertain)}"


def _interval(seconds: Spread) -> str:
    low, likely, high = map(duration, seconds)
    return f"{likely} [{low} to {high}]"


def cost_of(planner: Planner, paces: Mapping[Hashable, Pace], costing: Costing) -> StudyCost:
    """Return time and price of what a planner may still start.

    Args:
        planner: What is left.
        paces: By workload, see `workload`.
        costing: Slots and price.
    """
    work = _Work(paces, facts_of(planner.plan))
    loads = [work.load(planner.expected(FURTHER_SEEDS[place]), place) for place in range(3)]
    slots = costing.slots or _slots_here(any(pace.on_gpu for pace in work.used.values()))
    seconds = busy = None
    if not work.unknown:
        busy = Spread(*(load.busy for load in loads))
        seconds = Spread(*_walls(loads, slots)) if busy.high else Spread.exactly(0.0)
    return StudyCost(
        slots=int(slots),
        seconds=seconds,
        busy_seconds=busy,
        price_per_hour=costing.price_per_hour,
        measured=tuple(f"{name}: {pace.described()}" for name, pace in work.used.items()),
        unknown=tuple(work.unknown),
        uncertain=tuple(_uncertain(loads)),
    )


class _Load(NamedTuple):
    """Trials that are left.

    Attributes:
        trials: How many.
        trying: How many of them try out a setting, and may meet one that diverges.
        busy: Their seconds together.
        longest: Seconds of the longest chain of trials that wait for one another.
    """

    trials: float
    trying: float
    busy: float
    longest: float


class _Work:
    """The trials of a study by what their time depends on.

    Attributes:
        used: Pace by name of the workload, of those that were asked for.
        unknown: Names of the workloads without a pace, in order.
    """

    def __init__(self, paces: Mapping[Hashable, Pace], facts: Facts) -> None:
        self.used: dict[str, Pace] = {}
        self.unknown: dict[str, None] = {}
        self._paces = paces
        self._facts = facts
        self._seconds: dict[Hashable, Spread] = {}

    def load(self, expected: Iterable[tuple[Stage, ...]], place: int) -> _Load:
        """Add up what is expected.

        Args:
            expected: Of a planner.
            place: 0 for the least, 1 for what is likely, 2 for the most.
        """
        trials = trying = busy = longest = 0.0
        for stages in expected:
            in_turn = 0.0
            for stage in stages:
                seconds = self._seconds_of(stage.trial)[place]
                trials += stage.count
                trying += stage.count * _tries_out(stage.trial)
                busy += stage.count * seconds
                in_turn += stage.rounds * seconds
            longest = max(longest, in_turn)
        return _Load(trials, trying, busy, longest)

    def _seconds_of(self, trial: Template) -> Spread:
        key = _cost_key(trial)
        if key not in self._seconds:  # a plan of a million trials has few
            self._seconds[key] = self._compute(trial)
        return self._seconds[key]

    def _compute(self, trial: Template) -> Spread:
        settings = trial.settings()
        pace = self._paces.get(workload(settings, self._facts))
        if pace is None:
            self.unknown[workload_text(trial)] = None
            return Spread.exactly(0.0)
        self.used[workload_text(trial)] = pace
        data = self._facts.get((trial.dataset, trial.dataset_digest))
        samples = evaluated_samples(settings, data.test_count if data else 0)
        low, likely, high = (
            trial.steps * step + samples * sample + rest
            for step, sample, rest in zip(pace.step, pace.sample, TRIAL_SECONDS, strict=True)
        )
        return Spread(EARLIEST_END * low if _tries_out(trial) else low, likely, high)


_cost_key = attrgetter("kind", *COST_FIELDS)


def _tries_out(trial: Template) -> bool:
    return trial.kind == "range_test" or bool(trial.validation_fraction)


def _walls(loads: list[_Load], slots: float) -> Iterator[float]:
    """Least, likely and largest time of the run."""
    for place, (start, load) in enumerate(zip(START_SECONDS, loads, strict=True)):
        least, most = bounds_on_slots(load.busy, load.longest, slots)
        yield start + (least, (least + most) / 2, most)[place]


def _uncertain(loads: list[_Load]) -> Iterator[str]:
    least, _, most = loads
    if most.trying:
        yield "range tests and tuning trials that diverge early"
    if more := round(most.trials - least.trials):
        yield f"0 to {counted(more, 'trial')} of further seeds, of which half are likely"


def _slots_here(on_gpus: bool) -> int:
    if on_gpus:
        import torch

        return max(1, torch.cuda.device_count())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
