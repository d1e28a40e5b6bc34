"""The store in an SQLite file keeps what every store promises."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aiotracker import EventStore, SQLiteStore
from aiotracker.testing import DeadLetterContract

BUSY_SECONDS = 0.01  # that a store waits for a lock which does not end by itself


class TestSQLiteStore(DeadLetterContract):
    """It is shared by processes; a lock of somebody else makes it fail."""

    lease_seconds = 30.0
    max_dead_letters = 20

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> Iterator[None]:
        """Make the file of a test, and let go of it."""
        self.path = tmp_path / "events.db"
        self.stores: list[SQLiteStore] = []
        self.lock: sqlite3.Connection | None = None
        yield
        if self.lock is not None:
            self.lock.close()

    def make_store(self, *, max_events: int, max_bytes: int) -> SQLiteStore:
        """Return another store on the file, which looks often, and waits for nobody who locks it for long."""
        store = SQLiteStore(
            self.path,
            max_events=max_events,
            max_bytes=max_bytes,
            lease_seconds=self.lease_seconds,
            max_dead_letters=self.max_dead_letters,
        )
        busy_seconds = store._settings.busy_seconds if self.lock is None else BUSY_SECONDS
        store._settings = replace(store._settings, busy_seconds=busy_seconds, poll_seconds=0.02)
        self.stores.append(store)
        return store

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and have every store that learns of it renew what it has leased."""
        await super().pass_time(seconds)
        for store in self.stores:
            opening = self._openings.get(id(store))
            if opening is not None and not opening.is_still and store._writer is not None:
                writer, clock = store._writer, opening.clock
                await self.until(lambda: not writer._standby.leased or writer._renew_at > clock.now())  # noqa: B023 - at once

    async def cut_off(self) -> None:
        """Lock the file.

        Until then stores wait for each other as they do in use: each holds the lock for a moment.
        """
        for store in self.stores:
            if store._writer is not None:
                store._writer._settings = replace(store._writer._settings, busy_seconds=BUSY_SECONDS)
        self.lock = sqlite3.connect(self.path, isolation_level=None)
        self.lock.execute("BEGIN EXCLUSIVE")

    async def restore(self) -> None:
        """Unlock it."""
        assert self.lock is not None
        self.lock.close()
        self.lock = None


def test_the_store_is_an_event_store(tmp_path: Path) -> None:
    """As far as types can tell."""
    store: EventStore = SQLiteStore(tmp_path / "events.db")

    assert store.is_durable
