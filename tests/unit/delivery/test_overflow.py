"""A full buffer: who waits, how long, in which order, and who is refused."""

import math
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from aiotracker import EventRefusedError, MemoryStore
from tests.fakes.bench import Bench, Call, TrackWith, begin, padded, record_bytes, view
from tests.fakes.clock import settle
from tests.fakes.transport import Delay, Hold, Step

REFUSED = {"queue_full": 1}


async def full(track_with: TrackWith, *steps: Step, **settings: Any) -> Bench:
    """Return a bench with a buffer of two events, both of which are being sent."""
    defaults: dict[str, Any] = {"batch_size": 1, "concurrency": 2, "buffer_capacity": 2}
    bench = await track_with(steps or [Hold(), Hold()], **{**defaults, **settings})
    await bench.track("a", "b")
    await settle()
    return bench


async def track(tasks: TaskGroup, bench: Bench, name: object) -> Call[str | None]:
    """Begin to track an event."""
    return await begin(tasks, lambda: bench.tracker.track(view(name)))


# -- wait ---------------------------------------------------------------------------------------------


async def test_a_full_buffer_waits_a_quarter_second_then_refuses(track_with: TrackWith) -> None:
    """The newest event is refused when no room came within `max_wait`."""
    bench = await full(track_with)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        await bench.clock.advance(0.24)
        was_done = call.is_done
        await bench.clock.advance(0.02)

    assert (False, True, None) == (was_done, call.is_done, call.result)
    assert REFUSED == bench.tracker.stats().refused


async def test_room_that_comes_in_time_is_taken(track_with: TrackWith) -> None:
    """A delivered batch lets the waiting caller in, at once."""
    hold = Hold()
    bench = await full(track_with, hold, Hold())

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        hold.release()
        await settle()

    assert call.result is not None
    assert {} == bench.tracker.stats().refused


async def test_one_that_waits_is_not_offered_yet(track_with: TrackWith) -> None:
    """Between call and decision an event stands in no account."""
    bench = await full(track_with)

    async with anyio.create_task_group() as tasks:
        await track(tasks, bench, "c")
        offered = bench.tracker.stats().offered
        bench.check()
        await bench.clock.advance(0.25)

    assert (2, 3) == (offered, bench.tracker.stats().offered)


async def test_waiters_are_let_in_first_come_first_served(track_with: TrackWith) -> None:
    """Room goes to whoever waited longest."""
    holds = [Hold(), Hold()]
    bench = await full(track_with, *holds, default=Hold())

    async with anyio.create_task_group() as tasks:
        calls = [await track(tasks, bench, name) for name in "cde"]
        done = []
        for hold in holds:
            hold.release()
            await settle()
            done.append([call.is_done for call in calls])
        await bench.clock.advance(1)

    assert [[True, False, False], [True, True, False]] == done


async def test_a_newcomer_does_not_slip_past_a_waiter(track_with: TrackWith) -> None:
    """Even where a small event would fit, the large one that waits comes first; nowait is refused."""
    size = record_bytes(padded(1_000, "x"))
    store = MemoryStore(100, 2 * size + 20)
    bench = await track_with([Hold(), Hold()], batch_size=1, event_store=store, byte_limit=2_000)
    await bench.tracker.track(padded(1_000, "x"))
    await bench.tracker.track(padded(600, "y"))
    await settle()

    async with anyio.create_task_group() as tasks:
        large = await begin(tasks, lambda: bench.tracker.track(padded(1_000, "z")))
        small = await track(tasks, bench, "s")
        nowait = bench.tracker.track_nowait(view("n"))
        states = (large.is_done, small.is_done)
        await bench.clock.advance(1)

    assert (False, False) == states
    assert None is nowait


async def test_a_waiter_that_gives_up_lets_the_next_one_in(track_with: TrackWith) -> None:
    """When the large event at the head of the queue is refused, the small one behind it takes the room."""
    size = record_bytes(padded(1_000, "x"))
    store = MemoryStore(100, 2 * size + 20)
    bench = await track_with([Hold(), Hold()], batch_size=1, event_store=store, byte_limit=2_000)
    await bench.tracker.track(padded(1_000, "x"))
    await bench.tracker.track(padded(600, "y"))
    await settle()

    async with anyio.create_task_group() as tasks:
        large = await begin(tasks, lambda: bench.tracker.track(padded(1_000, "z")))
        await bench.clock.advance(0.2)
        small = await track(tasks, bench, "s")
        await bench.clock.advance(0.06)
        is_in = small.is_done
        await bench.clock.advance(1)

    assert (None, True) == (large.result, is_in)
    assert small.result is not None


