"""Events in an SQLite file: the store, its one thread, the file, and what can go wrong with it."""

from aiotracker.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
