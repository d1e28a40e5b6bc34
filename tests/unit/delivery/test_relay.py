"""A relay: sends what others put into a store, stops without losing anything, and says how it fares."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import pytest

from aiotracker import (
    ConfigurationError,
    DeadLetter,
    Emitter,
    HealthStatus,
    MemoryStore,
    Relay,
    StoreOnly,
    Tracker,
    TrackerOpenError,
    TrackerStateError,
)
from tests.fakes.bench import COLLECTOR, begin, view
from tests.fakes.clock import FakeClock, settle
from tests.fakes.durable import FakeDurableStore
from tests.fakes.transport import FakeTransport, Hang, Hold, Step


class AnsweringStore(FakeDurableStore):
    """A store that can be asked for its dead letters, and so for a sign of life.

    Attributes:
        answer: what it answers; None for not at all.
    """

    def __init__(self, place: MemoryStore | None = None) -> None:
        super().__init__(place)
        self.answer: int | Exception | None = 0

    async def count_dead_letters(self) -> int:
        """Answer as a test says."""
        if self.answer is None:
            await anyio.sleep_forever()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or 0

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Have none."""
        return []

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Have none."""
        return 0

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Have none."""
        return 0


@dataclass
class Setting:
    """A relay, its collector, and the service that puts events into the same place."""

    clock: FakeClock
    relay: Relay
    transport: FakeTransport
    store: FakeDurableStore
    service: Tracker
    service_store: FakeDurableStore

    async def track(self, *names: object) -> None:
        """Have the service track page views, and the relay notice."""
        async with self.service:
            for name in names:
                await self.service.track(view(name))
        if self.store.host is not None:
            self.store.look()


def setting(
    *steps: Step,
    default: Step = 200,
    of: Callable[[MemoryStore], FakeDurableStore] = FakeDurableStore,
    clock: FakeClock | None = None,
    place: MemoryStore | None = None,
    **options: object,
) -> Setting:
    """Return a relay that is not open, and what belongs to it."""
    clock = clock or FakeClock()
    place = place or MemoryStore(10**6, 10**9)
    store, service_store = of(place), FakeDurableStore(place)
    transport = FakeTransport(clock, steps, default=default)
    emitter = Emitter(COLLECTOR, event_store=store, transport=transport, **options)  # type: ignore[arg-type]  # as emitters take them
    service = Tracker("web", StoreOnly(service_store), clock=clock)
    return Setting(clock, Relay(emitter, clock=clock), transport, store, service, service_store)


# -- what it is built of ------------------------------------------------------------------------------


def test_a_relay_needs_an_emitter_with_a_store_that_others_can_fill() -> None:
    """What can never work is refused when it is built."""
    with pytest.raises(ConfigurationError, match="must be durable"):
        Relay(Emitter(COLLECTOR))
    with pytest.raises(ConfigurationError, match="must be an Emitter"):
        Relay(FakeDurableStore())  # type: ignore[arg-type]  # the mistake


def test_an_emitter_belongs_to_one_relay_or_tracker() -> None:
    """Two that stop it would stop each other."""
    emitter = Emitter(COLLECTOR, event_store=FakeDurableStore())
    Relay(emitter)

    with pytest.raises(TrackerOpenError, match="already belongs to 'relay'"):
        Relay(emitter)
    with pytest.raises(TrackerOpenError, match="already belongs to 'relay'"):
        Tracker("web", emitter)


# -- sending ------------------------------------------------------------------------------------------


async def test_what_a_service_left_is_sent() -> None:
    """Whatever is in the store when the relay is opened goes out, in the order of tracking."""
    world = setting()
    await world.track("a", "b", "c")

    async with world.relay as relay:
        await world.clock.advance(1)
        stats = relay.stats()

    assert [["a", "b", "c"]] == world.transport.pages
    assert (3, 0, 0) == (stats.delivered, stats.buffered, stats.in_flight)
    assert (0, 0) == (stats.offered, stats.accepted)


async def test_what_a_service_puts_in_meanwhile_is_sent() -> None:
    """A batch waits for company as in a tracker, and then goes."""
    world = setting()

    async with world.relay:
        await world.clock.advance(10)
        before = list(world.transport.sent)
        await world.track("a", "b")
        await world.clock.advance(0.6)

    assert ([], [["a", "b"]]) == (before, world.transport.pages)


async def test_two_relays_send_each_event_once() -> None:
    """What one has leased, the other leaves alone."""
    clock, place = FakeClock(), MemoryStore(10**6, 10**9)
    one = setting(clock=clock, place=place, batch_size=10)
    two = setting(clock=clock, place=place, batch_size=10)
    await one.track(*range(100))

    async with one.relay, two.relay, anyio.create_task_group() as tasks:
        for world in (one, two):
            tasks.start_soon(world.relay.drained)
        for _ in range(20):
            await clock.advance(0.5)
            one.store.look()
            two.store.look()

    sent = one.transport.delivered + two.transport.delivered
    assert (100, 100) == (len(sent), len(set(sent)))


