"""The tracker: opening, tracking, flushing, delivering and closing, on every event loop."""

import threading
from collections.abc import Awaitable, Callable

import anyio
import pytest

from aiotracker import (
    ConfigurationError,
    DeliveryError,
    DeliveryTimeout,
    Emitter,
    EventRefusedError,
    EventTooLargeError,
    InvalidEventError,
    MemoryStore,
    SelfDescribing,
    SelfDescribingJson,
    Tracker,
    TrackerNotOpenError,
    TrackerOpenError,
    WrongLoopError,
)
from aiotracker.protocol.exchange import Response
from tests.fakes.bench import COLLECTOR, Bench, TrackWith, begin, padded, view
from tests.fakes.clock import settle
from tests.fakes.transport import Delay, Hang, Hold

UUID = "0e5ffa2c-4f8a-4f3f-9a29-5a6e0c3a5a7d"


# -- open ---------------------------------------------------------------------------------------------


async def test_tracking_before_opening_is_a_mistake(track_with: TrackWith) -> None:
    """An event that nothing would ever send is refused with an error, not with silence."""
    bench = track_with.build()

    with pytest.raises(TrackerNotOpenError, match="'bench' is not open"):
        await bench.track("a")

    assert 0 == bench.tracker.stats().offered


@pytest.mark.parametrize("call", ["track", "deliver", "flush", "track_nowait"])
async def test_every_call_asks_for_an_open_tracker(track_with: TrackWith, call: str) -> None:
    """All ways to use a tracker agree."""
    tracker = track_with.build().tracker

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "track": lambda: tracker.track(view()),
        "deliver": lambda: tracker.deliver(view()),
        "flush": tracker.flush,
        "track_nowait": lambda: anyio.to_thread.run_sync(tracker.track_nowait, view()),
    }

    with pytest.raises(TrackerNotOpenError):
        await calls[call]()


async def test_opening_twice_is_a_mistake(track_with: TrackWith) -> None:
    """A second engine on one buffer would send everything twice."""
    bench = await track_with()

    with pytest.raises(TrackerOpenError, match="already open"):
        await bench.tracker.open()


async def test_an_emitter_belongs_to_one_tracker() -> None:
    """A second tracker is refused the emitter of the first."""
    emitter = Emitter(COLLECTOR)
    Tracker("first", emitter)

    with pytest.raises(TrackerOpenError, match="'first'"):
        Tracker("second", emitter)


async def test_an_emitter_stands_in_a_tracker_once() -> None:
    """The same emitter twice in one list is a mistake, too."""
    emitter = Emitter(COLLECTOR)

    with pytest.raises(TrackerOpenError):
        Tracker("first", [emitter, emitter])


async def test_opening_that_fails_leaves_nothing_running(track_with: TrackWith) -> None:
    """When the second emitter cannot be opened, the first is closed again, and opening can be retried."""
    bench = track_with.build(several=[{}, {}])
    bench.transports[1].open_step = OSError("no certificates")

    with pytest.raises(OSError, match="no certificates"):
        await bench.tracker.open()
    await settle()

    assert bench.transports[0].opened == bench.transports[0].closed
    bench.transports[1].open_step = 200
    async with bench.tracker:
        assert await bench.tracker.track(view()) is not None


async def test_opening_that_is_cancelled_leaves_nothing_running(track_with: TrackWith) -> None:
    """A caller that gives up while the second emitter opens leaves no engine behind."""
    bench = track_with.build(several=[{}, {}])
    bench.transports[1].open_step = Hang()

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.tracker.open)
            await settle()
            scope.cancel()
    await settle()

    assert bench.transports[0].opened == bench.transports[0].closed


async def test_open_returns_the_tracker(track_with: TrackWith) -> None:
    """`tracker = await Tracker(…).open()` reads well."""
    bench = track_with.build()

    opened = await bench.tracker.open()

    assert opened is bench.tracker


# -- track --------------------------------------------------------------------------------------------


async def test_track_returns_the_id_of_the_event(track_with: TrackWith) -> None:
    """The id is what arrives at the collector."""
    bench = await track_with()

    ids = await bench.track("a", "b")
    await bench.clock.advance(1)

    assert ids == bench.transport.delivered
    assert 2 == len(set(ids))


async def test_an_event_may_bring_its_id(track_with: TrackWith) -> None:
    """An id of one's own is kept."""
    bench = await track_with()

    event_id = await bench.tracker.track(view(event_id=UUID))

    assert UUID == event_id


