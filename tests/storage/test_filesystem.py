"""Files on the local disk and on pyarrow filesystems that are something else."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import fs

from superconv_ray.data.patient_filesystem import FIRST_PATIENCE
from superconv_ray.storage.filesystem import LONGEST_PAUSE, PATIENCE, Files
from superconv_ray.storage.filesystem_errors import StoreError


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


def test_other_parquet_readers_ignore_what_a_killed_write_leaves(
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


class Azure(NeverMoves):
    """Calls itself Azure, which lists a file that is being written as an empty one."""

    type_name = "abfs"


def test_an_empty_file_is_listed_where_it_is_not_one_that_is_being_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"1")
    (tmp_path / "a" / "two").touch()
    assert Files(tmp_path).names("a") == ["one", "two"]
    assert placed(Azure(), str(tmp_path)).names("a") == ["one"]


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


def test_an_unknown_scheme_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ValueError,
        match=r"a local path or a URI: s3://.*, gs://.*, abfs://.*, hdfs://.* fsspec .* got "
        r"'nonsense://x' \(Protocol not known: nonsense\)",
    ):
        Files("nonsense://user:password@x")


def test_a_scheme_of_fsspec_needs_no_prefix() -> None:
    Files("memory://here/deeper").write("one", b"1")
    assert Files("fsspec+memory://here/deeper").read("one") == b"1"


def test_a_scheme_whose_package_is_missing_names_the_package() -> None:
    pytest.importorskip("fsspec")
    if importlib.util.find_spec("paramiko"):
        pytest.skip("paramiko is installed")
    with pytest.raises(ValueError, match=r"got 'sftp://host/x' \(.*requires \"paramiko\""):
        Files("sftp://host/x")


def test_an_address_that_cannot_be_opened_is_an_error_with_the_place() -> None:
    with pytest.raises(StoreError, match=r"the store ftp://localhost:1/x cannot be opened by ftp"):
        Files("ftp://user:password@localhost:1/x")


S3 = "s3://key:secret@bucket/deep/folder?region=us-east-1&endpoint_override=localhost:1"


def test_s3_uris_give_bucket_folder_and_keep_their_options() -> None:
    files = Files(S3)
    assert files.filesystem.type_name == "s3"
    assert files.path("a/one") == "bucket/deep/folder/a/one"
    assert files.filesystem.region == "us-east-1"
    assert files.uri == S3


def test_the_place_of_a_store_keeps_its_options_and_hides_its_secrets() -> None:
    shown = "s3://bucket/deep/folder?region=us-east-1&endpoint_override=localhost:1"
    assert Files(S3).place == shown
    assert Files(shown).place == shown


# Trouble that goes by, and trouble that does not


class Troubled:
    """A local filesystem whose first calls of every kind fail with what is in a list."""

    def __init__(self, errors: list[OSError]) -> None:
        self._local = fs.LocalFileSystem()
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._local, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if self._errors:
                raise self._errors.pop(0)
            return found(*arguments, **options)

        return call if callable(found) else found


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is slept for; a clock that stands still but for that."""
    slept: list[float] = []
    monkeypatch.setattr("superconv_ray.storage.filesystem.time.sleep", slept.append)
    monkeypatch.setattr("superconv_ray.storage.filesystem.time.monotonic", lambda: sum(slept))
    return slept