async def test_what_is_refused_for_good_is_kept_among_the_dead_letters() -> None:
    """A relay counts what it gives up, with the reason."""
    world = setting(default=403)
    await world.track("a")

    async with world.relay as relay:
        await world.clock.advance(1)
        dropped = dict(relay.stats().dropped)

    assert {"rejected": 1} == dropped
    assert 1 == len(world.store.rejected)


# -- stopping -----------------------------------------------------------------------------------------


async def test_stopping_waits_for_the_requests_on_their_way_and_begins_no_more() -> None:
    """What was not begun stays in the store for the next relay."""
    hold = Hold()
    world = setting(hold, batch_size=2, concurrency=1)
    await world.track(*"abcdef")

    async with anyio.create_task_group() as tasks:
        relay = await world.relay.open()
        await world.clock.advance(1)
        closing = await begin(tasks, lambda: relay.aclose(5.0))
        before = closing.is_done
        hold.release()
        await settle()

    assert (False, True) == (before, closing.is_done)
    assert [["a", "b"]] == world.transport.pages
    assert (4, 0) == (world.store.place.backlog().events, world.store.place.backlog().leased)


async def test_stopping_does_not_wait_longer_than_it_may() -> None:
    """A batch without an answer goes back to the store."""
    world = setting(default=Hang(), batch_size=2)
    await world.track("a", "b")

    async with anyio.create_task_group() as tasks:
        relay = await world.relay.open()
        await world.clock.advance(1)
        closing = await begin(tasks, lambda: relay.aclose(2.0))
        await world.clock.advance(2.1)

    assert closing.is_done
    assert (2, 0) == (world.store.place.backlog().events, world.store.place.backlog().leased)
    assert (0, 0) == (relay.stats().delivered, relay.stats().in_flight)


async def test_stopping_does_not_wait_for_a_collector_that_is_away() -> None:
    """Nothing is on its way while the circuit is open, so there is nothing to wait for."""
    world = setting(default=503)
    await world.track("a")

    async with anyio.create_task_group() as tasks:
        relay = await world.relay.open()
        await world.clock.advance(1)
        closing = await begin(tasks, lambda: relay.aclose(5.0))

    assert closing.is_done
    assert 1 == world.store.place.backlog().events


async def test_a_relay_may_be_opened_again() -> None:
    """The next opening sends what the first left."""
    world = setting(503)
    await world.track("a")

    async with world.relay:
        await world.clock.advance(0.2)
    async with world.relay:
        await world.clock.advance(2)

    assert [["a"], ["a"]] == world.transport.pages
    assert 1 == world.relay.stats().delivered


async def test_a_cancellation_while_it_stops_is_raised_at_the_end() -> None:
    """The wait for the last requests outlives the cancellation of whoever waits."""
    hold = Hold()
    world = setting(hold)
    await world.track("a")

    async with anyio.create_task_group() as tasks:
        relay = await world.relay.open()
        await world.clock.advance(1)
        closing = await begin(tasks, lambda: relay.aclose(5.0))
        closing.scope.cancel()
        await settle()
        before = closing.is_done
        hold.release()
        await settle()

    assert (False, True) == (before, closing.is_done)
    assert 1 == relay.stats().delivered


async def test_an_exception_of_the_block_comes_through() -> None:
    """Closing never stands in its way."""
    world = setting()

    with pytest.raises(ZeroDivisionError):
        async with world.relay:
            raise ZeroDivisionError

    assert 1 == world.transport.closed


async def test_a_relay_is_opened_once_and_closed_as_often_as_one_likes() -> None:
    """Opening it again is a mistake; closing what is closed is none."""
    world = setting()

    await world.relay.aclose()
    async with world.relay as relay:
        with pytest.raises(TrackerOpenError, match="already open"):
            await relay.open()
    await world.relay.aclose()

    assert (1, 1) == (world.transport.opened, world.transport.closed)


def test_a_relay_whose_loop_is_gone_is_settled_on_another() -> None:
    """Its leases go back, and nothing hangs."""
    world = setting(default=Hang())

    async def forget() -> None:
        await world.track("a")
        await world.relay.open()
        await world.clock.advance(1)

    anyio.run(forget)
    anyio.run(world.relay.aclose)

    assert (1, 0) == (world.store.place.backlog().events, world.store.place.backlog().leased)


async def test_a_relay_is_closed_on_its_own_loop() -> None:
    """On another one that is a mistake."""
    world = setting()

    async with world.relay as relay:
        with pytest.raises(TrackerStateError, match="another event loop"):
            await anyio.to_thread.run_sync(lambda: anyio.run(relay.aclose))


