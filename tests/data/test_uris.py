"""What is shown of a URI: its address, and none of its secrets."""

from __future__ import annotations

import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.cli.errors import _own_command
from superconv_ray.data.uris import below, folder_and_name, without_secrets
from superconv_ray.execution.record import _provenance
from superconv_ray.storage.filesystem import Files

# Secrets are made of letters that occur nowhere else, and of what delimits the parts of a URI.
LETTERS = "QXZ"
secrets = st.text(LETTERS + ":@/?#%&=;+ ", min_size=1).filter(set(LETTERS).intersection)
tokens = st.text(LETTERS + "@%&=;+ ", min_size=1).filter(set(LETTERS).intersection)
"""Secrets without a colon before them: one with a slash would look like a bucket with a path."""

names = st.text("abc12-", min_size=3, max_size=8)
schemes = st.sampled_from(("s3", "gs", "gcs", "abfs", "abfss", "sftp", "ftp", "https", "x"))
hosts = st.one_of(names, names.map("{}.dfs.core.windows.net".format), names.map("{}:22".format))
users = st.one_of(
    st.builds("{}:{}@".format, st.one_of(names, tokens, st.just("")), secrets),
    tokens.map("{}@".format),
    st.just(""),
)
paths = st.one_of(st.just(""), names.map("/{}".format), names.map("/a@{}/b:c".format))
secret_options = st.builds(
    "{}={}".format,
    st.sampled_from(
        ("secret_key", "session_token", "sig", "X-Amz-Signature", "sas_token", "password", "scheme")
    ),
    st.text(LETTERS + ":@/?#=; ").map(lambda value: f"u:{value}@h"),
)
options = st.lists(st.one_of(secret_options, tokens, st.just("region=here")), max_size=3)
uris = st.builds("{}{}://{}{}{}?{}".format,
                 st.sampled_from(("", "--store=", "fsspec+")), schemes, users, hosts, paths,
                 options.map("&".join))  # fmt: skip


@given(uris)
def test_no_secret_of_a_uri_is_shown(uri: str) -> None:
    assert not set(LETTERS) & set(without_secrets(uri)), without_secrets(uri)


@given(uris)
def test_no_secret_of_a_uri_is_stored_or_printed_with_a_command(uri: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["superconv", "show", uri])
        patched.setattr("superconv_ray.execution.record._git_commit", lambda: None)
        command = _own_command()
        stored = _provenance().command
    assert not set(LETTERS) & set(command + stored)
    assert shlex.split(command)[-1] in stored


refused = st.builds("{}://{}{}{}?region=here&{}".format, st.sampled_from(("s3", "gs", "nonsense")),
                    users, names, paths, st.sampled_from(LETTERS))  # fmt: skip


@given(refused)
def test_no_secret_of_a_uri_is_in_the_error_that_refuses_it(uri: str) -> None:
    """Libraries quote what they cannot parse, or a part of it."""
    try:
        said = repr(Files(uri).place)  # there are some that pyarrow accepts
    except (ValueError, OSError) as error:
        said = str(error)
    assert not set(LETTERS) & set(said), said


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/a/path?x=1", "/a/path?x=1"),
        ("runs/me:you@home", "runs/me:you@home"),
        ("--store=s3://key:a%2Fb@bucket/x", "--store=s3://bucket/x"),
        ("s3://key:p@ss@bucket/x", "s3://bucket/x"),
        ("s3://token@bucket/x", "s3://bucket/x"),
        ("s3://bucket/a@b/c:d@e", "s3://bucket/a@b/c:d@e"),
        ("hf://datasets/me/mine@revision/x", "hf://datasets/me/mine@revision/x"),
        ("s3://bucket/x?secret_key=abc&scheme=http", "s3://bucket/x?scheme=http"),
        ("s3://bucket/x?session_token=abc", "s3://bucket/x"),
        ("s3://bucket/x?scheme=http#secret", "s3://bucket/x"),
        ("s3://bucket/x?endpoint_override=http%3A%2F%2Fu%3Ap%40host", "s3://bucket/x"),
        ("s3://bucket/x?endpoint_override=http%3A%2F%2Fhost%3A1&sig=a",
         "s3://bucket/x?endpoint_override=http%3A%2F%2Fhost%3A1"),
        ("abfs://box@account.dfs.core.windows.net/x?sas_token=abc",
         "abfs://box@account.dfs.core.windows.net/x"),
        ("abfs://box:aGk=@account.dfs.core.windows.net/x",
         "abfs://box@account.dfs.core.windows.net/x"),
        ("abfs://aGk%3D@account.dfs.core.windows.net/x",
         "abfs://account.dfs.core.windows.net/x"),
        ("gs://anonymous@bucket/x?endpoint_override=localhost:1&retry_limit_seconds=5",
         "gs://anonymous@bucket/x?endpoint_override=localhost:1&retry_limit_seconds=5"),
        ("sftp://me:word@host:22/x", "sftp://host:22/x"),
        ("sftp://host:22/x", "sftp://host:22/x"),
        ("hdfs://[::1]:8020/x", "hdfs://[::1]:8020/x"),
    ],
)  # fmt: skip
def test_the_address_and_harmless_options_are_shown(uri: str, shown: str) -> None:
    assert without_secrets(uri) == without_secrets(shown) == shown


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("s3://key:ab/cd@bucket/x", "s3://***@bucket/x"),
        ("s3://key:ab?cd@bucket/x", "s3://***"),
        ("s3://key:ab#cd@bucket/x", "s3://***"),
        ("s3://key:ab@bucket/x?secret_key=ab@cd", "s3://***"),
        ("s3://key:abcd", "s3://***"),
        ("sftp://host:22/runs@2", "sftp://***@2"),  # 22/runs may be a password
    ],
)
def test_what_is_no_valid_uri_is_shown_as_far_as_it_is_surely_no_secret(
    uri: str, shown: str
) -> None:
    assert without_secrets(uri) == shown


def test_a_key_that_is_not_percent_encoded_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"percent-encode / . # @ : in them") as error:
        Files("ftp://user:ab/cd@localhost:1/x")
    assert "got 'ftp://***@localhost:1/x'" in str(error.value)


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("/a/b", "/a/b/c/d.jpg"),
        ("/a?/b/", "/a?/b/c/d.jpg"),
        ("s3://bucket/a", "s3://bucket/a/c/d.jpg"),
        (
            "s3://u:p@bucket/a/?region=x&scheme=http",
            "s3://u:p@bucket/a/c/d.jpg?region=x&scheme=http",
        ),
    ],
)
def test_a_file_is_below_its_folder_and_options_stay_at_the_end(folder: str, file: str) -> None:
    assert below(folder, "c/d.jpg") == file
    assert folder_and_name(file) == (below(folder, "c"), "d.jpg")