# As pyarrow 26 words them
PASSING = [
    OSError("When uploading: AWS Error NETWORK_CONNECTION during PutObject operation: curlCode: 7"),
    OSError("When listing ...: AWS Error SLOW_DOWN during ListObjectsV2 operation: Please reduce"),
    OSError("AWS Error UNKNOWN (HTTP status 503) during HeadObject operation: No response body."),
    OSError("google::cloud::Status(UNAVAILABLE: Retry policy exhausted, with a last message"),
    OSError(errno.ESTALE, "Stale file handle"),
    TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
]
LASTING = [
    (OSError("AWS Error ACCESS_DENIED during PutObject operation: Access Denied."), "credentials"),
    (OSError("AWS Error SIGNATURE_DOES_NOT_MATCH during PutObject operation"), "credentials"),
    (OSError("AWS Error UNKNOWN (HTTP status 403) during HeadObject operation"), "credentials"),
    (OSError("google::cloud::Status(PERMISSION_DENIED: no access)"), "credentials"),
    (OSError("AWS Error NO_SUCH_BUCKET during PutObject operation"), "no such bucket; create it"),
    (OSError(errno.ENOSPC, "Error writing bytes to file"), "it is full; free some space"),
    (OSError(errno.EROFS, "Failed to open local file"), "read-only; allow it, or choose another"),
    (PermissionError(errno.EACCES, "Cannot create directory"), "permission is missing"),
    (OSError("something that nobody has thought of"), "something that nobody"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_an_error_that_may_pass_is_retried(
    error: OSError, tmp_path: Path, pauses: list[float]
) -> None:
    files = placed(Troubled([error, error]), str(tmp_path))
    files.write("one", b"1")
    assert len(pauses) == 2
    files.filesystem = Troubled([error])
    assert files.read("one") == b"1"


@pytest.mark.parametrize(("error", "remedy"), LASTING, ids=lambda case: str(case)[:60])
def test_a_lasting_error_is_raised_at_once_with_the_next_step(
    error: OSError, remedy: str, tmp_path: Path, pauses: list[float]
) -> None:
    files = placed(Troubled([error]), str(tmp_path))
    with pytest.raises(StoreError, match=f"^the store / cannot be read: .*{remedy}"):
        files.names("a")
    assert pauses == []


@pytest.mark.parametrize(
    ("known", "patience"), [(True, PATIENCE), (False, FIRST_PATIENCE)], ids=["known", "unknown"]
)
def test_pauses_grow_and_end_sooner_if_the_store_has_never_answered(
    known: bool, patience: float, tmp_path: Path, pauses: list[float]
) -> None:
    files = placed(Troubled([]), str(tmp_path))
    if known:
        files.names("a")
    files.filesystem = Troubled([OSError("AWS Error NETWORK_CONNECTION")] * 1000)
    with (
        pytest.warns(UserWarning, match=f"does not answer; retrying for up to {patience:.0f} s"),
        pytest.raises(StoreError, match="it does not answer; check its address"),
    ):
        files.read("one")
    for number, pause in enumerate(pauses):
        longest = min(0.25 * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= pause <= longest
    assert patience - LONGEST_PAUSE <= sum(pauses) <= patience


def test_a_full_disk_is_left_without_the_unfinished_file(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a/one", b"old")

    class Full(Troubled):
        def move(self, *_: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    files.filesystem = Full([])
    with pytest.raises(StoreError, match="it is full"):
        files.write("a/one", b"new")
    assert os.listdir(tmp_path / "a") == ["one"]


# Moving, times, leftovers


def test_a_moved_file_has_the_other_name_only(files: Files) -> None:
    files.write("a/one", b"1")
    files.move("a/one", "b/deeper/two")
    assert (files.names("a"), files.read("b/deeper/two")) == ([], b"1")
    files.move("a/one", "b/deeper/two")  # another process was faster
    assert files.read("b/deeper/two") == b"1"


def test_when_files_were_written_is_known(tmp_path: Path) -> None:
    files = Files(tmp_path)
    for name, written_at in (("old", 1000.0), ("new", 1090.5)):
        files.write(f"a/{name}", b"1")
        os.utime(tmp_path / "a" / name, (written_at, written_at))
    assert files.times("a") == {"old": 1000.0, "new": 1090.5}
    assert files.times("b") == {}


def test_some_filesystems_do_not_know_it() -> None:
    files = Files("memory://times")
    files.write("a/one", b"1")
    assert files.times("a") == {"one": None}


def test_only_old_unfinished_files_are_removed(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a/old.parquet", b"1")
    for name in (".old.parquet.0.tmp", ".new.parquet.1.tmp"):
        (tmp_path / "a" / name).write_bytes(b"half")
    for name in ("old.parquet", ".old.parquet.0.tmp"):
        os.utime(tmp_path / "a" / name, (time.time() - 90_000,) * 2)
    files.remove_unfinished("a", timedelta(days=1))
    assert sorted(os.listdir(tmp_path / "a")) == [".new.parquet.1.tmp", "old.parquet"]


# Links and power cuts


def test_a_path_that_is_a_loop_of_links_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for path in (tmp_path / "one", tmp_path / "one" / "store"):
        with pytest.raises(StoreError, match=rf"^the store {path} cannot be .*[Ll]ink"):
            Files(path).read("store.json")


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []

    def sync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        names = sorted(p.name for p in path.iterdir()) if path.is_dir() else []
        synced.append((path.name, names))

    monkeypatch.setattr(os, "fsync", sync)
    files = Files(tmp_path / "store")
    files.write("trials/one", b"1")
    *folders, (file, _), folder = synced
    assert sorted(name for name, _ in folders) == ["store", tmp_path.name]  # were made
    assert re.fullmatch(r"\.one\..*\.tmp", file)
    assert folder == ("trials", ["one"])
    synced.clear()
    files.write("trials/one", b"2")
    assert [name for name, _ in synced[1:]] == ["trials"]