async def test_a_forked_child_leaves_the_relay_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing there stops nothing, and the child may open it for itself."""
    world = setting()
    relay = await world.relay.open()
    real, engine = os.getpid(), relay._engine

    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    await relay.aclose()
    monkeypatch.undo()

    assert 0 == world.transport.closed
    engine.stop(world.clock.now() + 1)
    await settle()
    assert 1 == world.transport.closed


# -- draining -----------------------------------------------------------------------------------------


async def test_an_empty_store_is_drained_at_once() -> None:
    """There is nothing to wait for."""
    world = setting()

    async with world.relay as relay, anyio.create_task_group() as tasks:
        waiting = await begin(tasks, relay.drained)
        assert waiting.is_done


async def test_draining_does_not_wait_for_batches_to_fill() -> None:
    """It returns when the last answer is there, and no sooner."""
    hold = Hold()
    world = setting(hold, flush_interval=60.0)
    await world.track("a")

    async with world.relay as relay, anyio.create_task_group() as tasks:
        waiting = await begin(tasks, relay.drained)
        before = waiting.is_done
        hold.release()
        await settle()
        assert (False, True) == (before, waiting.is_done)


async def test_draining_waits_for_what_others_have_leased() -> None:
    """It may come back; the store is empty when somebody has settled it."""
    world = setting()
    await world.track("a")
    taken = world.store.place.take(1, 10**6)
    assert taken is not None

    async with world.relay as relay, anyio.create_task_group() as tasks:
        waiting = await begin(tasks, relay.drained)
        before = waiting.is_done
        world.store.place.forget(taken)
        world.store.look()
        await settle()
        assert (False, True) == (before, waiting.is_done)


@pytest.mark.parametrize("answer", [OSError("refused"), None])
async def test_a_store_that_is_away_is_not_empty(answer: Exception | None) -> None:
    """What waits in a store that nobody can see is not known: draining goes on until it can be seen."""
    place = MemoryStore(10**6, 10**9)
    world = setting(place=place, of=AnsweringStore)
    assert isinstance(world.store, AnsweringStore)
    world.store.answer = answer

    async with world.relay as relay, anyio.create_task_group() as tasks:
        waiting = await begin(tasks, relay.drained)
        await world.clock.advance(60)
        before = waiting.is_done
        world.store.answer = 0
        await world.clock.advance(5)  # its last time to answer, and a second look
        assert (False, True) == (before, waiting.is_done)


async def test_a_store_that_comes_back_full_is_drained() -> None:
    """The first answer of a store comes before what it holds is known."""
    world = setting(of=AnsweringStore, flush_interval=60.0)
    assert isinstance(world.store, AnsweringStore)
    world.store.answer = OSError("refused")

    async with world.relay as relay, anyio.create_task_group() as tasks:
        waiting = await begin(tasks, relay.drained)
        world.store.answer = 0
        async with world.service:
            await world.service.track(view("a"))
        await world.clock.advance(1.1)
        world.store.look()  # half a second later
        await world.clock.advance(2)
        assert waiting.is_done

    assert [["a"]] == world.transport.pages


async def test_only_an_open_relay_can_be_drained() -> None:
    """Nobody sends for one that is closed."""
    world = setting()

    with pytest.raises(TrackerStateError, match="not open"):
        await world.relay.drained()


# -- telling ------------------------------------------------------------------------------------------


async def test_a_relay_knows_what_waits_and_since_when() -> None:
    """Backlog and age are those of the store; the accounts are its own."""
    world = setting(default=503)
    nothing = world.relay.oldest_age()
    await world.track("a", "b")

    async with world.relay as relay:
        await world.clock.advance(12)
        world.store.look()
        seen = (relay.backlog().events, relay.oldest_age(), relay.stats().buffered)

    assert nothing is None
    assert (2, 12.0, 2) == seen


async def test_health_is_that_of_delivery_and_of_the_store() -> None:
    """`health()` knows the collector; `check()` asks the store, too."""
    world = setting(default=503, of=AnsweringStore)
    assert isinstance(world.store, AnsweringStore)

    async with world.relay as relay:
        well = await relay.check()
        world.store.answer = OSError("refused")
        no_store = await relay.check()
        world.store.answer = 0
        await world.track("a")
        await world.clock.advance(1)
        no_collector = await relay.check()

    assert HealthStatus.OK is well.status
    assert HealthStatus.DEGRADED is no_store.status
    assert {"AnsweringStore": "no answer: refused"} == no_store.details
    assert HealthStatus.DEGRADED is no_collector.status
    assert [COLLECTOR] == list(no_collector.details)


async def test_a_store_that_hangs_does_not_hang_a_check() -> None:
    """It has two seconds to answer."""
    world = setting(of=AnsweringStore)
    assert isinstance(world.store, AnsweringStore)
    world.store.answer = None

    async with world.relay as relay, anyio.create_task_group() as tasks:
        checking = await begin(tasks, relay.check)
        await world.clock.advance(2.1)
        health = checking.result

    assert {"AnsweringStore": "no answer within 2 s"} == health.details


async def test_a_store_that_cannot_be_asked_is_taken_to_be_well() -> None:
    """A store of a user's own need not keep dead letters."""
    world = setting()

    async with world.relay as relay:
        assert HealthStatus.OK is (await relay.check()).status
