"""What an event store promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aiotracker.protocol.record import Record, records_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from aiotracker.policy.dispatch import Backlog
    from aiotracker.policy.reasons import DropReason
    from aiotracker.protocol.record import Kind

__all__ = ["EventStore", "InstantStore", "Lease"]


@dataclass(frozen=True, slots=True)
class Lease:
    """Records of one kind that were handed out to be sent; they stay in the store until they are settled.

    Attributes:
        kind: of all its records.
        data: the bytes of each record, oldest first.
        sequences: the store's number of each record, growing in the order of putting.
        put_at: clock seconds when each was put.
    """

    kind: Kind
    data: tuple[bytes, ...]
    sequences: tuple[int, ...]
    put_at: tuple[float, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """The records themselves."""
        return tuple(Record(self.kind, data) for data in self.data)

    @property
    def records_bytes(self) -> int:
        """What its records add to the body of a request, in bytes."""
        return records_bytes(self.data)

    def part(self, start: int, end: int) -> Lease:
        """Return a slice of the lease, which may be settled on its own."""
        if start == 0 and end >= len(self.data):
            return self
        span = slice(start, end)
        return Lease(self.kind, self.data[span], self.sequences[span], self.put_at[span])

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.data)


@runtime_checkable
class EventStore(Protocol):
    """Where events wait between `track()` and the collector.

    The way of a record: `reserve → put → lease → ack | release | reject`.

    Guarantees that every store gives:
    - Bounded: after `reserve` has granted room, `put` of a record of that size succeeds. What is leased
      still takes up room; only `ack`, `reject`, `evict` and `cancel` free it.
    - Ordered: one FIFO per kind. `lease` hands out the oldest records of the kind of the oldest record;
      `release` puts records back in front, in their old order.
    - Exclusive: a record is in one lease at a time. A lease that its holder never settles comes back.
    - `reserve`, `cancel`, `put`, `evict` and `backlog` neither wait nor do I/O and may be called from any
      thread; the others are called on the engine's loop, one at a time per lease.
    - What survives what is the store's own to say: memory survives nothing.
    """

    @property
    def is_durable(self) -> bool:
        """Whether what it holds survives the process."""
        ...

    @property
    def max_record_bytes(self) -> int:
        """Bytes of the largest record that can ever find room."""
        ...

    def reserve(self, size_bytes: int) -> bool:
        """Set room aside for one record; False when there is none."""
        ...

    def cancel(self, size_bytes: int) -> None:
        """Give back room that was reserved and will not be used."""
        ...

    def put(self, record: Record, now: float) -> Awaitable[None] | None:
        """Store a record in reserved room.

        Args:
            record: its `size_bytes` is what was reserved.
            now: clock seconds.
        Returns:
            None when the record is as safe as it will be; with a durable store an awaitable that
            returns when its group is committed.
        """
        ...

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:
        """Remove the oldest records that are not leased until room is reserved for one record.

        Returns:
            What was removed, a lease for each kind of it; None, with nothing removed, when it would not
            be enough.
        """
        ...

    def backlog(self) -> Backlog:
        """Return what waits to be leased."""
        ...

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records that fit in one request; None when nothing waits.

        Args:
            max_events: 1 or more.
            max_bytes: of the whole POST body; a first record that is larger comes alone.
        """
        ...

    async def ack(self, lease: Lease) -> None:
        """Forget records that were delivered."""
        ...

    async def release(self, lease: Lease) -> None:
        """Take records back, to the front, to be leased again."""
        ...

    async def reject(self, lease: Lease, reason: DropReason) -> None:
        """Give up records for a reason; a durable store keeps them among its dead letters."""
        ...

    def after_fork(self) -> None:
        """In a forked child: forget what the parent still has, and touch nothing that is shared with it.

        Called while other threads of the parent may have held any lock: every lock is a new one.
        """
        ...

    async def reclaim(self) -> int:
        """Take back every lease that was handed out here; return the number of records.

        Called when the engine has crashed or was stopped, so that nobody is left to settle them.
        """
        ...

    async def discard(self, reason: DropReason) -> Sequence[Lease]:
        """Give up all that only this process could send, and return it, a lease for each kind.

        Called when closing ran out of time and nothing is leased. A durable store keeps everything
        and returns nothing.
        """
        ...


@runtime_checkable
class InstantStore(EventStore, Protocol):
    """A store that needs no time to put a record, and so can reserve and put in one step.

    Optional: half the time of the two steps, for the one thing that every event does. Where a store has it,
    `put` is called only for those that had to wait for room.
    """

    def try_put(self, record: Record, size_bytes: int, now: float) -> bool:
        """Reserve room for a record and store it; False, with nothing done, when there is no room.

        Args:
            record: what to store.
            size_bytes: its `size_bytes`.
            now: clock seconds.
        """
        ...
