"""Tracks events inside of `async with` until Ctrl-C ends it: `interrupted STAGE URL`."""

import signal
import sys
import time

import anyio

from aiotracker import PageView, Tracker
from tests.stages import Stage

STAGE = Stage.named(sys.argv[1])
URL = sys.argv[2]


async def main() -> None:
    """Track, say so, and wait."""
    async with Tracker("interrupted", STAGE.emitter(URL)) as tracker:
        for number in range(250):
            await tracker.track(PageView(page_url=f"https://acme.com/{number}"))
        print("ready", flush=True)
        await anyio.sleep_forever()


signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a script starts in the background
try:
    STAGE.run(main)
except KeyboardInterrupt as error:
    print(f"leaving {time.monotonic()}")
    print(f"interrupted {error.__cause__}")
