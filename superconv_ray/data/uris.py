"""Paths and URIs: of a file below a folder, and to print without users, passwords and secrets."""

from __future__ import annotations

import re
from urllib.parse import unquote

_OPEN_OPTIONS = frozenset(
    {
        *("endpoint_override", "region", "scheme", "retry_limit_seconds", "project_id"),
        *("allow_bucket_creation", "allow_bucket_deletion", "tls_ca_file_path", "enable_tls"),
    }
)
"""Options of a URI that are no secrets. Only these are shown, whatever else pyarrow may take."""
_OPEN_VALUE = re.compile(r"[\w.:/\[\] ,+-]*", re.ASCII)
"""A value of such an option; no user, password or query of another URI fits in."""

_HOST = re.compile(r"(\[[\da-f:.]*\]|[^:@\[\]]*)(:\d*)?", re.ASCII | re.IGNORECASE)
_AZURE = re.compile(r"[a-z\d-]{3,63}|\$(root|web|logs)", re.ASCII)
"""Names of containers and accounts; no key of an account has such a form."""
_DELIMITERS = re.compile(r"[:@/?#&=]")

HIDDEN = "***"
"""Stands for what may be a password of which it is unclear where it ends."""


def below(folder: str, name: str) -> str:
    """Return the path or URI of a file below a folder; a URI's options stay at its end."""
    place, options = _with_options_apart(folder)
    return f"{place.rstrip('/')}/{name}{options}"


def folder_and_name(file: str) -> tuple[str, str]:
    """Return the path or URI of a file's folder, and the name of the file."""
    place, options = _with_options_apart(file)
    folder, _, name = place.rpartition("/")
    return folder + options, name


def _with_options_apart(place: str) -> tuple[str, str]:
    if "://" not in place:
        return place, ""
    address, mark, options = place.partition("?")
    return address, mark + options


def without_secrets(text: str) -> str:
    """Return a path as it is, or a URI without what may be secret.

    The user, the password and all options except harmless ones are left out. What belongs to the
    address stays: Azure's container (``abfs://container@account...``) and Google's ``anonymous``.

    A password that should have been percent-encoded is hidden, too: after a colon, everything up to
    the last ``@`` may belong to it. The address is shown as far as it is certain.
    """
    scheme, is_uri, rest = text.partition("://")
    return f"{scheme}://{_address(scheme, rest)}" if is_uri else text


def gives_away(text: str, uri: str) -> bool:
    """Whether a text, such as a library's error, quotes what `without_secrets` hides in the URI."""
    shown = without_secrets(uri)
    hidden = {part for part in [uri, *_DELIMITERS.split(uri)] if part not in shown}
    return any(part in text or unquote(part) in text for part in hidden)


def _address(scheme: str, rest: str) -> str:
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    end = rest.rfind("@") if ":" in authority else authority.rfind("@")
    if end < 0:
        return _with_open_options(rest) if _HOST.fullmatch(authority) else HIDDEN
    credentials, address = rest[:end], rest[end + 1 :]
    if re.search("[?#]", credentials):
        return HIDDEN  # what follows the @ may be an option's value, and a secret
    if "/" in credentials:
        return f"{HIDDEN}@{_with_open_options(address)}"
    return _public_user(scheme, credentials) + _with_open_options(address)


def _public_user(scheme: str, credentials: str) -> str:
    """Return what is part of the address, though it stands before an ``@``; or nothing."""
    user = credentials.partition(":")[0]
    azure = scheme.endswith(("abfs", "abfss")) and _AZURE.fullmatch(user)
    google = scheme.endswith(("gs", "gcs")) and user == "anonymous"
    return f"{user}@" if azure or google else ""


def _with_open_options(address: str) -> str:
    place, _, options = address.partition("?")
    shown = [option for option in options.split("&") if _is_open(option)]
    return f"{place}?{'&'.join(shown)}" if shown else place


def _is_open(option: str) -> bool:
    name, _, value = option.partition("=")
    return name in _OPEN_OPTIONS and bool(_OPEN_VALUE.fullmatch(unquote(value)))
