"""The store in memory keeps what every store promises."""

from aiotracker import MemoryStore
from aiotracker.testing import EventStoreContract


class TestMemoryStore(EventStoreContract):
    """Nothing of it survives, and it needs no time to put a record."""

    def make_store(self, *, max_events: int, max_bytes: int) -> MemoryStore:
        """Return a store in memory."""
        return MemoryStore(max_events, max_bytes)
