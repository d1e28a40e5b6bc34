"""Time that only a test moves: every wait of the code under test ends because the test said so."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio
import trio

import aiotracker.delivery.session  # noqa: F401 - or a thread imports it, for the first tracker: settle() sees tasks

CALM_ROUNDS = 3  # a callback may make a task runnable that the round before found waiting
MAX_ROUNDS = 20_000  # more than any test needs; what goes on longer is a loop that never waits


async def settle() -> None:
    """Return when every other task of the loop waits for something that is still to happen."""
    if trio.lowlevel.in_trio_run():
        with trio.fail_after(10):
            await trio.testing.wait_all_tasks_blocked()
        return
    me = asyncio.current_task()
    calm = rounds = 0
    while calm < CALM_ROUNDS:
        await asyncio.sleep(0)
        waiters = [getattr(task, "_fut_waiter", None) for task in asyncio.all_tasks() if task is not me]
        is_calm = all(waiter is not None and not waiter.done() for waiter in waiters)
        calm = calm + 1 if is_calm else 0
        rounds += 1
        if rounds > MAX_ROUNDS:
            raise AssertionError("the tasks never come to rest: one of them runs without waiting")


class FakeClock:
    """A clock that stands still until `advance()`; the wall clock goes with it."""

    def __init__(self, now: float = 1_000.0, wall_ms: int = 1_700_000_000_000) -> None:
        self._now = now
        self._offset_ms = wall_ms - now * 1000
        self._alarms: dict[anyio.CancelScope, float] = {}

    def now(self) -> float:
        """Return the seconds of this moment."""
        return self._now

    def wall_ms(self) -> int:
        """Return the milliseconds of this moment."""
        return round(self._offset_ms + self._now * 1000)

    def set_wall_ms(self, wall_ms: int) -> None:
        """Let the wall clock jump."""
        self._offset_ms = wall_ms - self._now * 1000

    def move_on_at(self, moment: float, *, shield: bool = False) -> AbstractContextManager[anyio.CancelScope]:
        """Return a cancel scope that ends its block when `advance()` reaches a moment."""
        return self._alarm(moment, shield=shield)

    @contextmanager
    def _alarm(self, moment: float, *, shield: bool) -> Iterator[anyio.CancelScope]:
        with anyio.CancelScope(shield=shield) as scope:
            if moment <= self._now:
                scope.cancel()
            elif not math.isinf(moment):
                self._alarms[scope] = moment
            try:
                yield scope
            finally:
                self._alarms.pop(scope, None)

    async def sleep(self, seconds: float) -> None:
        """Wait for time that a test lets pass."""
        with self.move_on_at(self._now + seconds):
            await anyio.sleep_forever()

    async def advance(self, seconds: float) -> None:
        """Let time pass, from one due moment to the next; everyone acts on each before it goes on."""
        target = self._now + seconds
        await settle()
        while (due := min(self._alarms.values(), default=math.inf)) <= target:
            self._now = max(self._now, due)
            for scope in [scope for scope, moment in self._alarms.items() if moment <= self._now]:
                del self._alarms[scope]
                scope.cancel()
            await settle()
        self._now = target
        await settle()

    async def advance_to_next_alarm(self) -> float:
        """Let time pass until the next wait is over; return the seconds that this took."""
        await settle()
        seconds = min(self._alarms.values()) - self._now
        await self.advance(seconds)
        return seconds
