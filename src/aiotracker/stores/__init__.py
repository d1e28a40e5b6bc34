"""Where events wait between `track()` and the collector."""

from aiotracker.stores.base import EventStore, Lease
from aiotracker.stores.memory import MemoryStore

__all__ = ["EventStore", "Lease", "MemoryStore"]
