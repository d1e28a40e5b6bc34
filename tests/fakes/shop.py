"""Stores in one Redis, and what tests do with them again and again."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from aiotracker import Commit, Kind, Lease, RedisStore
from aiotracker.clock import SystemClock
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, SIZE, make_record

LEASE_SECONDS = 0.3
PATIENCE = 10.0  # seconds for what must happen


class Shop:
    """The stores of one name, and what their hosts were told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = secrets.token_hex(8)
        self.host = RecordingHost(SystemClock())

    def store(self, **settings: Any) -> RedisStore:
        """Return a store of the name."""
        return RedisStore(self.url, self.name, **{"lease_seconds": LEASE_SECONDS} | settings)

    def key(self, kind: str = Kind.ORDINARY) -> str:
        """Return the key of a stream."""
        return f"aiotracker:{{{self.name}}}:{kind}"

    @asynccontextmanager
    async def opened(self, store: RedisStore | None = None, **settings: Any) -> AsyncIterator[RedisStore]:
        """Open a store for a block."""
        one = self.store(**settings) if store is None else store
        await one.open(self.host)
        try:
            yield one
        finally:
            await one.reclaim()
            await one.aclose(self.host.clock.now() + 1)

    def put(self, store: RedisStore, text: str) -> list[Commit]:
        """Put a record for each letter."""
        assert [True] * len(text) == [store.reserve(SIZE) for _ in text]
        return [store.put(make_record(letter), self.host.clock.now()) for letter in text]

    async def commit(self, store: RedisStore, text: str) -> None:
        """Put a record for each letter, and wait until all are safe."""
        with anyio.fail_after(PATIENCE):
            for commit in self.put(store, text):
                await commit.wait()

    def said(self, reason: str) -> list[str]:
        """Return what was said for a reason."""
        return [line.message for line in self.host.lines if line.reason == reason]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is true."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.005)


async def lease_of(store: RedisStore, max_events: int = LARGE) -> Lease:
    """Lease what is there, or will soon be."""
    with anyio.fail_after(PATIENCE):
        while (lease := await store.lease(max_events, LARGE)) is None:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.005)
    return lease
