"""Where events wait between `track()` and the collector."""

from aiotracker.stores.base import Commit, EventStore, InstantStore, Lease, StoreHost
from aiotracker.stores.dead_letters import DeadLetter, DeadLetterStore
from aiotracker.stores.memory import MemoryStore
from aiotracker.stores.redis import RedisStore
from aiotracker.stores.sqlite import SQLiteStore
from aiotracker.stores.urls import store_of

__all__ = [
    "Commit",
    "DeadLetter",
    "DeadLetterStore",
    "EventStore",
    "InstantStore",
    "Lease",
    "MemoryStore",
    "RedisStore",
    "SQLiteStore",
    "StoreHost",
    "store_of",
]
