"""A durable store whose place is a piece of memory: commits happen when a test says so, or at once."""

from collections.abc import Sequence
from itertools import groupby

from aiotracker import DropReason, Lease, MemoryStore, StoreHost
from aiotracker.protocol.record import Kind, Record
from aiotracker.stores.durable import DurableStore, Group, Held

LARGE = 10**9


class FakeDurableStore(DurableStore):
    """A store on a place that it may share with others.

    Attributes:
        place: what is committed; give it to several stores to have them share it.
        is_automatic: commit every record as it is put; otherwise `commit()` does.
        is_away: nothing can be committed or settled, and leases come from memory.
        host: since the last opening.
        rejected: reason and detail of every dead letter.
    """

    def __init__(
        self, place: MemoryStore | None = None, *, is_automatic: bool = True, max_events: int = LARGE
    ) -> None:
        super().__init__(max_events=max_events, max_bytes=LARGE)
        self.place = place or MemoryStore(LARGE, LARGE)
        self.is_automatic = is_automatic
        self.is_away = False
        self.host: StoreHost | None = None
        self.rejected: list[tuple[DropReason, str]] = []
        self._own: dict[Kind, set[int]] = {kind: set() for kind in Kind}

    async def open(self, host: StoreHost) -> None:
        """Look at the place."""
        self.host = host
        self._note_held(self._look())

    def _wake(self) -> None:
        if self.is_automatic:
            self.commit()

    def take(self) -> Group:
        """Begin to commit what is volatile; what comes from here on is in the next group."""
        return self._take_group()

    def commit(self) -> None:
        """Commit what is volatile, unless the place is away; on the loop."""
        self.commit_group(self.take())

    def commit_group(self, group: Group) -> None:
        """Commit what was taken, likewise."""
        if self.is_away:
            self._group_failed(group)
            return
        for lease in group.leases:
            for data, put_at in zip(lease.data, lease.put_at, strict=True):
                record = Record(lease.kind, data)
                assert self.place.reserve(record.size_bytes)
                self.place.put(record, put_at)
        self._group_committed(group, self._look())
        for commit in group.commits:
            commit.conclude()

    def look(self) -> None:
        """Notice what others did, as a poll would."""
        self._note_held(self._look())
        assert self.host is not None
        self.host.changed()

    def _look(self) -> Held:
        backlog = self.place.backlog()
        leased = [number for kind in Kind for number in self.place._leased[kind]]
        waiting = backlog.oldest_sequence
        return Held(
            events=backlog.events + backlog.leased,
            size_bytes=self.place._held_bytes,
            leased=backlog.leased,
            fullest_events=backlog.fullest_events,
            fullest_bytes=backlog.fullest_bytes,
            oldest_at=backlog.oldest_at,
            oldest_sequence=waiting,
            first_sequence=min([*leased, *([] if waiting is None else [waiting])], default=None),
            latest_sequence=backlog.latest_sequence,
        )

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Lease from the place, or from memory while it is away."""
        if self.is_away:
            return self._lease_volatile(max_events, max_bytes)
        self.commit()
        lease = self.place.take(max_events, max_bytes)
        if lease is not None:
            self._own[lease.kind].update(lease.sequences)
        self._note_held(self._look())
        return lease

    async def ack(self, lease: Lease) -> int:
        """Forget records."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        count = 0
        for part in self._still_leased(lease):
            count += self.place.forget(part)
        self._note_held(self._look())
        return count

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Forget records, and keep the reason."""
        self.rejected += [(reason, detail)] * len(lease)
        return await self.ack(lease)

    async def release(self, lease: Lease) -> None:
        """Take records back."""
        if self._is_volatile(lease):
            self._put_back_volatile(lease)
            return
        for part in self._still_leased(lease):
            self.place.put_back(part)
        self._note_held(self._look())

    def _still_leased(self, lease: Lease) -> list[Lease]:
        """Return what of a lease is still this store's, and its no more."""
        own = self._own[lease.kind]
        parts = []
        for is_own, run in groupby(range(len(lease)), key=lambda at: lease.sequences[at] in own):
            positions = list(run)
            if is_own:
                parts.append(lease.part(positions[0], positions[-1] + 1))
        own.difference_update(lease.sequences)
        return parts

    def expire(self) -> None:
        """Let every lease of this store run out."""
        for kind, own in self._own.items():
            entries = [self.place._leased[kind].pop(number) for number in sorted(own)]
            self.place._queues[kind].put_back(entries)
            own.clear()

    async def reclaim(self) -> int:
        """Take back every lease."""
        count = sum(map(len, self._own.values()))
        self.expire()
        self._note_held(self._look())
        return count + await self._memory.reclaim()

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Commit, or give up."""
        self.commit()
        return self._give_up_volatile()

    def at_exit(self, by: float) -> int:
        """Commit, or give up."""
        self.commit()
        return sum(map(len, self._give_up_volatile()))
