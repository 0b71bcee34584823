"""Opens the filesystem of a store, and says why one cannot be opened."""

from __future__ import annotations

import os
from typing import Any

from superconv_ray.data.patient_filesystem import filesystem_of
from superconv_ray.data.uris import gives_away, without_secrets
from superconv_ray.storage.filesystem_errors import StoreError, one_line


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Return the filesystem of a URI, pyarrow's or else fsspec's, and the path in it."""
    scheme, is_uri, _ = uri.partition("://")
    try:
        filesystem, path = filesystem_of(uri)
        if is_uri and not path.strip("/"):
            raise ValueError("it names no bucket and no folder")
        if os.path.isfile(path) and not is_uri:
            raise ValueError("it is a file")
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
    return filesystem, path


def _reason(error: BaseException, uri: str) -> str:
    """Return a library's reason for refusing a URI, unless it quotes a secret of it."""
    reason = one_line(error)
    if gives_away(reason, uri):
        return "its user, password or options are invalid; percent-encode / ? # @ : in them"
    return reason
