"""AWS Lambda: deliver within the invocation, because afterwards the process is frozen.

    tracker = hosted(Tracker("orders", "https://collector.acme.com", app_id="shop"))

    @flushed(tracker)
    def handler(event, context):
        tracker.track_nowait(OrderPlaced(...))

A container keeps one tracker for all its invocations: its connections and what could not be delivered yet.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar, overload

import anyio

from aiotracker import DeliveryReport, Statistics

__all__ = ["FlushableTracker", "LambdaContext", "flushed"]

EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")

LOGGER: Final = logging.getLogger("aiotracker")


class FlushableTracker(Protocol):
    """What `hosted(tracker)` is: a tracker for code that runs on no event loop."""

    def flush(self, timeout: float = ...) -> DeliveryReport:
        """Send what was accepted so far, and wait for it at most so many seconds."""
        ...

    def stats(self) -> Statistics:
        """Return the accounts."""
        ...


class LambdaContext(Protocol):
    """What Lambda tells of an invocation, as far as it is needed here."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left of the invocation."""
        ...


class flushed:  # noqa: N801 - used as a function is: `@flushed(tracker)`
    """Have what a handler tracks delivered before its invocation ends.

    After the handler has returned or raised, delivery gets what is left of the invocation, but no more
    than `timeout`. What cannot be delivered then waits for the next invocation of the same container,
    is counted in `left`, and logged as a warning. Nothing of this changes what the handler returns or
    raises. An `async def` handler becomes one that Lambda can call, with an event loop of its own for
    each invocation.
    """

    def __init__(self, tracker: FlushableTracker, *, timeout: float = 5.0, margin: float = 0.5) -> None:
        """Say what is delivered, and in which time.

        Args:
            tracker: `hosted(tracker)`, outside of the handler: one for each container.
            timeout: seconds that an invocation is prolonged at most when the collector is slow.
            margin: seconds of the invocation that are left for the answer.
        """
        self._tracker = tracker
        self._timeout = timeout
        self._margin = margin
        self.left: int = 0
        """How many events the last invocation left behind."""

    @overload
    def __call__(
        self, handler: Callable[[EventT, Any], Awaitable[ResultT]]
    ) -> Callable[[EventT, Any], ResultT]: ...

    @overload
    def __call__(self, handler: Callable[[EventT, Any], ResultT]) -> Callable[[EventT, Any], ResultT]: ...

    def __call__(self, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a handler for Lambda; the context may be missing, as in a test."""
        call: Callable[[Any, Any], Any] = handler
        if inspect.iscoroutinefunction(handler):
            call = lambda event, context: anyio.run(handler, event, context)  # noqa: E731 - as short as it is

        @functools.wraps(handler)
        def within(event: object, context: Any) -> object:  # noqa: ANN401 - whatever Lambda hands over
            try:
                return call(event, context)
            finally:
                self._deliver(context)

        return within

    def _deliver(self, context: LambdaContext | None) -> None:
        try:
            waiting = _waiting(self._tracker.stats())
            seconds = self._seconds(context)
            if waiting and seconds > 0:
                self._tracker.flush(seconds)
                waiting = _waiting(self._tracker.stats())
            self.left = waiting
        except Exception as error:  # the answer matters more
            LOGGER.exception("the events of an invocation were not delivered: %s", error)  # noqa: TRY401 - found by it
            return
        if waiting:
            LOGGER.warning("%d events wait for the next invocation of this container", waiting)

    def _seconds(self, context: LambdaContext | None) -> float:
        if context is None:
            return self._timeout
        return min(self._timeout, context.get_remaining_time_in_millis() / 1000 - self._margin)


def _waiting(stats: Statistics) -> int:
    return stats.buffered + stats.in_flight
