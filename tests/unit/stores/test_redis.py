"""What is Redis' own: what goes wrong there, and what strangers do to streams.

What it has in common with other stores stands under contract.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest

from aiotracker import DeadLetter, DropReason, Kind, RedisStore
from aiotracker.clock import SystemClock
from aiotracker.stores.redis.streams import entry_id
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, SIZE, make_record, name_of, names
from tests.fakes.redis_server import RedisServer, free_port, needs_redis, redis_server
from tests.fakes.shop import PATIENCE, Shop, lease_of, until
from tests.stages import Backend, backend, on_unix

__all__ = ["redis_server"]  # a fixture

pytestmark = needs_redis


@pytest.fixture(
    scope="module", params=["asyncio", pytest.param("uvloop", marks=[on_unix("uvloop"), pytest.mark.faults])]
)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run every test on the loops that redis knows."""
    return backend(request.param)


@pytest.fixture
def shop(redis_server: RedisServer) -> Shop:
    """Return a shop that nobody else has."""
    return Shop(redis_server.url)


async def letters_of(store: RedisStore, count: int) -> Sequence[DeadLetter]:
    """Return the dead letters when there are so many."""
    with anyio.fail_after(PATIENCE):
        while len(letters := await store.dead_letters()) < count:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.005)
    return letters


def pending(server: RedisServer, key: str) -> dict[str, int]:
    """Return how many entries are pending for each consumer that there is."""
    consumers = server.client.xinfo_consumers(key, "relay")
    return {str(each["name"], "ascii"): each["pending"] for each in consumers}


# -- a Redis that is away -------------------------------------------------------------------------------


async def test_a_store_opens_without_redis_and_sends_from_memory() -> None:
    """Nothing is raised; one line says so; what waits is leased from memory, and given up when closing."""
    shop = Shop(f"redis://user:hunter2@127.0.0.1:{free_port()}/0")
    store = shop.store()
    async with shop.opened(store):
        shop.put(store, "abc")

        lease = await store.lease(2, LARGE)

        assert list("ab") == names(lease)
        assert lease is not None
        assert 2 == await store.ack(lease)
        assert (1, 1) == (store.backlog().events, store.backlog().volatile)
        given_up = await store.aclose(shop.host.clock.now() + 0.1)
        assert [["c"]] == [names(each) for each in given_up]
    assert [] != shop.said("unreachable")
    assert not [line for line in shop.host.lines if "hunter2" in line.message]


async def test_a_wrong_password_is_an_error_that_says_so() -> None:
    """It does not pass by itself, and the password is not shown."""
    with RedisServer("--requirepass hunter2") as server:
        for url, what in ((server.url, "wants a user"), (server.url.replace("//", "//:wrong@"), "refuses")):
            shop = Shop(url)
            async with shop.opened():
                line = shop.host.lines[0]

            assert (logging.ERROR, "refused") == (line.level, line.reason)
            assert what in line.message
            assert "wrong" not in line.message
        shop = Shop(server.url.replace("//", "//:hunter2@"))
        async with shop.opened() as store:
            await shop.commit(store, "a")
        assert [] == shop.host.lines


async def test_a_server_that_stands_still_stops_no_delivery() -> None:
    """Who asks for a batch waits for one timeout, and gets it from memory; all is safe when it goes on."""
    with RedisServer() as server:
        shop = Shop(server.url)
        async with shop.opened(timeout=0.3) as store:
            await shop.commit(store, "a")
            server.pause()
            commits = shop.put(store, "bcd")

            began = time.monotonic()
            lease = await store.lease(2, LARGE)
            seconds = time.monotonic() - began

            assert list("bc") == names(lease)
            assert 0.2 < seconds < 2
            assert lease is not None
            await store.ack(lease)
            server.resume()
            with anyio.fail_after(PATIENCE):
                await commits[-1].wait()
            # The group whose answer was lost is there, too: at least once.
            assert {*"abcd"} >= {*names(await lease_of(store))} >= {*"ad"}


