"""Trackers that nobody holds any more: collected, told, and drained."""

import gc
import logging
import weakref
from typing import Any

import pytest

from aiotracker import Tracker
from tests.fakes.bench import TrackWith
from tests.fakes.clock import settle
from tests.fakes.transport import FakeTransport


async def forgotten(track_with: TrackWith) -> tuple[FakeTransport, "weakref.ref[Tracker]"]:
    """Open a tracker, track two events, and forget it; return its collector and a weak reference."""
    bench = await track_with()
    track_with.benches.clear()
    await bench.track("a", "b")
    await settle()
    return bench.transport, weakref.ref(bench.tracker)


async def forgotten_and_collected(track_with: TrackWith) -> None:
    """Forget a tracker and have it collected."""
    await forgotten(track_with)
    gc.collect()


async def test_a_forgotten_tracker_warns(track_with: TrackWith) -> None:
    """The warning says what was lost and where the tracker was created."""
    with pytest.warns(ResourceWarning, match="was not closed, 2 events were waiting") as warned:
        await forgotten_and_collected(track_with)

    await settle()
    assert "bench.py" in str(warned[0].message)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_forgotten_tracker_is_collected_and_drained(track_with: TrackWith) -> None:
    """The engine holds no reference to it: it is collected, its events are delivered, the engine stops."""
    transport, tracker = await forgotten(track_with)
    gc.collect()
    await settle()

    assert None is tracker()
    assert (2, 1) == (len(transport.delivered), transport.closed)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_forgotten_tracker_is_logged(track_with: TrackWith, caplog: pytest.LogCaptureFixture) -> None:
    """Warnings are hidden in production, the log is not."""
    await forgotten(track_with)
    gc.collect()
    await settle()

    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert 1 == sum("was not closed" in line for line in lines)


async def test_a_closed_tracker_goes_in_silence(track_with: TrackWith) -> None:
    """After `aclose()` nothing of it is left: tracker, engine and transport are collected."""
    bench = await track_with()
    await bench.track("a")
    await bench.tracker.aclose()
    parts: list[weakref.ref[Any]] = [
        weakref.ref(part) for part in (bench.tracker, bench.emitter.intake, bench.transport)
    ]

    track_with.benches.clear()
    del bench
    await settle()
    gc.collect()

    assert [None, None, None] == [part() for part in parts]


async def test_a_tracker_that_was_never_opened_goes_in_silence(track_with: TrackWith) -> None:
    """There is nothing to warn of."""
    tracker = weakref.ref(track_with.build().tracker)

    track_with.benches.clear()
    gc.collect()

    assert None is tracker()
