"""A burst of events from one task, while a heartbeat measures how long the loop ever stands still.

Runs in a process of its own: what is measured includes the import of the HTTP library, and nothing that
the collector does. The heap of the host is frozen, as servers do: to collect all of it takes longer than
anything here, and comes when the interpreter likes.
"""

import gc
import json
import sys
import time

import anyio

from aiotracker import Emitter, PageView, Tracker
from tests.faults.programs.launch import run
from tests.stages import Stage

BEAT_SECONDS = 0.001


class Heart:
    """Beats once in a millisecond, and remembers the longest pause."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.most_held = 0
        self.emitter: Emitter | None = None

    async def beat(self) -> None:
        """Beat until cancelled."""
        while True:
            began_at = time.perf_counter()
            await anyio.sleep(BEAT_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - began_at - BEAT_SECONDS)
            if self.emitter is not None:
                stats = self.emitter.stats()
                self.most_held = max(self.most_held, stats.buffered + stats.in_flight)
                assert stats.accepted == stats.delivered + stats.buffered + stats.in_flight

    def read(self) -> float:
        """Return the longest pause since the last reading, in milliseconds."""
        longest, self.longest = self.longest, 0.0
        return longest * 1000


async def main(stage: Stage, url: str) -> None:
    """Rest, open, burst, close; write what was measured."""
    count, idle_seconds = int(sys.argv[3]), float(sys.argv[4])
    gc.freeze()
    heart = Heart()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heart.beat)
        await anyio.sleep(idle_seconds)
        idle_ms = heart.read()

        emitter = heart.emitter = stage.emitter(url)
        tracker = Tracker("burst", emitter)
        began_at = time.perf_counter()
        await tracker.open()
        await anyio.sleep(BEAT_SECONDS * 2)
        opening_ms = heart.read()
        for number in range(count):
            await tracker.track(PageView(page_url=f"https://acme.com/products/{number}"))
        tracked_in = time.perf_counter() - began_at
        report = await tracker.aclose(timeout=30)
        seconds = time.perf_counter() - began_at
        await anyio.sleep(BEAT_SECONDS * 2)
        burst_ms = heart.read()
        tasks.cancel_scope.cancel()

    stats = emitter.stats()
    measured = {
        "idle_ms": idle_ms,
        "opening_ms": opening_ms,
        "burst_ms": burst_ms,
        "tracked_in": tracked_in,
        "seconds": seconds,
        "most_held": heart.most_held,
        "delivered": stats.delivered,
        "offered": stats.offered,
        "refused": dict(stats.refused),
        "dropped": dict(stats.dropped),
        "requests": stats.requests,
        "is_complete": report.is_complete,
    }
    print(json.dumps(measured))  # noqa: T201 - to the test


run(main)