async def test_closing_does_not_wait_for_a_server_that_stands_still() -> None:
    """What was on its way is given up with the rest, and nobody waits for its commit any more."""
    with RedisServer() as server:
        shop = Shop(server.url)
        async with shop.opened(timeout=30.0) as store:
            await shop.commit(store, "a")
            server.pause()
            commits = shop.put(store, "b")
            await until(lambda: store._writing)
            commits += shop.put(store, "c")

            with anyio.fail_after(PATIENCE):
                given_up = await store.aclose(shop.host.clock.now() + 0.1)
            server.resume()

        assert [["b", "c"]] == [names(lease) for lease in given_up]
        assert [True, True] == [commit.is_done for commit in commits]


async def test_what_is_settled_during_an_outage_is_settled_afterwards(redis_server: RedisServer) -> None:
    """Nobody waits for it; delivered is delivered, and what was given up becomes a dead letter."""
    shop = Shop(redis_server.url)
    async with shop.opened() as store:
        await shop.commit(store, "abc")
        lease = await lease_of(store)
        redis_server.refuse_connections()
        try:
            await until(lambda: shop.said("unreachable"))
            with anyio.fail_after(1):
                counts = [
                    await store.ack(lease.part(0, 1)),
                    await store.reject(lease.part(1, 2), DropReason.REJECTED, "why"),
                ]
                await store.release(lease.part(2, 3))
            again = await store.lease(LARGE, LARGE)  # still ours
        finally:
            redis_server.take_connections()
        await until(lambda: shop.said("back"))
        await until(lambda: store.backlog().leased == 1)

        assert [1, 1] == counts
        assert ["c"] == names(again)
        assert ["why"] == [letter.detail for letter in await store.dead_letters()]
        assert again is not None
        assert 1 == await store.ack(again)
    assert 0 == redis_server.client.xlen(shop.key())


async def test_a_restart_loses_nothing_that_redis_has_saved() -> None:
    """What was committed is there again; what was put meanwhile follows."""
    with RedisServer("--appendonly yes", "--appendfsync always") as server:
        shop = Shop(server.url)
        async with shop.opened() as store:
            await shop.commit(store, "abcd")
            held = await lease_of(store, 2)
            server.stop()
            commits = shop.put(store, "e")
            await until(lambda: shop.said("unreachable"))
            server.start()
            with anyio.fail_after(PATIENCE):
                await commits[0].wait()

            assert 2 == await store.ack(held)
            assert list("cde") == names(await lease_of(store))


