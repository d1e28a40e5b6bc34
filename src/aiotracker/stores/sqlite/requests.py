"""What a writer is asked for, and by whom: the answer is handed over on the loop of the one who asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from threading import Event
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from aiotracker.stores.base import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.clock import Clock
    from aiotracker.runtime import Loop
    from aiotracker.stores.sqlite.transaction import Transaction

__all__ = ["Ask", "Deed", "Ending", "Leasing", "Opening", "Reclaiming", "Request", "Settling"]

T = TypeVar("T")


class Request(ABC, Generic[T]):
    """Something to be done by the writer, and the answer.

    Attributes:
        loop: of who asked; None when nobody waits on a loop.
        answer: what came of it.
        error: what went wrong, to be raised where it was asked for.
        is_abandoned: whether nobody waits any more.
        is_done: whether the answer was handed over.
    """

    def __init__(self, loop: Loop | None, answer: T) -> None:
        """Ask.

        Args:
            loop: of the caller.
            answer: as long as there is no other.
        """
        self.loop = loop
        self.answer: T = answer
        self.error: BaseException | None = None
        self.is_abandoned: bool = False
        self.is_done: bool = False
        self._done = None if loop is None else anyio.Event()

    @abstractmethod
    def perform(self, transaction: Transaction) -> None:
        """Do it, in the writer's thread."""

    def reply(self, answer: T) -> None:
        """Note the answer, which is handed over when what was done is safe."""
        self.answer = answer

    def conclude(self) -> None:
        """Hand the answer over, on the loop of who asked."""
        self.is_done = True
        if self._done is not None:
            self._done.set()

    async def wait(self) -> T:
        """Wait for the answer."""
        if self._done is not None:
            await self._done.wait()
        if self.error is not None:
            raise self.error
        return self.answer


class Opening(Request[None]):
    """Open the file."""

    def perform(self, transaction: Transaction) -> None:
        """To have come this far is enough."""


class Leasing(Request[Lease | None]):
    """Hand out the oldest records."""

    def __init__(self, loop: Loop, max_events: int, max_bytes: int) -> None:
        """Ask for what fits in one request."""
        super().__init__(loop, None)
        self.max_events = max_events
        self.max_bytes = max_bytes

    def perform(self, transaction: Transaction) -> None:
        """Lease them."""
        self.reply(transaction.lease(self.max_events, self.max_bytes))


class Deed(Enum):
    """What becomes of leased records."""

    ACK = auto()
    RELEASE = auto()
    REJECT = auto()


class Settling(Request[int]):
    """Settle a lease, or part of one."""

    def __init__(
        self, loop: Loop | None, deed: Deed, lease: Lease, reason: str = "", detail: str = ""
    ) -> None:
        """Ask for a deed on a lease."""
        super().__init__(loop, len(lease))
        self.deed = deed
        self.lease = lease
        self.reason = reason
        self.detail = detail

    def perform(self, transaction: Transaction) -> None:
        """Settle them."""
        # Records of a file that was lost meanwhile, or that never came into one: only the lease has them.
        is_elsewhere = self.lease.sequences[0] <= transaction.origin
        match self.deed:
            case Deed.ACK:
                self.reply(len(self.lease) if is_elsewhere else transaction.ack(self.lease))
            case Deed.RELEASE if is_elsewhere:
                transaction.put([self.lease])
            case Deed.RELEASE:
                self.reply(transaction.release(self.lease))
            case Deed.REJECT if is_elsewhere:
                transaction.bury(self.lease, self.reason, self.detail)
            case Deed.REJECT:
                self.reply(transaction.reject(self.lease, self.reason, self.detail))


class Reclaiming(Request[int]):
    """Take back all that was handed out.

    Attributes:
        volatile: records that came back to memory.
    """

    def __init__(self, loop: Loop) -> None:
        """Ask for it."""
        super().__init__(loop, 0)
        self.volatile = 0

    def perform(self, transaction: Transaction) -> None:
        """Free the leases."""
        self.reply(self.volatile + transaction.reclaim())


class Ask(Request[list[T]]):
    """Anything else, for a person who wants to know what goes wrong; the answer is in a list."""

    def __init__(self, loop: Loop, function: Callable[[Transaction], T]) -> None:
        """Ask for the result of a function."""
        super().__init__(loop, [])
        self._function = function

    def perform(self, transaction: Transaction) -> None:
        """Call it."""
        self.reply([self._function(transaction)])


class Ending(Request[None]):
    """Make everything safe and stop.

    Attributes:
        is_over: set when the writer has stopped; for those who have no loop.
    """

    def __init__(self, loop: Loop | None, clock: Clock, by: float) -> None:
        """Ask for it until a moment of a clock."""
        super().__init__(loop, None)
        self._clock = clock
        self._by = by
        self.is_over: Event = Event()

    @property
    def seconds_left(self) -> float:
        """How long it may still take."""
        return self._by - self._clock.now()

    def perform(self, transaction: Transaction) -> None:
        """Free the leases, which nobody will settle."""
        transaction.reclaim()
