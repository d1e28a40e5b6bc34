"""What becomes of records: the one place where store, accounts, watchers, log and callbacks agree.

Every way that a record can go is one method here, so that no way forgets one of the books.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker.delivery.notices import Notice, NoticeKind
from aiotracker.policy.reasons import DropReason, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiotracker.delivery.callbacks import Callbacks
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.watch import Watches
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore, Lease

__all__ = ["Settlement"]

WANTED: Final = frozenset({RefusalReason.BEFORE_TRACK, RefusalReason.SAMPLED, RefusalReason.DISABLED})
"""Refusals that the user's own settings ask for."""


class Settlement:
    """Settles records of one emitter."""

    def __init__(
        self,
        *,
        store: EventStore,
        ledger: Ledger,
        watches: Watches,
        callbacks: Callbacks,
        log: DeliveryLog,
        loop: Loop,
    ) -> None:
        """Connect the books."""
        self._store = store
        self._ledger = ledger
        self._watches = watches
        self._callbacks = callbacks
        self._log = log
        self._loop = loop

    def refused(self, record: Record | None, reason: RefusalReason) -> None:
        """An offered record was not taken; None for an event that must not be seen. Any thread."""
        self._ledger.refuse(reason)
        level = logging.INFO if reason in WANTED else logging.WARNING
        self._log.say(level, "track", reason, f"an event was refused: {reason}")
        if self._callbacks.wants(NoticeKind.DROP):
            records = () if record is None else (record,)
            self._callbacks.post(Notice(NoticeKind.DROP, self._log.name, records, reason))

    def evicted(self, lease: Lease) -> None:
        """The oldest records made room for a newer one. Any thread."""
        count = len(lease)
        self._ledger.drop_buffered(count, DropReason.EVICTED)
        message = f"{count} of the oldest events were dropped to make room"
        self._log.say(logging.WARNING, "track", DropReason.EVICTED, message, count=count)
        self._tell(NoticeKind.DROP, lease, DropReason.EVICTED)
        self._watches.note(lease, DropReason.EVICTED)
        if self._loop.is_current():
            self._watches.settle_noted()
        else:
            self._loop.call_soon(self._watches.settle_noted)

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Take the next batch out to be sent."""
        lease = await self._store.lease(max_events, max_bytes)
        if lease is not None:
            self._ledger.lease(len(lease))
        return lease

    async def delivered(self, part: Lease) -> None:
        """The collector has the records."""
        await self._booked(self._store.ack(part), part, self._ledger.deliver)
        self._watches.settle(part, None)
        self._tell(NoticeKind.SUCCESS, part)

    async def kept(self, part: Lease, cause: str, detail: str = "") -> None:
        """The records go back to the front of the queue and are sent again."""
        if not len(part):
            return
        await self._booked(self._store.release(part), part, self._ledger.release)
        self._ledger.retry(cause)
        self._tell(NoticeKind.RETRY, part, cause, detail)

    async def dropped(
        self, part: Lease, reason: DropReason, detail: str, *, level: int = logging.WARNING
    ) -> None:
        """The records are given up."""
        work = self._store.reject(part, reason, detail)
        await self._booked(work, part, functools.partial(self._ledger.drop, reason=reason))
        self._watches.settle(part, reason, f" ({detail})")
        message = f"{len(part)} events were dropped as {reason}: {detail}"
        self._log.say(level, "send", f"{reason} {detail}", message, count=len(part))
        is_answer = reason in (DropReason.REJECTED, DropReason.TOO_LARGE)
        self._tell(NoticeKind.FAILURE if is_answer else NoticeKind.DROP, part, reason, detail)

    async def reclaimed(self) -> None:
        """Nobody is left to settle what was leased: it goes back to the queue."""
        try:
            await self._store.reclaim()
        finally:
            self._ledger.reclaim()

    async def discarded(self, by: float) -> int:
        """Closing is over, and nothing is leased: give up what only this process could have sent.

        Args:
            by: clock seconds, for a durable store to make safe what is not.
        Returns:
            How much it was.
        """
        leases = await self._store.aclose(by)
        count = sum(map(len, leases))
        self.lost(count, DropReason.SHUTDOWN_DEADLINE, "closing ran out of time", leases)
        return count

    def lost(self, count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ()) -> None:
        """Records that nobody was sending are gone; `leases` are those of them that are known."""
        if count:
            self._ledger.drop_buffered(count, reason)
            message = f"{count} events were dropped as {reason}: {detail}"
            self._log.say(logging.WARNING, "store", reason, message, count=count)
        for lease in leases:
            self._watches.settle(lease, reason, f" ({detail})")
            self._tell(NoticeKind.DROP, lease, reason, detail)

    @staticmethod
    async def _booked(work: Awaitable[int | None], part: Lease, book: Callable[[int, int], None]) -> None:
        """Have a store settle records, and book that: how many were leased, and how many were still there.

        A cancellation ends the wait for the store and not its work, so that it is booked all the same.
        """
        try:
            found = await work
        except anyio.get_cancelled_exc_class():
            book(len(part), len(part))
            raise
        book(len(part), len(part) if found is None else found)

    def _tell(self, kind: NoticeKind, lease: Lease, reason: str = "", detail: str = "") -> None:
        if self._callbacks.wants(kind):
            self._callbacks.post(Notice(kind, self._log.name, lease.records, reason, detail))
