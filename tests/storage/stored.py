"""Made results, written to a store and compared, and ways to damage files."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter

FINISHED_AT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


def make_trial(seed: int = 0, **changes: Any) -> CompleteTrial:
    settings: dict[str, Any] = {"steps": 10, "max_lr": 0.1, "data_count": 100, "seed": seed}
    return Trial(**settings | changes).complete()


def make_outcome(seed: int = 0) -> Outcome:
    measurements = {
        "steps_done": 10,
        "train_loss": math.nan,
        "test_accuracy": seed / 1000,
        "test_count": 6,
        "test_correct": bytes([0b00000100]),
        "precision_used": "fp32",
        "finished_at": FINISHED_AT,
    }
    return Outcome("completed", measurements)


def make_curve(seed: int = 0) -> list[dict[str, Any]]:
    """Three rows; only the columns that identify trials and rows."""
    return [
        {
            "step": step,
            "samples": 128 * step,
            "epoch": step / 10,
            "lr": 0.1 / step,
            "test_loss": math.nan if step == 1 else seed + 1 / step,
            "eval_count": 5,
        }
        for step in (1, 2, 10)
    ]


def write(store: Store, *seeds: int) -> list[CompleteTrial]:
    trials = [make_trial(seed) for seed in seeds]
    for seed, trial in zip(seeds, trials, strict=True):
        StoreWriter(store).write_result(trial, make_outcome(seed), make_curve(seed))
    return trials


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order that does not depend on which files they lie in."""
    by = [name for name in ("trial_id", "step") if name in frame]
    return frame.astype({"trial_id": str}).sort_values(by, ignore_index=True)


def contents(store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    return ordered(store.trials()), ordered(store.curves())


def assert_holds(store: Store, *seeds: int) -> None:
    """Exactly the results of these trials, each once."""
    trials, curves = contents(store)
    expected = sorted((make_trial(seed).id, seed) for seed in seeds)
    assert trials["trial_id"].tolist() == [trial_id for trial_id, _ in expected]
    assert trials["test_accuracy"].tolist() == [seed / 1000 for _, seed in expected]
    assert curves["trial_id"].tolist() == [trial_id for trial_id, _ in expected for _ in range(3)]
    assert curves["step"].tolist() == [1, 2, 10] * len(expected)
    assert curves["test_loss"][2::3].tolist() == [seed + 0.1 for _, seed in expected]
    assert store.finished_ids() == {trial_id for trial_id, _ in expected}


def names(store: Store, folder: str) -> list[str]:
    """All files of a folder, unfinished ones included."""
    return sorted(path.name for path in (Path(store.files.uri) / folder).iterdir())


def orphan_curve(store: Store, seed: int) -> None:
    """What a worker leaves that is killed between writing a curve and its trial's row."""
    write(store, seed)
    store.files.delete(f"trials/{make_trial(seed).id}.parquet")


def cut_off(content: bytes) -> bytes:
    return content[:-100]


def emptied(content: bytes) -> bytes:
    return content[:0]


def with_a_flipped_bit(content: bytes) -> bytes:
    """In the data of the first column, the trial's id, where nothing but a checksum tells."""
    changed = bytearray(content)
    changed[60] ^= 1
    return bytes(changed)


def of_something_else(content: bytes) -> bytes:
    del content
    return pd.DataFrame({"x": [1, 2]}).to_parquet()


def no_parquet(content: bytes) -> bytes:
    return b"x" * len(content)


def of_another_trial(content: bytes) -> bytes:
    table = pq.read_table(pa.BufferReader(content))
    ids = pa.array(["f" * 20] * len(table))
    sink = pa.BufferOutputStream()
    footer = table.schema.metadata  # a compact file says in it which trials are to be expected
    pq.write_table(table.set_column(0, "trial_id", ids).replace_schema_metadata(footer), sink)
    return bytes(sink.getvalue())


def gone(content: bytes) -> None:
    del content


Damage = Callable[[bytes], bytes | None]


def damage(store: Store, name: str, how: Damage) -> None:
    content = store.files.read(name)
    assert content is not None
    changed = how(content)
    store.files.delete(name)
    if changed is not None:
        store.files.write(name, changed)


def member(seed: int, arm: str, **changes: Any) -> dict[str, Any]:
    row = {"trial_id": make_trial(seed).id, "arm": arm, "cell": 0, "role": "training"}
    return row | changes
