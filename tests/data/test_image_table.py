from __future__ import annotations

import fcntl
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from superconv_ray.data.decoding import center_crop
from superconv_ray.data.image_table import _table, image_table
from superconv_ray.data.images import ChangedDataError, ImageDataset
from tests.image_files import CLASSES, picture


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(name: str, seed: int) -> bytes:
    file = io.BytesIO()
    picture(name, seed).save(file, "JPEG")
    return file.getvalue()


def rows(each: int, seed: int = 0) -> tuple[list[bytes], list[int]]:
    """Images of all classes in turn, and their numbers."""
    labels = [number % 3 for number in range(3 * each)]
    return [encoded(CLASSES[c], seed + k) for k, c in enumerate(labels)], labels


def write(path: Path, images: Any, labels: Any, *, struct: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if struct:
        images = [{"bytes": image, "path": None} for image in images]
    table = pa.table({"image": images, "label": labels, "extra": labels})
    pq.write_table(table, path, compression="none")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    images, labels = rows(4)
    write(tmp_path / "data" / "train" / "0.parquet", images[:7], labels[:7])
    write(tmp_path / "data" / "train" / "1.parquet", images[7:], labels[7:])
    write(tmp_path / "data" / "test.parquet", *rows(2, seed=100))
    return tmp_path / "data"


def data_of(root: Path, **settings: Any) -> ImageDataset:
    return image_table(root / "train", root / "test.parquet", **{"image_size": 8} | settings)


def colors(data: ImageDataset) -> list[int]:
    """The strongest channel of each training image, which tells its class."""
    images = (data.train.pixels(i, center_crop(1.0), 8) for i in range(len(data.train)))
    return [int(image.mean((0, 1)).argmax()) for image in images]


def test_rows_of_several_files_are_one_data_set(root: Path) -> None:
    data = data_of(root)
    assert data.train_labels.tolist() == [0, 1, 2] * 4 == colors(data)
    assert data.test_labels.tolist() == [0, 1, 2] * 2
    assert data.facts("x").train_class_counts == (4, 4, 4)


def test_files_may_be_named_one_by_one_and_hold_plain_bytes(root: Path) -> None:
    first = write(root / "plain.parquet", *rows(2), struct=False)
    data = image_table([first, root / "test.parquet"], root / "test.parquet", image_size=8)
    assert colors(data) == [0, 1, 2] * 4


def test_classes_may_be_text(root: Path) -> None:
    images, labels = rows(2)
    write(root / "train" / "0.parquet", images, pa.array([CLASSES[c] for c in labels]))
    (root / "train" / "1.parquet").unlink()
    names = pa.array([CLASSES[c] for c in labels]).dictionary_encode()
    write(root / "test.parquet", images, names)
    data = data_of(root)
    assert data.classes == CLASSES
    assert data.train_labels.tolist() == data.test_labels.tolist() == labels
    write(root / "test.parquet", images[:1], pa.array(["yak"]))
    with pytest.raises(ValueError, match=r"classes of the training images.*'yak'"):
        data_of(root)


def test_the_digest_is_that_of_the_rows_and_not_of_the_files(root: Path) -> None:
    digest = data_of(root).digest()
    images, labels = rows(4)
    write(root / "train" / "0.parquet", images, labels)
    (root / "train" / "1.parquet").unlink()
    assert data_of(root).digest() == digest
    write(root / "train" / "0.parquet", images[::-1], labels[::-1])
    assert data_of(root).digest() != digest


def test_images_are_unpacked_once_on_each_machine(root: Path, cache: Path) -> None:
    data = data_of(root)
    unpacked = {path: path.stat().st_mtime_ns for path in (cache / "unpacked").iterdir()}
    assert [sum(path.suffix == kind for path in unpacked) for kind in (".arrow", ".json")] == [2, 2]
    assert data_of(root).digest() == data.digest()
    assert {p: p.stat().st_mtime_ns for p in (cache / "unpacked").iterdir()} == unpacked
    for path in unpacked:
        path.unlink()  # as on another machine
    _table.cache_clear()
    assert colors(data) == [0, 1, 2] * 4
    assert data.train.remote is False


def test_a_machine_that_finds_other_files_says_so(root: Path, cache: Path) -> None:
    data = data_of(root)
    for path in (cache / "unpacked").iterdir():
        path.unlink()
    _table.cache_clear()
    write(root / "train" / "1.parquet", *rows(1))
    with pytest.raises(ChangedDataError, match=r"train/1.parquet is not what it was"):
        data.train.pixels(0, center_crop(1.0), 8)
    assert not list((cache / "unpacked").glob("*.json"))


def test_a_machine_that_finds_other_images_of_equal_size_says_so(root: Path, cache: Path) -> None:
    data = data_of(root)
    for path in (cache / "unpacked").iterdir():
        path.unlink()
    _table.cache_clear()
    file = root / "train" / "1.parquet"
    whole = file.read_bytes()
    first = rows(4)[0][7]
    assert whole.count(first) == 1
    file.write_bytes(whole.replace(first, first[:-40] + bytes(40)))
    for _ in range(2):  # nothing that is wrong is kept
        with pytest.raises(ChangedDataError, match=r"0\.parquet is not .* are others"):
            data.train.pixels(0, center_crop(1.0), 8)
    file.write_bytes(whole)
    assert colors(data) == [0, 1, 2] * 4


def test_processes_of_a_machine_that_begin_together_unpack_once(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of(root)
    (cache / "unpacked").rename(cache / "ready")
    written = {path.name: path.stat().st_ino for path in (cache / "ready").iterdir()}

    def wait_for_another_process(*_: object) -> None:
        for path in (cache / "ready").iterdir():
            path.rename(cache / "unpacked" / path.name)

    monkeypatch.setattr(fcntl, "flock", wait_for_another_process)
    data_of(root)
    assert {path.name: path.stat().st_ino for path in (cache / "unpacked").iterdir()} == written


def test_damaged_rows_are_refused_by_name_or_skipped_and_counted(root: Path) -> None:
    images, labels = rows(4)
    images[3] = images[3][:-40]
    images[8] = b"text"
    write(root / "train" / "0.parquet", images[:7], labels[:7])
    write(root / "train" / "1.parquet", [*images[7:11], None], labels[7:], struct=False)
    with pytest.raises(ValueError, match="3 of the files cannot be used") as caught:
        data_of(root)
    for named in (
        "train/0.parquet row 3 (truncated",
        "train/1.parquet row 1 (not an image)",
        "train/1.parquet row 4 (empty)",
    ):
        assert named in str(caught.value)
    data = data_of(root, damaged="skip")
    assert data.skipped == 3
    assert colors(data) == data.train_labels.tolist() == [0, 1, 2, 1, 2, 0, 1, 0, 1]


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r"must have a column 'picture', got image, label, extra"):
        data_of(root, image_column="picture")
    with pytest.raises(ValueError, match=r"column 'extra' of .* must hold bytes, or structs"):
        data_of(root, image_column="extra")
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match=r"there must be .parquet files at .*empty, got none"):
        image_table(root / "empty", root / "test.parquet", image_size=8)
    assert np.all(data_of(root).train_labels < 3)
