"""A tracker for programs without an event loop: its own runs on a daemon thread.

Owns that thread, and when it begins and ends in each process. It delivers nothing: every call is handed to
the tracker. Invariant: a process uses only what it began itself. What a fork left it stays as it is, not
even collected, which would close what the parent still uses.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import anyio

from aiotracker.clock import SystemClock
from aiotracker.delivery.log import LOGGER
from aiotracker.delivery.report import DeliveryReport
from aiotracker.errors import (
    BlockingCallError,
    ConfigurationError,
    DeliveryTimeout,
    ForkedTrackerError,
    TrackerNotOpenError,
    TrackerOpenError,
)
from aiotracker.policy.reasons import DropReason
from aiotracker.tracker import CLOSE_SECONDS, Tracker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from types import TracebackType

    from anyio.abc import TaskGroup

    from aiotracker.delivery.report import Health
    from aiotracker.delivery.statistics import Statistics
    from aiotracker.events.base import Event
    from aiotracker.runtime import Wakeup

__all__ = ["HostedTracker", "hosted"]

T = TypeVar("T")

OPEN_SECONDS: Final = 10.0  # for what takes 0.1 s, but may find a lock held that a fork left behind
GRACE_SECONDS: Final = 0.5  # beyond a deadline that the tracker keeps itself, should its loop be stuck
THREADLESS_AT_EXIT: Final = ((3, 12, 0), (3, 12, 1))  # Pythons that start no thread once the main one is done

_CLOCK: Final = SystemClock()


def hosted(
    tracker: Tracker,
    *,
    timeout: float = CLOSE_SECONDS,
    backend: str = "asyncio",
    backend_options: Mapping[str, object] = MappingProxyType({}),
) -> HostedTracker:
    """Return a tracker for code without an event loop: WSGI, Celery, threads and scripts.

        events = hosted(Tracker("web", "https://collector.acme.com", app_id="shop"))
        events.track_nowait(PageView(page_url="https://acme.com/"))

    It opens itself where it is first used, in every process anew, and delivers the rest when the
    interpreter ends. A `with` block does both at its ends.

    Args:
        tracker: what to host; it must not be opened elsewhere.
        timeout: seconds for delivering the rest when the block or the interpreter ends.
        backend: loop of the thread, `asyncio` or `trio`.
        backend_options: of that loop, as `anyio.run()` takes them, such as `{"use_uvloop": True}`.
    Raises:
        ConfigurationError: an argument that cannot work.
    """
    return HostedTracker(tracker, timeout=timeout, backend=backend, backend_options=backend_options)


class HostedTracker:
    """A tracker on a thread of its own; `hosted()` makes one.

    Every method may be called from any thread. Those that wait raise `BlockingCallError` on an event loop.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        timeout: float = CLOSE_SECONDS,
        backend: str = "asyncio",
        backend_options: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Describe it, as `hosted()` does; no thread is started before its first use."""
        if not isinstance(tracker, Tracker):
            raise ConfigurationError("tracker", tracker, "must be a Tracker")
        if backend not in anyio.get_all_backends():
            raise ConfigurationError("backend", backend, "must be asyncio or trio")
        if not timeout >= 0:  # NaN too
            raise ConfigurationError("timeout", timeout, "must be seconds, 0 or more")
        self.tracker: Tracker = tracker
        """What is hosted."""
        self.timeout: float = timeout
        """Seconds for delivering the rest when the block or the interpreter ends."""
        self._backend = backend
        self._backend_options = dict(backend_options)
        # By process id, which tells of a fork even where no hook of Python's was run (uWSGI). A lock that a
        # thread of the parent held at the fork is never asked for again.
        self._hosts: dict[int, _Host] = {}
        self._locks: dict[int, threading.Lock] = {}

    # -- life -----------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the tracker now, in this process, instead of at its first use, which then takes no longer.

        What is open stays so; what was closed is opened again.

        Raises:
            TrackerOpenError: the tracker cannot be opened.
        """
        self._opened(again=True)
        return self

    def close(self, timeout: float | None = None) -> DeliveryReport:
        """Take no more events, deliver what is left, and end the thread.

        Does nothing to a tracker that was not used in this process. A second call changes nothing.

        Args:
            timeout: seconds for everything, by default those of the hosted tracker; what is left then is
                dropped as `shutdown_deadline`.
        Returns:
            What became of the events that were left.
        Raises:
            BlockingCallError: called on an event loop.
        """
        self._check_may_wait("close()")
        host = self._host
        if host is None or host.has_failed:
            return self.last_report
        seconds = self.timeout if timeout is None else timeout
        host.close(seconds)
        _OPEN.pop(id(self), None)
        return host.closed(seconds) or self._unsettled()

    def __enter__(self) -> Self:
        """Open the tracker.

        Raises:
            BlockingCallError: in code of an event loop, which can use the tracker itself, `async with`.
        """
        self._check_may_wait("`with`")
        return self.open()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the tracker; an exception of the block always comes through."""
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether the tracker is open in this process."""
        host = self._host
        return host is not None and host.is_open

    @property
    def last_report(self) -> DeliveryReport:
        """What the last closing left behind."""
        return self.tracker.last_report

    # -- events ---------------------------------------------------------------------------------------

    def track_nowait(self, event: Event) -> str | None:
        """Take an event without waiting for room; it is delivered in the background.

        Never waits, but for the opening when it is the first of its process, some 0.1 s.

        Returns:
            The event's id when at least one emitter accepted it, which is final; None when none did.
        Raises:
            TrackerOpenError: the tracker cannot be opened.
            As `Tracker.track_nowait()`, for mistakes.
        """
        try:
            return self.tracker.track_nowait(event)
        except (TrackerNotOpenError, ForkedTrackerError):
            self._opened(again=False)
        return self.tracker.track_nowait(event)

    def deliver(self, event: Event, timeout: float = 10.0) -> str:
        """Take an event, send it at once, and return when every collector has it.

        Args:
            event: what happened.
            timeout: seconds to wait for the collectors.
        Returns:
            The event's id.
        Raises:
            BlockingCallError: called on an event loop.
            As `Tracker.deliver()`.
        """
        self._check_may_wait("deliver()")
        host = self._opened(again=False)
        deliver = functools.partial(self.tracker.deliver, event, timeout)
        answer = host.begin(deliver)
        if host.answers(answer, timeout):
            return answer.result()
        if host.has_ended:  # it is closed: a loop for the refusal
            return anyio.run(deliver)
        why = {emitter.name: "the loop of the tracker is stuck" for emitter in self.tracker.emitters}
        raise DeliveryTimeout("(unknown)", why, timeout)

    def flush(self, timeout: float = 5.0) -> DeliveryReport:
        """Send what was accepted so far without waiting for batches to fill, and wait for it.

        Args:
            timeout: seconds to wait; what is not settled then stays queued.
        Returns:
            What became of the events that were accepted before the call.
        Raises:
            BlockingCallError: called on an event loop.
        """
        self._check_may_wait("flush()")
        host = self._host
        if host is None or not host.is_open:
            return self.last_report
        answer = host.begin(functools.partial(self.tracker.flush, timeout))
        if host.answers(answer, timeout):
            return answer.result()
        return self.last_report if host.has_ended else self._unsettled()

    # -- what it knows --------------------------------------------------------------------------------

    def stats(self) -> Statistics:
        """Return the sums of the emitters' accounts: an event counts once for each emitter."""
        return self.tracker.stats()

    def health(self) -> Health:
        """Return the worst health of the emitters, for a readiness probe."""
        return self.tracker.health()

    # -- steps ----------------------------------------------------------------------------------------

    @property
    def _host(self) -> _Host | None:
        return self._hosts.get(os.getpid())

    def _opened(self, *, again: bool) -> _Host:
        """Return this process's host when its tracker is open, or, unless `again`, closed."""
        pid = os.getpid()
        with self._locks.setdefault(pid, threading.Lock()):
            host = self._hosts.get(pid)
            if host is None or host.has_failed or (again and host.is_closing):
                host = _Host(self.tracker, self._backend, self._backend_options)
                host.start()
                self._hosts[pid] = host
                _keep(self)
        host.opened()
        return host

    def _check_may_wait(self, call: str) -> None:
        from aiotracker.runtime import is_on_loop  # asyncio comes with it: not before it is needed

        if is_on_loop():
            raise BlockingCallError(self.tracker.namespace, call)

    def _unsettled(self) -> DeliveryReport:
        stats = self.stats()
        return DeliveryReport(remaining=stats.buffered + stats.in_flight)


