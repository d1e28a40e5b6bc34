"""The burst tracks what it should, and does not wait for ever."""

import io
import math

import pytest
from rich.console import Console

from aiotracker import Emitter, Tracker
from aiotracker.cli.demo_burst import track_burst
from aiotracker.cli.demo_process import CollectorGoneError
from aiotracker.cli.demo_screen import Screen
from aiotracker.micro import Micro


def silent() -> Screen:
    """Return a screen that nobody looks at."""
    return Screen(Console(file=io.StringIO()))


async def test_every_event_of_a_burst_is_delivered_when_it_returns() -> None:
    """The burst flushes: its ids are those that the collector has."""
    with Micro() as micro:
        async with Tracker("test", Emitter(micro.url, max_wait=math.inf)) as tracker:
            ids = await track_burst(tracker, 700, silent())

            received = micro.event_ids()

    assert 700 == len(ids)
    assert received == set(ids)


async def test_a_burst_gives_up_when_nothing_is_delivered_any_more() -> None:
    """A full buffer and a collector that is gone: the burst says how far it came."""
    emitter = Emitter("http://127.0.0.1:1", max_wait=math.inf, batch_size=5, buffer_capacity=10)
    tracker = Tracker("test", emitter)
    await tracker.open()

    with pytest.raises(CollectorGoneError, match=r"nothing was delivered for 0\.05 s, after 0 of 100 events"):
        await track_burst(tracker, 100, silent(), stall_timeout=0.05)
    await tracker.aclose(timeout=0.05)
