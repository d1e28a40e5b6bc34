"""Events in memory: bounded, fast, gone with the process."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final

from aiotracker.errors import ConfigurationError
from aiotracker.policy.batching import fitting
from aiotracker.policy.dispatch import Backlog
from aiotracker.protocol.envelope import ENVELOPE_BYTES
from aiotracker.protocol.record import Kind, record_bytes, records_bytes
from aiotracker.stores.base import Lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.policy.reasons import DropReason
    from aiotracker.protocol.record import Record
    from aiotracker.stores.base import StoreHost

__all__ = ["DEFAULT_MAX_BYTES", "DEFAULT_MAX_EVENTS", "MemoryStore"]

DEFAULT_MAX_EVENTS: Final = 10_000
DEFAULT_MAX_BYTES: Final = 16 * 1024 * 1024


_Entry = tuple[int, float, bytes]
"""Sequence, clock seconds of putting, and the record's bytes.

A plain tuple, because a full buffer holds a million of them: the garbage collector forgets a tuple of such
things at first sight, where it would walk over objects again and again.
"""


class _Queue:
    """The FIFO of one kind, with the bytes that it holds."""

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.size_bytes = 0

    def pop(self, count: int) -> list[_Entry]:
        popleft = self.entries.popleft
        entries = [popleft() for _ in range(count)]
        self.size_bytes -= _size_bytes(entries)
        return entries

    def put_back(self, entries: Sequence[_Entry]) -> None:
        """Take entries back to where they were: batches come back in any order."""
        older = []
        while self.entries and entries and self.entries[0] < entries[-1]:
            older.append(self.entries.popleft())
        self.entries.extendleft(reversed(list(heapq.merge(older, entries))))
        self.size_bytes += _size_bytes(entries)


def _size_bytes(entries: Sequence[_Entry]) -> int:
    return records_bytes([data for _, _, data in entries])


class MemoryStore:
    """An event store in memory. The guarantees are those of `EventStore`; nothing survives the process.

    The lock is held for a few operations on a deque, never over I/O, so that any thread may track.
    """

    def __init__(self, max_events: int = DEFAULT_MAX_EVENTS, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Create an empty store.

        Args:
            max_events: bound in records, those being sent included.
            max_bytes: bound in bytes of encoded events, likewise.
        Raises:
            ConfigurationError: a bound is not a positive whole number.
        """
        for setting, value in (("max_events", max_events), ("max_bytes", max_bytes)):
            if type(value) is not int or value < 1:
                raise ConfigurationError(setting, value, "must be a whole number above 0")
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._empty()

    def _empty(self) -> None:
        self._lock = Lock()
        self._held_events = 0  # reserved, waiting or leased
        self._held_bytes = 0
        self._sequence = 0
        self._queues = {kind: _Queue() for kind in Kind}
        self._leased: dict[Kind, dict[int, _Entry]] = {kind: {} for kind in Kind}

    @property
    def is_durable(self) -> bool:
        """Memory survives nothing."""
        return False

    def after_fork(self) -> None:
        """In a forked child: be empty."""
        self._empty()

    @property
    def max_record_bytes(self) -> int:
        """What an empty store has room for."""
        return self._max_bytes

    def reserve(self, size_bytes: int) -> bool:
        """Set room aside for one record; False when there is none."""
        with self._lock:
            return self._reserve(size_bytes)

    def try_put(self, record: Record, size_bytes: int, now: float) -> bool:
        """Reserve room and store a record in one step; False when there is no room."""
        kind, data, _ = record
        with self._lock:
            if not self._reserve(size_bytes):
                return False
            self._append(kind, data, size_bytes, now)
            return True

    def cancel(self, size_bytes: int) -> None:
        """Give back room that was reserved and will not be used."""
        with self._lock:
            self._free(1, size_bytes)

    def put(self, record: Record, now: float) -> None:
        """Store a record in reserved room."""
        kind, data, _ = record
        with self._lock:
            self._append(kind, data, record_bytes(data), now)

    def evict(self, size_bytes: int) -> list[Lease] | None:
        """Remove the oldest waiting records until room is reserved for one record."""
        with self._lock:
            waiting_events = sum(len(queue.entries) for queue in self._queues.values())
            waiting_bytes = sum(queue.size_bytes for queue in self._queues.values())
            if (
                self._held_events - waiting_events + 1 > self._max_events
                or self._held_bytes - waiting_bytes + size_bytes > self._max_bytes
            ):
                return None
            evicted: dict[Kind, list[_Entry]] = {kind: [] for kind in Kind}
            while not self._reserve(size_bytes) and (kind := self._oldest()) is not None:
                entries = self._queues[kind].pop(1)
                self._free(1, _size_bytes(entries))
                evicted[kind] += entries
            return [_lease(kind, entries) for kind, entries in evicted.items() if entries]

    def backlog(self) -> Backlog:
        """Return what waits to be leased."""
        with self._lock:
            kind = self._oldest()
            oldest = None if kind is None else self._queues[kind].entries[0]
            queues = self._queues.values()
            return Backlog(
                events=sum([len(queue.entries) for queue in queues]),
                fullest_events=max([len(queue.entries) for queue in queues]),
                fullest_bytes=ENVELOPE_BYTES - 1 + max([queue.size_bytes for queue in queues]),
                oldest_at=oldest[1] if oldest else None,
                oldest_sequence=oldest[0] if oldest else None,
                latest_sequence=self._sequence,
                leased=sum([len(leased) for leased in self._leased.values()]),
            )

    async def open(self, host: StoreHost) -> None:
        """Memory is always ready."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records of the oldest record's kind that fit in one request."""
        return self.take(max_events, max_bytes)

    def take(self, max_events: int, max_bytes: int) -> Lease | None:
        """Do what `lease` does, from any thread."""
        with self._lock:
            kind = self._oldest()
            if kind is None:
                return None
            queue = self._queues[kind]
            sizes = [record_bytes(data) for _, _, data in islice(queue.entries, max_events)]
            entries = queue.pop(fitting(sizes, max_events, max_bytes))
            lease = _lease(kind, entries)
            self._leased[kind].update(zip(lease.sequences, entries, strict=True))
            return lease

    async def ack(self, lease: Lease) -> int:
        """Forget records that were delivered."""
        return self.forget(lease)

    async def release(self, lease: Lease) -> None:
        """Take records back, to the front, to be leased again."""
        self.put_back(lease)

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:  # noqa: ARG002 - kept by durable stores
        """Give up records."""
        return self.forget(lease)

    async def reclaim(self) -> int:
        """Take back every lease."""
        return self.put_back_all()

    def put_back_all(self) -> int:
        """Do what `reclaim` does, from any thread."""
        with self._lock:
            count = 0
            for kind, leased in self._leased.items():
                self._queues[kind].put_back(sorted(leased.values()))
                count += len(leased)
                leased.clear()
            return count

    async def aclose(self, by: float) -> list[Lease]:  # noqa: ARG002 - it takes no time
        """Give up everything."""
        return self.take_all()

    def at_exit(self, by: float) -> int:  # noqa: ARG002 - as above
        """Give up everything."""
        return sum(map(len, self.take_all()))

    def forget(self, lease: Lease) -> int:
        """Do what `ack` does, from any thread."""
        with self._lock:
            leased = self._leased[lease.kind]
            for sequence in lease.sequences:
                del leased[sequence]
            self._free(len(lease), lease.records_bytes)
            return len(lease)

    def put_back(self, lease: Lease) -> None:
        """Do what `release` does, from any thread."""
        with self._lock:
            entries = [self._leased[lease.kind].pop(sequence) for sequence in lease.sequences]
            self._queues[lease.kind].put_back(entries)

    def take_all(self) -> list[Lease]:
        """Remove everything that waits, and return it, a lease for each kind."""
        with self._lock:
            taken = []
            for kind, queue in self._queues.items():
                entries = queue.pop(len(queue.entries))
                self._free(len(entries), _size_bytes(entries))
                if entries:
                    taken.append(_lease(kind, entries))
            return taken

    def _append(self, kind: Kind, data: bytes, size_bytes: int, now: float) -> None:
        self._sequence += 1
        queue = self._queues[kind]
        queue.entries.append((self._sequence, now, data))
        queue.size_bytes += size_bytes

    def _reserve(self, size_bytes: int) -> bool:
        if self._held_events >= self._max_events or self._held_bytes + size_bytes > self._max_bytes:
            return False
        self._held_events += 1
        self._held_bytes += size_bytes
        return True

    def _free(self, events: int, size_bytes: int) -> None:
        self._held_events -= events
        self._held_bytes -= size_bytes

    def _oldest(self) -> Kind | None:
        """Return the kind whose first record is the oldest of all, None when there is none."""
        filled = [kind for kind, queue in self._queues.items() if queue.entries]
        return min(filled, key=lambda kind: self._queues[kind].entries[0], default=None)


def _lease(kind: Kind, entries: Sequence[_Entry]) -> Lease:
    sequences, put_at, data = zip(*entries, strict=True)
    return Lease(kind, data, sequences, put_at)
