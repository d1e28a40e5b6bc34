"""Time: two clocks and one way to be late. The only place that asks what time it is.

Delivery computes with clock seconds that only ever grow; the wall clock is for what is written into
events. Everything that waits does so inside `move_on_at`, so a test that drives a clock drives all.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What the tracker needs of time."""

    def now(self) -> float:
        """Return seconds that only ever grow, from any starting point."""
        ...

    def wall_ms(self) -> int:
        """Return milliseconds since 1970, which may jump."""
        ...

    def move_on_at(self, moment: float, *, shield: bool = False) -> AbstractContextManager[anyio.CancelScope]:
        """Return a cancel scope that ends its block at a moment of `now()`; `inf` never does."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def move_on_at(self, moment: float, *, shield: bool = False) -> anyio.CancelScope:
        """Return a cancel scope that ends its block at a moment of `now()`."""
        delay = None if math.isinf(moment) else max(0.0, moment - time.monotonic())
        return anyio.move_on_after(delay, shield=shield)