async def test_one_event_may_be_tracked_twice(track_with: TrackWith) -> None:
    """Tracking changes no event: twice makes two payloads with two ids."""
    bench = await track_with()
    event = view("a")

    ids = [await bench.tracker.track(event) for _ in range(2)]
    await bench.clock.advance(1)

    assert 2 == len(set(ids)) == len(bench.transport.delivered_ids)


async def test_an_event_carries_what_the_tracker_knows(track_with: TrackWith) -> None:
    """Namespace, app id, platform and version stand in every event."""
    bench = await track_with(tracker={"app_id": "shop", "platform": "web"})

    await bench.track("a")
    await bench.clock.advance(1)

    (event,) = bench.transport.sent[0].events
    expected = {"tna": "bench", "aid": "shop", "p": "web", "e": "pv", "url": "https://acme.com/a"}
    assert expected == {key: event[key] for key in expected}
    assert event["tv"].startswith("aiotracker-")
    assert str(bench.clock.wall_ms() - 1_000) == event["dtm"]


async def test_what_is_no_event_is_a_mistake(track_with: TrackWith) -> None:
    """A dict is refused with a hint, and is not counted."""
    bench = await track_with()

    with pytest.raises(InvalidEventError, match="PageView"):
        await bench.tracker.track({"e": "pv"})  # type: ignore[arg-type]  # the mistake of the test

    assert 0 == bench.tracker.stats().offered


async def test_data_that_changes_later_is_sent_as_it_was(track_with: TrackWith) -> None:
    """The event is encoded when it is tracked."""
    bench = await track_with()
    data = {"name": "before"}
    event = SelfDescribing(SelfDescribingJson("iglu:com.acme/thing/jsonschema/1-0-0", data))

    await bench.tracker.track(event)
    data["name"] = "after"
    await bench.clock.advance(1)

    assert "before" in bench.transport.sent[0].events[0]["ue_pr"]


async def test_an_oversize_event_names_its_largest_fields(track_with: TrackWith) -> None:
    """It raises where the traceback helps, and is counted as refused by every emitter."""
    bench = await track_with(several=[{"byte_limit": 5_000}, {"byte_limit": 1_000}])

    with pytest.raises(EventTooLargeError) as caught:
        await bench.tracker.track(padded(1_500))

    assert (1_000, "page") == (caught.value.limit_bytes, caught.value.largest_fields[0][0])
    assert caught.value.size_bytes > 1_500
    assert [{"oversize": 1}] * 2 == [emitter.stats().refused for emitter in bench.emitters]


async def test_an_oversize_get_is_measured_as_a_url(track_with: TrackWith) -> None:
    """A GET may have 20,000 bytes of URL, escapes included."""
    bench = await track_with(method="get")

    with pytest.raises(EventTooLargeError) as caught:
        await bench.tracker.track(
            view("a", page_title="é" * 1_999, referrer="https://a.com/?q=" + "é" * 3_000)
        )

    assert 20_000 == caught.value.limit_bytes


async def test_tracking_lets_others_run(track_with: TrackWith) -> None:
    """A loop that only tracks gives way at least every 64 events."""
    bench = await track_with()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await anyio.lowlevel.checkpoint()
        before = turns
        await bench.track(*range(640))
        during = turns - before
        tasks.cancel_scope.cancel()

    assert during >= 9


async def test_cancellation_at_the_yield_is_before_the_event(track_with: TrackWith) -> None:
    """A caller that is cancelled while it gives way was never heard."""
    bench = await track_with()
    await bench.track(*range(63))

    with anyio.CancelScope() as scope:
        scope.cancel()
        await bench.track("never")

    assert (True, 63) == (scope.cancelled_caught, bench.tracker.stats().offered)


async def test_track_nowait_works_from_threads(track_with: TrackWith) -> None:
    """Synchronous code in worker threads tracks without a loop."""
    bench = await track_with()

    ids = [await anyio.to_thread.run_sync(bench.tracker.track_nowait, view(n)) for n in range(5)]
    await bench.clock.advance(1)

    assert set(ids) == bench.transport.delivered_ids


