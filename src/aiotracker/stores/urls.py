"""Stores by address, for commands and settings, where a store is a text.

    sqlite:///events.db                  a file in the current folder
    sqlite:////var/lib/shop/events.db    a file by its whole path
    redis://localhost:6379/0?name=shop   a store in Redis, by its name

What follows a question mark are arguments of the store, `sqlite:///events.db?max_bytes=10000000`; those that
are none of its own are left to the library for Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode

from aiotracker.errors import ConfigurationError
from aiotracker.stores.redis import RedisStore
from aiotracker.stores.redis.address import SCHEMES, address_of, check_url
from aiotracker.stores.sqlite import SQLiteStore

__all__ = ["sqlite_path", "store_of"]

Readers = Mapping[str, type[int] | type[float] | type[str]]
"""Arguments of a store, and how each is read."""

SHARED: Final[Readers] = MappingProxyType(
    {
        "buffer_bytes": int,
        "buffer_events": int,
        "lease_seconds": float,
        "max_dead_letters": int,
        "max_events": int,
    }
)
SQLITE: Final[Readers] = MappingProxyType({**SHARED, "max_bytes": int, "synchronous": str})
REDIS: Final[Readers] = MappingProxyType({**SHARED, "max_deliveries": int, "name": str, "timeout": float})


def store_of(url: str) -> SQLiteStore | RedisStore:
    """Return the store at an address, not opened yet.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `redis://host:port/0?name=…`.
    Raises:
        ConfigurationError: the address is of another form, or an argument cannot work.
    """
    path = sqlite_path(url)
    if path is not None:
        settings, others = _settings(url, SQLITE)
        if others:
            raise _refused(url, f"{others[0][0]!r} is no argument of a file: {', '.join(SQLITE)} are")
        return SQLiteStore(path, **settings)
    if url.partition(":")[0].lower() in SCHEMES:
        settings, others = _settings(check_url(url), REDIS)
        query = f"?{urlencode(others)}" if others else ""
        return RedisStore(url.partition("?")[0] + query, **settings)
    forms = "sqlite:///relative/path, sqlite:////absolute/path or redis://host:port/0?name=…"
    raise _refused(url, f"must be {forms}")


def sqlite_path(url: str) -> str | None:
    """Return the path in the address of a file, None for the address of something else.

    Raises:
        ConfigurationError: the address of a file without a path.
    """
    scheme, _, rest = url.partition("?")[0].partition(":")
    if scheme.lower() != "sqlite":
        return None
    if not rest.startswith("///"):
        raise _refused(url, "needs three slashes before a relative path, and four before an absolute one")
    path = unquote(rest[3:])
    if path in {"", "/"}:
        raise _refused(url, "names no file")
    if path == ":memory:":
        raise _refused(url, "nothing survives in memory: name a file")
    return path


def _settings(url: str, known: Readers) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the arguments of a store in an address, and what else its query says."""
    settings: dict[str, object] = {}
    others = []
    for key, text in parse_qsl(url.partition("?")[2], keep_blank_values=True):
        read = known.get(key)
        if read is None:
            others.append((key, text))
        elif key in settings:
            raise _refused(url, f"says {key} twice")
        else:
            try:
                settings[key] = read(text)
            except ValueError:
                rule = "must be a whole number" if read is int else "must be a number"
                raise ConfigurationError(key, text, rule) from None
    return settings, others


def _refused(url: str, rule: str) -> ConfigurationError:
    return ConfigurationError("store", address_of(url), rule)  # errors get logged
