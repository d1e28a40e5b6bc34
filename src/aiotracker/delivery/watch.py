"""Those who wait for events to be settled: a flush for many, `deliver()` for one."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio

from aiotracker.delivery.report import DeliveryReport

if TYPE_CHECKING:
    from aiotracker.policy.reasons import DropReason
    from aiotracker.stores.base import Lease

__all__ = ["FlushWatch", "Receipt", "Watches"]


class FlushWatch:
    """Counts what becomes of all events up to a sequence number."""

    def __init__(self, sequence: int, outstanding: int, *, has_unnumbered: bool = False) -> None:
        """Watch the `outstanding` events whose number is at most `sequence`.

        Args:
            sequence: the latest number.
            outstanding: events.
            has_unnumbered: some of them are not committed yet, and so not passed by with the others.
        """
        self._sequence = sequence
        self._has_unnumbered = has_unnumbered
        self._outstanding = outstanding
        self._delivered = 0
        self._dropped: Counter[DropReason] = Counter()
        self.done: anyio.Event = anyio.Event()
        if not outstanding:
            self.done.set()

    def settle(self, sequences: tuple[int, ...], reason: DropReason | None) -> None:
        """Note that events were delivered (None) or dropped (a reason)."""
        count = bisect_right(sequences, self._sequence)  # they grow
        if reason is None:
            self._delivered += count
        else:
            self._dropped[reason] += count
        self._outstanding -= count
        if self._outstanding <= 0:
            self.done.set()

    def pass_by(self, first_sequence: int | None) -> None:
        """Note the number of the oldest event of all: what is older, others have settled."""
        if self._has_unnumbered:
            return
        if first_sequence is None or first_sequence > self._sequence:
            self._outstanding = 0
            self.done.set()

    def report(self) -> DeliveryReport:
        """Return what became of the events so far."""
        dropped = MappingProxyType({k: v for k, v in self._dropped.items() if v})
        return DeliveryReport(self._delivered, dropped, max(0, self._outstanding))


class Receipt:
    """What became of one event: `settled`, then `drop` is None when it arrived, or why not."""

    def __init__(self) -> None:
        """Begin unsettled."""
        self.settled: anyio.Event = anyio.Event()
        self.drop: str | None = None


class Watches:
    """All that wait at one engine. Used on the engine's loop only, but for `note()`."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._flushes: list[FlushWatch] = []
        self._receipts: dict[str, Receipt] = {}
        self._noted: deque[tuple[Lease, DropReason]] = deque()

    def watch_all(self, sequence: int, outstanding: int, *, has_unnumbered: bool = False) -> FlushWatch:
        """Watch all events up to a number; those that were noted as dropped are not among them."""
        self.settle_noted()
        watch = FlushWatch(sequence, outstanding, has_unnumbered=has_unnumbered)
        self._flushes.append(watch)
        return watch

    def forget(self, watch: FlushWatch) -> None:
        """Stop counting for a flush."""
        self._flushes.remove(watch)

    def pass_by(self, first_sequence: int | None) -> None:
        """Note the number of the oldest event that a shared store still holds; None for none."""
        for flush in self._flushes:
            flush.pass_by(first_sequence)

    def watch_one(self, event_id: str) -> Receipt:
        """Watch one event."""
        return self._receipts.setdefault(event_id, Receipt())

    def forget_one(self, event_id: str) -> None:
        """Stop watching one event."""
        self._receipts.pop(event_id, None)

    def note(self, lease: Lease, reason: DropReason) -> None:
        """Note from any thread that events were dropped; `settle_noted()` tells those who wait."""
        self._noted.append((lease, reason))

    def settle_noted(self) -> None:
        """Tell everyone what was noted."""
        while self._noted:
            self.settle(*self._noted.popleft())

    def settle(self, lease: Lease, reason: DropReason | None, detail: str = "") -> None:
        """Tell everyone what became of a lease: delivered (None) or dropped (a reason)."""
        for flush in self._flushes:
            flush.settle(lease.sequences, reason)
        if self._receipts:
            for record in lease.records:
                receipt = self._receipts.pop(record.event_id, None)
                if receipt is not None:
                    receipt.drop = None if reason is None else f"{reason}{detail}"
                    receipt.settled.set()
