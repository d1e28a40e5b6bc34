"""The callbacks that receive notices.

A callback runs after the accounts are right, never on the way of delivery: it may raise, hang or be slow,
and the only thing that suffers are later notices. Synchronous callbacks run one at a time in a thread
that nothing waits for; asynchronous ones in a task of their own, each with a deadline.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker.runtime import Wakeup, is_cancelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.clock import Clock
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.notices import Callback, Notice, NoticeKind
    from aiotracker.runtime import DetachedTask, Loop

__all__ = ["Callbacks"]

MAX_WAITING: Final = 1000  # notices; each holds the events of at most one batch
CALLBACK_SECONDS: Final = 5.0  # of one asynchronous callback


class Callbacks:
    """The callbacks of one emitter, from opening to closing."""

    def __init__(
        self, callbacks: Mapping[NoticeKind, Callback], *, log: DeliveryLog, clock: Clock, loop: Loop
    ) -> None:
        """Prepare; neither task nor thread is started before there is something to tell."""
        self._asynchronous = {k: v for k, v in callbacks.items() if _is_asynchronous(v)}
        self._synchronous = {k: v for k, v in callbacks.items() if not _is_asynchronous(v)}
        self._log = log
        self._clock = clock
        self._loop = loop
        self._lock = threading.Lock()
        self._is_closed = False
        self._waiting: deque[Notice] = deque()
        self._wakeup = Wakeup(loop)
        self._task: DetachedTask | None = None
        self._queue: SimpleQueue[Notice | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._thread_ended: anyio.Event = anyio.Event()

    def wants(self, kind: NoticeKind) -> bool:
        """Tell whether anybody listens to notices of a kind."""
        return kind in self._asynchronous or kind in self._synchronous

    def post(self, notice: Notice) -> None:
        """Hand over a notice, from any thread; never waits, never raises."""
        if not self.wants(notice.kind):
            return
        with self._lock:
            is_asynchronous = notice.kind in self._asynchronous
            waiting = len(self._waiting) if is_asynchronous else self._queue.qsize()
            if self._is_closed or waiting >= MAX_WAITING:
                message = "a notice was skipped: the callbacks are closed, or slower than delivery"
                self._log.say(logging.WARNING, "callback", f"{notice.kind} skipped", message)
            elif is_asynchronous:
                self._waiting.append(notice)
                self._loop.call_soon(self._start_task)
            else:
                self._queue.put(notice)
                self._start_thread()

    async def aclose(self, by: float) -> None:
        """Take no more notices, and wait until those that were taken are told, at most until `by`."""
        with self._lock:
            self._is_closed = True
        if self._waiting:
            self._start_task()  # the first notice may be the last, and its task not be started yet
        self._wakeup.set()
        self._queue.put(None)
        with self._clock.move_on_at(by):
            if self._task is not None:
                await self._task.finished.wait()
            if self._thread is not None:
                await self._thread_ended.wait()

    # -- asynchronous callbacks -----------------------------------------------------------------------

    def _start_task(self) -> None:
        if self._task is None:
            self._task = self._loop.spawn(self._tell, "aiotracker callbacks")
        self._wakeup.set()

    async def _tell(self) -> None:
        while True:
            self._wakeup.clear()
            while self._waiting:
                notice = self._waiting.popleft()
                try:
                    with self._clock.move_on_at(self._clock.now() + CALLBACK_SECONDS) as scope:
                        await self._asynchronous[notice.kind](notice)  # type: ignore[misc]  # only coroutine functions are here
                    if scope.cancelled_caught:
                        self._complain(notice, f"took more than {CALLBACK_SECONDS:g} s")
                except BaseException as error:  # whatever it is, it must not hurt delivery
                    if isinstance(error, anyio.get_cancelled_exc_class()) and is_cancelled():
                        raise
                    self._complain(notice, f"raised {type(error).__name__}: {error}")
            if self._is_closed:
                return
            await self._wakeup.wait()

    # -- synchronous callbacks ------------------------------------------------------------------------

    def _start_thread(self) -> None:
        if self._thread is None:
            # A daemon: a callback that never returns must not keep the process alive.
            self._thread = threading.Thread(
                target=self._tell_in_thread, name="aiotracker callbacks", daemon=True
            )
            self._thread.start()

    def _tell_in_thread(self) -> None:
        while (notice := self._queue.get()) is not None:
            try:
                result = self._synchronous[notice.kind](notice)
                if inspect.iscoroutine(result):
                    result.close()
                    self._complain(notice, "returned a coroutine: declare it `async def`")
            except BaseException as error:  # noqa: BLE001 - a user's callback must not hurt delivery
                self._complain(notice, f"raised {type(error).__name__}: {error}")
        self._loop.call_soon(self._thread_ended.set)

    def _complain(self, notice: Notice, what: str) -> None:
        self._log.say(
            logging.ERROR, "callback", notice.kind, f"the callback on_{notice.kind} {what}; delivery goes on"
        )


def _is_asynchronous(callback: Callback) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        getattr(callback, "__call__", None)  # noqa: B004 - an object whose call is a coroutine function
    )
