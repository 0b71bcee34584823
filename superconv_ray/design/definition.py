"""The definition of a study as a store keeps it: typed, versioned, with readable settings.

A definition says what a study asks. Its digest covers what determines the answer: base, arms,
sweep, budget, seeds, tuning and the user's own models and data sets, but not their order, nor when
and where the study was run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from superconv_ray.design.budget import Budget
from superconv_ray.design.choices import FromRangeTest, Tuned, Tuning
from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.text import call_text
from superconv_ray.design.trial_fields import digest_fields

if TYPE_CHECKING:
    from superconv_ray.design.plan import Plan

DEFINITION_VERSION = 1
"""Version of the JSON form; raised when older code could no longer read it."""

Settings: TypeAlias = Mapping[str, Any]
"""Values by name, as JSON holds them; see `readable`."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where, when and with what a study was last run.

    Attributes:
        package_version: Version of superconv_ray.
        python: Version of Python.
        commit: Git commit of the study file, marked if files were changed since.
        machine: Operating system, architecture and CPUs of the driver's machine.
        command: The command, without secrets.
        written_at: ISO 8601, UTC.
    """

    package_version: str = ""
    python: str = ""
    commit: str | None = None
    machine: str = ""
    command: str = ""
    written_at: str = ""


@dataclass(frozen=True)
class CellDefinition:
    """One arm at one point of the sweep; memberships refer to it by its number."""

    cell: int
    arm: str
    point: Settings

    @property
    def key(self) -> tuple[str, str]:
        """Equal for the same arm and point, whatever their numbers."""
        return self.arm, _canonical(self.point)


@dataclass(frozen=True, kw_only=True)
class StudyDefinition:
    """What a study asks, and where it was last run.

    Attributes:
        name: Name of the study.
        question: What the study asks, in a sentence.
        purpose: "lr_find" marks the range tests of ``superconv lr-find``, which ``report``,
            ``export`` and ``watch`` leave out unless they are named.
        base: Settings that all arms share.
        arms: Each arm's own settings.
        sweep: Points at which the arms are compared; one empty point if nothing is swept.
        budget: Length of a training, such as ``{"iterations": 500}``; None if the sweep sets it.
        seeds: Seeds of the replicates; with `further_seeds` all that may be needed.
        further_seeds: Fields of `AtLeast`, if the number of seeds depends on what they show.
        tuning: Fields of `Tuning`, if a setting is tuned.
        models: Digest of the source of each of the user's own models.
        datasets: Digest of the content of each of the user's own data sets.
        margin: Smallest gap that counts, in units of the metric; None: the default.
        functions: Digest of the source of each of the user's own functions among the settings, by
            field and name, such as "loss my_loss".
        cells: Every arm at every point.
        trials: Number of trials, as far as known.
        provenance: Where, when and with what the study was last run.
    """

    name: str
    question: str = ""
    purpose: Literal["study", "lr_find"] = "study"
    base: Settings = field(default_factory=dict)
    arms: Mapping[str, Settings] = field(default_factory=dict)
    sweep: Sequence[Settings] = ({},)
    budget: Settings | None = None
    seeds: Sequence[int] = ()
    further_seeds: Settings | None = None
    tuning: Settings | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    margin: float | None = None
    cells: Sequence[CellDefinition] = ()
    trials: int = 0
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        for name in ("sweep", "seeds", "cells"):  # JSON has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def digest(self) -> str:
        """16 hex digits of a SHA-256 over what determines the answer, in any order."""
        asked = {name: getattr(self, name) for name in _ASKED}
        asked["sweep"] = sorted(map(_canonical, self.sweep))
        asked["seeds"] = sorted(self.seeds)
        if self.functions:
            asked["functions"] = self.functions
        if self.margin is not None:
            asked["margin"] = self.margin
        return hashlib.sha256(_canonical(asked).encode()).hexdigest()[:16]

    def difference(self, earlier: StudyDefinition) -> list[str]:
        """What changed since an earlier definition, a line each; empty if the digests are equal."""
        return [line for _, line in _changes(self, earlier)]

    def extends(self, earlier: StudyDefinition) -> bool:
        """Whether it only adds to an earlier definition: arms, points of the sweep, or seeds."""
        return all(kind == "adds" for kind, _ in _changes(self, earlier))

    def to_json(self) -> dict[str, Any]:
        """The definition as JSON holds it, with its version and digest."""
        return {"version": DEFINITION_VERSION, "digest": self.digest, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StudyDefinition:
        """The definition that `to_json` gave.

        Raises:
            ValueError: It is of another version, is no definition, or has another digest than its
                content gives.
        """
        version = content.get("version") if isinstance(content, Mapping) else None
        if version != DEFINITION_VERSION:
            raise ValueError(
                f"this superconv_ray reads study definitions of version {DEFINITION_VERSION}, "
                f"got version {version!r}"
            )
        own = {f.name: content[f.name] for f in fields(cls) if f.name in content}
        try:
            own["cells"] = [CellDefinition(**cell) for cell in content["cells"]]
            own["provenance"] = Provenance(**content["provenance"])
            found = cls(**own)
            digest = content["digest"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a study definition: {error!r}") from None
        # Memberships refer to the digest, so that with another one the study would look empty.
        if found.digest != digest:
            raise ValueError(
                f"its digest is {digest!r} where its content gives {found.digest!r}: another "
                "version of superconv_ray wrote it, or it was changed"
            )
        return found


_ASKED = (
    *("purpose", "base", "arms", "sweep", "budget", "seeds", "further_seeds", "tuning"),
    *("models", "datasets"),
)
"""Fields that the digest covers, and `functions` and `margin` if there are any."""


def define(plan: Plan, *, trials: int = 0, provenance: Provenance | None = None) -> StudyDefinition:
    """The definition of a planned study.

    Args:
        plan: The study, checked and expanded.
        trials: Number of trials, as far as known.
        provenance: Where it is run; not part of what it asks.
    """
    study = plan.study
    used = [cell.templates.pattern for cell in plan.cells]
    digests = {digest_fields()[name] for name in study.base.own_functions()}
    base = {name: v for name, v in study.base.own_settings().items() if name not in digests}
    return StudyDefinition(
        name=study.name,
        question=study.question,
        purpose=plan.purpose,
        base=readable(base),
        arms={name: readable(arm.settings) for name, arm in study.arms.items()},
        sweep=readable(study.sweep.points),
        budget=readable(study.budget),
        seeds=list(study.seed_values()),
        further_seeds=asdict(study.seeds) if isinstance(study.seeds, AtLeast) else None,
        tuning=_tuning(study.tuning) if any(cell.search for cell in plan.cells) else None,
        models={trial.model: trial.model_digest for trial in used if trial.model_digest},
        datasets={trial.dataset: trial.dataset_digest for trial in used if trial.dataset_digest},
        functions={" ".join(key): own.digest for key, own in plan.functions.items()},
        margin=study.margin,
        cells=[
            CellDefinition(number, cell.arm, readable(cell.point))
            for number, cell in enumerate(plan.cells)
        ],
        trials=trials,
        provenance=provenance or Provenance(),
    )


def _tuning(tuning: Tuning) -> Settings:
    """The fields of `Tuning` that are not off, and the rule of the choice.

    A definition without `per_seed` searches once, one without `sampler` spreads its trials evenly,
    and one without `rule` takes the best score.
    """
    own = {name: value for name, value in asdict(tuning).items() if value is not False}
    if tuning.sampler == "even":
        del own["sampler"], own["parallel"]
    return {**own, "rule": Tuning.RULE}


def readable(value: Any) -> Any:
    """A setting as JSON holds it: what is chosen or counted is named by the function that made it.

    ``iterations(500)`` becomes ``{"iterations": 500}``, ``tuned(0.01, 10)`` becomes
    ``{"tuned": {"low": 0.01, "high": 10, "log": true}}``.
    """
    match value:
        case OwnFunction():
            return str(value)
        case None | str() | bool() | int() | float():
            return value
        case Mapping():
            return {str(name): readable(own) for name, own in value.items()}
        case list() | tuple():
            return [readable(item) for item in value]
        case Budget():
            times = {"step_seconds": readable(value.step_seconds)} if value.step_seconds else {}
            return {value.unit: value.amount, **times}
        case FromRangeTest():
            return {"from_range_test": asdict(value)}
        case Tuned():
            return {"tuned": asdict(value)}
    return value.item() if hasattr(value, "item") else repr(value)  # a number of numpy's


def _canonical(value: Any) -> str:
    """Equal for equal values, however numbers are written and names are ordered."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_whole_numbers(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _changes(new: StudyDefinition, old: StudyDefinition) -> Iterator[tuple[str, str]]:
    """Every difference in a line; "adds" if it only adds to the old definition, else "alters"."""
    yield from _changed_values("purpose: ", {"": new.purpose}, {"": old.purpose})
    yield from _changed_values("base: ", new.base, old.base)
    yield from _changed_names("arms", new.arms, old.arms)
    for arm in [name for name in old.arms if name in new.arms]:
        yield from _changed_values(f"arms: {arm}.", new.arms[arm], old.arms[arm])
    yield from _changed_names("sweep", map(_point_text, new.sweep), map(_point_text, old.sweep))
    yield from _changed_values("budget: ", {"": new.budget}, {"": old.budget})
    yield from _changed_values("margin: ", {"": new.margin}, {"": old.margin})
    yield from _changed_names("seeds", map(_text, new.seeds), map(_text, old.seeds))
    # A larger up_to adds seeds; fewer seeds to begin with could leave out some that were needed.
    yield from _changed_values("seeds: ", _first_seeds(new), _first_seeds(old))
    if old.tuning is None and new.tuning is not None:
        yield "adds", "tuning: adds a search"
    else:
        yield from _changed_values("tuning: ", new.tuning or {}, old.tuning or {})
    for label, own, others in (
        ("models", new.models, old.models),
        ("datasets", new.datasets, old.datasets),
        ("functions", new.functions, old.functions),
    ):
        yield from _changed_names(label, own, others)
        what = "content" if label == "datasets" else "source"
        for name in [name for name in others if own.get(name, others[name]) != others[name]]:
            yield "alters", f"{label}: the {what} of {name} changed"


