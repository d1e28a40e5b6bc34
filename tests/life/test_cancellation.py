"""Whatever ends the block of `async with`, what was tracked in it is delivered first."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.bench import Bench, TrackWith, begin
from tests.fakes.clock import settle
from tests.fakes.transport import Delay, Hang
from tests.life.loops import only_asyncio

EVENTS = 250
SLOW = Delay(2.0)  # seconds until the collector answers: the drain is under way for a while


def tracking(
    bench: Bench, then: Callable[[], Awaitable[object]] = anyio.sleep_forever
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a program that tracks inside of `async with`, and then does something else."""

    async def program() -> None:
        async with bench.tracker:
            await bench.track(*range(EVENTS))
            await then()

    return program


async def fail() -> None:
    """Raise as a user's code does."""
    raise ValueError("the user's own")


async def test_a_cancelled_scope_delivers_what_was_tracked(track_with: TrackWith) -> None:
    """The drain does not live in the scope of its caller, and the cancellation comes through after it."""
    bench = track_with.build(default=SLOW)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, tracking(bench))
        call.scope.cancel()
        await settle()
        was_done = call.is_done
        await bench.clock.advance(2)

    assert not was_done
    assert call.is_cancelled
    assert (EVENTS, EVENTS) == (len(bench.transport.delivered_ids), bench.tracker.last_report.delivered)


async def test_a_cancelled_task_group_delivers_what_was_tracked(track_with: TrackWith) -> None:
    """A neighbour that fails cancels the tracker's task: its events arrive, its error alone is told."""
    bench = track_with.build(default=SLOW)
    has_tracked = anyio.Event()

    async def tell() -> None:
        has_tracked.set()
        await anyio.sleep_forever()

    async def service() -> None:
        async with anyio.create_task_group() as workers:
            workers.start_soon(tracking(bench, then=tell))
            await has_tracked.wait()
            await fail()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, service)
        await bench.clock.advance(2)

    assert isinstance(call.error, ExceptionGroup)
    assert ["the user's own"] == [str(error) for error in call.error.exceptions]
    assert EVENTS == len(bench.transport.delivered_ids)


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_cancelling_the_task_delivers_what_was_tracked(track_with: TrackWith, times: int) -> None:
    """`task.cancel()` passes through shielded scopes; however often, it waits for the drain."""
    only_asyncio()
    bench = track_with.build(default=SLOW)
    task = asyncio.ensure_future(tracking(bench)())
    await settle()

    for _ in range(times):
        task.cancel()
        await settle()
    was_done = task.done()
    await bench.clock.advance(2)

    assert not was_done
    assert task.cancelled()
    assert EVENTS == len(bench.transport.delivered_ids)


async def test_a_timeout_during_the_drain_is_raised_after_it(track_with: TrackWith) -> None:
    """`asyncio.timeout()` that runs out while the tracker closes is a TimeoutError, and nothing is lost."""
    only_asyncio()
    bench = track_with.build(default=SLOW)
    timeout = asyncio.timeout(None)

    async def program() -> None:
        async with timeout:
            await tracking(bench, then=anyio.lowlevel.checkpoint)()

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, program)
        timeout.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        was_done = call.is_done
        await bench.clock.advance(2)

    assert not was_done
    assert isinstance(call.error, TimeoutError)
    assert EVENTS == len(bench.transport.delivered_ids)


async def test_the_users_exception_comes_through(track_with: TrackWith) -> None:
    """What the block raises leaves it unchanged and alone."""
    bench = track_with.build(default=SLOW)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, tracking(bench, then=fail))
        await bench.clock.advance(2)

    assert "the user's own" == str(call.error)
    assert isinstance(call.error, ValueError)
    assert EVENTS == len(bench.transport.delivered_ids)


async def test_the_users_exception_wins_over_a_cancellation(track_with: TrackWith) -> None:
    """A block that failed and is cancelled while it closes still raises what it failed of."""
    bench = track_with.build(default=SLOW)

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, tracking(bench, then=fail))
        call.scope.cancel()
        await bench.clock.advance(2)

    assert isinstance(call.error, ValueError)
    assert EVENTS == len(bench.transport.delivered_ids)


async def test_the_users_exception_wins_over_a_cancelled_task(track_with: TrackWith) -> None:
    """Likewise for `task.cancel()`."""
    only_asyncio()
    bench = track_with.build(default=SLOW)
    task = asyncio.ensure_future(tracking(bench, then=fail)())
    await settle()

    task.cancel()
    await bench.clock.advance(2)

    with pytest.raises(ValueError, match="the user's own"):
        await task
    assert EVENTS == len(bench.transport.delivered_ids)


async def test_a_cancelled_drain_keeps_its_deadline(track_with: TrackWith) -> None:
    """With a collector that never answers, the wait ends when closing runs out of time."""
    bench = track_with.build(default=Hang())

    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, tracking(bench))
        call.scope.cancel()
        await bench.clock.advance(5.3)
        is_done = call.is_done

    assert is_done
    assert call.is_cancelled
    assert {"shutdown_deadline": EVENTS} == bench.tracker.stats().dropped
    assert {"shutdown_deadline": EVENTS} == bench.tracker.last_report.dropped


async def test_opening_and_closing_may_happen_in_different_tasks(track_with: TrackWith) -> None:
    """The engine belongs to the loop, so a task that opened the tracker may end before it is closed."""
    bench = track_with.build()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.tracker.open)
    await bench.track(*range(EVENTS))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.tracker.aclose)

    assert EVENTS == len(bench.transport.delivered_ids)


async def test_a_cancelled_opening_leaves_nothing_behind(track_with: TrackWith) -> None:
    """A tracker whose opening was cancelled can be opened again."""
    bench = track_with.build()
    bench.transport.open_step = Hang()
    async with anyio.create_task_group() as tasks:
        call = await begin(tasks, bench.tracker.open)
        call.scope.cancel()
    bench.transport.open_step = 200

    await bench.tracker.open()
    await bench.track("a")
    await bench.tracker.aclose()

    assert 1 == len(bench.transport.delivered_ids)
