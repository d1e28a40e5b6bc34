"""Delivery on a durable store: what callers wait for, what is counted where, what closing leaves."""

import math
import os

import anyio
import pytest

from aiotracker import (
    ConfigurationError,
    DropReason,
    Emitter,
    HealthStatus,
    Lease,
    MemoryStore,
    Notice,
    StoreOnly,
    Tracker,
    TrackerStateError,
)
from tests.fakes.bench import COLLECTOR, Bench, TrackWith, begin, record_of, view
from tests.fakes.clock import FakeClock, settle
from tests.fakes.durable import FakeDurableStore
from tests.fakes.transport import Hang, Hold

DAY = 24 * 3600.0


async def opened(track_with: TrackWith, store: FakeDurableStore, **options: object) -> Bench:
    """Return a bench on a store; what is on its way at the end may be nobody's."""
    bench = await track_with(event_store=store, **options)  # type: ignore[arg-type]  # as the bench takes them
    bench.is_exact = False
    return bench


# -- waiting for the commit -------------------------------------------------------------------------


async def test_a_call_returns_when_its_group_is_committed(track_with: TrackWith) -> None:
    """All callers of a group wait for one commit, and get their ids with it."""
    store = FakeDurableStore(is_automatic=False)
    bench = await opened(track_with, store, default=Hang())
    async with anyio.create_task_group() as tasks:
        calls = [await begin(tasks, lambda name=name: bench.tracker.track(view(name))) for name in "ab"]  # type: ignore[misc]  # bound now
        before = [call.is_done for call in calls]
        volatile = bench.tracker.stats().volatile
        store.commit()
        await settle()

    assert ([False, False], 2) == (before, volatile)
    assert all(call.result for call in calls)
    assert (2, 2, 0) == (
        bench.tracker.stats().accepted,
        bench.tracker.stats().buffered,
        store.backlog().volatile,
    )


async def test_a_commit_that_takes_too_long_leaves_the_event_accepted(track_with: TrackWith) -> None:
    """At `commit_timeout` the caller goes on; the event counts as volatile until it is safe."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    bench = await opened(track_with, store, default=Hang(), commit_timeout=0.3)
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("a")))
        await bench.clock.advance(0.29)
        before = call.is_done
        await bench.clock.advance(0.02)

    stats = bench.tracker.stats()
    assert (False, True) == (before, bool(call.result))
    assert (1, {}, 1) == (stats.accepted, stats.refused, stats.buffered + stats.in_flight)


async def test_a_caller_cancelled_while_its_group_commits_has_tracked(track_with: TrackWith) -> None:
    """The cancellation is the caller's; the event was taken before the wait began."""
    store = FakeDurableStore(is_automatic=False)
    bench = await opened(track_with, store, default=Hang())
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("a")))
        call.scope.cancel()
        await settle()
        store.commit()

    assert call.is_cancelled
    assert (1, 1, 0) == (
        bench.tracker.stats().accepted,
        bench.tracker.stats().buffered,
        bench.tracker.stats().volatile,
    )


async def test_tracking_without_waiting_does_not_wait_for_the_commit(track_with: TrackWith) -> None:
    """`track_nowait()` means reserved, and not yet safe."""
    store = FakeDurableStore(is_automatic=False)
    bench = await opened(track_with, store, default=Hang())

    event_id = bench.tracker.track_nowait(view("a"))

    assert event_id
    assert (1, 1) == (bench.tracker.stats().buffered, bench.tracker.stats().volatile)
    store.commit()
    assert 0 == bench.tracker.stats().volatile


# -- sending ----------------------------------------------------------------------------------------


async def test_what_is_committed_is_delivered(track_with: TrackWith) -> None:
    """The way through a durable store is the same for the collector."""
    bench = await track_with(event_store=FakeDurableStore())

    await bench.track("a", "b")
    await bench.clock.advance(1)

    assert ["a", "b"] == [page for sent in bench.transport.sent for page in sent.pages]
    assert (2, 0) == (bench.tracker.stats().delivered, bench.tracker.stats().buffered)


