"""TLS on the way to Redis: whom a store trusts, and what a person is told of whom it does not trust."""

import asyncio
import gc
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import trustme

from aiotracker import ConfigurationError, Lease, RedisStore
from aiotracker.stores.redis.link import send_now
from aiotracker.testing.records import names
from tests.fakes.redis_server import TLSRedisServer, knows_tls, needs_redis
from tests.fakes.shop import PATIENCE, Shop, lease_of, until
from tests.stages import Backend, backend, on_unix

pytestmark = needs_redis


@pytest.fixture(params=["asyncio", pytest.param("uvloop", marks=[on_unix("uvloop"), pytest.mark.faults])])
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run every test on the loops that redis knows."""
    return backend(request.param)


@pytest.fixture
def needs_tls() -> None:
    """Skip where the server does not know it."""
    if not knows_tls():
        pytest.skip("this redis-server was built without TLS")


@pytest.fixture
def server(needs_tls: None) -> Iterator[TLSRedisServer]:
    """Return a server with a certificate for this machine."""
    with TLSRedisServer("127.0.0.1", "localhost") as server:
        yield server


class Counter:
    """A store, and what its host was told."""

    def __init__(self, url: str, timeout: float = 3.0) -> None:
        self._shop = Shop(url)
        self.host = self._shop.host
        self.store = self._shop.store(lease_seconds=60.0, timeout=timeout)

    def opened(self) -> AbstractAsyncContextManager[RedisStore]:
        """Open the store for a block."""
        return self._shop.opened(self.store)

    def put(self, text: str) -> None:
        """Put a record for each letter."""
        self._shop.put(self.store, text)

    async def commit(self, text: str) -> None:
        """Put a record for each letter, and wait until all are safe, those from before as well."""
        self.put(text)
        await until(lambda: not self.store.backlog().volatile)

    async def lease(self) -> Lease:
        """Lease what is there, or will soon be."""
        return await lease_of(self.store)


# -- who is trusted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_events_go_in_and_come_out(server: TLSRedisServer, host: str) -> None:
    """With the authority that the URL names; nothing is said, and nothing stays open."""
    counter = Counter(server.tls_url(host))
    async with counter.opened() as store:
        await counter.commit("abc")
        lease = await counter.lease()

        assert list("abc") == names(lease)
        assert 3 == await store.ack(lease)
    gc.collect()
    assert [] == counter.host.lines


async def test_an_authority_of_the_environment_is_trusted(
    server: TLSRedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the machine trusts is trusted beside what the URL names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    counter = Counter(server.tls_url().partition("?")[0])
    async with counter.opened():
        await counter.commit("a")

    assert [] == counter.host.lines


async def test_a_server_may_ask_for_a_certificate(needs_tls: None) -> None:
    """The URL names it; without it the connection ends."""
    with TLSRedisServer("127.0.0.1", asks="yes") as server:
        certificate = str(server.certificate)
        known = Counter(server.tls_url(ssl_certfile=certificate, ssl_keyfile=certificate))
        unknown = Counter(server.tls_url())
        async with known.opened(), unknown.opened():
            await known.commit("a")

    assert [] == known.host.lines
    assert "unreachable" == unknown.host.lines[0].reason


async def test_a_restart_is_survived(server: TLSRedisServer) -> None:
    """As without TLS: what was put meanwhile follows."""
    counter = Counter(server.tls_url())
    async with counter.opened():
        server.stop()
        counter.put("a")
        await anyio.to_thread.run_sync(server.start)
        await counter.commit("b")

        assert list("ab") == names(await counter.lease())


async def test_a_server_that_stands_still_holds_up_no_closing(
    server: TLSRedisServer, recwarn: pytest.WarningsRecorder
) -> None:
    """Not even to say goodbye, which TLS would wait for: the connection is dropped."""

    async def use() -> float:
        counter = Counter(server.tls_url(), timeout=0.3)
        async with counter.opened():
            await counter.commit("a")
            server.pause()
            await until(lambda: counter.host.lines)
            began = time.monotonic()
        return time.monotonic() - began

    seconds = await anyio.to_thread.run_sync(lambda: asyncio.run(use()))

    gc.collect()
    assert seconds < PATIENCE
    assert [] == list(recwarn)


# -- who is not -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certified", "is_named", "why"),
    [
        ("127.0.0.1", False, "self-signed certificate"),
        ("redis.acme.com", True, "IP address mismatch"),
    ],
)
async def test_who_is_not_trusted_gets_no_events(
    needs_tls: None, tmp_path: Path, *, certified: str, is_named: bool, why: str
) -> None:
    """It is an error that says so; events wait in memory, counted as volatile, and are sent from there."""
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with TLSRedisServer(certified) as server:
        url = server.tls_url(ssl_ca_certs=str(server.authority if is_named else stranger))
        counter = Counter(url)
        async with counter.opened() as store:
            counter.put("ab")
            lease = await counter.lease()

            assert list("ab") == names(lease)
            assert 2 == await store.ack(lease)
            counter.put("c")
            assert (1, 1) == (store.backlog().events, store.backlog().volatile)
        line = counter.host.lines[0]

        assert 0 == server.client.dbsize()
        assert (logging.ERROR, "untrusted") == (line.level, line.reason)
        assert f"rediss://127.0.0.1:{server.tls_port}/0 is not trusted" in line.message
        assert why in line.message
        assert "ssl_ca_certs" in line.message
        assert [False] == send_now(url, [("SET", "a", "b")], time.monotonic() + PATIENCE)


async def test_trust_can_be_waived(server: TLSRedisServer) -> None:
    """By whoever writes the URL."""
    counter = Counter(server.tls_url("127.0.0.1", ssl_ca_certs="", ssl_cert_reqs="none"))
    async with counter.opened():
        await counter.commit("a")


@pytest.mark.parametrize("query", ["ssl_ca_certs=/not/there.pem", "ssl_keyfile=.", "ssl_cert_reqs=maybe"])
async def test_what_cannot_be_trusted_is_refused_when_opened(query: str) -> None:
    """A mistake in an address must not look like a Redis that is away."""
    counter = Counter(f"rediss://user:hunter2@127.0.0.1/0?{query}")

    with pytest.raises(ConfigurationError, match=query.partition("=")[2]) as caught:
        await counter.store.open(counter.host)

    assert "hunter2" not in str(caught.value)


# -- without a loop -------------------------------------------------------------------------------------


async def test_the_end_of_a_program_writes_what_is_volatile(server: TLSRedisServer) -> None:
    """Over TLS, too."""
    counter = Counter(server.tls_url("localhost"))

    async def use() -> None:
        await counter.store.open(counter.host)
        await counter.commit("a")
        counter.put("bc")

    await anyio.to_thread.run_sync(lambda: asyncio.run(use()))
    lost = counter.store.at_exit(time.monotonic() + PATIENCE)

    assert 0 == lost
    again = Counter(server.tls_url())
    again.store = RedisStore(server.tls_url(), counter.store._settings.name)
    async with again.opened():
        # What was on its way when the loop ended may be there twice.
        assert list("abc") == list(dict.fromkeys(names(await again.lease())))


def test_a_known_address_needs_no_look_up(needs_tls: None) -> None:
    """It may have no end; the certificate is that of the name all the same."""
    with TLSRedisServer("redis.invalid") as server:  # which no look-up will ever find
        url, peer = server.tls_url("redis.invalid"), ("127.0.0.1", server.tls_port)
        command = ("SET", "a", "b")

        found = [
            send_now(url, [command], time.monotonic() + PATIENCE, peer),
            send_now(server.tls_url("other.invalid"), [command], time.monotonic() + PATIENCE, peer),
        ]

        assert [[True], [False]] == found


def test_a_server_that_stands_still_is_given_up_in_time(server: TLSRedisServer) -> None:
    """It takes connections, and says nothing."""
    server.pause()
    began = time.monotonic()

    done = send_now(server.tls_url(), [("SET", "a", "b")], began + 1)

    assert [False] == done
    assert time.monotonic() - began < 1.5