@pytest.mark.parametrize("max_wait", [0.0, 1.5])
async def test_the_wait_is_a_setting(track_with: TrackWith, max_wait: float) -> None:
    """`max_wait` bounds the delay of a caller; 0 never waits."""
    bench = await full(track_with, max_wait=max_wait)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        await bench.clock.advance(max_wait * 0.99)
        was_done = call.is_done
        await bench.clock.advance(0.1)

    assert (max_wait == 0, True) == (was_done, call.is_done)
    assert REFUSED == bench.tracker.stats().refused


async def test_a_queue_that_moves_keeps_its_waiters(track_with: TrackWith) -> None:
    """A burst above the buffer is slowed down to the speed of delivery, and arrives whole."""
    bench = await track_with(default=Delay(0.05), batch_size=2, concurrency=1, buffer_capacity=4)

    async def produce() -> None:
        await bench.track(*range(40))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        await bench.clock.advance(5)

    assert (40, {}) == (bench.tracker.stats().delivered, bench.tracker.stats().refused)


# -- when waiting is pointless ------------------------------------------------------------------------


async def test_an_open_circuit_refuses_at_once(track_with: TrackWith) -> None:
    """While the collector is away nobody is slowed down."""
    bench = await full(track_with, 503, 503, default=503)

    ids = await bench.track("c")

    assert [None] == ids
    assert REFUSED == bench.tracker.stats().refused


async def test_a_circuit_that_opens_releases_its_waiters(track_with: TrackWith) -> None:
    """Who waits is refused the moment it becomes pointless."""
    hold = Hold()
    bench = await full(track_with, hold, Hold())

    async with anyio.create_task_group() as tasks:
        calls = [await track(tasks, bench, name) for name in "cd"]
        hold.release(503)
        await settle()
        done = [call.is_done for call in calls]

    assert [True, True] == done
    assert [None, None] == [call.result for call in calls]


async def test_a_stalled_buffer_slows_one_caller_only(track_with: TrackWith) -> None:
    """After one waited in vain, the others are refused at once until a batch arrives."""
    hold = Hold()
    bench = await full(track_with, hold, Hold(), default=Hold())

    async with anyio.create_task_group() as tasks:
        await track(tasks, bench, "c")
        await bench.clock.advance(0.25)
        second = await track(tasks, bench, "d")
        refused_at_once = second.is_done
        hold.release()
        await settle()
        await bench.track("e")
        third = await track(tasks, bench, "f")
        waits_again = not third.is_done
        await bench.clock.advance(1)

    assert (True, True) == (refused_at_once, waits_again)


async def test_a_buffer_that_moved_meanwhile_is_not_stalled(track_with: TrackWith) -> None:
    """A waiter that was merely too far back in the queue does not switch waiting off."""
    hold = Hold()
    bench = await full(track_with, hold, Hold(), default=Hold())

    async with anyio.create_task_group() as tasks:
        await track(tasks, bench, "c")
        second = await track(tasks, bench, "d")
        hold.release()
        await bench.clock.advance(0.25)
        third = await track(tasks, bench, "e")
        is_waiting = not third.is_done
        await bench.clock.advance(1)

    assert (None, True) == (second.result, is_waiting)


# -- for ever -----------------------------------------------------------------------------------------


async def test_a_batch_job_waits_through_an_outage(track_with: TrackWith) -> None:
    """`max_wait=inf` waits while the circuit is open, until its event is taken."""
    bench = await full(track_with, 503, 503, default=503, max_wait=math.inf)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        await bench.clock.advance(100)
        was_done = call.is_done
        bench.transport.default = 200
        await bench.clock.advance(100)

    assert False is was_done
    assert call.result is not None


async def test_only_closing_ends_a_wait_for_ever(track_with: TrackWith) -> None:
    """Closing refuses who still waits, as `closed`."""
    bench = await full(track_with, max_wait=math.inf)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        await bench.clock.advance(9)
        was_done = call.is_done
        await bench.tracker.aclose(timeout=0)
        await settle()

    assert (False, True, None) == (was_done, call.is_done, call.result)
    assert {"closed": 1} == bench.tracker.stats().refused


# -- the other settings -------------------------------------------------------------------------------


async def test_drop_newest_refuses_at_once(track_with: TrackWith) -> None:
    """The newest event is refused without a wait."""
    bench = await full(track_with, overflow="drop_newest")

    assert [None] == await bench.track("c")
    assert REFUSED == bench.tracker.stats().refused


async def test_drop_oldest_makes_room(track_with: TrackWith) -> None:
    """The oldest event that is not being sent is dropped as `evicted`; the newest is taken."""
    bench = await track_with(overflow="drop_oldest", buffer_capacity=3, batch_size=3)
    bench.transport.default = 503
    await bench.track(*"abc")
    await settle()

    ids = await bench.track(*"de")
    bench.transport.default = 200
    await bench.clock.advance(1)

    assert None not in ids
    assert {"evicted": 2} == bench.tracker.stats().dropped
    assert ["c", "d", "e"] == bench.transport.pages[-1]


