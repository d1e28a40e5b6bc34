"""The way to Redis: which URLs there are, and what goes wrong on it."""

import logging
import sys

import pytest
import redis.exceptions
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import ConfigurationError, RedisStore
from aiotracker.stores import store_of
from aiotracker.stores.redis.address import address_of
from aiotracker.stores.redis.courier import BASE_DELAY, MAX_DELAY, backoff
from aiotracker.stores.redis.link import Link, load_redis
from aiotracker.stores.redis.trouble import trouble
from aiotracker.testing import RecordingHost
from tests.stages import run

SECRET = "hunter2"  # the password of every test

AROUND = st.text(st.sampled_from("/?#@:[]&=%;\\ \n") | st.characters(codec="utf-8"))
"""What stands before or behind the secret in a password."""


@pytest.mark.parametrize(
    "url",
    ["http://host", "redis://", "host:6379", "redis:host", "redis://host:port", "redis://[::1", 6379, None],
)
def test_what_is_no_url_of_a_redis_is_refused(url: object) -> None:
    """When the store is built, where the traceback helps."""
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        RedisStore(url)  # type: ignore[arg-type]  # the mistake of the test


@pytest.mark.parametrize(
    "url", [f"redis://user:{SECRET}@host:6379/0", f"rediss://:{SECRET}@host/1?password={SECRET}"]
)
def test_a_store_shows_no_password(url: str) -> None:
    """Representations end up in logs."""
    assert SECRET not in repr(RedisStore(url))
    assert "host" in repr(RedisStore(url))


@pytest.mark.parametrize(
    "url",
    [f"http://user:{SECRET}@host", f"redis:user:{SECRET}@host", f"user:{SECRET}@host", f"redis://:{SECRET}"],
)
def test_a_mistake_in_a_url_shows_no_password(url: str) -> None:
    """Errors end up in logs, too."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(url)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:1/{SECRET}@host:6379/0",
        f"redis://user:1?{SECRET}@host",
        f"redis://user:1#{SECRET}@host",
        f"redis://user:1#{SECRET}",
        f"redis://user:[{SECRET}@host",
        f"unix://user:/{SECRET}@/run/redis.sock",
        f"unix:///run/redis.sock?password=1@{SECRET}",
        f"rediss://host?password=1#{SECRET}",
    ],
)
def test_a_password_that_is_not_escaped_is_refused(url: str) -> None:
    """What would be taken for its end is no host; the error says how to write it."""
    for build in (RedisStore, store_of):
        with pytest.raises(ConfigurationError, match="%2F for /") as caught:
            build(url)

        assert SECRET not in str(caught.value)
        assert SECRET not in repr(caught.value.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:p%2F%3F%23%40%5Bw@host:6379/0?password=x", "redis://host:6379/0"),
        ("redis://user:p@ss:w@host/0", "redis://host/0"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
        ("unix:///run/a%40b.sock?password=x", "unix:///run/a%40b.sock"),
        ("unix://:pw@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_where_a_redis_is(url: str, expected: str) -> None:
    """And what is escaped is understood."""
    assert repr(RedisStore(url)) == f"RedisStore({expected!r}, 'default')"
    assert expected == address_of(url)


@pytest.mark.parametrize(
    "form",
    [
        "redis://user:{}@host:6379/0",
        "redis://:{}@host",
        "rediss://{}@host/1?db=2",
        "unix://:{}@/run/redis.sock",
        "redis://host/0?password={}",
        "unix:///run/redis.sock?password={}&db=2",
        "redis://user:{0}@host/0?password={0}",
        "http://user:{}@host",
        "user:{}@host",
    ],
)
@given(before=AROUND, after=AROUND)
def test_no_part_of_a_password_is_ever_shown(form: str, before: str, after: str) -> None:
    """Whatever characters it has, and whether it is escaped or not: not by a store, and not by an error."""
    url = form.format(f"{before}{SECRET}{after}")

    def shown() -> str:
        try:
            store = RedisStore(url)
            return f"{store!r} {store._settings!r} {Link(url, 1.0).address}"
        except ConfigurationError as error:
            return f"{error} {error.value!r}"

    def shown_by_name() -> str:
        try:
            return repr(store_of(url))
        except ConfigurationError as error:
            return f"{error} {error.value!r}"

    assert SECRET not in shown()
    assert SECRET not in shown_by_name()


@pytest.mark.parametrize("query", ["name=shop", "db=x"])
def test_what_the_library_cannot_read_in_a_url_is_refused(query: str) -> None:
    """A mistake in an address must not look like a Redis that is away, which is waited for."""

    async def main() -> None:
        store = RedisStore(f"redis://user:{SECRET}@host/0?{query}")
        with pytest.raises(ConfigurationError, match="cannot be used") as caught:
            await store.open(RecordingHost())
        assert SECRET not in str(caught.value)

    run("asyncio", main)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "{a}"),
        ("max_events", 0),
        ("buffer_events", True),
        ("buffer_bytes", 1.5),
        ("max_dead_letters", -1),
        ("max_deliveries", "10"),
        ("lease_seconds", 0),
        ("lease_seconds", float("inf")),
        ("timeout", float("nan")),
        ("timeout", True),
    ],
)
def test_a_setting_that_cannot_work_is_refused(setting: str, value: object) -> None:
    """With its name and value."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore("redis://host", **{setting: value})  # type: ignore[arg-type]  # the mistake of the test

    assert setting == caught.value.setting