def _first_seeds(definition: StudyDefinition) -> Settings:
    rule = definition.further_seeds
    return {"at_least": rule["least"]} if rule else {}


def _changed_names(label: str, new: Iterable[str], old: Iterable[str]) -> Iterator[tuple[str, str]]:
    new, old = dict.fromkeys(new), dict.fromkeys(old)
    if added := [name for name in new if name not in old]:
        yield "adds", f"{label}: adds {', '.join(added)}"
    if removed := [name for name in old if name not in new]:
        yield "alters", f"{label}: removes {', '.join(removed)}"


def _changed_values(label: str, new: Settings, old: Settings) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name), new.get(name)
        if was != now:
            place = f"{label}{name}".strip()
            yield "alters", f"{place} was {_text(was)}, is {_text(now)}"


def _text(value: Any) -> str:
    """A setting with all digits: different settings have different texts."""
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)):
        return "/".join(map(_text, value))
    if not isinstance(value, Mapping):
        return str(_with_whole_numbers(value))
    made = call_text(value, _text)
    further = json.dumps(dict(list(value.items())[1:]))[1:-1]
    return f"{made[:-1]}, {further})" if further else made


def _point_text(point: Settings) -> str:
    settings = ", ".join(f"{name}={_text(value)}" for name, value in point.items())
    return settings or "the point without settings of its own"
