"""A tracker that leaves sending to others: what it takes, what it refuses, and what it says of it."""

import anyio
import pytest

from aiotracker import (
    ConfigurationError,
    Emitter,
    EventRefusedError,
    EventTooLargeError,
    HealthStatus,
    Notice,
    StoreOnly,
    Tracker,
)
from tests.fakes.bench import COLLECTOR, begin, padded, view
from tests.fakes.clock import FakeClock, settle
from tests.fakes.durable import FakeDurableStore
from tests.fakes.transport import FakeTransport


def test_settings_are_checked_when_it_is_built() -> None:
    """As those of an emitter are."""
    with pytest.raises(ConfigurationError, match="must be at most 900,000"):
        StoreOnly(FakeDurableStore(), byte_limit=1_000_000)
    with pytest.raises(ConfigurationError, match="is no EventStore"):
        StoreOnly("events.db")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigurationError, match="must be a function of one notice"):
        StoreOnly(FakeDurableStore(), on_drop="nobody")  # type: ignore[arg-type]  # the mistake


async def test_nothing_waits_for_a_collector() -> None:
    """An event is done when it is safe: flushing and closing return at once, and leave it in the store."""
    store = FakeDurableStore()
    tracker = Tracker("web", StoreOnly(store), clock=FakeClock())

    async with tracker:
        event_id = await tracker.track(view("a"))
        flushed = await tracker.flush()
    stats = tracker.stats()

    assert event_id is not None
    assert (0, {}, 0) == (flushed.delivered, flushed.dropped, flushed.remaining)
    assert tracker.last_report.is_complete
    assert (1, 0, 1, 0) == (stats.accepted, stats.delivered, stats.buffered, stats.volatile)
    assert 1 == store.place.backlog().events


async def test_a_full_store_refuses_when_waiting_is_over() -> None:
    """`store_full` is told to the callback, counted, and no exception."""
    notices: list[Notice] = []

    async def remember(notice: Notice) -> None:
        notices.append(notice)

    clock = FakeClock()
    tracker = Tracker(
        "web", StoreOnly(FakeDurableStore(max_events=1), max_wait=0.2, on_drop=remember), clock=clock
    )
    async with tracker, anyio.create_task_group() as tasks:
        taken = await tracker.track(view("a"))
        call = await begin(tasks, lambda: tracker.track(view("b")))
        before = call.is_done
        await clock.advance(0.2)

        assert taken is not None
        assert (False, None) == (before, call.result)
        assert {"store_full": 1} == tracker.stats().refused
        assert ["store_full"] == [notice.reason for notice in notices]


async def test_callers_wait_for_the_room_that_a_relay_makes() -> None:
    """What others have sent frees room here, as soon as it is noticed."""
    store = FakeDurableStore(max_events=1)
    tracker = Tracker("web", StoreOnly(store), clock=FakeClock())

    async with tracker, anyio.create_task_group() as tasks:
        await tracker.track(view("a"))
        call = await begin(tasks, lambda: tracker.track(view("b")))
        before = call.is_done
        sent = store.place.take(1, 10**6)
        assert sent is not None
        store.place.forget(sent)
        store.look()
        await settle()

        assert (False, True) == (before, call.is_done)
        assert call.result is not None


async def test_a_full_store_may_raise_instead() -> None:
    """For the few events that a request must not succeed without."""
    tracker = Tracker("web", StoreOnly(FakeDurableStore(max_events=1), overflow="raise"))

    async with tracker:
        await tracker.track(view("a"))
        with pytest.raises(EventRefusedError, match="store_full"):
            await tracker.track(view("b"))


async def test_an_event_that_no_relay_could_send_is_refused() -> None:
    """The limit of a body holds on this side already, where the traceback helps."""
    tracker = Tracker("web", StoreOnly(FakeDurableStore(), byte_limit=1_000))

    async with tracker:
        with pytest.raises(EventTooLargeError, match="the limit is 1,000"):
            await tracker.track(padded(1_000))
        assert {"oversize": 1} == tracker.stats().refused


async def test_health_is_that_of_the_store() -> None:
    """Nobody here knows the collector; events that do not get safe are what can go wrong."""
    clock = FakeClock()
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    tracker = Tracker("web", StoreOnly(store), clock=clock)

    async with tracker:
        tracker.track_nowait(view("a"))
        await clock.advance(2.1)
        health = tracker.health()
        store.is_away = False
        store.commit()

    assert HealthStatus.DEGRADED is health.status
    assert ["store FakeDurableStore"] == list(health.details)


async def test_what_is_not_safe_at_the_end_is_counted() -> None:
    """A store that stays away takes what is volatile with it."""
    clock = FakeClock()

    class Gone(FakeDurableStore):
        """A store that nothing can be committed in."""

        def commit(self) -> None:
            """Fail."""
            self._group_failed(self._take_group())

    tracker = Tracker("web", StoreOnly(Gone()), clock=clock)
    async with anyio.create_task_group() as tasks:
        await tracker.open()
        tracker.track_nowait(view("a"))
        call = await begin(tasks, lambda: tracker.aclose(1.0))
        await clock.advance(2)

    assert {"shutdown_deadline": 1} == call.result.dropped == tracker.stats().dropped


async def test_it_may_stand_beside_an_emitter() -> None:
    """One copy goes to a collector from here, another waits for a relay."""
    clock = FakeClock()
    transport = FakeTransport(clock)
    store = FakeDurableStore()
    tracker = Tracker("web", [Emitter(COLLECTOR, transport=transport), StoreOnly(store)], clock=clock)

    async with tracker:
        await tracker.track(view("a"))
        await tracker.flush()

    assert ([["a"]], 1) == (transport.pages, store.place.backlog().events)
