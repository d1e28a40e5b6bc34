"""What durable stores have in common: a bounded memory in front of the place where records are safe.

A record is put into the memory and taken from there in groups: while one group is being committed, the next
one gathers. When the place is away the memory holds on to its records, and hands them out to be sent, so
that a full disk stops no delivery. Invariant: a record is in the memory until it is committed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from aiotracker.policy.dispatch import Backlog
from aiotracker.stores.base import Commit, Lease
from aiotracker.stores.memory import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiotracker.protocol.record import Record

__all__ = ["DurableStore", "Group", "Held"]

EVERYTHING: Final = 2**62  # events or bytes: more than any memory has
VOLATILE_START: Final = -(2**62)
"""Sequences of records that are leased from memory begin here, below all those of committed ones."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is committed, as far as this process knows.

    Attributes:
        events: records, leased ones included.
        size_bytes: what they add to bodies, leased ones included.
        leased: records that are leased, by whomever.
        leased_bytes: what those add to bodies.
        fullest_events: records of the kind of which the most wait.
        fullest_bytes: bytes of the kind of which the most wait.
        oldest_at: clock seconds when the oldest record that waits was put; None when none waits.
        oldest_sequence: number of the oldest record that waits; None likewise.
        first_sequence: number of the oldest record, leased ones included; None without any.
        latest_sequence: number of the latest record that was ever committed; 0 before the first.
    """

    events: int = 0
    size_bytes: int = 0
    leased: int = 0
    leased_bytes: int = 0
    fullest_events: int = 0
    fullest_bytes: int = 0
    oldest_at: float | None = None
    oldest_sequence: int | None = None
    first_sequence: int | None = None
    latest_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Records that are committed together.

    Attributes:
        leases: the records, several leases of either kind, in their order.
        commits: concluded when all of them are committed.
    """

    leases: Sequence[Lease]
    commits: Sequence[Commit]

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(map(len, self.leases))


