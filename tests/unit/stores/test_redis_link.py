"""The way to Redis: which URLs there are, and what goes wrong on it."""

import logging
import sys

import pytest
import redis.exceptions

from aiotracker import ConfigurationError, RedisStore
from aiotracker.stores.redis.courier import BASE_DELAY, MAX_DELAY, backoff
from aiotracker.stores.redis.link import load_redis, trouble
from aiotracker.testing import RecordingHost
from tests.stages import run

SECRET = "hunter2"  # the password of every test


@pytest.mark.parametrize("url", ["http://host", "redis://", "host:6379", "redis://host:port", 6379, None])
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


def test_a_mistake_in_a_url_shows_no_password() -> None:
    """Errors end up in logs, too."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(f"http://user:{SECRET}@host")

    assert SECRET not in str(caught.value)


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
