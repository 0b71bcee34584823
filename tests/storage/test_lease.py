"""One driver per study: a second one is refused, a dead one replaced, a replaced one stopped."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from superconv_ray.storage import lease as lease_module
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import (
    EXPIRY_SECONDS,
    Claim,
    Lease,
    StudyInUseError,
    is_held,
    lease,
)
from superconv_ray.storage.seal import write_json


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def own_claim() -> Claim:
    since, now = "2026-01-02T03:04:05", time.time()
    return Claim(platform.node(), lease_module._processes(), os.getpid(), since, now)


def leave(files: Files, claim: Claim, age: float = 0.0) -> Path:
    """A claim that another driver wrote that many seconds ago."""
    write_json(files, "leases/one/other.json", asdict(claim))
    path = Path(files.path("leases/one/other.json"))
    os.utime(path, (time.time() - age,) * 2)
    return path


def claims(files: Files) -> list[str]:
    return files.names("leases/one")


def test_a_second_driver_is_refused_with_who_runs_the_study_since_when_and_what_to_do(
    files: Files,
) -> None:
    with lease(files, "one"):
        with (
            pytest.raises(
                StudyInUseError,
                match=rf"study 'one' in the store {files.place} has been run by process "
                rf"{os.getpid()} on {platform.node()} since 20.*, last seen \d+ s ago. .*"
                r"Ctrl-C. If it was killed, repeat the command 60 s after",
            ),
            lease(files, "one"),
        ):
            pass
        assert len(claims(files)) == 1


def test_another_study_of_the_store_may_be_run_meanwhile(files: Files) -> None:
    with lease(files, "one"), lease(files, "two"):
        pass


def test_a_lease_is_given_up_at_the_end_whatever_the_end(files: Files) -> None:
    with lease(files, "one"):
        pass
    with pytest.raises(ZeroDivisionError), lease(files, "one"):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), lease(files, "one"):
        raise KeyboardInterrupt
    assert claims(files) == []


def test_a_driver_of_this_machine_that_was_killed_is_replaced_at_once(files: Files) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    leave(files, replace(own_claim(), pid=ended.pid))
    with lease(files, "one"):
        assert "other.json" not in claims(files)


@pytest.mark.parametrize("elsewhere", ["host", "processes"])
def test_a_driver_elsewhere_is_replaced_when_its_lease_has_expired(
    files: Files, elsewhere: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    claim = Claim(**{**asdict(own_claim()), "pid": ended.pid, elsewhere: "elsewhere"})
    leave(files, claim, age=EXPIRY_SECONDS / 2)
    with pytest.raises(StudyInUseError, match=r"last seen [345]\d s ago"), lease(files, "one"):
        pass
    leave(files, claim, age=EXPIRY_SECONDS + 5)
    with lease(files, "one"):
        assert "other.json" not in claims(files)


def test_a_living_driver_of_this_machine_is_replaced_when_it_no_longer_renews(files: Files) -> None:
    leave(files, own_claim(), age=EXPIRY_SECONDS + 5)
    with lease(files, "one"):
        assert "other.json" not in claims(files)


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"host": "a"}'])
def test_a_file_that_is_no_claim_is_ignored(files: Files, content: bytes) -> None:
    files.write("leases/one/notes.txt", content)
    with lease(files, "one"):
        assert "notes.txt" in claims(files)


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b""])
def test_a_damaged_claim_keeps_others_out_until_it_expires(files: Files, content: bytes) -> None:
    path = leave(files, own_claim())
    path.write_bytes(content)
    with (
        pytest.raises(StudyInUseError, match="run by a driver whose claim is damaged, last seen"),
        lease(files, "one"),
    ):
        pass
    os.utime(path, (time.time() - EXPIRY_SECONDS - 5,) * 2)
    with lease(files, "one"):
        assert "other.json" not in claims(files)


def test_of_many_drivers_that_start_at_once_never_two_hold_the_lease(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "ATTEMPTS", 3)
    begin, at_work, most, refused, held = threading.Barrier(8), 0, 0, 0, 0
    lock = threading.Lock()

    def drive() -> None:
        nonlocal at_work, most, refused, held
        begin.wait()
        try:
            with lease(files, "one"):
                with lock:
                    at_work, held = at_work + 1, held + 1
                    most = max(most, at_work)
                time.sleep(0.05)
                with lock:
                    at_work -= 1
        except StudyInUseError:
            with lock:
                refused += 1

    threads = [threading.Thread(target=drive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held + refused == 8
    assert most == 1
    assert claims(files) == []


def test_a_lease_is_renewed_while_its_driver_lives(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.02)
    with lease(files, "one"):
        (name,) = claims(files)
        path = Path(files.path(f"leases/one/{name}"))
        os.utime(path, (time.time() - 50,) * 2)
        wait_until(lambda: time.time() - path.stat().st_mtime < 40)
        with pytest.raises(StudyInUseError), lease(files, "one"):
            pass


def test_a_driver_that_was_replaced_is_interrupted_and_says_why(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.02)
    ends: list[type[BaseException]] = []

    def drive() -> None:
        with lease(files, "one"):
            files.delete(f"leases/one/{claims(files)[0]}")  # as the other one does it
            try:
                wait_until(lambda: False)
            except BaseException as end:
                ends.append(type(end))
                raise

    with pytest.raises(
        StudyInUseError, match=r"did not renew its lease for 60 s, and another run has"
    ):
        drive()
    assert ends == [KeyboardInterrupt]
    assert claims(files) == []


# A driver that wakes up after it was replaced


@contextlib.contextmanager
def replaced_in_the_midst_of_a_write(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lease]:
    """Yield a lease; another driver takes it over before the end of the first write within."""
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 1000.0)
    write, others = Files._write_in_place, contextlib.ExitStack()

    def stop_then_write(own: Files, path: str, content: bytes) -> None:
        write(own, path, content)
        monkeypatch.setattr(Files, "_write_in_place", write)
        (claim,) = claims(files)
        os.utime(files.path(f"leases/one/{claim}"), (time.time() - EXPIRY_SECONDS - 5,) * 2)
        others.enter_context(lease(files, "one"))

    with lease(files, "one") as held, others:
        monkeypatch.setattr(Files, "_write_in_place", stop_then_write)
        yield held


def test_a_write_that_a_replaced_driver_had_begun_is_never_finished(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("studies/one.json", b"new")
    with replaced_in_the_midst_of_a_write(files, monkeypatch) as held:
        with pytest.raises(StudyInUseError, match="another run has taken over"):
            held.files.write("studies/one.json", b"stale")
        with pytest.raises(StudyInUseError, match="another run has taken over"):
            held.files.move("studies/one.json", "set_aside/one.json")
        assert files.read("studies/one.json") == b"new"
    assert list(Path(files.uri).rglob("*.tmp")) == []
    assert os.listdir(files.path("leases/one")) == []


def test_a_renewal_that_a_replaced_driver_had_begun_does_not_bring_its_claim_back(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replaced_in_the_midst_of_a_write(files, monkeypatch) as held:
        with pytest.raises(StudyInUseError, match="another run has taken over"):
            held.renew()
        assert files.read(held.claim) is None


def test_a_driver_that_slept_at_the_end_of_a_renewal_looks_whether_it_was_replaced(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim was in the store, under its name, and is older than the end of the renewal."""
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.05)
    sync, others = Files._sync, contextlib.ExitStack()

    def sync_then_sleep(own: Files, path: str) -> None:
        sync(own, path)
        if path == files.path("leases/one"):
            monkeypatch.setattr(Files, "_sync", sync)
            time.sleep(0.15)
            os.utime(files.path(held.claim), (time.time() - EXPIRY_SECONDS - 5,) * 2)
            others.enter_context(lease(files, "one"))

    held = Lease(files, "one")
    held.take()
    with others:
        monkeypatch.setattr(Files, "_sync", sync_then_sleep)
        held.renew()
        with pytest.raises(StudyInUseError, match="another run has taken over"):
            held.check_if_overdue()


