"""Stores by address."""

from pathlib import Path

import pytest

from aiotracker import ConfigurationError, RedisStore, SQLiteStore
from aiotracker.stores import store_of
from aiotracker.stores.urls import sqlite_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///events.db", "events.db"),
        ("sqlite:///shop/events.db", "shop/events.db"),
        ("sqlite:////var/lib/shop/events.db", "/var/lib/shop/events.db"),
        ("SQLite:///events.db?max_bytes=10000000", "events.db"),
        ("sqlite:///what%3F/my%20events.db", "what?/my events.db"),
        ("redis://localhost:6379/0", None),
    ],
)
def test_the_path_of_a_file_is_relative_after_three_slashes(url: str, expected: str | None) -> None:
    """And absolute after four, as everywhere."""
    assert expected == sqlite_path(url)


def test_a_file_is_a_store() -> None:
    """With the arguments that the address has."""
    store = store_of("sqlite:///events.db?max_bytes=10000000&lease_seconds=1.5&synchronous=full")

    assert isinstance(store, SQLiteStore)
    assert Path("events.db").absolute() == store.path.absolute()
    assert (10_000_000, 1.5, "full") == (
        store._max_bytes,
        store._settings.lease_seconds,
        store._settings.synchronous,
    )


@pytest.mark.parametrize(
    ("url", "address", "name"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0", "default"),
        ("rediss://u:p@redis.acme.com/1?name=shop", "rediss://u:p@redis.acme.com/1", "shop"),
        ("redis://h/0?ssl_cert_reqs=none&name=shop", "redis://h/0?ssl_cert_reqs=none", "shop"),
        ("unix:///run/redis.sock?db=2&name=shop", "unix:///run/redis.sock?db=2", "shop"),
    ],
)
def test_redis_is_a_store_with_a_name(url: str, address: str, name: str) -> None:
    """What is not the store's is left to the library."""
    store = store_of(url)

    assert isinstance(store, RedisStore)
    assert (address, name) == (store._settings.url, store._settings.name)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "must be sqlite:///relative/path, sqlite:////absolute/path or redis:"),
        ("events.db", "must be sqlite:///relative/path"),
        ("postgres://h/db", "must be sqlite:///relative/path"),
        ("sqlite://events.db", "three slashes before a relative path"),
        ("sqlite:events.db", "three slashes before a relative path"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///:memory:", "nothing survives in memory"),
        ("sqlite:///events.db?mode=ro", "'mode' is no argument of a file"),
        ("sqlite:///events.db?max_bytes=1e9", "max_bytes='1e9': must be a whole number"),
        ("sqlite:///events.db?max_bytes=0", "max_bytes=0: must be a whole number above 0"),
        ("redis://h/0?lease_seconds=soon", "lease_seconds='soon': must be a number"),
        ("redis://h/0?name=a&name=b", "says name twice"),
        ("redis://h/0?name=", "name='': must be a text"),
    ],
)
def test_an_address_that_cannot_work_is_refused(url: str, expected: str) -> None:
    """What the stores themselves refuse is refused, too."""
    with pytest.raises(ConfigurationError, match=expected):
        store_of(url)


def test_an_error_shows_no_password() -> None:
    """Errors are logged, and addresses hold secrets."""
    for url in ("postgres://shop:secret@h/db", "postgres://h/db?password=secret"):
        with pytest.raises(ConfigurationError) as refused:
            store_of(url)

        assert "secret" not in str(refused.value)
