"""A defect inside the engine: it restarts, loses nothing, and never reaches the program around it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from aiotracker import HealthStatus, Lease, MemoryStore
from aiotracker.policy.dispatch import Backlog
from aiotracker.policy.reasons import DropReason
from tests.fakes.bench import TrackWith, begin
from tests.fakes.clock import settle
from tests.fakes.transport import Hold


class Interrupt(BaseException):
    """What a signal handler of the host may raise anywhere, as it would raise `KeyboardInterrupt`."""


CRASHES = [RuntimeError, SystemExit, GeneratorExit, Interrupt]


class FailingStore(MemoryStore):
    """A store whose method fails so many times, before or after it did its work."""

    def __init__(self, method: str, crash: type[BaseException], times: int = 1) -> None:
        super().__init__()
        self.method = method
        self.crash = crash
        self.times = times

    def _fail(self, method: str) -> None:
        if method == self.method and self.times:
            self.times -= 1
            raise self.crash("defect")

    def backlog(self) -> Backlog:
        """Fail, or tell what waits."""
        self._fail("backlog")
        return super().backlog()

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Fail, or hand out records."""
        self._fail("lease")
        return await super().lease(max_events, max_bytes)

    async def ack(self, lease: Lease) -> int:
        """Fail, or forget records."""
        self._fail("ack")
        return await super().ack(lease)

    async def release(self, lease: Lease) -> None:
        """Fail, or take records back."""
        self._fail("release")
        await super().release(lease)

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Fail, or give records up."""
        self._fail("reject")
        return await super().reject(lease, reason, detail)

    async def reclaim(self) -> int:
        """Fail, or take leases back."""
        self._fail("reclaim")
        return await super().reclaim()


def host(backend: tuple[str, dict[str, Any]], program: Callable[[TrackWith], Awaitable[None]]) -> None:
    """Run a program of its own on a loop of its own, which a crash of ours must never end."""

    async def main() -> None:
        track_with = TrackWith()
        await program(track_with)
        await track_with.finish()

    name, options = backend
    try:
        anyio.run(main, backend=name, backend_options=options)
    except (SystemExit, GeneratorExit, Interrupt) as crash:
        pytest.fail(f"the crash reached the host: {crash!r}")


@pytest.mark.parametrize("crash", CRASHES)
def test_what_a_transport_raises_loses_nothing(
    anyio_backend: tuple[str, dict[str, Any]], crash: type[BaseException]
) -> None:
    """Whatever leaves the transport, `SystemExit` included, the events are kept and sent again."""

    async def program(track_with: TrackWith) -> None:
        bench = await track_with([crash])
        ids = await bench.track("a", "b")
        await bench.clock.advance(5)
        assert set(ids) == bench.transport.delivered_ids

    host(anyio_backend, program)


@pytest.mark.parametrize("method", ["backlog", "lease", "ack", "release"])
@pytest.mark.parametrize("crash", CRASHES)
def test_what_a_store_raises_loses_nothing(
    anyio_backend: tuple[str, dict[str, Any]], method: str, crash: type[BaseException]
) -> None:
    """Whatever leaves the store in the engine's tasks, every record is delivered in the end."""

    async def program(track_with: TrackWith) -> None:
        store = FailingStore(method, crash, times=0)
        bench = await track_with([503], event_store=store)
        bench.is_exact = False
        await settle()
        ids = await bench.track("a", "b")
        store.times = 1
        await bench.clock.advance(10)
        assert set(ids) == bench.transport.delivered_ids
        assert 2 == bench.tracker.stats().delivered

    host(anyio_backend, program)


async def test_a_crash_while_others_send_takes_their_records_back(track_with: TrackWith) -> None:
    """When one sender goes down, what the others had in flight is sent again as well."""
    store = FailingStore("ack", RuntimeError, times=0)
    hold = Hold()
    bench = await track_with([hold, 200], batch_size=1, concurrency=2, event_store=store)
    bench.is_exact = False
    await settle()

    await bench.track("a")
    await settle()
    store.times = 1
    await bench.track("b")
    await bench.clock.advance(5)

    assert {"a", "b"} == {page for pages in bench.transport.pages[2:] for page in pages}
    assert 2 == bench.tracker.stats().delivered


