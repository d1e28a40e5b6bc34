"""The URL of a Redis: what it may look like, what of it may be shown, and what the library makes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiotracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMES", "address_of", "check_url", "connection_settings", "has_tls", "refusal"]

SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
FORM: Final = "must be a URL as in redis://host:6379/0, rediss:// or unix://"
ESCAPES: Final = (
    "has a character where none of its kind can be: in users, passwords, paths and arguments write "
    "%2F for /, %3F for ?, %23 for #, %40 for @ and %5B for ["
)
_PORT: Final = re.compile(r":\d{1,5}(?:/|$)")
_START: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def check_url(url: object) -> str:
    """Return the URL of a Redis; for anything else raise a ConfigurationError without what is secret."""
    if not isinstance(url, str):
        raise ConfigurationError("url", url, FORM)
    start, authority, rest = _parts(url)
    is_known = start.lower().removesuffix("://") in SCHEMES
    is_ambiguous = "@" in rest or "#" in rest or "[" in authority.rpartition("@")[0]
    if is_known and is_ambiguous:
        raise ConfigurationError("url", address_of(url), ESCAPES)
    try:
        parts = urlsplit(url)
        is_fine = is_known and bool(parts.port or parts.netloc or parts.path)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise ConfigurationError("url", address_of(url), FORM)
    return url


def address_of(url: str) -> str:
    """Return what may be shown of a URL, or of what should be one: where, and nothing that is secret.

    A password that nobody has escaped holds any character: what stands before the last @ may belong to it.
    """
    start, authority, rest = _parts(url)
    path, *query = re.split("[?#]", rest, maxsplit=1)
    if query and "@" in query[0]:  # it may stand before a host, or in a password
        return f"{start}…"
    shown = (authority + path).rpartition("@")[2]
    is_password = shown.startswith(":") and not _PORT.match(shown)  # whose @ is missing
    return start + ("…" if is_password else shown)


def has_tls(url: str) -> bool:
    """Tell whether a URL asks for TLS."""
    return urlsplit(url).scheme == "rediss"


def connection_settings(
    url: str, parsed: Mapping[str, object], timeout: float, retry: object
) -> dict[str, Any]:
    """Return the settings of a connection whose waits all have an end.

    Above what the URL says: what we rely on is not for it to choose.
    """
    # Releases of the library differ in whether they compare names if nobody says so.
    names = {"ssl_check_hostname": parsed.get("ssl_cert_reqs") != "none"} if has_tls(url) else {}
    return {
        **names,
        **parsed,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": retry,
        "retry_on_timeout": False,
        "retry_on_error": [],
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
    }


def refusal(url: str, error: Exception) -> ConfigurationError:
    """Return what to raise when the library cannot use a URL."""
    # A password with an & that nobody has escaped looks like arguments, which errors name.
    why = "something behind its question mark" if "password" in _parts(url)[2] else str(error)
    return ConfigurationError("url", address_of(url), f"cannot be used: {why}")


def _parts(url: str) -> tuple[str, str, str]:
    """Return the scheme of a URL with its slashes, what is there before the path, and the rest."""
    found = _START.match(url)
    start = found[0] if found else ""
    authority = re.split("[/?#]", url[len(start) :], maxsplit=1)[0]
    return start, authority, url[len(start) + len(authority) :]