async def test_drop_oldest_refuses_when_everything_is_being_sent(track_with: TrackWith) -> None:
    """What is under way cannot be dropped, so the newest event finds no room."""
    bench = await full(track_with, overflow="drop_oldest")

    assert [None] == await bench.track("c")
    assert REFUSED == bench.tracker.stats().refused


async def test_raise_tells_the_caller(track_with: TrackWith) -> None:
    """`overflow="raise"` turns the refusal into an error, and counts it all the same."""
    bench = await full(track_with, overflow="raise")

    with pytest.raises(EventRefusedError):
        await bench.track("c")

    assert REFUSED == bench.tracker.stats().refused


async def test_raise_does_not_raise_when_another_emitter_took_the_event(
    track_with: TrackWith,
) -> None:
    """Only an event that nobody took is an error."""
    hold = Hold()
    bench = await track_with(
        [hold], several=[{"overflow": "raise", "buffer_capacity": 1, "batch_size": 1}, {}]
    )
    await bench.track("a")
    await settle()

    (event_id,) = await bench.track("b")

    assert event_id is not None
    assert REFUSED == bench.emitters[0].stats().refused
    assert {} == bench.emitters[1].stats().refused


async def test_nowait_never_waits(track_with: TrackWith) -> None:
    """`track_nowait` refuses where `track` would wait."""
    bench = await full(track_with)

    event_id = bench.tracker.track_nowait(view("c"))

    assert (None, REFUSED) == (event_id, bench.tracker.stats().refused)


# -- cancellation -------------------------------------------------------------------------------------


async def test_a_cancelled_waiter_was_never_heard(track_with: TrackWith) -> None:
    """A caller that is cancelled while it waits leaves no trace in any account."""
    bench = await full(track_with)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        call.scope.cancel()
        await settle()

    assert (True, 2) == (call.is_cancelled, bench.tracker.stats().offered)


async def test_cancellation_gives_room_back_in_every_emitter(track_with: TrackWith) -> None:
    """Room that was reserved elsewhere while waiting here is returned."""
    hold = Hold()
    bench = await track_with(
        [hold],
        several=[{"buffer_capacity": 1, "batch_size": 1}, {"buffer_capacity": 2, "batch_size": 1}],
        max_wait=100.0,
    )
    await bench.track("a")
    await settle()

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "b")
        call.scope.cancel()
        await settle()

    bench.check()
    assert call.is_cancelled
    assert [1, 1] == [emitter.stats().offered for emitter in bench.emitters]


async def test_cancellation_in_the_moment_of_the_grant_gives_the_room_back(
    track_with: TrackWith,
) -> None:
    """Room that is granted to a caller who is about to learn of its cancellation goes back."""
    bench = await full(track_with, buffer_capacity=3)
    admission = bench.emitter.intake.admission
    admission.reserve(100)

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "c")
        call.scope.cancel()
        admission.cancel(100)
        await settle()

    bench.check()
    assert (True, 2) == (call.is_cancelled, bench.tracker.stats().offered)


async def test_a_cancelled_waiter_lets_the_next_one_in(track_with: TrackWith) -> None:
    """The room that a cancelled caller was granted goes to the next in the queue."""
    hold = Hold()
    bench = await full(track_with, hold, Hold(), default=Hold(), max_wait=100.0)

    async with anyio.create_task_group() as tasks:
        first = await track(tasks, bench, "c")
        second = await track(tasks, bench, "d")
        first.scope.cancel()
        await settle()
        hold.release()
        await settle()

    assert (True, True) == (first.is_cancelled, second.result is not None)


async def test_two_emitters_share_one_wait(track_with: TrackWith) -> None:
    """The budget of a caller is `max_wait` once, not once per emitter."""
    settings = {"buffer_capacity": 1, "batch_size": 1}
    bench = await track_with(default=Hold(), several=[settings, settings])
    await bench.track("a")
    await settle()

    async with anyio.create_task_group() as tasks:
        call = await track(tasks, bench, "b")
        await bench.clock.advance(0.26)
        is_done = call.is_done
        await bench.clock.advance(1)

    assert is_done
    assert [REFUSED, REFUSED] == [emitter.stats().refused for emitter in bench.emitters]


# -- threads ------------------------------------------------------------------------------------------


async def test_threads_never_overfill_the_buffer(track_with: TrackWith) -> None:
    """Eight threads offer 4,000 events to 500 places: every one is taken or refused, and counted."""
    bench = await track_with(buffer_capacity=500, flush_interval=3600.0)

    def work() -> None:
        for number in range(500):
            bench.tracker.track_nowait(view(number))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(anyio.to_thread.run_sync, work)

    bench.check()
    stats = bench.tracker.stats()
    assert 4_000 == stats.offered
    await settle()
    await bench.flush()
    assert stats.accepted == len(bench.transport.delivered_ids)
