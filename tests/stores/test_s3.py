"""Studies on a real S3 server: whole, slow, killed and started again, and with what is wrong."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from superconv_ray import open_store
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import StudyInUseError, lease
from superconv_ray.storage.store import StoreError
from superconv_ray.storage.writing import StoreWriter
from tests.stores.seaweed import KEYS, S3Server
from tests.stores.tiny_study import run, study


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The study's results on a local disk."""
    store = str(tmp_path_factory.mktemp("undisturbed"))
    assert run(study(), store).trained == 6
    return store


# Whole studies


def test_a_study_on_s3_has_the_results_of_one_on_disk_and_trains_no_trial_twice(
    s3_server: S3Server, undisturbed: str, assert_same_results: Callable[[str, str], None]
) -> None:
    uri = s3_server.uri("local")
    assert run(study(), uri).trained == 6
    assert_same_results(uri, undisturbed)
    for folder in ("trials", "curves"):
        (name,) = Files(uri).names(folder)
        assert name.startswith("compact-")
    assert (run(study(), uri).trained, run(study(), uri).found) == (0, 6)


@pytest.mark.usefixtures("ray_session")
def test_workers_of_a_cluster_write_to_s3(
    s3_server: S3Server, undisturbed: str, assert_same_results: Callable[[str, str], None]
) -> None:
    uri = s3_server.uri("ray")
    assert run(study(), uri, local=False).trained == 6
    assert_same_results(uri, undisturbed)


def test_credentials_and_endpoint_may_come_from_the_environment(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["user"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*s3_server.address))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    StoreWriter(open_store("s3://bucket/environment")).initialize()
    assert Files(s3_server.uri("environment")).read("store.json")


# Trouble that goes by


def test_a_server_that_is_killed_and_started_again_costs_nothing_but_time(
    s3_server: S3Server,
    undisturbed: str,
    assert_same_results: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kills = iter([s3_server.kill])
    restarts: list[Callable[[], None]] = []
    one_at_a_time = threading.Lock()

    def server_is_killed() -> None:
        for kill in kills:
            kill()
            restarts.append(s3_server.start)

    def sleep(seconds: float) -> None:
        """Called before the run, or what renews its lease, tries again; after 1 s it has warned."""
        with one_at_a_time:
            while restarts and seconds > 1.0:
                restarts.pop()()

    restless = SimpleNamespace(**vars(time) | {"sleep": sleep})  # the server itself does sleep
    monkeypatch.setattr("superconv_ray.storage.filesystem.time", restless)
    uri = s3_server.uri("restarted")
    with pytest.warns(UserWarning, match="does not answer; retrying for up to 120 s"):
        assert run(study(server_is_killed), uri).trained == 6
    assert (list(kills), restarts) == ([], [])
    assert_same_results(uri, undisturbed)


def test_an_answer_that_takes_long_is_waited_for(
    s3_server: S3Server, slow_port: tuple[int, list[float]]
) -> None:
    port, delays = slow_port
    delays[:] = [4.0, 0.02]  # pyarrow's own limit is 3 s
    files = Files(s3_server.uri("slow", port=port))
    files.write("a/one", b"1")
    assert (files.read("a/one"), files.names("a")) == (b"1", ["one"])


# Trouble that does not go by, said before anything is trained


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        ("wrong", {"secret": "of-somebody-else"}, "cannot be read: the credentials are missing"),
        ("wrong", {"key": "nobody", "secret": "none"}, "cannot be read: the credentials are"),
        ("wrong", {"key": "reader"}, "cannot be written: the credentials .* allowed to do this"),
        ("no-such-bucket/x", {}, "cannot be read: there is no such bucket; create it"),
    ],
    ids=["secret", "key", "read-only", "bucket"],
)
def test_wrong_credentials_and_buckets_are_errors_before_anything_is_trained(
    s3_server: S3Server, place: str, wrong: dict[str, str], message: str
) -> None:
    def trained() -> None:
        raise AssertionError

    uri = s3_server.uri(place, **wrong)  # type: ignore[arg-type]
    with pytest.raises(
        StoreError, match=rf"^the store s3://[a-z/-]+\?scheme=http\S+ {message}"
    ) as raised:
        run(study(trained), uri)
    assert not any(secret in str(raised.value) for secret in (*KEYS.values(), "somebody"))


def test_an_endpoint_that_does_not_answer_is_an_error_within_seconds(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superconv_ray.storage.filesystem.FIRST_PATIENCE", 0.0)
    with pytest.raises(StoreError, match=r"cannot be read: it does not answer; check its address"):
        open_store(s3_server.uri("nobody", port=1))


# Damage and drivers, without renames and locks


def test_a_damaged_object_is_set_aside_and_trained_again(
    s3_server: S3Server, undisturbed: str, assert_same_results: Callable[[str, str], None]
) -> None:
    uri = s3_server.uri("damaged")
    run(study(), uri)
    files = Files(uri)
    (name,) = files.names("curves")
    content = files.read(f"curves/{name}")
    assert content is not None
    files.write(f"curves/{name}", content[:-100])
    screen = io.StringIO()
    assert run(study(), uri, screen).trained == 6
    assert screen.getvalue().count(f"curves/{name} in the store {files.place} is damaged: ") == 1
    assert files.names("set_aside/curves") == [name]
    assert_same_results(uri, undisturbed)


def test_one_driver_per_study_on_s3(s3_server: S3Server) -> None:
    files = Files(s3_server.uri("leased"))
    with lease(files, "tiny"), pytest.raises(StudyInUseError, match="study 'tiny' in the store s3"):
        run(study(), s3_server.uri("leased"))
    assert run(study(), s3_server.uri("leased"), max_trials=0).left == 6
    assert files.names("leases/tiny") == []


def test_a_replaced_driver_writes_nothing_on_s3(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(s3_server.uri("replaced"))
    with lease(files, "tiny") as held:
        held.files.write("studies/tiny.json", b"1")
        claim = files.read(held.claim)
        assert claim is not None
        monkeypatch.setattr("superconv_ray.storage.lease.EXPIRY_SECONDS", -1.0)
        with lease(files, "tiny"):
            for came_back in (False, True):  # the end of a renewal that began before
                if came_back:
                    files.write(held.claim, claim)
                with pytest.raises(StudyInUseError, match="another run has taken over"):
                    held.files.write("studies/tiny.json", b"2")
    assert files.read("studies/tiny.json") == b"1"
    assert files.names("leases/tiny") == []
