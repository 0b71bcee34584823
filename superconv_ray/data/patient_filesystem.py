"""Opens the filesystem of a path or URI, with patience that suits files on a server."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import fs

FIRST_PATIENCE = 15.0
"""Seconds to wait for a server that has never answered: its address may be wrong."""


def filesystem_of(place: str) -> tuple[Any, str]:
    """Return the filesystem of a path or URI, pyarrow's or else fsspec's, and the path in it.

    Raises:
        ValueError, ImportError, OSError: It cannot be opened. The text may quote secrets of a URI.
    """
    try:
        filesystem, path = fs.FileSystem.from_uri(_with_options(place))
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem type" not in str(error):
            raise
        filesystem, path = fs.FileSystem.from_uri(f"fsspec+{place}")
    if isinstance(filesystem, fs.PyFileSystem):
        # Other processes write, too: a cached listing would hide their files.
        filesystem.handler.fs.dircache.use_listings_cache = False
    elif filesystem.type_name == "s3":
        filesystem = _patient_s3(filesystem)
    return filesystem, path


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