async def test_another_loop_is_a_mistake(track_with: TrackWith) -> None:
    """`track` on a loop in another thread says so, and how to do it right."""
    bench = await track_with()

    def elsewhere() -> None:
        with pytest.raises(WrongLoopError, match="track_nowait"):
            anyio.run(bench.tracker.track, view())

    await anyio.to_thread.run_sync(elsewhere)

    assert 0 == bench.tracker.stats().offered


# -- flush --------------------------------------------------------------------------------------------


async def test_flush_sends_at_once_and_reports(track_with: TrackWith) -> None:
    """What was tracked before is delivered when it returns, without waiting for company."""
    bench = await track_with()
    await bench.track("a", "b")

    report = await bench.tracker.flush()

    assert (2, {}, 0, True) == (report.delivered, report.dropped, report.remaining, report.is_complete)
    assert [["a", "b"]] == bench.transport.pages


async def test_flush_of_nothing_returns_at_once(track_with: TrackWith) -> None:
    """An empty buffer needs no request."""
    bench = await track_with()

    report = await bench.tracker.flush()

    assert (0, True, []) == (report.delivered, report.is_complete, bench.transport.sent)


async def test_flush_waits_only_for_what_came_before(track_with: TrackWith) -> None:
    """Events that are tracked while it waits are not its business."""
    hold = Hold()
    bench = await track_with([hold], concurrency=1, default=Hang())
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        flush = await begin(tasks, bench.tracker.flush)
        await bench.track("b")
        hold.release()
        await settle()

    assert (1, 0) == (flush.result.delivered, flush.result.remaining)


async def test_flush_waits_for_what_is_under_way(track_with: TrackWith) -> None:
    """An event that was being sent when it was called is waited for, too."""
    hold = Hold()
    bench = await track_with([hold], batch_size=1)
    await bench.track("a")
    await settle()

    async with anyio.create_task_group() as tasks:
        flush = await begin(tasks, bench.tracker.flush)
        was_done = flush.is_done
        hold.release()
        await settle()

    assert (False, 1) == (was_done, flush.result.delivered)


async def test_flush_gives_up_at_its_timeout(track_with: TrackWith) -> None:
    """What is not settled then stays queued and is reported as remaining."""
    bench = await track_with(default=Hang())
    await bench.track("a", "b")

    async with anyio.create_task_group() as tasks:
        flush = await begin(tasks, bench.tracker.flush)
        await bench.clock.advance(4.9)
        was_done = flush.is_done
        await bench.clock.advance(0.2)

    assert (False, 0, 2, False) == (
        was_done,
        flush.result.delivered,
        flush.result.remaining,
        flush.result.is_complete,
    )


async def test_flush_reports_drops_by_reason(track_with: TrackWith) -> None:
    """What the collector refused is settled, not remaining."""
    bench = await track_with(default=400, batch_size=1)
    await bench.track("a")

    report = await bench.tracker.flush()

    assert ({"rejected": 1}, 0, False) == (report.dropped, report.remaining, report.is_complete)


async def test_flush_reports_evictions(track_with: TrackWith) -> None:
    """An event that is evicted while a flush waits for it ends that wait."""
    bench = await track_with([503], default=Hang(), overflow="drop_oldest", buffer_capacity=2, batch_size=2)
    await bench.track("a", "b")
    await settle()

    async with anyio.create_task_group() as tasks:
        bench.tracker.track_nowait(view("c"))
        bench.tracker.track_nowait(view("d"))
        flush = await begin(tasks, lambda: bench.tracker.flush(timeout=1))
        await bench.clock.advance(2)

    assert {"evicted": 2} == bench.tracker.stats().dropped
    assert 2 == flush.result.remaining


async def test_a_flush_does_not_count_what_was_evicted_before_it(track_with: TrackWith) -> None:
    """An eviction by another thread, told to the loop later, does not end a flush that began meanwhile."""
    bench = await track_with(default=Hang(), overflow="drop_oldest", buffer_capacity=3, batch_size=3)
    await bench.track("a", "b")

    def evict() -> None:
        for name in "cde":
            bench.tracker.track_nowait(view(name))

    thread = threading.Thread(target=evict)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.clock.advance, 2)
        thread.start()
        thread.join()  # without giving the loop a turn
        report = await bench.tracker.flush(timeout=1)

    assert {"evicted": 2} == bench.tracker.stats().dropped
    assert (3, {}) == (report.remaining, report.dropped)


class Stepwise(MemoryStore):
    """A store that only reserves and puts, as one that has to wait for a disk."""

    try_put = None  # type: ignore[assignment]  # what `InstantStore` takes for absent


