"""Images on a real S3 server: files and Parquet, a server that goes away, and no secret told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from superconv_ray import (
    Arm,
    ImageDataset,
    Study,
    Trial,
    image_folder,
    image_table,
    iterations,
    open_store,
)
from superconv_ray.data import image_files
from superconv_ray.data.uris import below
from tests.image_files import CLASSES, make_folder
from tests.stores.seaweed import KEYS, S3Server
from tests.stores.tiny_study import Linear, nothing, run

PARTS = ("train", "test")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images on a local disk: folders of files, and the same in Parquet."""
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(image_files, "PAUSES", (0.0, 0.0))
    for part, each, seed in zip(PARTS, (12, 4), (0, 100), strict=True):
        root = make_folder(tmp_path / "data" / part, each, seed=seed)
        files = sorted(root.rglob("*.jpg"))
        images = [{"bytes": file.read_bytes()} for file in files]
        labels = [CLASSES.index(file.parent.name) for file in files]
        pq.write_table(pa.table({"image": images, "label": labels}), root / "rows.parquet")
    return tmp_path / "data"


@pytest.fixture
def there(s3_server: S3Server, here: Path, request: pytest.FixtureRequest) -> str:
    """The URI of a copy on the server, with its user's secret."""
    uri = s3_server.uri(request.node.name.partition("[")[0])
    filesystem, root = image_files.opened(uri)
    for file in here.rglob("*.*"):
        with filesystem.open_output_stream(f"{root}/{file.relative_to(here)}") as copy:
            copy.write(file.read_bytes())
    return uri


def folders(root: str) -> ImageDataset:
    train, test = (below(root, part) for part in PARTS)
    return image_folder(train, test, image_size=8, damaged="skip")


def tables(root: str) -> ImageDataset:
    train, test = (below(root, f"{part}/rows.parquet") for part in PARTS)
    return image_table(train, test, image_size=8)


def study(
    load: Callable[[str], ImageDataset], root: str, mishap: Callable[[], None] = nothing
) -> Study:
    def build(**shape: Any) -> Linear:
        return Linear(**shape, mishap=mishap)

    return Study(
        name="insects",
        base=Trial(dataset="insects", model="own", batch_size=8, augment="flip_resized_crop"),
        arms={"one_cycle": Arm(max_lr=0.1)},
        budget=iterations(30),
        datasets={"insects": lambda: load(root)},
        models={"own": build},
        seeds=2,
    )


@pytest.mark.parametrize("load", [folders, tables])
def test_images_on_s3_give_the_trials_of_those_on_disk(
    load: Callable[[str], ImageDataset],
    here: Path,
    there: str,
    tmp_path: Path,
    assert_same_results: Callable[[str, str], None],
) -> None:
    stores = [str(tmp_path / name) for name in ("here", "there")]
    for store, root in zip(stores, (str(here), there), strict=True):
        assert run(study(load, root), store).trained == 2
    assert_same_results(*stores)


def test_a_server_that_goes_away_costs_no_finished_step(
    s3_server: S3Server,
    here: Path,
    there: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_results: Callable[[str, str], None],
) -> None:
    stores = [str(tmp_path / name) for name in ("here", "there")]
    run(study(folders, str(here)), stores[0])
    try:
        summary = run(study(folders, there, s3_server.kill), stores[1])
        assert len(summary.failed) == 2
        for failure in open_store(stores[1]).failures().values():
            assert "the trial continues from its checkpoint" in failure["error"]
            assert KEYS["user"] not in str(failure)
    finally:
        s3_server.start()
    # The server answers before it has found all of its files again.
    monkeypatch.setattr(image_files, "PAUSES", (1.0, 4.0, 15.0))
    assert run(study(folders, there), stores[1]).trained == 2
    assert_same_results(*stores)


def test_a_damaged_file_is_named_without_the_secret_of_its_uri(there: str) -> None:
    filesystem, root = image_files.opened(there)
    with filesystem.open_output_stream(f"{root}/train/ant/000.jpg") as file:
        file.write(b"")
    train, test = (below(there, part) for part in PARTS)
    with pytest.raises(ValueError, match=r"train/ant/000\.jpg\S* \(empty\)") as caught:
        image_folder(train, test, image_size=8)
    assert KEYS["user"] not in str(caught.value)
    with pytest.raises(ValueError, match="cannot be listed") as caught:
        image_folder(below(there, "nowhere"), test, image_size=8)
    assert KEYS["user"] not in str(caught.value)