def test_a_claim_that_came_back_all_the_same_does_not_count(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store may finish a request after the takeover."""
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 1000.0)
    with lease(files, "one") as held:
        content = files.read(held.claim)
        assert content is not None
        os.utime(files.path(held.claim), (time.time() - EXPIRY_SECONDS - 5,) * 2)
        with lease(files, "one") as new:
            files.write(held.claim, content)
            assert not is_held(files, held.claim)
            assert is_held(files, new.claim)
            with pytest.raises(StudyInUseError):
                held.renew()
            new.renew()
        with lease(files, "one"):
            pass


# Claims whose age is unknown


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("elsewhere", "the clock of elsewhere is ahead of this machine's; synchronize the two"),
        (platform.node(), "the clock of this machine was set back meanwhile"),
    ],
)
def test_a_claim_of_the_future_that_is_not_renewed_expires_and_it_is_said_whose_clock_is_off(
    host: str, whose: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "EXPIRY_SECONDS", 0.2)
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.1)
    leave(files, replace(own_claim(), host=host), age=-3600)
    with (
        pytest.warns(UserWarning, match=rf"that is 3[56]\d\d s ahead: {whose}"),
        lease(files, "one"),
    ):
        assert "other.json" not in claims(files)


@pytest.mark.parametrize("uri", ["", "memory://leases"])
def test_a_driver_whose_claim_cannot_be_dated_is_seen_to_live(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(uri or tmp_path)
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.1)
    over = threading.Event()

    def live() -> None:
        while not over.wait(0.02):
            write_json(files, "leases/one/other.json", asdict(own_claim()))
            with contextlib.suppress(OSError):
                os.utime(files.path("leases/one/other.json"), (time.time() + 3600,) * 2)

    living = threading.Thread(target=live)
    living.start()
    try:
        wait_until(lambda: claims(files))
        with (
            warnings.catch_warnings(action="ignore"),
            pytest.raises(StudyInUseError, match=r"has been run by process"),
            lease(files, "one"),
        ):
            pass
    finally:
        over.set()
        living.join()


def wait_until(condition: object, seconds: float = 300.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_takeover_that_is_noticed_at_the_very_end_is_no_ctrl_c(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ending = threading.Event(), threading.Event()

    def renew(_: Lease) -> None:
        asked.set()
        ending.wait()
        time.sleep(0.2)  # the driver waits for this thread by now
        raise StudyInUseError("another run has taken over")

    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.01)
    monkeypatch.setattr(Lease, "renew", renew)

    def refused() -> None:
        with lease(files, "one"):
            asked.wait()
            ending.set()
            raise StudyInUseError("a write of the driver's own was refused")

    with pytest.raises(StudyInUseError):
        refused()