async def test_while_the_place_is_away_events_are_sent_from_memory(track_with: TrackWith) -> None:
    """A full disk stops no delivery; what was sent is not committed afterwards."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    bench = await track_with(event_store=store)

    bench.tracker.track_nowait(view("a"))
    await bench.clock.advance(1)
    store.is_away = False
    store.commit()

    assert 1 == len(bench.transport.delivered)
    assert (1, 0) == (bench.tracker.stats().delivered, store.backlog().events)


async def test_what_others_put_is_sent_too(track_with: TrackWith) -> None:
    """Two processes on one place: what one puts, the other may deliver; the books add up over both."""
    place = MemoryStore(10**6, 10**9)
    service = await opened(track_with, FakeDurableStore(place), default=Hang(), flush_interval=60.0)
    service.is_shared = True
    store = FakeDurableStore(place)
    other = await opened(track_with, store)
    other.is_shared = True
    await service.track("a", "b")

    store.look()
    await other.clock.advance(1)

    assert (0, 2) == (other.tracker.stats().accepted, other.tracker.stats().delivered)
    service.emitter.event_store.look()  # type: ignore[attr-defined]  # it is the fake
    assert (2, 0, 0) == (
        service.tracker.stats().accepted,
        service.tracker.stats().delivered,
        service.tracker.stats().buffered,
    )


async def test_records_that_another_holder_settled_are_counted_once(track_with: TrackWith) -> None:
    """A lease that expired and was delivered by another is not counted a second time when it is late."""
    place = MemoryStore(10**6, 10**9)
    slow_store, fast_store = FakeDurableStore(place), FakeDurableStore(place)
    hold = Hold()
    slow = await opened(track_with, slow_store, steps=[hold])
    slow.is_shared = True
    await slow.track("a")
    await slow.clock.advance(1)
    slow_store.expire()
    fast = await opened(track_with, fast_store)
    fast.is_shared = True
    fast_store.look()
    await fast.clock.advance(1)

    hold.release()
    await slow.clock.advance(1)

    assert (0, 1) == (slow.tracker.stats().delivered, fast.tracker.stats().delivered)
    assert (0, 0) == (slow.tracker.stats().buffered, slow.tracker.stats().in_flight)


async def test_events_older_than_a_day_are_given_up(track_with: TrackWith) -> None:
    """After a day in a durable store an event is dropped as `expired`, among the dead letters."""
    store = FakeDurableStore()
    bench = await opened(track_with, store, default=503, max_retry_delay=3600.0)
    await bench.track("a")

    await bench.clock.advance(DAY + 7200)

    assert {"expired": 1} == bench.tracker.stats().dropped
    assert [(DropReason.EXPIRED, "older than 86400 s")] == store.rejected


async def test_the_age_may_be_without_end(track_with: TrackWith) -> None:
    """With `max_age=inf` an event waits for as long as it takes."""
    bench = await opened(
        track_with, FakeDurableStore(), default=503, max_retry_delay=3600.0, max_age=math.inf
    )
    await bench.track("a")

    await bench.clock.advance(3 * DAY)

    assert ({}, 1) == (bench.tracker.stats().dropped, bench.tracker.stats().buffered)


# -- bounds and losses ------------------------------------------------------------------------------


async def test_a_full_place_refuses_store_full(track_with: TrackWith) -> None:
    """It is the store that is full, and not the buffer."""
    bench = await opened(track_with, FakeDurableStore(max_events=1), default=Hang(), overflow="drop_newest")

    ids = await bench.track("a", "b")

    assert [True, False] == [bool(each) for each in ids]
    assert {"store_full": 1} == bench.tracker.stats().refused


async def test_what_the_store_loses_is_counted_and_told(track_with: TrackWith) -> None:
    """A store says what it lost; it stands in the accounts, and the callback hears of it."""
    store = FakeDurableStore()
    told: list[Notice] = []

    async def on_drop(notice: Notice) -> None:
        told.append(notice)

    bench = await opened(track_with, store, default=Hang(), flush_interval=60.0, on_drop=on_drop)
    await bench.track("a", "b")
    lease = store.place.take(1, 10**6)
    assert lease is not None
    assert store.host is not None
    store.place.forget(lease)
    store._note_held(store._look())

    store.host.lost(1, DropReason.EVICTED, "made room", [lease])
    await settle()

    assert ({"evicted": 1}, 1) == (bench.tracker.stats().dropped, bench.tracker.stats().buffered)
    assert ["evicted"] == [notice.reason for notice in told]


# -- flushing and closing ---------------------------------------------------------------------------


async def test_a_flush_waits_for_the_commit_and_then_for_the_collector(track_with: TrackWith) -> None:
    """What was accepted before the call is committed, sent and reported."""
    store = FakeDurableStore(is_automatic=False)
    bench = await track_with(event_store=store, flush_interval=60.0)
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, bench.tracker.flush)
        before = call.is_done
        store.commit()
        await settle()

    assert (False, 1, 0) == (before, call.result.delivered, call.result.remaining)


async def test_a_flush_ends_when_others_have_sent_everything(track_with: TrackWith) -> None:
    """On a shared store it need not be this process that delivers."""
    store = FakeDurableStore()
    bench = await opened(track_with, store, default=Hang(), flush_interval=60.0)
    bench.is_shared = True
    await bench.track("a")
    taken = store.place.take(1, 10**6)
    assert taken is not None
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.flush(30.0))
        before = call.is_done
        store.place.forget(taken)
        store.look()
        await settle()

    assert (False, 0, 0) == (before, call.result.delivered, call.result.remaining)


async def test_a_flush_ends_while_others_go_on_tracking(track_with: TrackWith) -> None:
    """What came after the call is not waited for, even if it is never committed."""
    store = FakeDurableStore(is_automatic=False)
    bench = await opened(track_with, store, flush_interval=60.0)
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.flush(5.0))
        store.commit()
        bench.tracker.track_nowait(view("b"))  # before the flush gets to see the commit
        await settle()

    assert call.is_done
    assert 0 == call.result.remaining


async def test_a_flush_does_not_end_while_its_event_is_sent_from_memory(track_with: TrackWith) -> None:
    """What has no number is not settled because nothing with a number is left."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    hold = Hold()
    bench = await opened(track_with, store, steps=[hold], commit_timeout=0.01)
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.flush(5.0))
        await bench.clock.advance(0.2)
        store.look()
        await settle()
        before = call.is_done
        hold.release()
        await settle()

    assert (False, 1, 0) == (before, call.result.delivered, call.result.remaining)