async def test_three_crashes_in_a_minute_are_failing_health(track_with: TrackWith) -> None:
    """Two crashes are no news, the third within 60 s marks the tracker as failing."""
    store = FailingStore("lease", RuntimeError, times=2)
    bench = await track_with(event_store=store)
    await bench.track("a")
    await bench.clock.advance(10)
    after_two = bench.tracker.health().status

    store.times = 1
    await bench.track("b")
    await bench.clock.advance(10)

    assert (HealthStatus.OK, HealthStatus.FAILING) == (after_two, bench.tracker.health().status)
    assert 2 == bench.tracker.stats().delivered


async def test_health_recovers_a_minute_after_the_last_crash(track_with: TrackWith) -> None:
    """Failing means three crashes in the last 60 s, not three crashes ever."""
    store = FailingStore("lease", RuntimeError, times=3)
    bench = await track_with(event_store=store)
    await bench.track("a")
    await bench.clock.advance(10)

    await bench.clock.advance(61)

    assert HealthStatus.OK == bench.tracker.health().status


async def test_restarts_back_off(track_with: TrackWith) -> None:
    """An engine that always crashes is restarted ever more slowly, and keeps its events."""
    store = FailingStore("lease", RuntimeError, times=10**6)
    bench = await track_with(event_store=store)
    await bench.track("a")

    await bench.clock.advance(3600)
    crashes = 10**6 - store.times
    store.times = 0

    assert crashes < 3600
    assert 1 == bench.tracker.stats().buffered


async def test_closing_ends_an_engine_that_always_crashes(track_with: TrackWith) -> None:
    """Closing keeps its deadline, does not spin, and settles what could not be sent."""
    store = FailingStore("lease", RuntimeError, times=10**6)
    bench = await track_with(event_store=store)
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        await bench.clock.advance(5.0)
        await bench.clock.advance(0.3)

    assert 10**6 - store.times < 20
    assert (0, {"shutdown_deadline": 1}) == (closing.result.remaining, closing.result.dropped)
    assert 1 == bench.transport.closed


async def test_crashes_do_not_flood_the_log(track_with: TrackWith, caplog: pytest.LogCaptureFixture) -> None:
    """The same crash is told once per 60 s."""
    store = FailingStore("lease", RuntimeError, times=5)
    bench = await track_with(event_store=store)
    await bench.track("a")

    await bench.clock.advance(50)

    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_cancellation_out_of_nowhere_loses_nothing(track_with: TrackWith) -> None:
    """A transport whose own task was cancelled raises `CancelledError`: no sender may die of it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pytest.skip("trio lets nobody raise its cancellation")
    bench = await track_with([asyncio.CancelledError()] * 8, batch_size=1)

    ids = await bench.track(*range(8))
    await bench.clock.advance(300)

    assert set(ids) == bench.transport.delivered_ids


async def test_a_transport_that_fails_to_close_is_not_asked_again(track_with: TrackWith) -> None:
    """Closing reports and ends at once, whatever the transport raises on its way out."""
    bench = await track_with()
    bench.transport.close_step = RuntimeError("cannot close")
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        is_done = closing.is_done
        await bench.clock.advance(10)

    assert is_done
    assert 1 == bench.transport.closed
    assert (1, 0) == (closing.result.delivered, closing.result.remaining)


async def test_a_transport_that_hangs_while_closing_is_left_behind(track_with: TrackWith) -> None:
    """The transport has 0.2 s to close; then closing goes on without it."""
    bench = await track_with()
    bench.transport.close_step = Hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.tracker.aclose)
        await bench.clock.advance(0.21)
        is_closed = bench.emitter.task.finished.is_set()

    assert is_closed
