"""No file is open while the process forks.

SQLite shares what it knows of a file among all connections of a process, its locks included, and a forked
child would inherit that knowledge: it would believe to hold locks that its parent has, also on a connection
of its own. So files are closed for the moment of the fork. The child has nothing then, and may open the same
file anew.
"""

from __future__ import annotations

import functools
import os
import weakref
from threading import Lock
from typing import Final, Protocol

from aiotracker.clock import SystemClock

__all__ = ["Pausable", "close_while_forking"]

PATIENCE_SECONDS: Final = 2.0  # for all files together; a disk that hangs must not hang the fork


class Pausable(Protocol):
    """Something that has a file open, in a thread of its own."""

    def pause(self, seconds: float) -> None:
        """Close the file and stand still; return when that is done, or after so many seconds."""
        ...

    def go_on(self) -> None:
        """Open it again."""
        ...


_open: weakref.WeakSet[Pausable] = weakref.WeakSet()
_paused: list[Pausable] = []
_lock = Lock()
"""Held from before a fork until after it: threads that fork at the same time do so one by one."""


def close_while_forking(pausable: Pausable) -> None:
    """Have a file closed whenever the process forks, as long as its owner exists."""
    _hook()
    _open.add(pausable)


@functools.cache  # once per process, and not at import
def _hook() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def _before() -> None:
    _lock.acquire()
    _paused.extend(_open)
    clock = SystemClock()
    by = clock.now() + PATIENCE_SECONDS
    for pausable in _paused:
        pausable.pause(max(0.0, by - clock.now()))


def _after_in_parent() -> None:
    for pausable in _paused:
        pausable.go_on()
    _paused.clear()
    _lock.release()


def _after_in_child() -> None:
    global _lock  # noqa: PLW0603 - the old one is held by the fork
    _lock = Lock()
    _inherited.extend(_paused)
    _paused.clear()
    _open.clear()


_inherited: list[Pausable] = []
"""In a child: never collected, in case one of them could not close its file in time."""
