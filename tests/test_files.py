"""Files on the local disk and on pyarrow filesystems that are something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import fs

from superconv_ray.files import Files


def local(folder: Path) -> Files:
    return Files(folder)


def part_of_another(folder: Path) -> Files:
    return placed(fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), "inside")


def in_memory(folder: Path) -> Files:
    del folder
    return placed(fs._MockFileSystem(), "inside")


def of_fsspec(folder: Path) -> Files:
    return Files(f"fsspec+memory://{folder.name}")


def placed(filesystem: Any, root: str) -> Files:
    files = Files("/")
    files.filesystem, files.root = filesystem, root
    return files


KINDS = [local, part_of_another, in_memory, of_fsspec]


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.__name__))
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    make: Callable[[Path], Files] = request.param
    return make(tmp_path)


# Whole files, on every filesystem


def test_what_was_written_is_read(files: Files) -> None:
    files.write("a/one", b"1")
    files.write("a/deeper/two", b"22")
    assert files.read("a/one") == b"1"
    assert files.read("a/deeper/two") == b"22"


def test_writing_again_replaces(files: Files) -> None:
    files.write("a/one", b"a long text")
    files.write("a/one", b"1")
    assert files.read("a/one") == b"1"
    assert files.names("a") == ["one"]


def test_a_file_that_is_not_there_reads_as_none(files: Files) -> None:
    assert files.read("a/one") is None
    files.write("a/one", b"1")
    assert files.read("a/other") is None


def test_deleting_is_no_error_if_there_is_nothing(files: Files) -> None:
    files.write("a/one", b"1")
    files.delete("a/one")
    files.delete("a/one")
    files.delete("b/one")
    assert files.read("a/one") is None


def test_names_are_the_sorted_files_of_one_folder(files: Files) -> None:
    assert files.names("a") == []
    for name in ("a/z", "a/m.parquet", "a/deeper/x", "b/y"):
        files.write(name, b"1")
    assert files.names("a") == ["m.parquet", "z"]
    assert files.names("c") == []


def test_writing_leaves_no_temporary_file(files: Files) -> None:
    files.write("a/one", b"1")
    selector = fs.FileSelector(files.path("a"))
    assert [info.base_name for info in files.filesystem.get_file_info(selector)] == ["one"]


# Files that are not whole


def test_a_write_that_fails_leaves_the_old_content(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("a/one", b"old")

    def half(path: str, content: bytes) -> None:
        with files.filesystem.open_output_stream(path) as stream:
            stream.write(content[:2])
        raise OSError("disk full")

    monkeypatch.setattr(files, "_write_in_place", half)
    with pytest.raises(OSError, match="disk full"):
        files.write("a/one", b"new")
    with pytest.raises(OSError, match="disk full"):
        files.write("a/two", b"new")
    assert files.read("a/one") == b"old"
    assert files.names("a") == ["one"]


def test_other_parquet_readers_overlook_what_a_killed_write_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, frame = Files(tmp_path), pd.DataFrame({"x": [1, 2]})
    files.write("t/whole.parquet", frame.to_parquet())
    monkeypatch.setattr(files, "filesystem", NeverMoves())
    with pytest.raises(KeyboardInterrupt):
        files.write("t/half.parquet", frame.to_parquet()[:50])
    assert len(list((tmp_path / "t").iterdir())) == 2
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t"), frame)


class NeverMoves:
    """A local filesystem of a process that is killed before the file is in place."""

    def __init__(self) -> None:
        self._local = fs.LocalFileSystem()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)

    def move(self, *_: str) -> None:
        raise KeyboardInterrupt


def test_an_empty_file_is_not_whole(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a/one", b"1")
    (tmp_path / "a" / "two").touch()
    assert files.names("a") == ["one"]


class ObjectStore(NeverMoves):
    """Calls itself S3; a file is there when it is complete."""

    type_name = "s3"


def test_object_stores_get_the_file_in_one_piece_without_a_rename(tmp_path: Path) -> None:
    files = placed(ObjectStore(), str(tmp_path))
    files.write("one", b"1")
    assert files.read("one") == b"1"


# Where


def test_a_local_path_may_hold_any_characters(tmp_path: Path) -> None:
    folder = tmp_path / "ä b#c?d%20&e"
    files = Files(folder)
    files.write("a/one", b"1")
    assert (folder / "a" / "one").read_bytes() == b"1"
    assert files.uri == files.place == str(folder)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = Files("here")
    monkeypatch.chdir("/")
    files.write("one", b"1")
    assert files.uri == str(tmp_path / "here")
    assert (tmp_path / "here" / "one").exists()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Files("~/here").uri == str(tmp_path / "here")


def test_a_file_uri_is_a_local_path(tmp_path: Path) -> None:
    Files((tmp_path / "a b").as_uri()).write("one", b"1")
    assert (tmp_path / "a b" / "one").exists()


def test_the_uri_makes_equal_files_in_another_process(tmp_path: Path) -> None:
    files = Files(tmp_path / "x")
    assert Files(files.uri).path("a") == files.path("a") == os.fspath(tmp_path / "x" / "a")


@pytest.mark.parametrize("uri", ["http://example.org/x", "nonsense://x"])
def test_an_unknown_scheme_is_refused_by_name(uri: str) -> None:
    with pytest.raises(ValueError, match=f"store must be a local path or a URI.* got '{uri}'"):
        Files(uri)


S3 = "s3://key:secret@bucket/deep/folder?region=us-east-1&endpoint_override=localhost:1"


def test_s3_uris_give_bucket_folder_and_keep_their_options() -> None:
    files = Files(S3)
    assert files.filesystem.type_name == "s3"
    assert files.path("a/one") == "bucket/deep/folder/a/one"
    assert files.filesystem.region == "us-east-1"
    assert files.uri == S3


def test_messages_do_not_tell_secrets() -> None:
    assert Files(S3).place == "s3://bucket/deep/folder"
