"""How long an event loop stands still, seen by a task that only wants to run every millisecond."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from benchmarks.speed.protocol import Command, Reply

__all__ = ["Heartbeat", "steady"]

BEAT_SECONDS: Final = 0.001
IDLE_SECONDS: Final = 2.0  # of listening to the loop before anything is tracked


class Heartbeat:
    """Beats during its `async with` block.

    Attributes:
        longest: the longest time in seconds by which a beat came late.
    """

    def __init__(self) -> None:
        """Prepare; nothing beats yet."""
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to beat."""
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the last beat come, and stop."""
        await asyncio.sleep(2 * BEAT_SECONDS)
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(BEAT_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - began - BEAT_SECONDS)


async def steady(command: Command, run: Callable[[Callable[[], int]], Awaitable[Reply]]) -> Reply:
    """Track at a rate for a time while the loop's heart beats; opening and closing included.

    Args:
        command: `rate` in events a second, and `seconds`.
        run: opens a tracker, calls what it is given again and again (it returns how many events are due
            by now since the first call, or -1 when the time is over), closes, and returns what it has to say.
    Returns:
        `idle_seconds` and `stall_seconds`, the longest stall before and during, and what `run` said.
    """
    async with Heartbeat() as idle:
        await asyncio.sleep(IDLE_SECONDS)
    began: list[float] = []

    def due() -> int:
        now = time.perf_counter()
        if not began:
            began.append(now)
        return int((now - began[0]) * command["rate"]) if now - began[0] < command["seconds"] else -1

    async with Heartbeat() as heart:
        reply = await run(due)
    return {"idle_seconds": idle.longest, "stall_seconds": heart.longest, **reply}
