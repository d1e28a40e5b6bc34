"""One tracker on several loops: one after the other is fine, at the same time is a mistake."""

import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from aiotracker import Emitter, PageView, Tracker, WrongLoopError
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport
from tests.faults.rig import check_accounts
from tests.life.loops import name_of
from tests.stages import Backend, run

EVENT = PageView(page_url="https://acme.com/")


def test_a_tracker_opens_again_on_the_next_loop(anyio_backend: Backend) -> None:
    """Every `asyncio.run()` of a program may open the same tracker; each delivers its own events."""
    loop = name_of(anyio_backend)
    transport = FakeTransport(FakeClock())
    emitter = Emitter("https://c.acme.com", transport=transport)
    tracker = Tracker("loops", emitter)

    async def program() -> None:
        async with tracker:
            for _ in range(10):
                await tracker.track(EVENT)

    for _ in range(3):
        run(loop, program)
        check_accounts(emitter)

    assert 30 == len(transport.delivered_ids) == emitter.stats().delivered


def test_a_loop_that_died_loses_nothing_that_is_not_told(anyio_backend: Backend) -> None:
    """Closing on the next loop settles what the last one left behind, and the tracker opens again."""
    loop = name_of(anyio_backend)
    transport = FakeTransport(FakeClock())
    emitter = Emitter("https://c.acme.com", transport=transport, flush_interval=30.0)
    tracker = Tracker("loops", emitter)

    async def leave() -> None:
        await tracker.open()
        for _ in range(10):
            await tracker.track(EVENT)

    async def settle() -> None:
        report = await tracker.aclose()
        assert {"shutdown_deadline": 10} == report.dropped
        check_accounts(emitter)
        async with tracker:
            await tracker.track(EVENT)

    run(loop, leave)
    run(loop, settle)

    assert (11, 1, {"shutdown_deadline": 10}) == (
        emitter.stats().accepted,
        emitter.stats().delivered,
        emitter.stats().dropped,
    )
    check_accounts(emitter)


@pytest.mark.parametrize("call", ["track", "deliver", "flush", "aclose"])
async def test_another_loop_gets_a_clear_error(anyio_backend: Backend, call: str) -> None:
    """What belongs to the loop of `open()` says so on every other loop, and changes nothing."""
    emitter = Emitter("https://c.acme.com", transport=FakeTransport(FakeClock()))
    async with Tracker("loops", emitter) as tracker:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "track": lambda: tracker.track(EVENT),
            "deliver": lambda: tracker.deliver(EVENT),
            "flush": tracker.flush,
            "aclose": tracker.aclose,
        }
        errors: list[BaseException] = []

        async def misuse() -> None:
            try:
                await calls[call]()
            except WrongLoopError as error:
                errors.append(error)

        thread = threading.Thread(target=run, args=(name_of(anyio_backend), misuse))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        event_id = await tracker.track(EVENT)

    assert ["track_nowait()" in str(error) for error in errors] == [True]
    assert event_id is not None
    assert 1 == emitter.stats().offered