async def test_a_store_need_not_put_in_one_step(track_with: TrackWith) -> None:
    """It works the same, more slowly."""
    bench = await track_with(event_store=Stepwise(3, 10_000), default=Hang(), overflow="drop_newest")

    ids = await bench.track(*"abcd")

    assert [False, False, False, True] == [event_id is None for event_id in ids]
    assert ({"queue_full": 1}, 3) == (bench.tracker.stats().refused, bench.tracker.stats().accepted)


async def test_flush_sums_over_emitters(track_with: TrackWith) -> None:
    """The report counts an event once per emitter."""
    bench = await track_with(several=[{}, {}])
    await bench.track("a")

    report = await bench.tracker.flush()

    assert 2 == report.delivered


async def test_a_cancelled_flush_leaves_everything_as_it_is(track_with: TrackWith) -> None:
    """Cancelling the wait cancels no delivery."""
    hold = Hold()
    bench = await track_with([hold])
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        flush = await begin(tasks, bench.tracker.flush)
        flush.scope.cancel()
        await settle()
        hold.release()
        await settle()

    assert (True, 1) == (flush.is_cancelled, bench.tracker.stats().delivered)


async def test_several_flushes_at_once(track_with: TrackWith) -> None:
    """Each reports what it waited for."""
    hold = Hold()
    bench = await track_with([hold], concurrency=1)
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        first = await begin(tasks, bench.tracker.flush)
        await bench.track("b")
        second = await begin(tasks, bench.tracker.flush)
        hold.release()
        await settle()

    assert (1, 2) == (first.result.delivered, second.result.delivered)


# -- deliver ------------------------------------------------------------------------------------------


async def test_deliver_returns_when_every_collector_has_the_event(track_with: TrackWith) -> None:
    """A 2xx from one of two emitters is not enough."""
    hold = Hold()
    bench = await track_with([hold], several=[{}, {}])

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("a")))
        was_done, other = call.is_done, bench.transports[1].delivered
        hold.release()
        await settle()

    assert (False, 1) == (was_done, len(other))
    assert [call.result] == bench.transport.delivered


async def test_deliver_closes_the_batch(track_with: TrackWith) -> None:
    """What waits for company goes along, at once."""
    bench = await track_with()
    await bench.track("a")

    event_id = await bench.tracker.deliver(view("b"))

    assert [["a", "b"]] == bench.transport.pages
    assert event_id == bench.transport.delivered[-1]


@pytest.mark.parametrize(("status", "reason"), [(400, "rejected"), (401, "401"), (413, "too_large")])
async def test_deliver_raises_when_the_event_was_dropped(
    track_with: TrackWith, status: int, reason: str
) -> None:
    """The error says which collector gave the event up, and why."""
    bench = await track_with([status])

    with pytest.raises(DeliveryError) as caught:
        await bench.tracker.deliver(view("a"))

    assert {"https://c0.acme.com"} == set(caught.value.reasons)
    assert reason in caught.value.reasons["https://c0.acme.com"]
    assert not isinstance(caught.value, DeliveryTimeout)


async def test_deliver_raises_when_one_of_two_dropped_the_event(track_with: TrackWith) -> None:
    """Everywhere or an error."""
    bench = await track_with([400], several=[{}, {}])

    with pytest.raises(DeliveryError) as caught:
        await bench.tracker.deliver(view("a"))

    assert {"https://c0.acme.com"} == set(caught.value.reasons)
    assert 1 == len(bench.transports[1].delivered)


async def test_deliver_retries_within_its_time(track_with: TrackWith) -> None:
    """A 503 is no answer yet."""
    bench = await track_with([503, 503])

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("a")))
        await bench.clock.advance(5)

    assert [call.result] == bench.transport.delivered


async def test_deliver_that_times_out_keeps_the_event(track_with: TrackWith) -> None:
    """At its timeout the event stays queued, and arrives later."""
    bench = await track_with([Delay(9.9)])

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("a"), timeout=2))
        await bench.clock.advance(2)
        error = call.error
        await bench.clock.advance(10)

    assert isinstance(error, DeliveryTimeout)
    assert isinstance(error, TimeoutError)
    assert [error.event_id] == bench.transport.delivered