class DurableStore(ABC):
    """The side of a durable store that its users' threads see; a writer of its own commits groups.

    The writer calls `_take_group()`, and then `_group_committed()` or `_group_failed()`.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        buffer_events: int = DEFAULT_MAX_EVENTS,
        buffer_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Create the memory in front of a place.

        Args:
            max_events: bound in records, volatile and leased ones included.
            max_bytes: bound in bytes, likewise.
            buffer_events: bound of what is volatile, in records.
            buffer_bytes: likewise in bytes.
        """
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._memory = MemoryStore(buffer_events, buffer_bytes)
        self._begin()

    def _begin(self) -> None:
        self._lock = Lock()
        """Held for a few operations: what leaves the memory is counted as committed in one step."""
        self._held = Held()
        self._reserved_bytes = 0  # of all that is in the memory, or has room there
        self._reserved_events = 0
        self._commit = Commit()
        self._late: list[Commit] = []  # of groups that failed: they are committed with the next one
        self._writing = 0

    @abstractmethod
    def _wake(self) -> None:
        """Have the writer take a group. Any thread."""

    @property
    def is_durable(self) -> bool:
        """What is committed survives the process."""
        return True

    @property
    def max_record_bytes(self) -> int:
        """What the memory has room for."""
        return min(self._memory.max_record_bytes, self._max_bytes)

    # -- putting: any thread ----------------------------------------------------------------------------

    def reserve(self, size_bytes: int) -> bool:
        """Set room aside for one record, in memory and in the place."""
        with self._lock:
            held = self._held
            if (
                held.events + self._reserved_events >= self._max_events
                or held.size_bytes + self._reserved_bytes + size_bytes > self._max_bytes
            ):
                return False
            return self._reserve(size_bytes)

    def _reserve(self, size_bytes: int) -> bool:
        if not self._memory.reserve(size_bytes):
            return False
        self._reserved_events += 1
        self._reserved_bytes += size_bytes
        return True

    def cancel(self, size_bytes: int) -> None:
        """Give back room that was reserved and will not be used."""
        with self._lock:
            self._memory.cancel(size_bytes)
            self._free(1, size_bytes)

    def put(self, record: Record, now: float) -> Commit:
        """Store a record in reserved room, in the next group."""
        with self._lock:
            self._memory.put(record, now)
            commit = self._commit
        self._wake()
        return commit

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:  # noqa: ARG002 - nothing is removed
        """Remove nothing: what is safe stays so, unless a store says otherwise."""
        return None

    def backlog(self) -> Backlog:
        """Return what waits, in memory and in the place."""
        with self._lock:
            held, memory = self._held, self._memory.backlog()
            volatile = memory.events + self._writing
        waits = held.oldest_sequence is not None
        return Backlog(
            events=held.events - held.leased + volatile,
            fullest_events=held.fullest_events + volatile,
            fullest_bytes=held.fullest_bytes + memory.fullest_bytes,
            oldest_at=held.oldest_at if waits else memory.oldest_at,
            oldest_sequence=held.oldest_sequence
            if waits
            else (None if memory.oldest_at is None else held.latest_sequence + 1),
            latest_sequence=held.latest_sequence,
            leased=held.leased + memory.leased - self._writing,
            volatile=volatile,
            first_sequence=held.first_sequence,
        )

    # -- committing: the writer -------------------------------------------------------------------------

    def _take_group(self) -> Group:
        """Take everything that waits in memory; later records are in the next group."""
        with self._lock:
            is_lent = self._memory.backlog().leased > self._writing
            leases = []
            while (lease := self._memory.take(EVERYTHING, EVERYTHING)) is not None:
                leases.append(lease)
            commits = [*self._late, self._commit]
            self._commit = Commit()
            self._late = []
            if is_lent:  # a record of one of these may be on its way to the collector, and nowhere safe
                self._late, commits = commits, []
            group = Group(leases, commits)
            self._writing += len(group)
            return group

    def _group_committed(self, group: Group, held: Held) -> None:
        """Forget a group that is safe. The caller concludes its commits, on their loop.

        Args:
            group: what was taken.
            held: what is committed now, the group included.
        """
        with self._lock:
            self._leave_memory(group.leases)
            self._writing -= len(group)
            self._held = held

    def _group_failed(self, group: Group) -> None:
        """Keep a group that could not be committed, to be tried again or sent from memory."""
        with self._lock:
            for lease in group.leases:
                self._memory.put_back(lease)
            self._late = [*group.commits, *self._late]
            self._writing -= len(group)

    def _note_held(self, held: Held) -> None:
        """Remember what is committed now."""
        with self._lock:
            self._held = held

    # -- sending from memory while the place is away ------------------------------------------------------

    def _lease_volatile(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out records that could not be committed."""
        lease = self._memory.take(max_events, max_bytes)
        if lease is None:
            return None
        return _not_in_memory(lease)

    @staticmethod
    def _is_volatile(lease: Lease) -> bool:
        """Tell whether a lease was handed out from memory."""
        return lease.sequences[0] < 0

    def _forget_volatile(self, lease: Lease) -> int:
        """Settle a lease from memory."""
        with self._lock:
            self._leave_memory([_in_memory(lease)])
        return len(lease)

    def _put_back_volatile(self, lease: Lease) -> None:
        """Take back a lease from memory."""
        self._memory.put_back(_in_memory(lease))

    def _take_back_volatile(self) -> int:
        """Take back all leases from memory; only while no group is being committed."""
        return self._memory.put_back_all()

    def _evict_volatile(self, size_bytes: int) -> list[Lease] | None:
        """Reserve room in memory, if need be instead of the oldest that waits there; with the lock held."""
        evicted = self._memory.evict(size_bytes)
        if evicted is not None:
            for lease in evicted:
                self._free(len(lease), lease.records_bytes)
            self._free(-1, -size_bytes)
            return list(map(_not_in_memory, evicted))
        return None

    def _give_up_volatile(self) -> list[Lease]:
        """Remove everything from memory that waits there."""
        with self._lock:
            return self._take_all()

    def _give_up_everything(self) -> list[Lease]:
        """Remove everything from memory, of which nobody knows how much is being committed after all."""
        with self._lock:
            self._memory.put_back_all()
            self._writing = 0
            return self._take_all()

    def _take_all(self) -> list[Lease]:
        leases = self._memory.take_all()
        for lease in leases:
            self._free(len(lease), lease.records_bytes)
        return list(map(_not_in_memory, leases))

    def _let_callers_go(self) -> None:
        """Have nobody wait for a commit that will not come, when the memory is empty. On their loop."""
        for commit in self._take_group().commits:
            commit.conclude()

    def _leave_memory(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            self._memory.forget(lease)
            self._free(len(lease), lease.records_bytes)

    def _free(self, events: int, size_bytes: int) -> None:
        self._reserved_events -= events
        self._reserved_bytes -= size_bytes

    def after_fork(self) -> None:
        """In a forked child: be empty, and know nothing."""
        self._memory.after_fork()
        self._begin()


def _in_memory(lease: Lease) -> Lease:
    """Return a lease with the numbers that the memory gave it."""
    return replace(lease, sequences=tuple(number - VOLATILE_START for number in lease.sequences))


def _not_in_memory(lease: Lease) -> Lease:
    """Return a lease from memory with numbers that tell it from those of the place."""
    return replace(lease, sequences=tuple(VOLATILE_START + number for number in lease.sequences))
