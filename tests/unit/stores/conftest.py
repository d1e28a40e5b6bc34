"""What the tests of the SQLite store share: stores that look often and wait for nobody."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiotracker import Kind, Lease, SQLiteStore
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, make_record, names

PATIENCE = 10.0
SHARING_SECONDS = 1.0  # that stores wait for each other: whoever has the lock may lose the processor


@dataclass
class Bench:
    """Stores on one file, each with a host that remembers.

    Attributes:
        path: of the file.
        busy_seconds: that a store waits for a lock of somebody else.
        hosts: of the stores that were opened, by themselves.
    """

    path: Path
    busy_seconds: float = 0.01
    hosts: dict[SQLiteStore, RecordingHost] = field(default_factory=dict)

    def make(self, **settings: Any) -> SQLiteStore:
        """Return another store on the file."""
        store = SQLiteStore(self.path, **settings)
        store._settings = replace(store._settings, busy_seconds=self.busy_seconds, poll_seconds=0.02)
        return store

    async def open(self, store: SQLiteStore | None = None, **settings: Any) -> SQLiteStore:
        """Open a store, or another one."""
        store = store or self.make(**settings)
        self.hosts[store] = RecordingHost()
        await store.open(self.hosts[store])
        return store

    async def close(self, store: SQLiteStore, within: float = PATIENCE) -> list[str]:
        """Close a store; return the names of what it gave up."""
        with anyio.CancelScope(shield=True):
            await store.reclaim()
            given_up = await store.aclose(self.hosts[store].clock.now() + within)
        return [name for lease in given_up for name in names(lease)]

    async def finish(self) -> None:
        """Close every store that is open."""
        for store in self.hosts:
            if store._writer is not None:
                await self.close(store, 0.0)

    def put_nowait(self, store: SQLiteStore, text: str, kind: Kind = Kind.ORDINARY, size: int = 150) -> None:
        """Put a record for each letter."""
        for name in text:
            record = make_record(name, kind, size)
            assert store.reserve(record.size_bytes)
            store.put(record, self.hosts[store].clock.now())

    async def put(self, store: SQLiteStore, text: str, kind: Kind = Kind.ORDINARY, size: int = 150) -> None:
        """Put a record for each letter, and wait until they are safe."""
        self.put_nowait(store, text, kind, size)
        await self.until(lambda: not store.backlog().volatile)

    async def lease(self, store: SQLiteStore, max_events: int = LARGE, max_bytes: int = LARGE) -> Lease:
        """Lease records that will be there."""
        found: list[Lease] = []

        async def is_there() -> bool:
            lease = await store.lease(max_events, max_bytes)
            found.extend([lease] if lease is not None else [])
            return lease is not None

        await self.until(is_there)
        return found[0]

    async def until(self, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until something is true."""
        with anyio.fail_after(PATIENCE):
            while True:
                is_true = condition()
                if is_true if isinstance(is_true, bool) else await is_true:
                    return
                await anyio.sleep(0.005)

    def reasons(self, store: SQLiteStore) -> list[str]:
        """Return the reasons of what a store had to say, in their order and each once."""
        return list(dict.fromkeys(line.reason for line in self.hosts[store].lines))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Write to a file, and take one's time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Have a file of one's own."""
    bench = Bench(tmp_path / "events.db")
    yield bench
    await bench.finish()
