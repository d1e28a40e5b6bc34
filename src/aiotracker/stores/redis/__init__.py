"""Events in Redis Streams: the store, its one task, the way to Redis, and what is said on it."""

from aiotracker.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