async def test_deliver_that_finds_no_room_raises(track_with: TrackWith) -> None:
    """An event that nobody took is refused with an error, whatever `overflow` says."""
    bench = await track_with(default=Hang(), overflow="drop_newest", buffer_capacity=1, batch_size=1)
    await bench.track("a")

    with pytest.raises(EventRefusedError):
        await bench.tracker.deliver(view("b"))

    assert {"queue_full": 1} == bench.tracker.stats().refused


async def test_the_time_of_deliver_includes_the_wait_for_room(track_with: TrackWith) -> None:
    """`timeout` is the whole budget, whatever `max_wait` is."""
    bench = await track_with(default=Hang(), max_wait=100.0, buffer_capacity=1, batch_size=1)
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("b"), timeout=2))
        await bench.clock.advance(2.1)
        was_done = call.is_done
        call.scope.cancel()

    assert was_done


async def test_a_cancelled_deliver_keeps_the_event(track_with: TrackWith) -> None:
    """Once accepted, an event is delivered whoever stopped waiting for it."""
    hold = Hold()
    bench = await track_with([hold])

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.deliver(view("a")))
        call.scope.cancel()
        await settle()
        hold.release()
        await settle()

    assert (True, 1) == (call.is_cancelled, bench.tracker.stats().delivered)


async def test_two_deliveries_of_one_id_both_return(track_with: TrackWith) -> None:
    """A repeated request of a client may deliver the same event id at the same time."""
    hold = Hold()
    bench = await track_with([hold], batch_size=1)

    async with anyio.create_task_group() as tasks:
        calls = [
            await begin(tasks, lambda: bench.tracker.deliver(view("a", event_id=UUID))) for _ in range(2)
        ]
        hold.release()
        await settle()
        await bench.clock.advance(20)

    assert [UUID, UUID] == [call.result for call in calls]


# -- close --------------------------------------------------------------------------------------------


async def test_leaving_the_block_delivers_everything(track_with: TrackWith) -> None:
    """`async with` ends when every event was delivered."""
    bench = track_with.build()

    async with bench.tracker as tracker:
        await bench.track("a", "b")

    assert [["a", "b"]] == bench.transport.pages
    assert (2, True) == (tracker.last_report.delivered, tracker.last_report.is_complete)
    assert 1 == bench.transport.closed


async def test_closing_drops_what_it_cannot_deliver_in_time(track_with: TrackWith) -> None:
    """After 5 s what is left is dropped as `shutdown_deadline`, requests under way are cancelled."""
    bench = await track_with(default=Hang(), batch_size=2)
    await bench.track(*"abc")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        await bench.clock.advance(4.9)
        was_done = closing.is_done
        await bench.clock.advance(0.2)

    report = closing.result
    assert (False, 0, 0) == (was_done, report.delivered, report.remaining)
    assert {"shutdown_deadline": 3} == report.dropped == bench.tracker.stats().dropped
    assert bench.transport.cancelled >= 1


async def test_closing_has_one_budget_for_all_emitters(track_with: TrackWith) -> None:
    """Two collectors that hang take no longer than one."""
    bench = await track_with(default=Hang(), several=[{}, {}])
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, lambda: bench.tracker.aclose(timeout=2))
        await bench.clock.advance(2.1)
        is_done = closing.is_done

    assert (True, {"shutdown_deadline": 2}) == (is_done, closing.result.dropped)


async def test_closing_obeys_the_circuit(track_with: TrackWith) -> None:
    """A collector that is away is probed by its backoff, and still within the budget."""
    bench = await track_with([503, 503])
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        await bench.clock.advance(2)

    assert 1 == closing.result.delivered
    assert [0, 0.5, 1.5] == bench.transport.times


async def test_a_closed_tracker_refuses_and_counts(track_with: TrackWith) -> None:
    """After closing an event is refused as `closed`, without an error."""
    bench = await track_with()
    await bench.tracker.aclose()

    ids = [*await bench.track("a"), bench.tracker.track_nowait(view("b"))]

    assert [None, None] == ids
    assert {"closed": 2} == bench.tracker.stats().refused


async def test_a_closing_tracker_refuses_and_counts(track_with: TrackWith) -> None:
    """The door closes when closing begins."""
    bench = await track_with(default=Hang())
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        await begin(tasks, lambda: bench.tracker.aclose(timeout=1))
        ids = await bench.track("b")
        await bench.clock.advance(1.1)

    assert ([None], {"closed": 1}) == (ids, bench.tracker.stats().refused)


