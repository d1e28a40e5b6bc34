"""Events in memory: bounded, fast, gone with the process."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final

from aiotracker.errors import ConfigurationError
from aiotracker.policy.batching import fitting
from aiotracker.policy.dispatch import Backlog
from aiotracker.protocol.envelope import ENVELOPE_BYTES
from aiotracker.protocol.record import Kind, Record
from aiotracker.stores.base import Lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.policy.reasons import DropReason

__all__ = ["DEFAULT_MAX_BYTES", "DEFAULT_MAX_EVENTS", "MemoryStore"]

DEFAULT_MAX_EVENTS: Final = 10_000
DEFAULT_MAX_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record with its place in the order of putting."""

    sequence: int
    put_at: float
    record: Record


class _Queue:
    """The FIFO of one kind, with the bytes that it holds."""

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.size_bytes = 0

    def append(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.size_bytes += entry.record.size_bytes

    def pop(self) -> _Entry:
        entry = self.entries.popleft()
        self.size_bytes -= entry.record.size_bytes
        return entry

    def put_back(self, entries: Sequence[_Entry]) -> None:
        """Take entries back to where they were: batches come back in any order."""
        older = []
        while self.entries and entries and self.entries[0].sequence < entries[-1].sequence:
            older.append(self.entries.popleft())
        merged = list(heapq.merge(older, entries, key=lambda entry: entry.sequence))
        self.entries.extendleft(reversed(merged))
        self.size_bytes += sum(entry.record.size_bytes for entry in entries)


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
        self._leased: dict[int, _Entry] = {}

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

    def cancel(self, size_bytes: int) -> None:
        """Give back room that was reserved and will not be used."""
        with self._lock:
            self._free(1, size_bytes)

    def put(self, record: Record, now: float) -> None:
        """Store a record in reserved room."""
        with self._lock:
            self._sequence += 1
            self._queues[record.kind].append(_Entry(self._sequence, now, record))

    def evict(self, size_bytes: int) -> Lease | None:
        """Remove the oldest waiting records until room is reserved for one record."""
        with self._lock:
            waiting_events = sum(len(queue.entries) for queue in self._queues.values())
            waiting_bytes = sum(queue.size_bytes for queue in self._queues.values())
            if (
                self._held_events - waiting_events + 1 > self._max_events
                or self._held_bytes - waiting_bytes + size_bytes > self._max_bytes
            ):
                return None
            evicted = []
            while not self._reserve(size_bytes):
                queue = self._oldest()
                if queue is None:
                    break
                entry = queue.pop()
                self._free(1, entry.record.size_bytes)
                evicted.append(entry)
            return _lease(evicted)

    def backlog(self) -> Backlog:
        """Return what waits to be leased."""
        with self._lock:
            oldest = self._oldest()
            queues = self._queues.values()
            return Backlog(
                events=sum(len(queue.entries) for queue in queues),
                fullest_events=max(len(queue.entries) for queue in queues),
                fullest_bytes=ENVELOPE_BYTES - 1 + max(queue.size_bytes for queue in queues),
                oldest_at=oldest.entries[0].put_at if oldest else None,
                oldest_sequence=oldest.entries[0].sequence if oldest else None,
                latest_sequence=self._sequence,
                leased=len(self._leased),
            )

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records of the oldest record's kind that fit in one request."""
        with self._lock:
            queue = self._oldest()
            if queue is None:
                return None
            sizes = (entry.record.size_bytes for entry in islice(queue.entries, max_events))
            entries = [queue.pop() for _ in range(fitting(sizes, max_events, max_bytes))]
            self._leased.update((entry.sequence, entry) for entry in entries)
            return _lease(entries)

    async def ack(self, lease: Lease) -> None:
        """Forget records that were delivered."""
        self._settle(lease)

    async def release(self, lease: Lease) -> None:
        """Take records back, to the front, to be leased again."""
        with self._lock:
            entries = [self._leased.pop(sequence) for sequence in lease.sequences]
            self._queues[lease.kind].put_back(entries)

    async def reject(self, lease: Lease, reason: DropReason) -> None:  # noqa: ARG002 - kept by durable stores
        """Give up records."""
        self._settle(lease)

    async def reclaim(self) -> int:
        """Take back every lease."""
        with self._lock:
            entries = sorted(self._leased.values(), key=lambda entry: entry.sequence)
            self._leased.clear()
            for kind, queue in self._queues.items():
                queue.put_back([entry for entry in entries if entry.record.kind is kind])
            return len(entries)

    async def discard(self, reason: DropReason) -> Lease:  # noqa: ARG002 - as above
        """Give up everything."""
        with self._lock:
            entries = []
            while (queue := self._oldest()) is not None:
                entries.append(queue.pop())
            self._free(len(entries), sum(entry.record.size_bytes for entry in entries))
            return _lease(entries)

    def _settle(self, lease: Lease) -> None:
        with self._lock:
            entries = [self._leased.pop(sequence) for sequence in lease.sequences]
            self._free(len(entries), sum(entry.record.size_bytes for entry in entries))

    def _reserve(self, size_bytes: int) -> bool:
        if self._held_events >= self._max_events or self._held_bytes + size_bytes > self._max_bytes:
            return False
        self._held_events += 1
        self._held_bytes += size_bytes
        return True

    def _free(self, events: int, size_bytes: int) -> None:
        self._held_events -= events
        self._held_bytes -= size_bytes

    def _oldest(self) -> _Queue | None:
        """Return the queue whose first record is the oldest of all, None when all are empty."""
        filled = [queue for queue in self._queues.values() if queue.entries]
        return min(filled, key=lambda queue: queue.entries[0].sequence, default=None)


def _lease(entries: Sequence[_Entry]) -> Lease:
    return Lease(
        tuple(entry.record for entry in entries),
        tuple(entry.sequence for entry in entries),
        tuple(entry.put_at for entry in entries),
    )
