"""Tracks in a parent and in its forked children: `forks STAGE URL HOW`.

HOW is `plain`, `flushing` (while a flush is under way), `threads` (while eight threads track),
`outside` (between two runs of the loop) or `silent` (the child only ends, as a script does).
"""

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable

import anyio
import anyio.to_thread

from aiotracker import ForkedTrackerError, PageView, Tracker
from tests.stages import Stage

STAGE = Stage.named(sys.argv[1])
URL, HOW = sys.argv[2:]
CHILD_SECONDS = 15.0

TRACKER = Tracker("forks", STAGE.emitter(URL, flush_interval=0.2))


def page(name: object) -> PageView:
    """Return a page view."""
    return PageView(page_url=f"https://acme.com/{name}")


async def track(name: str) -> list[str]:
    """Track ten events of one process; return their ids."""
    return [str(await TRACKER.track(page(f"{name}/{number}"))) for number in range(10)]


async def reopened() -> None:
    """In a child: open the tracker again, track and close."""
    async with TRACKER:
        for event_id in await track("child"):
            print(f"id {event_id}", flush=True)


def in_child() -> None:
    """Do what a child does, on a loop of its own in a thread of its own; end without ceremony."""
    code = 1
    try:
        try:
            TRACKER.track_nowait(page("too early"))
        except ForkedTrackerError as error:
            print(f"refused {error}", flush=True)
        stats = TRACKER.stats()
        settled = stats.delivered + sum(stats.dropped.values())
        print(f"books {stats.accepted - settled} {stats.buffered} {stats.in_flight}", flush=True)
        thread = threading.Thread(target=STAGE.run, args=(reopened,))
        thread.start()
        thread.join(CHILD_SECONDS)
        code = int(thread.is_alive())
    finally:
        os._exit(code)


def fork(child: Callable[[], None] = in_child) -> int:
    """Fork; return the child's process id in the parent."""
    with warnings.catch_warnings():
        # Since 3.12 Python warns of every thread: here of one that the loop keeps for later.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        child()
    return pid


def wait(pid: int) -> None:
    """Wait for a child and tell how it ended."""
    print(f"child {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


async def plain() -> None:
    """Fork while events wait, and a connection that has carried one is kept."""
    async with TRACKER:
        ids = [await TRACKER.deliver(page("parent/warm")), *await track("parent")]
        await anyio.to_thread.run_sync(wait, fork())
        for event_id in ids:
            print(f"id {event_id}", flush=True)


async def flushing() -> None:
    """Fork while a request is under way."""
    async with TRACKER, anyio.create_task_group() as tasks:
        ids = await track("parent")
        tasks.start_soon(TRACKER.flush)
        while not TRACKER.stats().in_flight:  # noqa: ASYNC110 - the tracker tells nobody
            await anyio.sleep(0.001)
        await anyio.to_thread.run_sync(wait, fork())
        for event_id in ids:
            print(f"id {event_id}", flush=True)


async def threads() -> None:
    """Fork while eight threads hold whatever lock there is."""
    is_over = threading.Event()
    ids: list[list[str]] = [[] for _ in range(8)]

    def hammer(number: int) -> None:
        while not is_over.is_set():
            event_id = TRACKER.track_nowait(page(f"thread/{number}"))
            if event_id is not None:
                ids[number].append(event_id)
            time.sleep(0.0002)

    async with TRACKER:
        hammers = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
        for thread in hammers:
            thread.start()
        children = []
        for _ in range(5):
            await anyio.sleep(0.01)
            children.append(fork())
        is_over.set()
        for thread in hammers:
            await anyio.to_thread.run_sync(thread.join)
        for pid in children:
            await anyio.to_thread.run_sync(wait, pid)
        for event_id in (event_id for own in ids for event_id in own):
            print(f"id {event_id}", flush=True)


async def begun() -> None:
    """Track without closing, so that only the end of the program sends."""
    await TRACKER.open()
    for event_id in await track("parent"):
        print(f"id {event_id}", flush=True)


def outside() -> None:
    """Fork when the loop is over and the parent's events still wait."""
    STAGE.run(begun)
    wait(fork())


def silent() -> None:
    """Fork a child that ends as a script does, with everything that happens at exit."""
    STAGE.run(begun)
    wait(fork(child=lambda: sys.exit(0)))


match HOW:
    case "plain":
        STAGE.run(plain)
    case "flushing":
        STAGE.run(flushing)
    case "threads":
        STAGE.run(threads)
    case "outside":
        outside()
    case _:
        silent()