def test_a_missing_redis_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install stands in the error."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(ConfigurationError, match=r'pip install "aiotracker\[redis\]"'):
        load_redis()


def test_trio_is_refused_when_opened() -> None:
    """Redis knows asyncio only, and the error says so."""

    async def open_store() -> None:
        await RedisStore("redis://host").open(RecordingHost())

    with pytest.raises(ConfigurationError, match="not on trio"):
        run("trio", open_store)


@pytest.mark.parametrize(
    ("error", "reason", "level"),
    [
        (redis.exceptions.ConnectionError("Error 111 connecting"), "unreachable", logging.WARNING),
        (OSError("broken pipe"), "unreachable", logging.WARNING),
        (redis.exceptions.TimeoutError("Timeout reading"), "timeout", logging.WARNING),
        (redis.exceptions.AuthenticationError("Authentication required."), "refused", logging.ERROR),
        (redis.exceptions.AuthenticationError("invalid username-password pair"), "refused", logging.ERROR),
        (redis.exceptions.NoPermissionError("User x has no permissions"), "refused", logging.ERROR),
        (redis.exceptions.BusyLoadingError("Redis is loading"), "loading", logging.WARNING),
        (redis.exceptions.ReadOnlyError("You can't write"), "read_only", logging.WARNING),
        (redis.exceptions.OutOfMemoryError("command not allowed"), "out_of_memory", logging.WARNING),
        (redis.exceptions.ResponseError("@user_script: 1: -OOM not now"), "out_of_memory", logging.WARNING),
        (redis.exceptions.ResponseError("NOGROUP No such key"), "lost", logging.WARNING),
        (redis.exceptions.ResponseError("ERR whatever"), "error", logging.ERROR),
    ],
)
def test_every_exception_has_a_meaning(error: Exception, reason: str, level: int) -> None:
    """A reason from a closed set; what does not pass by itself is an error."""
    found = trouble(error)

    assert (reason, level) == (found.reason, found.level)


def test_a_backoff_grows_up_to_a_bound() -> None:
    """Never nothing, or it would hammer; never more than a person would wait."""
    assert [BASE_DELAY, 2 * BASE_DELAY] == [backoff(failures, 1.0) for failures in (0, 1)]
    assert MAX_DELAY == backoff(1_000, 1.0)
    assert BASE_DELAY / 2 <= backoff(1, 0.0)
