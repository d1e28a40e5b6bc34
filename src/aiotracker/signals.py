"""SIGINT and SIGTERM as the end of a block: for scripts and workers, which no server ends in order.

Owns the handlers of these signals for as long as the block lasts. Knows no tracker: one that is closed
inside or outside of the block delivers what it has, because closing outlasts a cancellation.
"""

from __future__ import annotations

import signal
import threading
from contextlib import asynccontextmanager
from signal import Signals
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker.errors import WrongThreadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import FrameType

__all__ = ["Shutdown", "shutdown_on_signals"]

SIGNALS: Final = (Signals.SIGINT, Signals.SIGTERM)


class Shutdown:
    """What ended a block.

    Attributes:
        signal: the signal that came, None for as long as none did.
    """

    def __init__(self) -> None:
        """Begin without a signal."""
        self.signal: Signals | None = None


@asynccontextmanager
async def shutdown_on_signals() -> AsyncIterator[Shutdown]:
    """End the block at the first SIGINT (Ctrl-C) or SIGTERM, and the program at the second.

        async with Tracker("worker", "https://collector.acme.com") as tracker, shutdown_on_signals():
            async for job in queue:
                ...

    The first signal cancels the block, and the program goes on behind it: a tracker around the block, or
    inside, delivers what it has, and `main()` returns. From the first signal on, both have their default
    action, also behind the block, so that a second one ends the process at once, whatever it is doing.
    A block that ends by itself leaves the handlers as they were.

    Yields:
        What says which signal came, if any.
    Raises:
        WrongThreadError: this is not the main thread, and only that gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        raise WrongThreadError("shutdown_on_signals()")
    from aiotracker.runtime import current_loop  # asyncio comes with it: not before it is needed

    loop = current_loop()
    shutdown = Shutdown()
    is_over = False

    def cancel() -> None:
        if not is_over:
            block.cancel()

    def begin(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as Python calls it
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        shutdown.signal = Signals(number)
        loop.call_soon(cancel)

    # Not by anyio's receiver, which leaves a loop of asyncio without the handlers that were there
    # before, and sees a second signal only when the loop gets to it.
    before = {each: signal.signal(each, begin) for each in SIGNALS}
    try:
        with anyio.CancelScope() as block:
            try:
                yield shutdown
            finally:
                is_over = True
    finally:
        for each, handler in before.items():
            if shutdown.signal is None and handler is not None:  # None was set by no Python code
                signal.signal(each, handler)
