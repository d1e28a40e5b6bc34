"""Works until a signal ends it in order: `shutdown STAGE URL SHAPE`.

SHAPE is where the tracker stands, `around` or `inside` of the block, or `stuck` for a program that does not
let its loop go on.
"""

import signal
import sys
import time

import anyio

from aiotracker import PageView, Shutdown, Tracker, shutdown_on_signals
from tests.stages import Stage

STAGE = Stage.named(sys.argv[1])
URL, SHAPE = sys.argv[2:]


async def work(tracker: Tracker) -> None:
    """Track, say so, and wait; track once more on the way out."""
    try:
        for number in range(250):
            await tracker.track(PageView(page_url=f"https://acme.com/{number}"))
        print("ready", flush=True)
        if SHAPE == "stuck":
            stand_still()
        await anyio.sleep_forever()
    finally:
        tracker.track_nowait(PageView(page_url="https://acme.com/last"))
        print("cancelled", flush=True)


def stand_still() -> None:
    """Hold up the loop for ever, and say when Python has handled a signal all the same."""
    while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        time.sleep(0.01)
    print("handled", flush=True)
    while True:
        time.sleep(1.0)


async def main() -> None:
    """Work, and say what ended it."""
    emitter = STAGE.emitter(URL, flush_interval=30.0)
    tracker = Tracker("shutdown", emitter)
    if SHAPE == "inside":
        async with shutdown_on_signals() as shutdown, tracker:
            await work(tracker)
        tell(shutdown)
    else:
        async with tracker:
            async with shutdown_on_signals() as shutdown:
                await work(tracker)
            tell(shutdown)


def tell(shutdown: Shutdown) -> None:
    """Say what ended the block."""
    print(f"ended by {shutdown.signal.name if shutdown.signal else None}", flush=True)


STAGE.run(main)
print(f"leaving {time.monotonic()}")