async def test_closing_leaves_the_rest_to_the_store(track_with: TrackWith) -> None:
    """What is not delivered in time is not dropped: it is there when the store is opened again."""
    store = FakeDurableStore()
    bench = await opened(track_with, store, default=503)
    await bench.track("a", "b")
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.aclose(2.0))
        await bench.clock.advance(3)

    report = call.result
    assert (0, {}, 2) == (report.delivered, report.dropped, report.remaining)
    assert (2, 0) == (store.place.backlog().events, store.place.backlog().leased)


async def test_a_store_in_trouble_leaves_the_time_of_closing_to_delivery(track_with: TrackWith) -> None:
    """A commit that never comes is waited for no longer than usual; then the rest is sent from memory."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    hold = Hold()
    bench = await opened(track_with, store, steps=[hold])
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.aclose(5.0))
        await bench.clock.advance(2)
        hold.release()
        await settle()

    assert (1, 0, True) == (call.result.delivered, call.result.remaining, call.is_done)


async def test_closing_sends_from_memory_at_once(track_with: TrackWith) -> None:
    """What has no number yet is of this process: it does not wait for its batch, nor for the place."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    bench = await opened(track_with, store, commit_timeout=0.01)
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.aclose(5.0))
        await bench.clock.advance(0.05)

    assert (1, {}, True) == (call.result.delivered, dict(call.result.dropped), call.is_done)


