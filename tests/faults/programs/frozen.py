"""A service that delivers, is frozen at the end of a call, and delivers again when it is called next."""

import json
import sys
import time

import anyio.to_thread

from aiotracker import PageView, Tracker
from tests.faults.programs.launch import run
from tests.stages import Stage

BATCH = 10


async def main(stage: Stage, url: str) -> None:
    """Deliver 40 events over several connections, wait for a line, deliver 20 more."""
    emitter = stage.emitter(url, batch_size=BATCH)
    async with Tracker("frozen", emitter) as tracker:
        await track(tracker, 40)
        print("warm", flush=True)  # noqa: T201 - to the test
        await anyio.to_thread.run_sync(sys.stdin.readline)
        began_at = time.monotonic()
        await track(tracker, 20)
        stats = emitter.stats()
        account = {
            "delivered": stats.delivered,
            "retries": dict(stats.retries),
            "requests": stats.requests,
            "batches": 60 // BATCH,
            "seconds": time.monotonic() - began_at,
        }
    print(json.dumps(account), flush=True)  # noqa: T201 - to the test


async def track(tracker: Tracker, count: int) -> None:
    """Track page views and wait until they are delivered."""
    for number in range(count):
        await tracker.track(PageView(page_url=f"https://acme.com/{number}"))
    await tracker.flush()


run(main)
