"""What the writer's thread may do with the memory in front of the file, as long as it may.

A disk that hangs holds the thread, and the store goes on without it. Whatever that thread still does when
the disk lets it go must not touch a memory that by then belongs to somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.stores.base import Lease
    from aiotracker.stores.durable import Group, Held

__all__ = ["Memory", "Permit"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Memory:
    """What the writer needs of the memory in front of the file. All of it from any thread.

    Attributes:
        take_group: take everything that waits.
        evictions: how many records and bytes must be removed from the file.
        committed: forget a group, which is safe, and evictions, which are done.
        failed: keep a group.
        note: remember what is committed.
        lease: hand out records that are not committed.
        take_back: take back all that was handed out; how much that was.
        put_back: take back a lease that nobody wants any more, wherever it is from.
    """

    take_group: Callable[[], Group]
    evictions: Callable[[], tuple[int, int]]
    committed: Callable[[Group, Held, tuple[int, int]], None]
    failed: Callable[[Group], None]
    note: Callable[[Held], None]
    lease: Callable[[int, int], Lease | None]
    take_back: Callable[[], int]
    put_back: Callable[[Lease], None]


class Permit:
    """Leave to use some functions, which can be withdrawn at any moment, also between two of them."""

    def __init__(self) -> None:
        """Grant it."""
        self._lock = Lock()
        """Held over every use, so that one that has begun is over before the permit is withdrawn."""
        self._is_granted = True

    def cover(self, function: Callable[P, T], otherwise: T) -> Callable[P, T]:
        """Return a function that does nothing without the permit, and returns what is given here."""

        def covered(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self._is_granted:
                return otherwise
            with self._lock:
                return function(*args, **kwargs) if self._is_granted else otherwise

        return covered

    def withdraw(self) -> None:
        """End it."""
        with self._lock:
            self._is_granted = False

    def after_fork(self) -> None:
        """End it in a forked child, where the lock may be held by a thread that is not there."""
        self._is_granted = False
