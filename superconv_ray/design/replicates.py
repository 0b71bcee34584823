"""Replicates: trials that differ in their seed only, made one at a time when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

from superconv_ray.design.trial import CompleteTrial, Template

T_co = TypeVar("T_co", bound=Template, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Replicates(Sequence[T_co], Generic[T_co]):
    """A trial, or the template of one, for each seed. A plan of a million seeds is as small as one.

    Replicates are equal if they train the same, as trials of equal ids do.

    Attributes:
        pattern: What they have in common; its own seed is 0.
        seeds: The seed of each.
        subset_seed: The seed of the limited labels, if all of them train on the same; a seed for
            each; or None if each draws the labels of its own seed.
    """

    pattern: T_co
    seeds: Sequence[int]
    subset_seed: int | Sequence[int] | None

    def __len__(self) -> int:
        return len(self.seeds)

    @overload
    def __getitem__(self, place: int) -> T_co: ...
    @overload
    def __getitem__(self, place: slice) -> Replicates[T_co]: ...
    def __getitem__(self, place: int | slice) -> T_co | Replicates[T_co]:
        if isinstance(place, slice):
            subsets = self.subset_seed
            if isinstance(subsets, Sequence):
                subsets = subsets[place]
            return replace(self, seeds=self.seeds[place], subset_seed=subsets)
        seed, subset = self.seeds[place], self.subset_seed
        if isinstance(subset, Sequence):
            subset = subset[place]
        elif subset is None and isinstance(self.pattern, CompleteTrial):
            subset = seed
        return self.pattern.changed(seed=seed, subset_seed=subset)

    def complete(self, **chosen: Any) -> Replicates[CompleteTrial]:
        """Return the trials with the settings that their cell has chosen."""
        return Replicates(self.pattern.complete(**chosen), self.seeds, self.subset_seed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Replicates) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Any, ...]:
        return self.pattern.identity(), self.seeds, self.subset_seed
