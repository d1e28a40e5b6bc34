"""Tracks in a parent and in processes that `multiprocessing` starts: `family STAGE URL METHOD`."""

import multiprocessing
import sys

import anyio.to_thread

from aiotracker import PageView, Tracker
from tests.stages import Stage

TRACKER: list[Tracker] = []
"""What a forked child inherits, and a spawned one does not."""


async def track(stage: Stage, url: str, name: str) -> None:
    """Track ten events and tell their ids."""
    tracker = TRACKER[0] if TRACKER else Tracker("family", stage.emitter(url))
    async with tracker:
        for number in range(10):
            print(
                f"id {await tracker.track(PageView(page_url=f'https://acme.com/{name}/{number}'))}",
                flush=True,
            )


def child(stage: Stage, url: str) -> None:
    """Track in a process of its own; on trio in a thread, which a forked child of a run needs."""
    import threading

    thread = threading.Thread(target=stage.run, args=(track, stage, url, "child"))
    thread.start()
    thread.join()


async def main(stage: Stage, url: str, method: str) -> None:
    """Track, and have two children track meanwhile."""
    TRACKER.append(Tracker("family", stage.emitter(url)))
    async with TRACKER[0] as tracker:
        await tracker.deliver(PageView(page_url="https://acme.com/warm"))
        context = multiprocessing.get_context(method)
        children = [context.Process(target=child, args=(stage, url)) for _ in range(2)]  # type: ignore[attr-defined]  # of every context
        for process in children:
            process.start()
        for process in children:
            await anyio.to_thread.run_sync(process.join)
            print(f"child {process.exitcode}")
        for number in range(10):
            print(f"id {await tracker.track(PageView(page_url=f'https://acme.com/parent/{number}'))}")


if __name__ == "__main__":
    STAGE = Stage.named(sys.argv[1])
    STAGE.run(main, STAGE, *sys.argv[2:])