async def test_restarts_under_load_lose_nothing() -> None:
    """Whatever happens in between, every event that was put is delivered, with one id each."""
    with RedisServer("--appendonly yes", "--appendfsync always") as server:
        shop = Shop(server.url)
        put: list[str] = []
        turns: list[int] = []
        delivered: set[str] = set()
        done = anyio.Event()

        async def produce(store: RedisStore) -> None:
            while not done.is_set():
                name = f"{len(put):08}"
                if store.reserve(SIZE):
                    store.put(make_record(name), shop.host.clock.now())
                    put.append(name)
                await anyio.sleep(0.002)

        async def deliver(store: RedisStore) -> None:
            while not done.is_set() or len(delivered) < len(put):
                lease = await store.lease(50, LARGE)
                if lease is None:
                    await anyio.sleep(0.002)
                    continue
                await anyio.sleep(0.001)
                turns.append(len(lease))
                if len(turns) % 7 == 0:
                    await store.release(lease)
                    continue
                await store.ack(lease)
                delivered.update(names(lease))

        with anyio.fail_after(3 * PATIENCE):
            async with (
                shop.opened(timeout=0.5) as one,
                shop.opened(timeout=0.5) as other,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(produce, one)
                tasks.start_soon(deliver, one)
                tasks.start_soon(deliver, other)
                for _ in range(2):
                    await anyio.sleep(0.2)
                    server.stop()
                    await anyio.sleep(0.1)
                    await anyio.to_thread.run_sync(server.start)
                await anyio.sleep(0.2)
                await until(lambda: len(put) > 100)
                done.set()

        assert len(put) > 100
        assert set(put) == delivered
        assert [] == shop.host.losses


async def test_a_replica_is_no_place_for_events(redis_server: RedisServer, shop: Shop) -> None:
    """After a failover the old primary refuses to store; events wait in memory until it, or another, does."""
    async with shop.opened() as store:
        await shop.commit(store, "a")
        redis_server.execute("REPLICAOF", "127.0.0.1", free_port())
        try:
            commits = shop.put(store, "b")
            await until(lambda: shop.said("read_only"))
            volatile = store.backlog().volatile
        finally:
            redis_server.execute("REPLICAOF", "NO", "ONE")
        with anyio.fail_after(PATIENCE):
            await commits[0].wait()

        assert 1 == volatile
        assert list("ab") == names(await lease_of(store))


async def test_without_memory_redis_still_hands_out() -> None:
    """It refuses to store, and says why; what it has is sent first, then what it has no memory for."""
    with RedisServer() as server:
        shop = Shop(server.url)
        async with shop.opened() as store:
            await shop.commit(store, "ab")
            server.execute("CONFIG", "SET", "maxmemory", "1")
            commits = shop.put(store, "c")
            await until(lambda: shop.said("out_of_memory"))

            leases = [await lease_of(store), await lease_of(store)]
            counts = [await store.ack(leases[0]), await store.reject(leases[1], DropReason.REJECTED)]
            shop.put(store, "d")
            rejected = await lease_of(store)

            assert [list("ab"), ["c"], ["d"]] == [names(lease) for lease in [*leases, rejected]]
            assert [2, 1] == counts
            await store.release(rejected)
            commits = shop.put(store, "e")
            server.execute("CONFIG", "SET", "maxmemory", "0")
            with anyio.fail_after(PATIENCE):
                await commits[0].wait()
            assert list("de") == names(await lease_of(store))
            assert ["c"] == [name_of(letter.record) for letter in await letters_of(store, 1)]


async def test_what_redis_has_lost_is_sent_from_here(redis_server: RedisServer, shop: Shop) -> None:
    """Somebody emptied it: what this process holds is delivered all the same, the rest is said to be gone."""
    async with shop.opened() as store:
        await shop.commit(store, "abcdef")
        leased = await lease_of(store, 2)
        waiting = await lease_of(store, 2)
        await store.release(waiting)
        redis_server.execute("DEL", shop.key(), shop.key(Kind.ANONYMOUS))
        await until(lambda: shop.said("lost"))
        await shop.commit(store, "g")

        assert 2 == await store.ack(leased)
        found = await lease_of(store, 2)
        assert list("cd") == names(found)
        assert 2 == await store.ack(found)
        assert ["g"] == names(await lease_of(store))
    assert "6 events" in shop.said("lost")[0]
    assert "4 that it holds" in shop.said("lost")[0]


async def test_what_redis_has_lost_is_stored_again_when_closing(
    redis_server: RedisServer, shop: Shop
) -> None:
    """Nobody else has it."""
    async with shop.opened() as store:
        await shop.commit(store, "ab")
        await store.release(await lease_of(store))
        redis_server.execute("DEL", shop.key())
        await until(lambda: shop.said("lost"))

    async with shop.opened() as again:
        assert list("ab") == names(await lease_of(again))


# -- holders that die -----------------------------------------------------------------------------------


def hold(server: RedisServer, shop: Shop, consumer: str, deliveries: int = 1) -> None:
    """Have a consumer read everything and never settle it, as if it had been handed out so often."""
    server.execute("XREADGROUP", "GROUP", "relay", consumer, "STREAMS", shop.key(), ">")
    for entry in cast("list[Any]", server.client.xpending_range(shop.key(), "relay", "-", "+", 99, consumer)):
        ids = [entry["message_id"]]
        server.client.xclaim(shop.key(), "relay", consumer, 0, ids, retrycount=deliveries, justid=True)


async def test_a_record_that_kills_its_holders_is_given_up(redis_server: RedisServer, shop: Shop) -> None:
    """After so many deliveries that nobody settled; the host is told, and the record is a dead letter."""
    async with shop.opened(max_deliveries=3) as store:
        await shop.commit(store, "a")
        hold(redis_server, shop, "dead", deliveries=3)
        with anyio.fail_after(PATIENCE):
            while not shop.host.losses:
                assert None is await store.lease(LARGE, LARGE)

        letters = await letters_of(store, 1)
        assert DropReason.STORE_ERROR == letters[0].reason
        assert "3 holders died" in letters[0].detail
        assert [(1, DropReason.STORE_ERROR)] == [(loss.count, loss.reason) for loss in shop.host.losses]
        assert [["a"]] == [names(lease) for loss in shop.host.losses for lease in loss.leases]


async def test_a_record_has_as_many_chances_as_were_promised(redis_server: RedisServer, shop: Shop) -> None:
    """One death fewer, and it is handed out again; the dead consumer is forgotten."""
    async with shop.opened(max_deliveries=3) as store:
        await shop.commit(store, "a")
        hold(redis_server, shop, "dead", deliveries=2)

        assert ["a"] == names(await lease_of(store))
        assert "dead" not in pending(redis_server, shop.key())


async def test_closing_is_no_death(redis_server: RedisServer, shop: Shop) -> None:
    """A process that gives a record back was not killed by it, however often."""
    async with shop.opened() as store:
        await shop.commit(store, "a")

    for _ in range(5):
        async with shop.opened(max_deliveries=2) as store:
            assert ["a"] == names(await lease_of(store))

    assert {"nobody": 1} == pending(redis_server, shop.key())
    assert [] == shop.host.losses


async def test_a_store_that_only_takes_events_in_holds_none(redis_server: RedisServer, shop: Shop) -> None:
    """Nobody asked it for any: what waits, and what the dead held, is left to those who send."""
    async with shop.opened() as store:
        await shop.commit(store, "ab")
        hold(redis_server, shop, "dead")
        await shop.commit(store, "c")
        await until(lambda: store.backlog().events == 3)

        assert {"dead": 2} == pending(redis_server, shop.key())


async def test_an_answer_that_was_lost_is_found_again(redis_server: RedisServer, shop: Shop) -> None:
    """Redis takes entries for read whose answer never arrived: their reader finds that it has them."""
    async with shop.opened() as store:
        await shop.commit(store, "abc")
        held = await lease_of(store, 1)
        assert store._consumer is not None
        hold(redis_server, shop, store._consumer.name)

        assert list("bc") == names(await lease_of(store))
        assert 1 == await store.ack(held)


async def test_a_dead_holder_is_none_after_an_outage(redis_server: RedisServer, shop: Shop) -> None:
    """While Redis was away everyone was silent: they get time to come back."""
    async with shop.opened(lease_seconds=1.5) as store:
        await shop.commit(store, "a")
        hold(redis_server, shop, "silent")
        await anyio.sleep(1.0)
        redis_server.refuse_connections()
        try:
            await until(lambda: shop.said("unreachable"))
        finally:
            redis_server.take_connections()
        await until(lambda: shop.said("back"))
        await anyio.sleep(0.8)
        early = store.backlog().events

        assert 0 == early
        assert ["a"] == names(await lease_of(store))


async def test_a_dead_consumer_that_held_nothing_is_forgotten(redis_server: RedisServer, shop: Shop) -> None:
    """Processes that crash again and again must not leave a trail that every look walks along."""
    async with shop.opened() as store:
        await shop.commit(store, "a")
        redis_server.execute("XGROUP", "CREATECONSUMER", shop.key(), "relay", "idle")

        await until(lambda: "idle" not in pending(redis_server, shop.key()))


async def test_a_flush_does_not_end_before_its_delivery_is_booked(shop: Shop) -> None:
    """The stream is empty a moment before `ack` returns: until then the host takes the records for there."""

    class LookingHost(RecordingHost):
        def changed(self) -> None:
            seen.append(store.backlog().first_sequence)

    seen: list[int | None] = []
    shop.host = LookingHost(SystemClock())
    store = shop.store()
    async with shop.opened(store):
        await shop.commit(store, "a")
        lease = await lease_of(store)
        await until(lambda: store.backlog().leased == 1)
        seen.clear()

        await store.ack(lease)

        assert None is store.backlog().first_sequence
        assert {lease.sequences[0]} >= {*seen}


# -- strangers ------------------------------------------------------------------------------------------


async def test_what_another_release_wrote_is_a_dead_letter(redis_server: RedisServer, shop: Shop) -> None:
    """Its encoding is unknown here, and known to whoever replays it."""
    async with shop.opened() as store:
        redis_server.execute("XADD", shop.key(), "*", "version", 99, "put", 1, "data", "x")
        redis_server.execute("XADD", shop.key(), "*", "hello", "world")
        await shop.commit(store, "a")

        assert ["a"] == names(await lease_of(store))
        await until(lambda: len(shop.host.losses) == 1)
        assert [99, 0] == [letter.record.version for letter in await letters_of(store, 2)]


async def test_what_a_stranger_deleted_is_not_waited_for(redis_server: RedisServer, shop: Shop) -> None:
    """Entries that are pending and gone are forgotten; those that are left are handed out."""
    async with shop.opened() as store:
        await shop.commit(store, "abc")
        hold(redis_server, shop, "dead")
        redis_server.execute("XTRIM", shop.key(), "MAXLEN", "=", 1)
        await shop.commit(store, "d")
        await until(lambda: store.backlog().events > 1)

        assert list("cd") == names(await lease_of(store))
        await until(lambda: sum(pending(redis_server, shop.key()).values()) == 2)


async def test_a_key_that_is_something_else_is_an_error(redis_server: RedisServer, shop: Shop) -> None:
    """Another program has the name: it says so, and events wait in memory."""
    redis_server.execute("SET", shop.key(), "mine")
    async with shop.opened() as store:
        shop.put(store, "a")

        assert "choose another name" in shop.said("refused")[0]
        lease = await lease_of(store)
        assert ["a"] == names(lease)
        assert 1 == await store.ack(lease)


async def test_dead_letters_of_a_redis_that_is_away_raise() -> None:
    """A person waits for the answer."""
    store = Shop(f"redis://127.0.0.1:{free_port()}/0").store()
    with pytest.raises(ConnectionError, match="is not open"):
        await store.count_dead_letters()
    shop = Shop(store._settings.url)
    async with shop.opened(store):
        with pytest.raises(ConnectionError, match="is away"):
            await store.count_dead_letters()


# -- the end --------------------------------------------------------------------------------------------


async def test_a_store_can_be_closed_when_its_loop_has_ended(
    redis_server: RedisServer, shop: Shop, recwarn: pytest.WarningsRecorder
) -> None:
    """What was volatile is made safe from another loop, and what was held is given back."""
    store = shop.store()

    async def use() -> None:
        await store.open(shop.host)
        await shop.commit(store, "ab")
        await lease_of(store, 1)
        shop.put(store, "c")

    await anyio.to_thread.run_sync(lambda: asyncio.run(use()))
    await store.reclaim()

    given_up = await store.aclose(shop.host.clock.now() + 5)

    gc.collect()
    assert [] == list(given_up)
    async with shop.opened() as again:
        # "c" may be there twice: it was on its way when the loop ended, and nobody heard the answer.
        assert list("abc") == list(dict.fromkeys(names(await lease_of(again))))
    assert [] == list(recwarn)


async def test_the_end_of_a_program_loses_what_redis_does_not_take(shop: Shop) -> None:
    """In time, and says how much."""
    away = Shop(f"redis://127.0.0.1:{free_port()}/0")
    store = away.store()

    async def use() -> None:
        await store.open(away.host)
        away.put(store, "abc")

    await anyio.to_thread.run_sync(lambda: asyncio.run(use()))
    began = time.monotonic()
    lost = store.at_exit(began + 1)

    assert 3 == lost
    assert time.monotonic() - began < 2


async def test_many_large_events_travel_in_several_rounds(shop: Shop) -> None:
    """A line that is slow has to carry only so much before the answer is late."""
    async with shop.opened() as store:
        size = 600_000
        records = [make_record(str(number), size=size) for number in range(7)]
        assert all(store.reserve(record.size_bytes) for record in records)
        commits = [store.put(record, shop.host.clock.now()) for record in records]
        with anyio.fail_after(PATIENCE):
            await commits[-1].wait()

        assert 7 == store.backlog().events
        found = [names(await lease_of(store)) for _ in range(7)]
        assert [[str(number)] for number in range(7)] == found


async def test_ids_go_on_when_the_clock_of_redis_goes_back(redis_server: RedisServer, shop: Shop) -> None:
    """The next id is above the last one, of either stream, whatever time it is."""
    async with shop.opened() as store:
        future = "99999999999999-7"
        fields: list[str | int] = ["version", 1, "put", 1, "data", make_record("a").data.decode()]
        redis_server.execute("XADD", shop.key(Kind.ANONYMOUS), future, *fields)
        await shop.commit(store, "b")

        first, second = await lease_of(store), await lease_of(store)

        assert [["a"], ["b"]] == [names(first), names(second)]
        assert "99999999999999-8" == entry_id(second.sequences[0])
