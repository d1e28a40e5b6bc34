"""What becomes of records: the one place where store, accounts, watchers, log and callbacks agree.

Every way that a record can go is one method here, so that no way forgets one of the books.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aiotracker.delivery.notices import Notice, NoticeKind
from aiotracker.policy.reasons import DropReason, RefusalReason

if TYPE_CHECKING:
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
        await self._store.ack(part)
        self._ledger.deliver(len(part))
        self._watches.settle(part, None)
        self._tell(NoticeKind.SUCCESS, part)

    async def kept(self, part: Lease, cause: str, detail: str = "") -> None:
        """The records go back to the front of the queue and are sent again."""
        if not len(part):
            return
        await self._store.release(part)
        self._ledger.release(len(part))
        self._ledger.retry(cause)
        self._tell(NoticeKind.RETRY, part, cause, detail)

    async def dropped(
        self, part: Lease, reason: DropReason, detail: str, *, level: int = logging.WARNING
    ) -> None:
        """The records are given up."""
        await self._store.reject(part, reason)
        self._ledger.drop(len(part), reason)
        self._watches.settle(part, reason, f" ({detail})")
        message = f"{len(part)} events were dropped as {reason}: {detail}"
        self._log.say(level, "send", f"{reason} {detail}", message, count=len(part))
        is_answer = reason in (DropReason.REJECTED, DropReason.TOO_LARGE)
        self._tell(NoticeKind.FAILURE if is_answer else NoticeKind.DROP, part, reason, detail)

    async def reclaimed(self) -> None:
        """Nobody is left to settle what was leased: it goes back to the queue."""
        self._ledger.release(await self._store.reclaim())

    async def discarded(self) -> int:
        """Closing ran out of time: give up what only this process could have sent, and say how much."""
        await self.reclaimed()
        leases = await self._store.discard(DropReason.SHUTDOWN_DEADLINE)
        count = sum(map(len, leases))
        if count:
            self._ledger.drop_buffered(count, DropReason.SHUTDOWN_DEADLINE)
            message = f"{count} events were not delivered before closing ran out of time"
            self._log.say(logging.WARNING, "close", DropReason.SHUTDOWN_DEADLINE, message)
        for lost in leases:
            self._watches.settle(lost, DropReason.SHUTDOWN_DEADLINE)
            self._tell(NoticeKind.DROP, lost, DropReason.SHUTDOWN_DEADLINE)
        return count

    def _tell(self, kind: NoticeKind, lease: Lease, reason: str = "", detail: str = "") -> None:
        if self._callbacks.wants(kind):
            self._callbacks.post(Notice(kind, self._log.name, lease.records, reason, detail))
