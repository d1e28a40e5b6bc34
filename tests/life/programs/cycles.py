"""Opens, uses and closes trackers many times and tells what that left behind: `cycles STAGE URL CYCLES`."""

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path

import anyio
import trio

from aiotracker import PageView, Tracker
from tests.stages import Stage

STAGE = Stage.named(sys.argv[1])
URL, CYCLES = sys.argv[2:]
WARM_UP = 20


def tasks() -> int:
    """Return how many tasks the loop has, those of nobody's scope included."""
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_kib() -> int:
    """Return the memory that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def cycle(tracker: Tracker) -> None:
    """Open, track and close."""
    async with tracker:
        for number in range(3):
            await tracker.track(PageView(page_url=f"https://acme.com/{number}"))


async def main() -> None:
    """Let one tracker live many times, and many trackers once."""
    kept = Tracker("cycles", STAGE.emitter(URL))
    for _ in range(WARM_UP):
        await cycle(kept)
        await cycle(Tracker("cycles", STAGE.emitter(URL)))
    before = await figures()
    for _ in range(int(CYCLES) // 2):
        await cycle(kept)
        await cycle(Tracker("cycles", STAGE.emitter(URL)))
    after = await figures()
    print("growth", *(late - early for early, late in zip(before, after, strict=True)))


async def figures() -> tuple[int, int, int, int]:
    """Return threads, descriptors, tasks and KiB of memory."""
    await anyio.sleep(0.05)  # sockets close in the loop's next rounds
    gc.collect()
    return threading.active_count(), descriptors(), tasks(), resident_kib()


STAGE.run(main)
