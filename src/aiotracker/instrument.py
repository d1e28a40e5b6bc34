"""Errors and durations of blocks and functions, as events.

Invariant: what is instrumented behaves as if it were not. Its exceptions come through, also when tracking
fails, which is logged at most once a minute for each kind of failure.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, Self, TypeVar, cast

from aiotracker.clock import SystemClock
from aiotracker.delivery.log import DeliveryLog
from aiotracker.events import ApplicationError, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from types import TracebackType

    from aiotracker.events import Entities, Event

__all__ = ["EventSink", "capture_errors", "timed"]

P = ParamSpec("P")
R = TypeVar("R")

LOG: Final = DeliveryLog(SystemClock(), "instrument")


class EventSink(Protocol):
    """Takes events without waiting: a `Tracker`, or `hosted(tracker)`."""

    def track_nowait(self, event: Event) -> object:
        """Take an event."""
        ...


class _Instrument(ABC):
    """A context manager that is a decorator, too, of whatever can be called."""

    @abstractmethod
    def _again(self) -> Self:
        """Return one like this for another block."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Put every call of a function into a block of its own.

        Of a coroutine function that is the whole call, of a generator function, asynchronous or not,
        from the first step to the last, what its consumer does in between included.
        """
        # A call returns what the function does; the casts say so where a wrapper is async or yields.
        whole: Callable[..., object] = function
        is_object = not isinstance(function, type) and not inspect.isroutine(function)
        call = type(function).__call__ if is_object else function
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
            whole = self._coroutine(cast("Callable[P, Any]", function))
        elif inspect.isasyncgenfunction(function):
            whole = self._async_generator(function)
        elif inspect.isgeneratorfunction(function):
            whole = self._generator(function)
        else:
            whole = self._function(function)
        return cast("Callable[P, R]", whole)

    def _function(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return within

    def _coroutine(self, function: Callable[P, Any]) -> Callable[P, object]:
        @functools.wraps(function)
        async def within(*args: P.args, **kwargs: P.kwargs) -> object:
            with self._again():
                return await function(*args, **kwargs)

        return within

    def _generator(self, function: Callable[P, Generator[Any, Any, Any]]) -> Callable[P, object]:
        @functools.wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, object]:
            with self._again():
                return (yield from function(*args, **kwargs))

        return within

    def _async_generator(self, function: Callable[P, AsyncGenerator[Any, Any]]) -> Callable[P, object]:
        @functools.wraps(function)
        async def within(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
            with self._again():
                inner = function(*args, **kwargs)
                try:
                    step: Awaitable[Any] = anext(inner)
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as error:  # noqa: BLE001 - thrown in: it is the function's
                            step = inner.athrow(error)
                        else:
                            step = inner.asend(sent)
                finally:
                    await inner.aclose()

        return within


class capture_errors(_Instrument):  # noqa: N801 - used as functions are: `with capture_errors(...)`
    """Track the exceptions that leave a block or a function, and let them go on.

        with capture_errors(tracker):
            charge(order)

        @capture_errors(tracker)
        async def charge(order: Order) -> Receipt: ...

    Tracks an `ApplicationError` for every `Exception`; of an exception group what is an `Exception` in
    it. What ends tasks and programs is no error: cancellation, KeyboardInterrupt, SystemExit,
    GeneratorExit. An exception that leaves several such blocks is tracked by each.
    """

    def __init__(
        self, tracker: EventSink, *, is_fatal: bool | None = None, context: Entities | None = None
    ) -> None:
        """Say where errors go.

        Args:
            tracker: takes the events.
            is_fatal: whether the program ends with such an error.
            context: entities of the events.
        """
        self._tracker = tracker
        self._is_fatal = is_fatal
        self._entities = context

    def _again(self) -> Self:
        return self  # it remembers nothing of a block

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block; its exception goes on."""
        error = exc.subgroup(Exception) if isinstance(exc, BaseExceptionGroup) else exc
        if isinstance(error, Exception):
            _track(self._tracker, "capture_errors", functools.partial(self._event, error))

    def _event(self, error: Exception) -> Event:
        return ApplicationError.from_exception(error, is_fatal=self._is_fatal, context=self._entities)


class timed(_Instrument):  # noqa: N801 - see `capture_errors`
    """Track how long a block or a function takes, however it ends.

        with timed(tracker, category="db", variable="query"):
            rows = fetch()

        @timed(tracker, category="db", variable="query", label="orders")
        async def orders() -> list[Order]: ...

    Tracks a `Timing` in milliseconds. One `timed()` is for one block at a time; a decorated function may
    be called as often as one likes, also at the same time.
    """

    def __init__(
        self,
        tracker: EventSink,
        *,
        category: str,
        variable: str,
        label: str | None = None,
        context: Entities | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Say what is timed.

        Args:
            tracker: takes the events.
            category: the group of things that this belongs to.
            variable: what is timed.
            label: more of it.
            context: entities of the events.
            timer: seconds from any start; for tests.
        """
        self._tracker = tracker
        self._category = category
        self._variable = variable
        self._label = label
        self._entities = context
        self._timer = timer
        self._began = 0.0

    def _again(self) -> Self:
        return type(self)(
            self._tracker,
            category=self._category,
            variable=self._variable,
            label=self._label,
            context=self._entities,
            timer=self._timer,
        )

    def __enter__(self) -> Self:
        """Begin to count."""
        self._began = self._timer()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Track what was counted; an exception of the block goes on."""
        took_ms = round((self._timer() - self._began) * 1000, 3)
        _track(self._tracker, "timed", functools.partial(self._event, took_ms))

    def _event(self, took_ms: float) -> Event:
        return Timing.clipped(
            category=self._category,
            variable=self._variable,
            timing=took_ms,
            label=self._label,
            context=self._entities,
        )


def _track(tracker: EventSink, what: str, build: Callable[[], Event]) -> None:
    """Track an event; a failure is logged and goes no further."""
    try:
        tracker.track_nowait(build())
    except Exception as error:  # noqa: BLE001 - the program's own result matters more
        reason = type(error).__name__
        LOG.say(logging.WARNING, what, reason, f"{what}() could not track: {reason}", error=error)