async def test_a_call_waits_while_its_event_is_only_on_its_way(track_with: TrackWith) -> None:
    """An event that is sent from memory is not safe because the place works again for others."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    hold = Hold()
    bench = await opened(track_with, store, steps=[hold], commit_timeout=60.0)
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("a")))
        await bench.clock.advance(0.2)  # its batch is due
        store.commit()
        store.is_away = False
        bench.tracker.track_nowait(view("b"))
        store.commit()
        await settle()
        before = (store.place.backlog().events, call.is_done)
        hold.release()
        await settle()
        store.commit()
        await settle()

    assert (1, False) == before
    assert call.result


async def test_closing_gives_up_what_could_not_be_made_safe(track_with: TrackWith) -> None:
    """With the place away and the collector, too, the events are lost, and counted."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    bench = await opened(track_with, store, default=503)
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        await begin(tasks, lambda: bench.tracker.aclose(2.0))
        await bench.clock.advance(3)

    assert {"shutdown_deadline": 1} == bench.tracker.stats().dropped


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_store_that_never_ends_costs_what_is_volatile(
    track_with: TrackWith, *, is_alone: bool
) -> None:
    """Closing ends all the same, and the events that only this process had are counted."""

    class Hung(FakeDurableStore):
        """A store that answers nothing."""

        async def reclaim(self) -> int:
            """Never end."""
            await anyio.sleep_forever()
            raise AssertionError

        async def aclose(self, by: float) -> list[Lease]:
            """Never end."""
            await anyio.sleep_forever()
            raise AssertionError(by)

    store = Hung(is_automatic=False)
    store.is_away = True
    clock = FakeClock()
    if is_alone:
        tracker = Tracker("web", StoreOnly(store), clock=clock)
        await tracker.open()
    else:
        bench = await opened(track_with, store, default=503, clock=clock)
        bench.is_shared = True  # the store does not let go of what is counted as lost
        tracker = bench.tracker
    tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: tracker.aclose(2.0))
        await clock.advance(2.9)

    assert ({"shutdown_deadline": 1}, 1) == (tracker.stats().dropped, call.result.remaining)


async def test_a_store_that_fails_to_close_costs_what_is_volatile(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a user's store raises, the books are closed."""

    class Broken(FakeDurableStore):
        """A store with a defect."""

        async def aclose(self, by: float) -> list[Lease]:
            """Fail."""
            raise ZeroDivisionError(by)

    store = Broken(is_automatic=False)
    store.is_away = True
    bench = await opened(track_with, store, default=503)
    bench.is_shared = True
    bench.tracker.track_nowait(view("a"))
    async with anyio.create_task_group() as tasks:
        await begin(tasks, lambda: bench.tracker.aclose(2.0))
        await bench.clock.advance(2.9)

    assert {"shutdown_deadline": 1} == bench.tracker.stats().dropped
    assert "the store failed to close" in caplog.text


async def test_closing_does_not_wait_for_what_comes_later(track_with: TrackWith) -> None:
    """Others may go on filling the place for ever: closing sends what was there when it began."""
    place = MemoryStore(10**6, 10**9)
    store = FakeDurableStore(place)
    hold = Hold()
    bench = await opened(track_with, store, steps=[hold], concurrency=1)
    bench.is_shared = True
    await bench.track("a")
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.aclose(30.0))
        late = FakeDurableStore(place)
        assert late.reserve(1_000)
        late.put(record_of(view("late")), 0.0)
        hold.release()
        await settle()

    assert (1, 0) == (call.result.delivered, call.result.remaining)


