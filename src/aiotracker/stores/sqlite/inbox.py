"""Where a thread learns what others want of it: requests, a nudge, and to stand still for a fork."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING

from aiotracker.stores.sqlite.requests import Ending

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiotracker.stores.sqlite.requests import Request

__all__ = ["Inbox"]


class Inbox:
    """What any thread may put in, and one takes out.

    Attributes:
        is_hurried: whether somebody waits for the end.
    """

    def __init__(self) -> None:
        """Be open, and empty."""
        self.is_hurried: bool = False
        self._queue: SimpleQueue[Request[Any] | _Pause | None] = SimpleQueue()
        self._lock = Lock()
        """Held while something is put in, so that nothing comes after the inbox was shut."""
        self._is_shut = False
        self._is_woken = False
        self._pause: _Pause | None = None

    # -- what any thread calls ------------------------------------------------------------------------

    def wake(self) -> None:
        """Have a round done."""
        if not self._is_woken:
            self._is_woken = True
            self._queue.put(None)

    def submit(self, request: Request[Any]) -> bool:
        """Ask for something; False when nobody will do it."""
        with self._lock:
            if self._is_shut:
                return False
            self.is_hurried |= isinstance(request, Ending)
            self._queue.put(request)
            return True

    def shut(self) -> None:
        """Take nothing in any more."""
        with self._lock:
            self._is_shut = True

    def pause(self, seconds: float) -> None:
        """Have the thread stand still; return when it does, or after so many seconds."""
        pause = _Pause()
        with self._lock:
            if self._is_shut:
                return
            self._pause = pause
            self._queue.put(pause)
        pause.begun.wait(seconds)

    def go_on(self) -> None:
        """Have it go on."""
        if self._pause is not None:
            self._pause.over.set()

    # -- what the thread calls ------------------------------------------------------------------------

    def receive(self, seconds: float, let_go: Callable[[], None]) -> list[Request[Any]]:
        """Wait for something to do, at most so many seconds; return all the requests that have come.

        Args:
            seconds: 0 for what is there.
            let_go: called before standing still.
        """
        received = []
        with suppress(Empty):
            received.append(self._queue.get(timeout=seconds))
            while True:
                received.append(self._queue.get_nowait())
        self._is_woken = False  # before anything is done: what comes later wakes again
        requests = []
        for each in received:
            if isinstance(each, _Pause):
                let_go()
                each.begun.set()
                each.over.wait()
            elif each is not None:
                requests.append(each)
        return requests


class _Pause:
    """The time of a fork.

    Attributes:
        begun: the thread stands still.
        over: it may go on.
    """

    def __init__(self) -> None:
        self.begun = Event()
        self.over = Event()
