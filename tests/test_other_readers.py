"""Other readers of the same Parquet files: DuckDB and Polars return what pandas does."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from superconv_ray import open_store
from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import Trial
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter

SAMPLE = Path(__file__).parents[1] / "studies" / "results"
STUDY = "super_convergence_fashion_mnist_lenet"

# As the documentation has them.
DUCKDB = """
duckdb.sql(\"\"\"
    select data_count, steps, arm, avg(test_accuracy) as accuracy, count(*) as seeds
    from read_parquet('results/trials/*.parquet', union_by_name=true)
    join 'results/studies/quickstart.parquet' using (trial_id)
    where role = 'training' group by all order by all
\"\"\").df()
"""
POLARS = """
(
    pl.scan_parquet("results/trials/*.parquet", extra_columns="ignore")
    .join(pl.scan_parquet("results/studies/quickstart.parquet"), on="trial_id")
    .filter(pl.col("role") == "training")
    .group_by("data_count", "steps", "arm")
    .agg(pl.mean("test_accuracy").alias("accuracy"), pl.len().alias("seeds"))
    .sort("data_count", "steps", "arm")
    .collect()
    .to_pandas()
)
"""
LINES = pytest.mark.parametrize("line", [DUCKDB, POLARS], ids=["duckdb", "polars"])


def read(line: str, store: Path, study: str) -> pd.DataFrame:
    """Run a line for another store and study than those it names."""
    line = line.replace("results/", f"{store}/").replace("quickstart", study)
    frame: pd.DataFrame = eval(line.strip(), {"duckdb": duckdb, "pl": pl})
    return frame


def expected(store: Store, study: str) -> pd.DataFrame:
    trials = store.trials(study)
    points = trials[trials["role"] == "training"].groupby(["data_count", "steps", "arm"])
    groups = points["test_accuracy"]
    return groups.agg(accuracy="mean", seeds="size").reset_index()


def test_the_documentation_has_these_lines() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "guides" / "results.md").read_text()
    assert DUCKDB in guide
    assert POLARS in guide


@LINES
def test_the_sample_study_is_read_without_this_package(line: str) -> None:
    found = read(line, SAMPLE, STUDY)
    wanted = expected(open_store(SAMPLE), STUDY)
    assert len(wanted) == 108  # 3 numbers of labels, 4 budgets, 9 arms
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


@pytest.fixture
def grown(tmp_path: Path) -> Store:
    """The sample while another study runs on it: compact files, parts and two studies."""
    store = open_store(shutil.copytree(SAMPLE, tmp_path / "store"))
    members = []
    for seed in range(3):
        trial = Trial(max_lr=0.1, steps=10, data_count=100, seed=seed).complete()
        measured = {"train_accuracy": 0.9, "train_accuracy_reestimated": 0.9}
        measured["test_accuracy"] = 0.5 + seed / 10
        StoreWriter(store).write_result(
            trial, Outcome("completed", measured), [{"step": 10, "lr": 0.1}]
        )
        members.append({"trial_id": trial.id, "arm": "a", "cell": 0, "role": "training"})
    StoreWriter(store).write_study(StudyDefinition(name="late"), members)
    return store


@LINES
def test_parts_and_compact_files_are_read_together(line: str, grown: Store) -> None:
    place = Path(grown.files.uri)
    compacted = len(list(SAMPLE.glob("trials/*.parquet")))
    assert len(list(place.glob("trials/*.parquet"))) == compacted + 3
    (row,) = read(line, place, "late").itertuples(index=False)
    assert (row.data_count, row.arm, row.seeds) == (100, "a", 3)
    assert row.accuracy == pytest.approx(0.6)
    found = read(line, place, STUDY)
    pd.testing.assert_frame_equal(found, expected(grown, STUDY), check_dtype=False)


@pytest.mark.parametrize("table", ["trials", "curves"])
def test_a_column_has_one_type_in_parts_and_compact_files(table: str, grown: Store) -> None:
    kinds: dict[str, set[str]] = {}
    for path in Path(grown.files.uri, table).glob("*.parquet"):
        for column in pq.read_schema(path):
            kinds.setdefault(column.name, set()).add(str(column.type))
    assert {name for name, types in kinds.items() if len(types) > 1} == set()


def test_a_trial_that_is_in_two_files_is_taken_once_by_its_id(grown: Store) -> None:
    """A run that is killed while it compacts leaves such files."""
    place = Path(grown.files.uri)
    part = next(path for path in place.glob("trials/*.parquet") if "compact" not in path.name)
    kept = part.read_bytes()
    compact(grown.files)
    part.write_bytes(kept)
    count = len(grown.trials())
    files = f"{place}/trials/*.parquet"
    query = f"select count(*), count(distinct trial_id) from '{files}'"
    assert duckdb.execute(query).fetchall() == [(count + 1, count)]
    distinct = f"select distinct on (trial_id) * from '{files}'"
    assert duckdb.execute(f"select count(*) from ({distinct})").fetchall() == [(count,)]
    rows = pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
    assert rows.unique("trial_id").collect().height == count
