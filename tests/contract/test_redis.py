"""The store in Redis Streams keeps what every store promises."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import anyio
import pytest

from aiotracker import EventStore, RedisStore
from aiotracker.testing import DeadLetterContract
from tests.fakes.redis_server import RedisServer, redis_server
from tests.stages import Backend, backend, on_unix

__all__ = ["redis_server"]  # a fixture

# Redis under uvloop would tell little more: it is tried in full runs only.
LOOPS = ["asyncio", pytest.param("uvloop", marks=[on_unix("uvloop"), pytest.mark.faults])]


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run every test on the loops that redis knows."""
    return backend(request.param)


class TestRedisStore(DeadLetterContract):
    """It is shared by machines, and counts time by the clock of its server."""

    is_bounded_in_bytes = False
    lease_seconds = 0.5  # of real time: a store that loses the processor for so long loses its leases
    max_dead_letters = 20

    @pytest.fixture(autouse=True)
    def place(self, redis_server: RedisServer) -> Iterator[None]:
        """Choose the name of a test."""
        self.server = redis_server
        self.name = secrets.token_hex(8)
        self.is_away = False
        yield
        if self.is_away:
            redis_server.take_connections()

    def make_store(self, *, max_events: int, max_bytes: int) -> RedisStore:
        """Return another store of the name."""
        return RedisStore(
            self.server.url,
            self.name,
            max_events=max_events,
            buffer_bytes=max_bytes,
            lease_seconds=self.lease_seconds,
            max_dead_letters=self.max_dead_letters,
        )

    async def pass_time(self, seconds: float) -> None:
        """Let the time of the server pass."""
        await anyio.sleep(seconds)

    async def stand_still(self, store: EventStore) -> None:
        """Have a store do nothing by itself."""
        assert isinstance(store, RedisStore)
        assert store._consumer is not None
        store._consumer.courier._orders = replace(store._consumer.courier._orders, prepare=list)

    async def cut_off(self) -> None:
        """Let the server drop its connections."""
        self.is_away = True
        self.server.refuse_connections()

    async def restore(self) -> None:
        """Let it take connections again."""
        self.is_away = False
        self.server.take_connections()


def test_the_store_is_an_event_store() -> None:
    """As far as types can tell."""
    store: EventStore = RedisStore("redis://127.0.0.1:6379/0")

    assert store.is_durable
