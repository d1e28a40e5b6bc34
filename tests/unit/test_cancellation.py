"""Native cancellation on asyncio: `task.cancel()` and `asyncio.timeout` pass through anyio's shields."""

import asyncio
import contextlib

import pytest

from tests.fakes.bench import Bench, TrackWith, view
from tests.fakes.clock import settle
from tests.fakes.transport import Delay, Hang


@pytest.fixture(
    scope="module",
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Trio has one kind of cancellation, which is tested where everything else is."""
    return request.param


async def block(bench: Bench, error: BaseException | None = None) -> None:
    """Track two events in an `async with` block, and perhaps leave it with an error."""
    async with bench.tracker:
        await bench.track("a", "b")
        if error is not None:
            raise error


async def waiting_block(bench: Bench) -> None:
    """Track two events in an `async with` block and stay in it."""
    async with bench.tracker:
        await bench.track("a", "b")
        await asyncio.sleep(3600)


async def test_cancelling_the_task_in_the_block_drains(track_with: TrackWith) -> None:
    """`task.cancel()` in the block ends it, after what was tracked is delivered."""
    bench = track_with.build(default=Delay(1))
    task = asyncio.create_task(waiting_block(bench))
    await settle()

    task.cancel()
    await settle()
    was_done = task.done()
    await bench.clock.advance(1)

    assert (False, True, 2) == (was_done, task.cancelled(), bench.tracker.stats().delivered)


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_cancelling_the_task_during_the_drain_waits_for_it(track_with: TrackWith, times: int) -> None:
    """Once or often: the drain goes on to its end, then the cancellation is raised."""
    bench = track_with.build(default=Delay(1))
    task = asyncio.create_task(block(bench))
    await settle()

    for _ in range(times):
        task.cancel()
        await settle()
    was_done = task.done()
    await bench.clock.advance(1)

    assert (False, True, 2) == (was_done, task.cancelled(), bench.tracker.stats().delivered)


async def test_a_cancelled_drain_still_reports(track_with: TrackWith) -> None:
    """Whoever was cancelled finds the report on the tracker."""
    bench = track_with.build(default=Delay(1))
    task = asyncio.create_task(block(bench))
    await settle()

    task.cancel()
    await bench.clock.advance(1)

    assert task.cancelled()
    assert (2, 0) == (bench.tracker.last_report.delivered, bench.tracker.last_report.remaining)


async def test_a_cancelled_drain_keeps_its_deadline(track_with: TrackWith) -> None:
    """A collector that hangs does not hold a cancelled caller beyond the budget of closing."""
    bench = track_with.build(default=Hang())
    task = asyncio.create_task(block(bench))
    await settle()

    task.cancel()
    await bench.clock.advance(5.3)

    assert task.cancelled()
    assert {"shutdown_deadline": 2} == bench.tracker.stats().dropped


async def test_a_timeout_around_the_block_is_a_timeout(track_with: TrackWith) -> None:
    """`asyncio.timeout` that runs out during the drain raises `TimeoutError` when it is over."""
    bench = track_with.build(default=Delay(1))

    async def program() -> None:
        async with asyncio.timeout(None) as timeout:
            async with bench.tracker:
                await bench.track("a", "b")
                timeout.reschedule(asyncio.get_running_loop().time())

    task = asyncio.create_task(program())
    await settle()
    await bench.clock.advance(1)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task], timeout=1)

    assert isinstance(task.exception(), TimeoutError)
    assert 2 == bench.tracker.stats().delivered


async def test_an_exception_of_the_block_survives_a_cancelled_drain(track_with: TrackWith) -> None:
    """The block's own error is what the caller gets."""
    bench = track_with.build(default=Delay(1))
    error = LookupError("mine")
    task = asyncio.create_task(block(bench, error))
    await settle()

    task.cancel()
    await bench.clock.advance(1)

    assert error is task.exception()
    assert 2 == bench.tracker.stats().delivered


async def test_a_cancelled_task_that_waits_for_room_was_never_heard(track_with: TrackWith) -> None:
    """`task.cancel()` while `track()` waits leaves no trace in any account."""
    bench = await track_with(
        default=Hang(), batch_size=1, buffer_capacity=1, several=[{}, {"buffer_capacity": 9}]
    )
    await bench.track("a")
    task = asyncio.create_task(bench.tracker.track(view("b")))
    await settle()

    task.cancel()
    await settle()

    bench.check()
    assert (True, 2) == (task.cancelled(), bench.tracker.stats().offered)


async def test_the_engine_survives_a_cancelled_opener(track_with: TrackWith) -> None:
    """The engine's task belongs to the loop, not to the task that opened it."""
    bench = track_with.build()

    async def open_and_wait() -> None:
        await bench.tracker.open()
        await asyncio.sleep(3600)

    task = asyncio.create_task(open_and_wait())
    await settle()

    task.cancel()
    await bench.track("a")
    await bench.clock.advance(1)

    assert (True, 1) == (task.cancelled(), bench.tracker.stats().delivered)


def test_a_tracker_can_be_used_in_one_run_after_another(
    anyio_backend: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed tracker is opened again on the next loop."""
    benches = TrackWith()
    bench = benches.build()

    for _ in range(3):
        asyncio.run(block(bench))

    assert (6, 6) == (len(bench.transport.delivered_ids), bench.tracker.stats().delivered)


def test_closing_after_the_loop_died_settles_at_once(anyio_backend: object) -> None:
    """What a dead loop left is dropped and reported, not waited for."""
    bench = TrackWith().build(default=Hang())

    async def forget_to_close() -> None:
        await bench.tracker.open()
        await bench.track("a", "b")
        await bench.clock.advance(0.1)
        await bench.track("c")

    asyncio.run(forget_to_close())
    report = asyncio.run(bench.tracker.aclose())

    bench.check()
    assert ({"shutdown_deadline": 3}, 0) == (report.dropped, report.remaining)


def test_a_tracker_whose_loop_died_can_be_closed_and_opened_again(anyio_backend: object) -> None:
    """After settling what was left, the tracker works as a new one."""
    bench = TrackWith().build()

    async def forget_to_close() -> None:
        await bench.tracker.open()
        await bench.track("a")

    asyncio.run(forget_to_close())
    asyncio.run(bench.tracker.aclose())
    asyncio.run(block(bench))

    assert (2, {"shutdown_deadline": 1}) == (
        bench.tracker.stats().delivered,
        bench.tracker.stats().dropped,
    )


def test_tracking_after_the_loop_died_reaches_nobody(anyio_backend: object) -> None:
    """An event that is tracked before the tracker is closed is settled with the rest."""
    bench = TrackWith().build()

    async def forget_to_close() -> None:
        await bench.tracker.open()

    asyncio.run(forget_to_close())
    bench.tracker.track_nowait(view("late"))
    report = asyncio.run(bench.tracker.aclose())

    bench.check()
    assert {"shutdown_deadline": 1} == report.dropped