async def test_a_store_that_commits_nothing_is_seen(track_with: TrackWith) -> None:
    """A readiness probe learns that events wait in memory."""
    store = FakeDurableStore(is_automatic=False)
    store.is_away = True
    hold = Hold()
    bench = await opened(track_with, store, steps=[hold])
    bench.tracker.track_nowait(view("a"))
    early = bench.tracker.health().status

    await bench.clock.advance(2.1)

    assert (HealthStatus.OK, HealthStatus.DEGRADED) == (early, bench.tracker.health().status)
    store.is_away = False
    hold.release()  # it was sent from memory
    await settle()
    store.commit()
    assert HealthStatus.OK is bench.tracker.health().status


async def test_a_forked_child_has_lost_nothing(
    track_with: TrackWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in a durable store is not the parent's alone: the child counts nothing as `forked`."""
    bench = await opened(track_with, FakeDurableStore(), default=Hang())
    bench.is_shared = True
    await bench.track("a")
    lifeline = bench.emitter._opened().lifeline
    real = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    lifeline.after_fork()
    monkeypatch.undo()

    assert {} == bench.tracker.stats().dropped


# -- handing over to a relay ------------------------------------------------------------------------


async def test_a_tracker_may_leave_sending_to_others() -> None:
    """With `StoreOnly` an event is done when it is safe."""
    store = FakeDurableStore(is_automatic=False)
    tracker = Tracker("web", StoreOnly(store), clock=FakeClock())
    async with tracker:
        async with anyio.create_task_group() as tasks:
            call = await begin(tasks, lambda: tracker.track(view("a")))
            before = call.is_done
            store.commit()
            await settle()
        report = await tracker.flush()

    assert (False, True) == (before, bool(call.result))
    assert (0, 0) == (report.delivered, report.remaining)
    assert (1, 1) == (tracker.stats().accepted, tracker.stats().buffered)
    assert (1, 0) == (store.place.backlog().events, tracker.last_report.remaining)


async def test_nobody_can_wait_for_an_answer_that_a_relay_gets() -> None:
    """`deliver()` is refused with a reason, and the event is not taken."""
    tracker = Tracker("web", StoreOnly(FakeDurableStore()))
    async with tracker:
        with pytest.raises(TrackerStateError, match="needs emitters"):
            await tracker.deliver(view("a"))

        assert 0 == tracker.stats().offered


def test_what_nobody_else_can_read_is_refused() -> None:
    """A store in memory would keep its events for ever."""
    with pytest.raises(ConfigurationError, match="must be durable"):
        StoreOnly(MemoryStore())


async def test_a_store_that_never_works_here_leaves_nothing_open() -> None:
    """When the store refuses to open, so does the tracker, and its transport is closed again."""

    class Refusing(FakeDurableStore):
        async def open(self, host: object) -> None:
            raise ConfigurationError("event_store", "x", "is of a newer release")

    tracker = Tracker("web", Emitter(COLLECTOR, event_store=Refusing()))
    with pytest.raises(ConfigurationError, match="newer release"):
        await tracker.open()

    assert {} == (await tracker.aclose()).dropped


async def test_a_store_that_always_has_something_to_commit_is_well(track_with: TrackWith) -> None:
    """Under load the next group gathers while one is being committed: something is always volatile."""
    store = FakeDurableStore(is_automatic=False)
    bench = await opened(track_with, store, default=Hang())
    found = set()
    for number in range(10):
        group = store.take()
        bench.tracker.track_nowait(view(number))
        await bench.clock.advance(0.5)
        store.commit_group(group)
        found.add(bench.tracker.health().status)
    stuck = store.take()
    bench.tracker.track_nowait(view("last"))
    await bench.clock.advance(2.1)

    assert {HealthStatus.OK} == found
    assert HealthStatus.DEGRADED == bench.tracker.health().status
    store.commit_group(stuck)
    store.commit()
    assert HealthStatus.OK == bench.tracker.health().status
