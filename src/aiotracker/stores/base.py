"""What an event store promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import anyio

from aiotracker.protocol.record import Record, records_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.clock import Clock
    from aiotracker.policy.dispatch import Backlog
    from aiotracker.policy.reasons import DropReason
    from aiotracker.protocol.record import Kind

__all__ = ["CLOSE_GRACE_SECONDS", "Commit", "EventStore", "InstantStore", "Lease", "StoreHost"]

CLOSE_GRACE_SECONDS: Final = 0.3
"""After the deadline of its closing a store may take so long to end, and to say what is not safe."""


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


class StoreHost(Protocol):
    """Who uses a store: what the store needs of its surroundings, and whom it tells. On the loop only."""

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    def changed(self) -> None:
        """Look at the backlog again: it changed without a call from here, or room was freed."""
        ...

    def lost(self, count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ()) -> None:
        """Count accepted records that the store gave up by itself.

        Args:
            count: records.
            reason: `evicted` by newer ones, or `store_error`.
            detail: what happened, for a person.
            leases: the records, where they are known.
        """
        ...

    def say(self, level: int, reason: str, message: str, *, error: BaseException | None = None) -> None:
        """Write a line, at most one per reason and minute.

        Args:
            level: of `logging`.
            reason: from a closed set.
            message: for a person.
            error: whose traceback is written below the line.
        """
        ...


class Commit:
    """A group of records on its way to be safe, and whoever waits for that."""

    def __init__(self) -> None:
        """Begin as unfinished."""
        self._event = anyio.Event()

    @property
    def is_done(self) -> bool:
        """Whether every record of the group is as safe as it will be."""
        return self._event.is_set()

    def conclude(self) -> None:
        """Let everybody go on. On the loop of those who wait."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the group is safe."""
        await self._event.wait()


@runtime_checkable
class EventStore(Protocol):
    """Where events wait between `track()` and the collector.

    The way of a record: `reserve → put → lease → ack | release | reject`. A store belongs to one emitter,
    which opens and closes it; it may be opened again, on another loop.

    Guarantees that every store gives:
    - Bounded: after `reserve` has granted room, `put` of a record of that size succeeds. What is leased
      still takes up room; only `ack`, `reject`, `evict` and `cancel` free it.
    - Ordered: one FIFO per kind. `lease` hands out the oldest records of the kind of the oldest record;
      `release` puts records back in front, in their old order. Sequences grow in the order of putting;
      a durable store numbers a record when it is committed.
    - Exclusive: a record is in one lease at a time. What a holder never settles comes back: with
      `reclaim`, and from a process that died when its lease expires. A holder that is merely slow keeps
      its leases.
    - At least once: a lease that expired because its process stood still may be settled by two holders.
      Settling it late does no harm.
    - `reserve`, `cancel`, `put`, `evict` and `backlog` neither wait nor do I/O and may be called from any
      thread; the others are called on the loop that it was opened on, one at a time per lease.
    - `ack`, `release` and `reject` happen once they are called: a cancellation ends the wait and not the
      work. When one raises, nothing was done.
    - The world's trouble (a full disk, a server that is away) raises nothing. Records then wait in memory
      as `volatile`, within the bounds, and may be leased from there; there is no room beyond the bounds.
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

    async def open(self, host: StoreHost) -> None:
        """Get ready on the current loop; a store that is away is no error, it is tried again.

        Raises:
            ConfigurationError: it can never work here.
        """
        ...

    def reserve(self, size_bytes: int) -> bool:
        """Set room aside for one record; False when there is none."""
        ...

    def cancel(self, size_bytes: int) -> None:
        """Give back room that was reserved and will not be used."""
        ...

    def put(self, record: Record, now: float) -> Commit | None:
        """Store a record in reserved room.

        Args:
            record: its `size_bytes` is what was reserved.
            now: clock seconds.
        Returns:
            None when the record is as safe as it will be; with a durable store the group that it is in.
        """
        ...

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:
        """Remove the oldest records that are not leased until room is reserved for one record.

        Returns:
            What was removed, a lease for each kind of it; None, with nothing removed, when it would not
            be enough. A store that cannot remove at once returns what it has removed so far, and tells
            its host of the rest.
        """
        ...

    def backlog(self) -> Backlog:
        """Return what waits to be leased, as far as it is known; the last state when the store is closed."""
        ...

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records that fit in one request; None when nothing waits.

        Fewer than fit where the next ones are leased already, so that a lease has no gaps.

        Args:
            max_events: 1 or more.
            max_bytes: of the whole POST body; a first record that is larger comes alone.
        """
        ...

    async def ack(self, lease: Lease) -> int:
        """Forget records that were delivered; return how many were there.

        Fewer than were leased when the lease had expired and another holder settled them.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Take records back, to the front, to be leased again."""
        ...

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Give up records for a reason; return how many were there, as `ack` does.

        A durable store keeps them among its dead letters, with reason, detail and time.
        """
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

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Stop, and give up what only this process could send; return it, a lease for each kind.

        Called when nothing is leased, unless `reclaim` did not come to an end. A durable store first makes
        safe what is volatile, and returns what could not be.

        Args:
            by: clock seconds. `CLOSE_GRACE_SECONDS` later at the latest the answer must be there: nobody
                waits any longer, and everything that is not safe counts as lost.
        """
        ...

    def at_exit(self, by: float) -> int:
        """Make safe what is volatile in a program that ends without closing, from whatever thread.

        There may be no loop any more, and no new threads. Called for durable stores only.

        Args:
            by: moment of `time.monotonic()`.
        Returns:
            How many records are lost.
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
