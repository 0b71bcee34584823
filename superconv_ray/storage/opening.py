"""Opens the filesystem of a path or URI, with settings that suit a store."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import fs

from superconv_ray.storage.filesystem_errors import StoreError, one_line
from superconv_ray.storage.uris import gives_away, without_secrets

FIRST_PATIENCE = 15.0
"""Seconds to wait for a store that has never answered: its address may be wrong."""


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Return the filesystem of a URI, pyarrow's or else fsspec's, and the path in it."""
    scheme = uri.partition("://")[0]
    try:
        try:
            filesystem, root = fs.FileSystem.from_uri(_with_options(uri))
        except pa.ArrowInvalid as error:
            if "Unrecognized filesystem type" not in str(error):
                raise
            filesystem, root = fs.FileSystem.from_uri(f"fsspec+{uri}")
    except (ValueError, ImportError) as error:
        raise ValueError(
            "store must be a local path or a URI: s3://bucket/folder, gs://bucket/folder, "
            "abfs://container@account.dfs.core.windows.net/folder, hdfs://, or a scheme of fsspec "
            f"whose package is installed (sftp:// needs paramiko, hf:// huggingface_hub); "
            f"got {without_secrets(uri)!r} ({_reason(error, uri)})"
        ) from None
    except OSError as error:
        raise StoreError(
            f"the store {without_secrets(uri)} cannot be opened by {scheme}://: "
            f"{_reason(error, uri)}"
        ) from None
    if isinstance(filesystem, fs.PyFileSystem):
        # Other processes write, too: a cached listing would hide their files.
        filesystem.handler.fs.dircache.use_listings_cache = False
    elif filesystem.type_name == "s3":
        filesystem = _patient_s3(filesystem)
    return filesystem, root


def _reason(error: BaseException, uri: str) -> str:
    """Return a library's reason for refusing a URI, unless it quotes a secret of it."""
    reason = one_line(error)
    if gives_away(reason, uri):
        return "its user, password or options are invalid; percent-encode / ? # @ : in them"
    return reason


def _with_options(uri: str) -> str:
    """Add pyarrow's options to a URI, unless the user has set them."""
    options = {
        "s3": "allow_delayed_open=true",  # a small file is one request instead of three
        "gs": f"retry_limit_seconds={FIRST_PATIENCE:.0f}",  # else 15 minutes
        "gcs": f"retry_limit_seconds={FIRST_PATIENCE:.0f}",
    }
    option = options.get(uri.partition("://")[0])
    if option is None or option.partition("=")[0] in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{option}"


def _patient_s3(filesystem: Any) -> Any:
    """Return the filesystem with settings that a URI cannot hold.

    By default pyarrow waits 3 s for an answer, and repeats that 30 times before it raises.
    """
    _, (settings,) = filesystem.__reduce__()
    return fs.S3FileSystem(
        **settings
        | {
            "connect_timeout": 5.0,
            "request_timeout": 20.0,
            "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=3),
        }
    )
