"""`track_nowait()` from many threads: every event is accounted for, and every accepted one arrives."""

import threading
from collections import Counter

import anyio
import anyio.to_thread
import pytest

from aiotracker import Emitter, PageView, Tracker
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport
from tests.faults.rig import check_accounts

THREADS = 8
EVENT = PageView(page_url="https://acme.com/")

SIZES = [
    pytest.param(500, id="quick"),
    pytest.param(10_000, id="full", marks=(pytest.mark.faults, pytest.mark.timeout(180))),
]


async def hammered(tracker: Tracker, events: int) -> list[str | None]:
    """Track so many events from each of eight threads at once; return what every call returned."""
    start = threading.Barrier(THREADS)
    returned: list[str | None] = []

    def hammer() -> None:
        start.wait()
        own = [tracker.track_nowait(EVENT) for _ in range(events)]
        returned.extend(own)

    limiter = anyio.CapacityLimiter(THREADS)
    async with anyio.create_task_group() as tasks:
        for _ in range(THREADS):
            tasks.start_soon(lambda: anyio.to_thread.run_sync(hammer, limiter=limiter))
    return returned


@pytest.mark.parametrize("events", SIZES)
async def test_a_buffer_that_holds_them_takes_them_all(events: int) -> None:
    """Eight threads at once lose nothing, and the engine delivers everything meanwhile and after."""
    transport = FakeTransport(FakeClock())
    capacity = THREADS * events
    emitter = Emitter(
        "https://c.acme.com", transport=transport, buffer_capacity=capacity, buffer_bytes=100_000_000
    )

    async with Tracker("threads", emitter) as tracker:
        returned = await hammered(tracker, events)
        check_accounts(emitter)

    assert capacity == len(set(returned) - {None})
    assert set(returned) == transport.delivered_ids
    assert capacity == len(transport.delivered) == emitter.stats().delivered
    check_accounts(emitter)


@pytest.mark.parametrize("events", SIZES)
@pytest.mark.parametrize("overflow", ["wait", "drop_oldest"])
async def test_a_small_buffer_refuses_or_evicts_and_counts(events: int, overflow: str) -> None:
    """What finds no room is counted, one by one, and what was accepted and kept is delivered."""
    transport = FakeTransport(FakeClock())
    emitter = Emitter(
        "https://c.acme.com", transport=transport, buffer_capacity=events, overflow=overflow, batch_size=100
    )

    async with Tracker("threads", emitter) as tracker:
        returned = await hammered(tracker, events)
        check_accounts(emitter)

    stats = emitter.stats()
    outcomes = Counter(result is not None for result in returned)
    assert THREADS * events == stats.offered == stats.accepted + stats.refused.get("queue_full", 0)  # type: ignore[call-overload]  # a StrEnum
    assert (outcomes[True], outcomes[False]) == (stats.accepted, sum(stats.refused.values()))
    assert stats.accepted == stats.delivered + stats.dropped.get("evicted", 0)  # type: ignore[call-overload]  # likewise
    assert stats.delivered == len(transport.delivered) == len(transport.delivered_ids)
    assert transport.delivered_ids <= set(returned)
    check_accounts(emitter)


async def test_threads_that_track_while_it_closes_are_refused_or_delivered() -> None:
    """Closing draws a line through eight busy threads: before it delivered, behind it refused."""
    transport = FakeTransport(FakeClock())
    emitter = Emitter("https://c.acme.com", transport=transport)
    tracker = await Tracker("threads", emitter).open()
    is_over = threading.Event()
    returned: list[str | None] = []

    def hammer() -> None:
        while not is_over.is_set():
            returned.append(tracker.track_nowait(EVENT))
            is_over.wait(0.0005)

    threads = [threading.Thread(target=hammer) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    await anyio.sleep(0.05)
    await tracker.aclose()
    with anyio.move_on_after(10):
        while not emitter.stats().refused:  # noqa: ASYNC110 - a thread comes too late, when it is its turn
            await anyio.sleep(0.001)
    is_over.set()
    for thread in threads:
        thread.join()

    stats = emitter.stats()
    assert transport.delivered_ids == set(returned) - {None}
    assert len(transport.delivered) == stats.delivered == stats.accepted
    assert len(returned) == stats.offered
    assert {"closed"} == set(stats.refused)
    check_accounts(emitter)
