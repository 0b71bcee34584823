"""What a store's readers answer, and how an answer may differ from the truth.

An answer is a list of entries: what each is about (a trial, and a step or an arm), and its text,
which shows every bit of every number.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.fault_injection.stores import NAME
from superconv_ray.api.stored import look_up
from superconv_ray.design.plan import Plan
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.text import study_text
from superconv_ray.report.watch import Watcher
from superconv_ray.storage.store import Store, open_store

COUNTED = ("wrong", "lost", "duplicated", "crashed")
MEASURED_ANEW = (
    *("train_seconds", "eval_seconds", "peak_memory_bytes", "finished_at", "host"),
    *("provenance",),
)
"""What differs between two runs of the same trials: time, place, and memory of the process."""
RESULTS = ("trials()", "curves()", "finished_ids()")
"""Readers that need no study."""
OF_A_STUDY = (
    *("trials(study)", "curves(study)", "members()", "members(earlier)", "finished_ids()"),
    *("begun_ids()", "studies()", "definitions()", "failures()"),
)
"""Readers that together read every file of a store with one study."""
_KEYS = ("trial_id", "step", "arm", "cell", "role")

Entry = tuple[tuple[str, ...], str]
Answer = list[Entry]


@dataclass(frozen=True)
class Finding:
    """What went wrong: one of `COUNTED`, and a line on it."""

    kind: str
    line: str


@dataclass(frozen=True)
class Reading:
    """What one reader said.

    Attributes:
        answer: What it returned; None if it raised.
        said: The text of its warnings, or of its error.
    """

    answer: Answer | None
    said: str


class Readers:
    """All readers of a store, each asked as a command or a program of its own would.

    Args:
        plan: The study of the stores.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shown: dict[str, Reading] = {}

    def read(self, place: Path) -> dict[str, Reading]:
        """Ask every reader."""

        def opened() -> Store:
            return open_store(place)

        def status() -> Answer:
            return [((), repr(replace(look_up(self._plan, opened()), place="")))]

        def watch() -> Answer:
            return [
                entry
                for standing in Watcher(opened()).look()
                for entry in (
                    ((), repr((standing.definition.to_json(), standing.errors, standing.begun))),
                    *_rows(standing.trials, ()),
                )
            ]

        readers = frames(opened) | {"status": status, "watch": watch}
        found = {name: _ask(reader) for name, reader in readers.items()}
        return found | {"show": self._show(place, found)}

    def _show(self, place: Path, found: Mapping[str, Reading]) -> Reading:
        """Ask for the text of `show`, with the tables of `report`, once for the same frames.

        It takes long, and is made of nothing but what other readers return.
        """

        def show() -> Answer:
            text = study_text(StudyResults(open_store(place), NAME))
            return [((), text.replace(str(place), "STORE"))]

        key = repr([found[name].answer for name in OF_A_STUDY])
        if key not in self._shown or self._shown[key].answer is None:
            self._shown[key] = _ask(show)
        said = [found[name].said for name in OF_A_STUDY]
        return replace(self._shown[key], said="\n".join([self._shown[key].said, *said]))


def read_study(place: Path, names: Collection[str] = OF_A_STUDY) -> dict[str, Reading]:
    """Ask some of the readers that return frames, without what is measured again."""
    readers = frames(lambda: open_store(place), MEASURED_ANEW)
    return {name: _ask(readers[name]) for name in names}


def frames(
    opened: Callable[[], Store], without: Collection[str] = ()
) -> dict[str, Callable[[], Answer]]:
    """The readers of a store that return frames and definitions."""

    def definitions() -> Answer:
        found = opened().definitions(NAME)
        return [((one.digest,), _text_of(one.to_json(), without)) for one in found]

    def earlier_members() -> Answer:
        store = opened()
        earlier = [one.digest for one in store.definitions(NAME)][:-1]
        return [e for d in earlier for e in _rows(store.members(NAME, definition=d), without)]

    def failures() -> Answer:
        return [((id_,), _text_of(one, without)) for id_, one in opened().failures().items()]

    return {
        "trials()": lambda: _rows(opened().trials(), without),
        "curves()": lambda: _rows(opened().curves(), without),
        "trials(study)": lambda: _rows(opened().trials(NAME), without),
        "curves(study)": lambda: _rows(opened().curves(NAME), without),
        "members()": lambda: _rows(opened().members(NAME), without),
        "members(earlier)": earlier_members,
        "finished_ids()": lambda: [((id_,), "") for id_ in sorted(opened().finished_ids())],
        "begun_ids()": lambda: [((id_,), "") for id_ in sorted(opened().begun_ids())],
        "studies()": lambda: [((name,), "") for name in opened().studies()],
        "definitions()": definitions,
        "failures()": failures,
    }


def _ask(reader: Callable[[], Answer]) -> Reading:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = sorted(reader(), key=repr)
        except Exception as error:  # whatever a user would see
            return Reading(None, f"{type(error).__name__}: {error}")
    return Reading(answer, "\n".join(str(warning.message) for warning in caught))


def _rows(frame: pd.DataFrame, without: Collection[str]) -> Answer:
    frame = frame.drop(columns=[name for name in without if name in frame])
    keys = [frame.columns.get_loc(name) for name in _KEYS if name in frame]
    columns = ",".join(frame.columns)
    return [
        (tuple(str(row[key]) for key in keys), f"{columns}: {row!r}")
        for row in frame.to_numpy(dtype=object).tolist()
    ]


def _text_of(content: Mapping[str, Any], without: Collection[str]) -> str:
    return repr({name: value for name, value in content.items() if name not in without})


def compare(reader: str, truth: Reading, got: Reading, file: str, held: Set[str]) -> list[Finding]:
    """Compare what a reader said of a damaged store with what it said before.

    Args:
        reader: Its name.
        truth: What it said of the undamaged store.
        got: What it said of the damaged one.
        file: The damaged file.
        held: Trials that the file holds a part of.
    """
    if got.answer == truth.answer:
        return []
    named = file in got.said
    if got.answer is None:
        return [] if named else [Finding("crashed", f"{reader} raised {_short(got.said)}")]
    assert truth.answer is not None
    if not named:
        return [Finding("wrong", f"{reader}: {_difference(truth.answer, got.answer)}")]
    if any(not key for key, _ in truth.answer):
        return []  # a text, made of frames that are compared as well
    return compare_entries(reader, truth.answer, got.answer, held)


def compare_entries(
    reader: str, truth: Answer, got: Answer, excused: Set[str] = frozenset()
) -> list[Finding]:
    """Compare entry by entry. Entries of excused trials may be missing, but not differ."""
    found = []
    true, counts = dict(truth), Counter(key for key, _ in got)
    for key, text in got:
        if true.get(key) != text:
            found.append(Finding("wrong", f"{reader}: {key} {_first_change(true.get(key), text)}"))
    found += [
        Finding("duplicated", f"{reader}: {key} {n} times")
        for key, n in counts.items()
        if n > dict(Counter(key for key, _ in truth)).get(key, 1)
    ]
    found += [
        Finding("lost", f"{reader}: no {key}")
        for key in true
        if key not in counts and not excused & set(key)
    ]
    return found


def _difference(truth: Answer, got: Answer) -> str:
    found = compare_entries("", truth, got)
    return found[0].line.removeprefix(": ") if found else "another order"


def _first_change(old: str | None, new: str) -> str:
    if old is None:
        return f"is new: {_short(new)}"
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    start = max(0, at - 20)
    return f"was …{old[start : at + 30]!r}, is …{new[start : at + 30]!r}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"