async def test_closing_refuses_in_all_emitters_who_waits_in_one(track_with: TrackWith) -> None:
    """Room that was granted in one emitter is not used after closing began."""
    full = {"buffer_capacity": 1, "batch_size": 1}
    bench = await track_with([Hang()], several=[full, {}], max_wait=100.0)
    await bench.track("a")
    await bench.clock.advance(0.2)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: bench.tracker.track(view("b")))
        closing = await begin(tasks, lambda: bench.tracker.aclose(timeout=1))
        await bench.clock.advance(1.1)

    assert 0 == bench.tracker.stats().buffered
    assert (None, 0) == (call.result, closing.result.remaining)
    assert [{"closed": 1}] * 2 == [emitter.stats().refused for emitter in bench.emitters]


async def test_closing_twice_changes_nothing(track_with: TrackWith) -> None:
    """The second call returns the first one's report."""
    bench = await track_with()
    await bench.track("a")

    reports = [await bench.tracker.aclose() for _ in range(2)]

    assert reports[0] == reports[1]
    assert (1, 1) == (reports[1].delivered, bench.transport.closed)


async def test_closing_at_the_same_time_is_one_closing(track_with: TrackWith) -> None:
    """Two callers that close both wait for the drain."""
    hold = Hold()
    bench = await track_with([hold])
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        calls = [await begin(tasks, bench.tracker.aclose) for _ in range(2)]
        were_done = [call.is_done for call in calls]
        hold.release()
        await settle()

    assert [False, False] == were_done
    assert [1, 1] == [call.result.delivered for call in calls]
    assert 1 == bench.transport.closed


async def test_closing_what_was_never_opened_is_harmless(track_with: TrackWith) -> None:
    """Nothing to report, nothing to close."""
    bench = track_with.build()

    report = await bench.tracker.aclose()

    assert (0, True, 0) == (report.delivered, report.is_complete, bench.transport.closed)


async def test_flush_after_closing_returns_the_report(track_with: TrackWith) -> None:
    """There is nothing left to flush."""
    bench = await track_with()
    await bench.track("a")
    report = await bench.tracker.aclose()

    assert report == await bench.tracker.flush()


async def test_a_closed_tracker_can_be_opened_again(track_with: TrackWith) -> None:
    """A new opening delivers like the first one, and the accounts go on."""
    bench = await track_with()
    await bench.track("a")
    await bench.tracker.aclose()

    await bench.tracker.open()
    await bench.track("b")
    report = await bench.tracker.aclose()

    assert [["a"], ["b"]] == bench.transport.pages
    assert (1, 2) == (report.delivered, bench.tracker.stats().delivered)
    assert (2, 2) == (bench.transport.opened, bench.transport.closed)


async def test_reopening_forgets_the_outage(track_with: TrackWith) -> None:
    """The circuit of a new opening is closed, its first flush is fast again."""
    bench = await track_with([503], default=200)
    await bench.track("a")
    await bench.clock.advance(0.1)
    await bench.tracker.aclose(timeout=0)

    await bench.tracker.open()
    await bench.track("b")
    await bench.clock.advance(0.1)

    assert ["b"] == bench.transport.pages[-1]


# -- cancellation and errors in the block -------------------------------------------------------------


async def closing_block(bench: Bench, error: Exception | None = None) -> None:
    """Track in an `async with` block, and perhaps leave it with an error."""
    async with bench.tracker:
        await bench.track("a", "b")
        if error is not None:
            raise error


async def test_an_exception_of_the_block_comes_through(track_with: TrackWith) -> None:
    """Closing delivers what there is and replaces nothing: no group, no other error."""
    bench = track_with.build()
    error = LookupError("mine")

    with pytest.raises(LookupError) as caught:
        await closing_block(bench, error)

    assert error is caught.value
    assert 2 == bench.tracker.stats().delivered


async def test_a_cancelled_block_is_drained(track_with: TrackWith) -> None:
    """Cancelling the scope around the block cancels the block, not the delivery."""
    bench = track_with.build(default=Delay(1))

    async def block() -> None:
        async with bench.tracker:
            await bench.track("a", "b")
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, block)
        call.scope.cancel()
        await settle()
        was_done = call.is_done
        await bench.clock.advance(1)

    assert (False, True, 2) == (was_done, call.is_cancelled, bench.tracker.stats().delivered)


