"""Callbacks that raise, hang or dawdle: delivery does not notice, and each transition is told once."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest

from aiotracker import Callback, Notice, NoticeKind
from aiotracker.delivery.callbacks import MAX_WAITING
from tests.fakes.bench import Bench, TrackWith, begin
from tests.fakes.clock import settle
from tests.fakes.transport import Hang
from tests.life.loops import only_asyncio

EVENTS = 200


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Let hanging threads go when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def misbehaving(manner: str, released: threading.Event) -> Callback:
    """Return a callback that behaves badly in one manner."""

    async def raises(notice: Notice) -> None:
        raise ValueError("of the callback")

    async def exits(notice: Notice) -> None:
        raise SystemExit(3)

    async def hangs(notice: Notice) -> None:
        await anyio.sleep_forever()

    async def dawdles(notice: Notice) -> None:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    def raises_in_thread(notice: Notice) -> None:
        raise ValueError("of the callback")

    def exits_thread(notice: Notice) -> None:
        raise SystemExit(3)

    def hangs_in_thread(notice: Notice) -> None:
        released.wait()

    def dawdles_in_thread(notice: Notice) -> None:
        released.wait(0.001)

    manners: list[Callback] = [
        raises,
        exits,
        hangs,
        dawdles,
        raises_in_thread,
        exits_thread,
        hangs_in_thread,
        dawdles_in_thread,
    ]
    return {callback.__name__: callback for callback in manners}[manner]


async def play(bench: Bench) -> None:
    """Have retries, a rejection and a refusal among 200 events, and close with one event unsent."""
    bench.transport.steps.extend([503, 422])
    for number in range(EVENTS // 10):
        await bench.track(*range(number * 10, number * 10 + 10))
        await bench.clock.advance(0.1)
    await bench.clock.advance(60)
    bench.transport.default = Hang()
    await bench.track("unsent")


@pytest.mark.parametrize(
    "manner",
    [
        "raises",
        "exits",
        "hangs",
        "dawdles",
        "raises_in_thread",
        "exits_thread",
        "hangs_in_thread",
        "dawdles_in_thread",
    ],
)
async def test_no_callback_can_hurt_delivery(
    track_with: TrackWith, released: threading.Event, manner: str
) -> None:
    """Whatever all four callbacks do, 200 of 200 events arrive and closing keeps its deadline."""
    callback = misbehaving(manner, released)
    bench = await track_with(
        batch_size=10,
        on_success=callback,
        on_retry=callback,
        on_failure=callback,
        on_drop=callback,
        custom_retry_codes={422: True},
    )

    await play(bench)
    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        await bench.clock.advance(5.0)
        await bench.clock.advance(0.3)
        is_done = closing.is_done
        released.set()

    stats = bench.tracker.stats()
    assert is_done
    assert (EVENTS, {"shutdown_deadline": 1}) == (stats.delivered, stats.dropped)
    assert EVENTS == len(bench.transport.delivered_ids)


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
async def test_every_transition_is_told_once(track_with: TrackWith, *, is_async: bool) -> None:
    """An outage repeats no backlog: each event is told of each thing that happened to it, once."""
    told: Counter[tuple[str, str]] = Counter()
    copies: Counter[str] = Counter()

    def note(notice: Notice) -> None:
        told.update((notice.kind, event_id) for event_id in notice.event_ids)
        copies[notice.kind] += len(notice.event_ids)

    async def note_async(notice: Notice) -> None:
        note(notice)

    callback: Callable[[Notice], Awaitable[None] | None] = note_async if is_async else note
    bench = await track_with(
        batch_size=10, on_success=callback, on_retry=callback, on_failure=callback, on_drop=callback
    )
    bench.transport.default = 503
    await bench.track(*range(EVENTS))
    await bench.clock.advance(600)
    bench.transport.default = 200
    await bench.clock.advance(600)
    retries = sum(bench.tracker.stats().retries.values())
    await bench.tracker.aclose()

    assert {NoticeKind.SUCCESS: EVENTS, NoticeKind.RETRY: retries * 10} == copies
    assert EVENTS == sum(kind == "success" for kind, _ in told)
    assert 1 == max(count for (kind, _), count in told.items() if kind == "success")


async def test_a_callback_that_cannot_follow_is_bounded(track_with: TrackWith) -> None:
    """While a callback hangs, at most 1,000 notices wait for it; the others are skipped and logged."""
    hold = anyio.Event()
    told: list[str] = []

    async def slow(notice: Notice) -> None:
        await hold.wait()
        told.extend(notice.event_ids)

    bench = await track_with(batch_size=1, on_success=slow)
    await bench.track(*range(MAX_WAITING + 200))
    await settle()
    delivered = len(bench.transport.delivered)
    hold.set()
    await settle()

    assert MAX_WAITING + 200 == delivered
    assert MAX_WAITING + 1 >= len(told) >= MAX_WAITING


async def test_the_first_notice_may_be_the_last(track_with: TrackWith) -> None:
    """What is dropped when closing runs out of time is told before closing is over."""
    told: list[str] = []

    async def note(notice: Notice) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(notice.reason)

    bench = await track_with(default=Hang(), on_drop=note)
    await bench.track("a")

    await bench.tracker.aclose(timeout=0)

    assert ["shutdown_deadline"] == told


async def test_a_cancellation_in_a_callback_is_its_own(track_with: TrackWith) -> None:
    """A callback that fails of somebody else's `CancelledError` is told of the next event all the same."""
    only_asyncio()
    told: list[str] = []

    async def note(notice: Notice) -> None:
        told.extend(notice.event_ids)
        raise asyncio.CancelledError

    bench = await track_with(batch_size=1, on_success=note)

    ids = [*await bench.track("a")]
    await settle()
    ids += await bench.track("b")
    await settle()

    assert ids == told
