"""What one opening of a `RedisStore` holds of its streams: read and waiting to be leased, or leased."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from aiotracker.policy.batching import fitting
from aiotracker.protocol.record import Kind, record_bytes
from aiotracker.stores.base import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Holding", "Holdings"]

Holding = tuple[int, float, bytes]
"""Sequence, clock seconds of putting, and the record's bytes."""


class Holdings:
    """Entries that are pending for this consumer. On the loop only.

    Orphans are those that Redis has lost and that are held here alone: they are sent all the same, and
    settled without Redis.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._waiting: dict[Kind, deque[Holding]] = {kind: deque() for kind in Kind}
        self._leased: dict[Kind, dict[int, Holding]] = {kind: {} for kind in Kind}
        self._orphans: dict[Kind, set[int]] = {kind: set() for kind in Kind}

    def add(self, kind: Kind, holdings: Iterable[Holding]) -> None:
        """Take in what was read, without what is held already."""
        known = {sequence for sequence, _, _ in self._waiting[kind]} | self._leased[kind].keys()
        self._put_back(kind, [holding for holding in holdings if holding[0] not in known])

    def first(self, kind: Kind) -> Holding | None:
        """Return the oldest that waits."""
        waiting = self._waiting[kind]
        return waiting[0] if waiting else None

    def waiting(self, kind: Kind) -> int:
        """Return how many wait, orphans included."""
        return len(self._waiting[kind])

    def waiting_bytes(self, kind: Kind) -> int:
        """Return what those that wait add to a body."""
        return sum(record_bytes(data) for _, _, data in self._waiting[kind])

    def orphans(self, kind: Kind) -> int:
        """Return how many are held that Redis has lost."""
        return len(self._orphans[kind])

    def first_orphan(self) -> int | None:
        """Return the number of the oldest that Redis has lost."""
        return min((sequence for orphans in self._orphans.values() for sequence in orphans), default=None)

    def sequences(self, kind: Kind) -> list[int]:
        """Return the numbers of all that is held and that Redis should have, oldest first."""
        held = {sequence for sequence, _, _ in self._waiting[kind]} | self._leased[kind].keys()
        return sorted(held - self._orphans[kind])

    def take(self, kind: Kind, max_events: int, max_bytes: int) -> Lease | None:
        """Lease the oldest of a kind that fit in one request; None when none waits."""
        waiting = self._waiting[kind]
        sizes = [record_bytes(data) for _, _, data in islice(waiting, max_events)]
        holdings = [waiting.popleft() for _ in range(fitting(sizes, max_events, max_bytes))]
        if not holdings:
            return None
        self._leased[kind].update((holding[0], holding) for holding in holdings)
        return _lease(kind, holdings)

    def take_oldest(self, max_events: int, max_bytes: int) -> Lease | None:
        """Lease from the kind of the oldest that waits; None when none waits."""
        filled = {kind: first for kind in Kind if (first := self.first(kind))}
        kind = min(filled, key=lambda kind: filled[kind], default=None)
        return None if kind is None else self.take(kind, max_events, max_bytes)

    def fills(self, kind: Kind, max_events: int, max_bytes: int) -> bool:
        """Tell whether what waits of a kind is more than fits in one request."""
        waiting = self._waiting[kind]
        sizes = [record_bytes(data) for _, _, data in islice(waiting, max_events)]
        return len(sizes) == max_events or fitting(sizes, max_events, max_bytes) < len(sizes)

    def put_back(self, lease: Lease) -> None:
        """Take a lease back, to the front."""
        leased = self._leased[lease.kind]
        returned = [leased.pop(sequence) for sequence in lease.sequences if sequence in leased]
        self._put_back(lease.kind, returned)

    def put_back_all(self) -> int:
        """Take every lease back; return the number of records."""
        count = 0
        for kind, leased in self._leased.items():
            count += len(leased)
            returned = sorted(leased.values())
            leased.clear()
            self._put_back(kind, returned)
        return count

    def settle(self, lease: Lease) -> tuple[list[int], list[int]]:
        """Let go of a lease; return the numbers of those that Redis should have, and of the orphans."""
        leased, orphans = self._leased[lease.kind], self._orphans[lease.kind]
        ours, lone = [], []
        for sequence in lease.sequences:
            leased.pop(sequence, None)
            if sequence in orphans:
                orphans.discard(sequence)
                lone.append(sequence)
            else:
                ours.append(sequence)
        return ours, lone

    def drop(self, kind: Kind, sequences: Iterable[int]) -> None:
        """Let go of what belongs to somebody else by now, or is gone; leased or not."""
        strange = set(sequences)
        if strange:
            self._waiting[kind] = deque(each for each in self._waiting[kind] if each[0] not in strange)
            for sequence in strange:
                self._leased[kind].pop(sequence, None)

    def drop_oldest(self, count: int) -> list[Lease]:
        """Let go of the oldest that wait; return them, as leases that are settled."""
        taken: dict[Kind, list[Holding]] = {kind: [] for kind in Kind}
        for _ in range(count):
            filled = [kind for kind in Kind if self._waiting[kind]]
            if not filled:
                break
            kind = min(filled, key=lambda kind: self._waiting[kind][0])
            taken[kind].append(self._waiting[kind].popleft())
        return [_lease(kind, holdings) for kind, holdings in taken.items() if holdings]

    def orphan(self, kind: Kind, sequences: Iterable[int] | None = None) -> int:
        """Remember that Redis has lost what is held, all of a kind or some; return how many that are."""
        lost = set(self.sequences(kind) if sequences is None else sequences)
        lost &= set(self.sequences(kind))
        self._orphans[kind] |= lost
        return len(lost)

    def take_orphans(self) -> list[Lease]:
        """Let go of the orphans that wait, and return them, a lease for each kind."""
        taken = []
        for kind, orphans in self._orphans.items():
            lone = [each for each in self._waiting[kind] if each[0] in orphans]
            if lone:
                self.drop(kind, [sequence for sequence, _, _ in lone])
                orphans.difference_update(sequence for sequence, _, _ in lone)
                taken.append(_lease(kind, lone))
        return taken

    def _put_back(self, kind: Kind, holdings: Sequence[Holding]) -> None:
        waiting = self._waiting[kind]
        older = []
        while waiting and holdings and waiting[0] < holdings[-1]:
            older.append(waiting.popleft())
        waiting.extendleft(reversed(list(heapq.merge(older, holdings))))


def _lease(kind: Kind, holdings: Sequence[Holding]) -> Lease:
    sequences, put_at, data = zip(*holdings, strict=True)
    return Lease(kind, data, sequences, put_at)
