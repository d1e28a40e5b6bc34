"""Tracks in a parent and in processes that `multiprocessing` starts: `family LOOP URL METHOD`."""

import multiprocessing
import sys

import anyio.to_thread

from aiotracker import PageView, Tracker
from tests.life.loops import run

TRACKER: list[Tracker] = []
"""What a forked child inherits, and a spawned one does not."""


async def track(url: str, name: str) -> None:
    """Track ten events and tell their ids."""
    tracker = TRACKER[0] if TRACKER else Tracker("family", url)
    async with tracker:
        for number in range(10):
            print(
                f"id {await tracker.track(PageView(page_url=f'https://acme.com/{name}/{number}'))}",
                flush=True,
            )


def child(loop: str, url: str) -> None:
    """Track in a process of its own; on trio in a thread, which a forked child of a run needs."""
    import threading

    thread = threading.Thread(target=run, args=(loop, track, url, "child"))
    thread.start()
    thread.join()


async def main(loop: str, url: str, method: str) -> None:
    """Track, and have two children track meanwhile."""
    TRACKER.append(Tracker("family", url))
    async with TRACKER[0] as tracker:
        await tracker.deliver(PageView(page_url="https://acme.com/warm"))
        context = multiprocessing.get_context(method)
        children = [context.Process(target=child, args=(loop, url)) for _ in range(2)]  # type: ignore[attr-defined]  # of every context
        for process in children:
            process.start()
        for process in children:
            await anyio.to_thread.run_sync(process.join)
            print(f"child {process.exitcode}")
        for number in range(10):
            print(f"id {await tracker.track(PageView(page_url=f'https://acme.com/parent/{number}'))}")


if __name__ == "__main__":
    run(sys.argv[1], main, *sys.argv[1:])