class _Host:
    """The thread of one process, and the loop on it on which the tracker is open."""

    def __init__(self, tracker: Tracker, backend: str, backend_options: Mapping[str, object]) -> None:
        self._tracker = tracker
        self._backend = backend
        self._backend_options = backend_options
        self._signal: Future[Wakeup] = Future()
        """Wakes the loop to see what is to do; there once the tracker is open."""
        self._calls: deque[tuple[contextvars.Context, Callable[[], Coroutine[Any, Any, None]]]] = deque()
        self._report: Future[DeliveryReport] = Future()
        self._ended: Future[None] = Future()
        self._close_seconds: float | None = None
        self._thread = threading.Thread(
            target=contextvars.Context().run,  # that of whoever came first is nobody else's
            args=(self._run,),
            name=f"aiotracker {tracker.namespace}",
            # A collector that hangs must not hold the process. Threads that the loop starts, for its name
            # look-ups or anyio's, become daemons by it, too: idle ones would hold the process for ever.
            daemon=True,
        )

    # -- any thread -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to open the tracker.

        Raises:
            TrackerOpenError: no thread can be started.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            what = f"the tracker {self._tracker.namespace!r} gets no thread ({error})"
            raise TrackerOpenError(what, "use it before the program ends, or raise the limit") from error

    def opened(self) -> None:
        """Wait until the tracker is open.

        Raises:
            TrackerOpenError: not within `OPEN_SECONDS`; or what `Tracker.open()` raised.
        """
        wait([self._signal], OPEN_SECONDS)
        if not self._signal.done():
            what = f"the tracker {self._tracker.namespace!r} did not open within {OPEN_SECONDS:g} s"
            raise TrackerOpenError(what, "look for a thread that held a lock when this process was forked")
        self._signal.result()

    @property
    def has_failed(self) -> bool:
        """Whether the tracker could not be opened."""
        return self._signal.done() and self._signal.exception() is not None

    @property
    def is_closing(self) -> bool:
        """Whether closing has begun, or is over."""
        return self._close_seconds is not None

    @property
    def is_open(self) -> bool:
        """Whether the tracker takes events."""
        return self._signal.done() and not self.has_failed and not self.is_closing

    @property
    def has_ended(self) -> bool:
        """Whether the loop is gone."""
        return self._ended.done()

    def begin(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        """Begin a call on the loop, in the caller's context, so that its scope holds."""
        answer: Future[T] = Future()

        async def call() -> None:
            try:
                answer.set_result(await function())
            except Exception as error:  # noqa: BLE001 - the caller's, in another thread
                answer.set_exception(error)

        self._calls.append((contextvars.copy_context(), call))
        self._signal.result(OPEN_SECONDS).set()
        return answer

    def answers(self, answer: Future[T], seconds: float) -> bool:
        """Wait for a call, somewhat longer than it takes by its own deadline; False when it has no answer.

        Bounded here as well, which anyio's portal is not: a callback may hold up the loop.
        """
        either: list[Future[Any]] = [answer, self._ended]
        wait(either, max(0.0, seconds) + GRACE_SECONDS, FIRST_COMPLETED)
        return answer.done()

    def close(self, seconds: float) -> None:
        """Have the tracker closed within so many seconds, those of the first call."""
        self.opened()
        if self._close_seconds is None:
            self._close_seconds = seconds
            self._signal.result().set()

    def closed(self, seconds: float) -> DeliveryReport | None:
        """Wait until the tracker is closed and the thread has ended; None where it does not."""
        if not self.answers(self._report, seconds):
            return None
        self._thread.join(GRACE_SECONDS)
        return self._report.result()

    # -- its own thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            anyio.run(self._live, backend=self._backend, backend_options=dict(self._backend_options))
        except BaseException as error:  # noqa: BLE001 - of a thread that nobody looks at
            if not self._signal.done():
                self._signal.set_exception(error)
            elif not self._report.done():  # later, at exit, asyncio fails to start a thread that ends others
                LOGGER.exception("the loop of the tracker %r ended by a defect", self._tracker.namespace)
        finally:
            self._ended.set_result(None)

    async def _live(self) -> None:
        from aiotracker.runtime import Wakeup, current_loop

        if sys.version_info[:3] in THREADLESS_AT_EXIT:  # that of the name look-ups must be there by then
            await anyio.getaddrinfo("127.0.0.1", 0)
        await self._tracker.open()
        signal = Wakeup(current_loop())
        self._signal.set_result(signal)
        async with anyio.create_task_group() as tasks:
            while self._close_seconds is None:
                await signal.wait()
                signal.clear()
                while self._calls:
                    context, call = self._calls.popleft()
                    context.run(_start, tasks, call)
            # What other threads wait for is settled by closing, and their calls end with it.
            self._report.set_result(await self._tracker.aclose(self._close_seconds))


def _start(tasks: TaskGroup, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    tasks.start_soon(call)


# -- the end of the process ---------------------------------------------------------------------------

_OPEN: Final[dict[int, HostedTracker]] = {}
"""By id, what was opened and not closed, in this process or one that it is a fork of."""

_left_seconds: Final[dict[int, float]] = {}
"""By id, what sending at the end of the main thread left of the time for closing."""


def _keep(tracker: HostedTracker) -> None:
    _OPEN[id(tracker)] = tracker
    _hook()


@functools.cache
def _hook() -> None:
    from aiotracker.runtime import at_exit

    at_exit(_send, _close)


def _open_here() -> list[tuple[HostedTracker, _Host]]:
    found = [(tracker, tracker._host) for tracker in list(_OPEN.values())]  # noqa: SLF001 - of this file
    return [(tracker, host) for tracker, host in found if host is not None and host.is_open]


def _send() -> None:
    """Send what is there. Threads may still track: nothing is closed before they have ended."""
    began = _CLOCK.now()
    calls = [
        (tracker, host, host.begin(functools.partial(tracker.tracker.flush, tracker.timeout)))
        for tracker, host in _open_here()
    ]
    for tracker, host, answer in calls:
        host.answers(answer, tracker.timeout - (_CLOCK.now() - began))
        _left_seconds[id(tracker)] = max(0.0, tracker.timeout - (_CLOCK.now() - began))


def _close() -> int:
    """Close everything in what is left of its time; return how many events that cost."""
    began = _CLOCK.now()
    closing = [(host, _left_seconds.get(id(tracker), tracker.timeout)) for tracker, host in _open_here()]
    for host, seconds in closing:
        host.close(seconds)
    reports = [host.closed(seconds - (_CLOCK.now() - began)) for host, seconds in closing]
    _OPEN.clear()
    return sum(report.dropped.get(DropReason.SHUTDOWN_DEADLINE, 0) for report in reports if report)
