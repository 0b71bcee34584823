from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superconv_ray.data import checked_files, image_files
from superconv_ray.data.decoding import DamagedImageError, center_crop
from superconv_ray.data.image_folder import image_folder
from superconv_ray.data.images import ChangedDataError, DataUnavailableError, ImageDataset
from tests.image_files import make_folder, picture

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "PAUSES", (0.0,))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data" / "train", 4)
    make_folder(tmp_path / "data" / "val", 2, seed=100)
    return tmp_path / "data"


def data_of(root: Path, **settings: Any) -> ImageDataset:
    return image_folder(root / "train", root / "val", **{"image_size": 8} | settings)


def test_folders_are_classes_in_the_order_of_their_names(root: Path) -> None:
    data = data_of(root)
    assert data.classes == ("ant", "bee", "cat")
    assert data.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    means = [data.test.pixels(i, center_crop(1.0), 8).mean((0, 1)) for i in range(6)]
    assert np.argmax(means, axis=1).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_plan_learns_sizes_and_shape(root: Path) -> None:
    facts = data_of(root, image_size=16).facts("insects")
    assert (facts.name, facts.input_shape) == ("insects", (3, 16, 16))
    assert (facts.train_class_counts, facts.test_count) == ((4, 4, 4), 6)
    assert (facts.outputs, facts.task, facts.are_encoded) == (3, "classification", True)


def test_the_digest_is_that_of_the_contents_and_settings(root: Path, tmp_path: Path) -> None:
    digest = data_of(root).digest()
    copied = shutil.copytree(root, tmp_path / "elsewhere")
    assert data_of(copied).digest() == digest
    assert data_of(root, image_size=9).digest() != digest
    assert data_of(root, center_crop=1.0).digest() != digest
    (copied / "train" / "ant" / "000.jpg").rename(copied / "train" / "bee" / "900.jpg")
    assert data_of(copied).digest() != digest


@pytest.mark.parametrize("part", ["train", "val"])
def test_another_content_of_the_same_size_is_another_digest(root: Path, part: str) -> None:
    digest = data_of(root).digest()
    path = root / part / "bee" / "001.jpg"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert data_of(root).digest() != digest


def test_hidden_files_are_left_out_without_a_word(root: Path) -> None:
    (root / "train" / ".DS_Store").touch()
    (root / "train" / "ant" / "._000.jpg").touch()
    data = data_of(root)
    assert (len(data.train), data.skipped) == (12, 0)


def damage(root: Path) -> None:
    """A truncated file, an empty one, and one that is no image, in three classes."""
    whole = (root / "train" / "ant" / "001.jpg").read_bytes()
    (root / "train" / "ant" / "001.jpg").write_bytes(whole[:-40])
    (root / "train" / "bee" / "notes.txt").write_text("seen at noon")
    (root / "val" / "cat" / "000.jpg").write_bytes(b"")


def test_files_that_are_no_images_are_refused_by_name(root: Path) -> None:
    damage(root)
    with pytest.raises(ValueError, match="3 of the files cannot be used") as caught:
        data_of(root)
    for named in (
        "train/ant/001.jpg (truncated",
        "train/bee/notes.txt (not an image)",
        "val/cat/000.jpg (empty)",
        "damaged='skip'",
    ):
        assert named in str(caught.value)


def test_files_that_are_no_images_are_skipped_and_counted_on_request(root: Path) -> None:
    damage(root)
    data = data_of(root, damaged="skip")
    assert data.skipped == 3
    assert data.facts("x").train_class_counts == (3, 4, 4)
    assert data.facts("x").test_count == 5


def test_skipping_finds_damage_that_only_decoding_shows(root: Path) -> None:
    path = root / "train" / "ant" / "001.png"
    picture("ant", 1).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    refusing = data_of(root)
    with pytest.raises(DamagedImageError, match=r"train/ant/001.png cannot be decoded.*'skip'"):
        refusing.train.pixels(2, center_crop(1.0), 8)
    assert data_of(root, damaged="skip").skipped == 1


def test_files_are_checked_once_and_again_when_they_change(root: Path, checked: list[str]) -> None:
    data_of(root)
    assert len(checked) == 18
    checked.clear()
    (root / "train" / "ant" / "000.jpg").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"000\.jpg"):
        data_of(root)
    assert checked == ["ant/000.jpg"]
    with pytest.raises(ValueError, match=r"000\.jpg"):
        data_of(root)
    assert checked == ["ant/000.jpg"]


def test_a_folder_that_cannot_keep_what_was_checked_does_no_harm(root: Path, cache: Path) -> None:
    cache.touch()
    assert len(data_of(root).train) == 12


