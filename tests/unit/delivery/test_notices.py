"""Callbacks: told of everything, able to hurt nothing."""

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from aiotracker.delivery import Notice
from tests.fakes.bench import Bench, TrackWith, begin, view
from tests.fakes.clock import settle
from tests.fakes.transport import Hang

Told = list[tuple[str, int, str]]


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a thread has done its work."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await anyio.sleep(0.001)


def recorder(told: Told) -> dict[str, Any]:
    """Return asynchronous callbacks of all four kinds that record what they are told."""

    async def note(notice: Notice) -> None:
        told.append((notice.kind, len(notice.event_ids), notice.reason))

    return {f"on_{kind}": note for kind in ("success", "retry", "failure", "drop")}


async def deliver(bench: Bench, *names: object) -> None:
    """Track events and let delivery and callbacks run."""
    await bench.track(*names)
    await bench.flush()
    await settle()


async def test_success_is_told_once_per_batch(track_with: TrackWith) -> None:
    """With the ids and payloads of its events."""
    notices: list[Notice] = []

    async def note(notice: Notice) -> None:
        notices.append(notice)

    bench = await track_with(on_success=note)
    ids = await bench.track("a", "b")
    await bench.flush()
    await settle()

    assert [tuple(ids)] == [notice.event_ids for notice in notices]
    assert "https://c0.acme.com" == notices[0].collector
    assert ["https://acme.com/a", "https://acme.com/b"] == [
        payload["url"] for payload in notices[0].payloads()
    ]


@pytest.mark.parametrize(
    ("steps", "settings", "expected"),
    [
        ([503], {}, [("retry", 2, "503"), ("success", 2, "")]),
        ([Hang()], {}, [("retry", 2, "timeout"), ("success", 2, "")]),
        ([401], {}, [("failure", 2, "rejected")]),
        ([400], {"custom_retry_codes": {400: False}}, [("failure", 2, "rejected")]),
    ],
)
async def test_each_fate_has_its_callback(
    track_with: TrackWith, steps: list[Any], settings: dict[str, Any], expected: Told
) -> None:
    """Retry, failure and success are told as they happen."""
    told: Told = []
    bench = await track_with(steps, **recorder(told), **settings)

    await bench.track("a", "b")
    await bench.clock.advance(20)

    assert expected == told


async def test_refusals_and_drops_are_told(track_with: TrackWith) -> None:
    """What is not sent is told as `drop`, with the reason of the accounts."""
    told: Told = []
    bench = await track_with(
        default=Hang(), overflow="drop_newest", buffer_capacity=1, batch_size=1, **recorder(told)
    )

    await bench.track("a", "b")
    await settle()
    async with anyio.create_task_group() as tasks:
        await begin(tasks, lambda: bench.tracker.aclose(timeout=1))
        await bench.clock.advance(1)

    assert [("drop", 1, "queue_full"), ("drop", 1, "shutdown_deadline")] == told


async def test_a_callback_that_raises_hurts_nothing(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, once, and asked again next time."""
    calls = []

    async def note(notice: Notice) -> None:
        calls.append(notice)
        raise SystemExit(3) if len(calls) > 1 else LookupError("mine")

    bench = await track_with(on_success=note, batch_size=1, concurrency=1)
    for name in "abc":
        await deliver(bench, name)

    assert (3, 3) == (bench.tracker.stats().delivered, len(calls))
    assert 1 == sum("on_success" in line for line in caplog.messages)


async def test_a_callback_that_hangs_is_given_up(track_with: TrackWith) -> None:
    """After 5 s the next notice is told; delivery never waited."""
    calls = []

    async def note(notice: Notice) -> None:
        calls.append(notice)
        await anyio.sleep_forever()

    bench = await track_with(on_success=note, batch_size=1, concurrency=1)
    await deliver(bench, "a", "b")
    delivered, before = bench.tracker.stats().delivered, len(calls)
    await bench.clock.advance(5)

    assert (2, 1, 2) == (delivered, before, len(calls))


async def test_closing_waits_for_callbacks_within_its_budget(track_with: TrackWith) -> None:
    """A callback that hangs costs at most a second of the closing budget."""

    async def note(notice: Notice) -> None:
        await anyio.sleep_forever()

    bench = await track_with(on_success=note)
    await bench.track("a")

    async with anyio.create_task_group() as tasks:
        closing = await begin(tasks, bench.tracker.aclose)
        was_done = closing.is_done
        await bench.clock.advance(1)
        is_done = closing.is_done

    assert (False, True, 1) == (was_done, is_done, closing.result.delivered)


async def test_closing_tells_everything_first(track_with: TrackWith) -> None:
    """What was settled by the drain reaches the callbacks before `aclose()` returns."""
    told: Told = []
    bench = await track_with(**recorder(told))
    await bench.track("a")

    await bench.tracker.aclose()

    assert [("success", 1, "")] == told


async def test_a_synchronous_callback_runs_in_a_thread(track_with: TrackWith) -> None:
    """It may block; the loop does not notice."""
    import threading

    threads = []
    bench = await track_with(on_success=lambda _: threads.append(threading.current_thread()))

    await deliver(bench, "a")
    await eventually(lambda: bool(threads))

    assert threading.main_thread() is not threads[0]


async def test_a_synchronous_callback_that_raises_hurts_nothing(track_with: TrackWith) -> None:
    """The thread goes on with the next notice."""
    calls = []

    def note(notice: Notice) -> None:
        calls.append(notice)
        raise SystemExit(3)

    bench = await track_with(on_success=note, batch_size=1, concurrency=1)
    await deliver(bench, "a", "b")
    await eventually(lambda: len(calls) == 2)

    assert 2 == bench.tracker.stats().delivered


async def test_a_callback_may_track(track_with: TrackWith) -> None:
    """An application may answer a drop with an event."""
    bench: Bench

    async def note(notice: Notice) -> None:
        if bench.tracker.stats().delivered < 3:
            await bench.tracker.track(view("again"))

    bench = await track_with(on_success=note)
    await bench.track("a")
    await bench.clock.advance(5)

    assert 3 == bench.tracker.stats().delivered
