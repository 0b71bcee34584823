"""Errors of filesystems: which of them pass, and what to do about the others.

Filesystems say what is wrong by error numbers and in their texts. A store that is away for a while
is waited for; what waiting cannot cure is raised at once, in one line with the next step.
"""

from __future__ import annotations

import errno
import re

_PASSING_NUMBERS = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EBUSY, errno.EINTR),  # network folders
        *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN),
    }
)
_PASSING = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SLOW_DOWN|THROTTLING|REQUEST_TIMEOUT|INTERNAL_FAILURE|"
    r"SERVICE_UNAVAILABLE)|HTTP status (429|5\d\d)|"
    r"Status\((UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|INTERNAL|ABORTED)|"
    r"[Tt]imed out|[Cc]ould not connect|[Cc]ould ?n[o']t resolve"
)
_REMEDIES = (
    (
        re.compile(r"Errno (28|122)\]|No space left|Disk quota", re.IGNORECASE),
        "it is full; free some space and repeat the command: what is finished is kept",
    ),
    (
        re.compile(r"NO_SUCH_BUCKET|ContainerNotFound|bucket does not exist", re.IGNORECASE),
        "there is no such bucket; create it, or correct the URI",
    ),
    (
        re.compile(
            r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|"
            r"INVALID_CLIENT_TOKEN|EXPIRED_TOKEN|HTTP status 40[13]|PERMISSION_DENIED|"
            r"UNAUTHENTICATED|AuthenticationFailed|AuthorizationFailure|OAuth2 access token"
        ),
        (
            "the credentials are missing, wrong or not allowed to do this; S3 takes "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GCS GOOGLE_APPLICATION_CREDENTIALS, and "
            "each of them the machine's role"
        ),
    ),
    (
        re.compile(r"Errno (1|13|30)\]"),
        "permission is missing, or it is read-only; allow it, or choose another place",
    ),
    (_PASSING, "it does not answer; check its address and that it runs, then repeat the command"),
)

SHARE_IT = "use a folder that all nodes have mounted, or a store such as s3://bucket/folder"
"""What to do about a store that is `not_shared`."""


class StoreError(OSError):
    """The store cannot be read or written, and why."""


def not_shared(place: str, node: str) -> str:
    """Say that a node has another store under the same name."""
    return f"{place} is not shared: what the driver wrote there is not on {node}"


def is_passing(error: BaseException) -> bool:
    """Whether an error may pass, as that of a network or of a server that restarts."""
    if not isinstance(error, OSError):
        return False
    return error.errno in _PASSING_NUMBERS or bool(_PASSING.search(str(error)))


def store_error(place: str, done: str, error: OSError) -> StoreError:
    """Translate a filesystem's error.

    Args:
        place: The store.
        done: What was to be done with it: "read" or "written".
        error: What the filesystem raised.
    """
    why = one_line(error)
    remedy = next((f"{text}: " for rule, text in _REMEDIES if rule.search(why)), "")
    return StoreError(f"the store {place} cannot be {done}: {remedy}{why}")


def one_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).strip().partition("\n")[0]