@pytest.mark.parametrize("damaged", ["refuse", "skip"])
def test_a_file_that_cannot_be_read_is_named_and_neither_left_out_nor_held_against_it(
    damaged: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checked_files._problem

    def unreadable(place: str, name: str, whole: bool) -> str | None:
        if name == "ant/000.jpg":
            raise PermissionError("not yours")
        return real(place, name, whole)

    monkeypatch.setattr(checked_files, "_problem", unreadable)
    with pytest.raises(ValueError, match=r"must be readable; .*train/ant/000.jpg \(not yours\)$"):
        data_of(root, damaged=damaged)
    checked = []
    monkeypatch.setattr(checked_files, "_problem", lambda _, name, __: checked.append(name))
    assert len(data_of(root, damaged=damaged).train) == 12
    assert checked[:1] == ["ant/000.jpg"]  # the only one of the first part, whose others are known
    assert checked.count("ant/001.jpg") == 1


def test_a_class_without_images_is_refused(root: Path) -> None:
    (root / "train" / "dog").mkdir()
    with pytest.raises(ValueError, match=r"every class must have images, but .*train/dog has none"):
        data_of(root)
    (root / "train" / "dog" / "000.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"train/dog has none that can be used: dog/000.jpg"):
        data_of(root, damaged="skip")


def test_classes_of_the_test_images_alone_are_refused(root: Path) -> None:
    (root / "val" / "bee").rename(root / "val" / "wasp")
    with pytest.raises(ValueError, match=r"val must have the classes of the training.*'wasp'"):
        data_of(root)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, "image_size must be a whole number of pixels >= 1, got 0"),
        ({"image_size": 8.0}, "image_size must be a whole number"),
        ({"center_crop": 1.5}, r"center_crop must be in \(0, 1\], got 1.5"),
        ({"damaged": "repair"}, "damaged must be one of 'refuse', 'skip', got 'repair'"),
    ],
)
def test_settings_that_break_their_rule_are_refused(
    root: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        data_of(root, **settings)


def test_a_folder_that_does_not_exist_or_has_no_classes_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="cannot be listed"):
        image_folder(root / "none", root / "val", image_size=8)
    picture("ant", 0).save(root / "train" / "stray.jpg")
    with pytest.raises(ValueError, match=r"a folder for each class, got images outside.*stray"):
        data_of(root)
    with pytest.raises(ValueError, match="images must be in a local folder or at a URI"):
        image_folder("gopher://host/train", root / "val", image_size=8)


def flat(root: Path, lines: str) -> tuple[Path, Path]:
    """Test images outside of class folders, and a file that says their classes."""
    folder = root / "flat"
    folder.mkdir()
    for number, name in enumerate(("cat", "ant")):
        picture(name, number).save(folder / f"val_{number}.JPEG")
    (root / "classes.csv").write_text(lines)
    return folder, root / "classes.csv"


@pytest.mark.parametrize(
    "lines",
    [
        "ImageId,PredictionString\nval_1,ant 1 2 3 4\nval_0,cat 85 1 499 272 cat 0 0 1 1\n",
        "val_0.JPEG cat\nval_1.JPEG ant\n",
    ],
)
def test_classes_of_test_images_may_be_in_a_text_file(root: Path, lines: str) -> None:
    folder, classes = flat(root, lines)
    data = image_folder(root / "train", folder, image_size=8, test_classes=classes)
    assert data.test_labels.tolist() == [2, 0]


def test_a_text_file_must_name_the_class_of_every_test_image(root: Path) -> None:
    folder, classes = flat(root, "val_0,cat\n")
    with pytest.raises(ValueError, match=r"has none for val_1.JPEG \(1 in all\)"):
        image_folder(root / "train", folder, image_size=8, test_classes=classes)
    classes.write_text("a/val_0,cat\nval_1,ant\nb/val_0.png,cat\n")
    assert len(image_folder(root / "train", folder, image_size=8, test_classes=classes).test) == 2
    classes.write_text("a/val_0,cat\nval_1,ant\nb/val_0,bee\n")
    with pytest.raises(ValueError, match=r"one class for val_0, but .* has cat and bee"):
        image_folder(root / "train", folder, image_size=8, test_classes=classes)
    classes.write_text("val_0,cat\nval_1,yak\n")
    with pytest.raises(ValueError, match=r"classes of the training images.*'yak'"):
        image_folder(root / "train", folder, image_size=8, test_classes=classes)


def test_an_image_that_has_changed_since_is_named(root: Path) -> None:
    data = data_of(root)
    path = root / "train" / "ant" / "002.jpg"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(
        ChangedDataError, match=rf"ant/002.jpg.*{size + 4:,} bytes and had {size:,}"
    ):
        data.train.pixels(2, center_crop(1.0), 8)
    path.unlink()
    with pytest.raises(ChangedDataError, match=r"ant/002.jpg .*it is gone.*new ones"):
        data.train.pixels(2, center_crop(1.0), 8)


def test_a_folder_that_went_away_is_no_fault_of_the_image(root: Path) -> None:
    data = data_of(root)
    (root / "train").rename(root / "unmounted")
    with pytest.raises(DataUnavailableError, match=r"no such folder any more.*continues from its"):
        data.train.pixels(2, center_crop(1.0), 8)


def test_a_read_that_fails_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, failures = data_of(root), iter([OSError("stale handle")])
    real = image_files.ImageFiles._read

    def failing(self: image_files.ImageFiles, index: int) -> bytes:
        for error in failures:
            raise error
        return real(self, index)

    monkeypatch.setattr(image_files.ImageFiles, "_read", failing)
    assert data.train.pixels(2, center_crop(1.0), 8).shape == (8, 8, 3)
    failures = iter([OSError("stale handle"), OSError("stale handle")])
    with pytest.raises(DataUnavailableError, match=r"ant/002.jpg: stale handle"):
        data.train.pixels(2, center_crop(1.0), 8)