async def test_a_drain_that_is_cancelled_goes_on_to_its_deadline(track_with: TrackWith) -> None:
    """A scope that is cancelled during the drain is obeyed when the drain is over."""
    bench = track_with.build(default=Delay(1))

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: closing_block(bench))
        call.scope.cancel()
        await settle()
        was_done = call.is_done
        await bench.clock.advance(1)

    assert (False, True, 2) == (was_done, call.is_done, bench.tracker.stats().delivered)


async def test_an_exception_survives_a_cancelled_drain(track_with: TrackWith) -> None:
    """The block's own error says more than the cancellation that came during the drain."""
    bench = track_with.build(default=Delay(1))

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, lambda: closing_block(bench, LookupError("mine")))
        call.scope.cancel()
        await bench.clock.advance(1)

    assert isinstance(call.error, LookupError)
    assert 2 == bench.tracker.stats().delivered


async def test_opening_and_closing_may_happen_in_different_tasks(track_with: TrackWith) -> None:
    """A server opens in one task of its lifespan and closes in another."""
    bench = track_with.build()

    async with anyio.create_task_group() as tasks:
        await begin(tasks, bench.tracker.open)
        await bench.track("a")
        closing = await begin(tasks, bench.tracker.aclose)

    assert 1 == closing.result.delivered


async def test_the_engine_survives_the_task_that_opened_it(track_with: TrackWith) -> None:
    """The end of the opener, even by cancellation, does not touch delivery."""
    bench = track_with.build()

    async def open_and_wait() -> None:
        await bench.tracker.open()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, open_and_wait)
        call.scope.cancel()
    await bench.track("a")
    await bench.clock.advance(1)

    assert 1 == bench.tracker.stats().delivered


# -- settings and statistics --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"namespace": ""}, "namespace"),
        ({"namespace": "x" * 129}, "namespace"),
        ({"platform": "toaster"}, "platform"),
        ({"app_id": ""}, "app_id"),
        ({"app_id": "x" * 256}, "app_id"),
        ({"emitters": []}, "emitters"),
        ({"emitters": "ftp://acme.com"}, "collector"),
    ],
)
async def test_a_setting_that_cannot_work_is_refused(arguments: dict[str, object], setting: str) -> None:
    """A mistake is told when the tracker is built."""
    working: dict[str, object] = {"namespace": "web", "emitters": COLLECTOR}

    with pytest.raises(ConfigurationError) as caught:
        Tracker(**{**working, **arguments})  # type: ignore[arg-type]  # the mistake of the test

    assert setting == caught.value.setting


async def test_stats_sum_over_emitters(track_with: TrackWith) -> None:
    """An event counts once per emitter; each emitter has accounts of its own."""
    bench = await track_with([503], several=[{}, {}])
    await bench.track("a")
    await bench.clock.advance(0.1)

    total, each = bench.tracker.stats(), [emitter.stats() for emitter in bench.emitters]

    assert (2, 2, 1, 1) == (total.offered, total.accepted, total.delivered, total.buffered)
    assert [0, 1] == [stats.delivered for stats in each]
    assert ({"503": 1}, 2) == (total.retries, total.requests)


async def test_stats_are_a_snapshot(track_with: TrackWith) -> None:
    """What was returned does not change, and cannot be changed."""
    bench = await track_with()
    before = bench.tracker.stats()

    await bench.track("a")

    assert (0, 1) == (before.offered, bench.tracker.stats().offered)
    with pytest.raises(TypeError):
        before.dropped["evicted"] = 1  # type: ignore[index]  # the mistake of the test


async def test_the_wall_clock_may_jump(track_with: TrackWith) -> None:
    """Times in events follow the wall clock, delivery does not care."""
    bench = await track_with([Response(503, {"retry-after": "4"})])
    bench.clock.set_wall_ms(1_500_000_000_000)
    await bench.track("a")
    await bench.clock.advance(0.1)
    bench.clock.set_wall_ms(1_400_000_000_000)

    await bench.clock.advance(4)

    assert ["1500000000000"] * 2 == [sent.events[0]["dtm"] for sent in bench.transport.sent]
    assert "1400000004000" == bench.transport.sent[1].events[0]["stm"]
    assert [0, 4] == bench.transport.times


async def test_get_uuid_is_a_fresh_version_four() -> None:
    """The helper of the official tracker."""
    first, second = Tracker.get_uuid(), Tracker.get_uuid()

    assert (36, "4", True) == (len(first), first[14], first != second)
