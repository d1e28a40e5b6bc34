"""A clock that runs, and that a test may move ahead."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["MovableClock"]


class MovableClock:
    """The machine's clocks, and `advance()` to have hours pass in no time.

    It runs, so that code which waits for a moment gets there without the test's help.
    """

    def __init__(self, *, start: float = 0.0, ahead: float = 0.0) -> None:
        """Begin to run.

        Args:
            start: seconds between the machine's monotonic clock and `now()`, because the clock of
                another process starts elsewhere.
            ahead: seconds by which it was moved already.
        """
        self._start = start
        self._ahead = ahead
        self._alarms: set[anyio.CancelScope] = set()

    def now(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic() + self._start + self._ahead

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + round(self._ahead * 1000)

    def move_on_at(self, moment: float, *, shield: bool = False) -> AbstractContextManager[anyio.CancelScope]:
        """Return a cancel scope that ends its block at a moment of `now()`."""
        return self._alarm(moment, shield=shield)

    @contextmanager
    def _alarm(self, moment: float, *, shield: bool) -> Iterator[anyio.CancelScope]:
        delay = None if math.isinf(moment) else max(0.0, moment - self.now())
        with anyio.move_on_after(delay, shield=shield) as scope:
            self._alarms.add(scope)
            try:
                yield scope
            finally:
                self._alarms.discard(scope)

    def advance(self, seconds: float) -> None:
        """Move ahead, on the loop of those who wait: what became due ends when the test next awaits."""
        self._ahead += seconds
        for scope in self._alarms:
            scope.deadline -= seconds
