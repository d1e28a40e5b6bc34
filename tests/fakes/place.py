"""A durable store whose place is a dictionary, which several stores of one process share."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock

from aiotracker import DeadLetter, DropReason, Kind, Lease, Record, StoreHost
from aiotracker.policy.batching import fitting
from aiotracker.runtime import DetachedTask, Loop, Wakeup, current_loop
from aiotracker.stores.durable import DurableStore, Group, Held

RETRY_SECONDS = 0.1


@dataclass
class Row:
    """A record that is safe.

    Attributes:
        record: the event.
        put_ms: when it was put, in milliseconds since 1970.
        holder: the store that has leased it.
        until_ms: when its lease is over, likewise.
    """

    record: Record
    put_ms: int
    holder: object = None
    until_ms: int = 0


class Place:
    """Where records are safe, and what all stores there have in common.

    Attributes:
        rows: records by their numbers, oldest first.
        latest: number of the latest record.
        letters: dead letters by their ids, oldest first.
        last_letter: number of the latest letter.
        is_away: nothing can be read or written.
        watchers: told after every change.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.rows: dict[int, Row] = {}
        self.latest = 0
        self.letters: dict[str, DeadLetter] = {}
        self.last_letter = 0
        self.is_away = False
        self.watchers: list[Callable[[], None]] = []

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have the place for oneself, or find that it is away."""
        with self.lock:
            if self.is_away:
                raise ConnectionError("the place is away")
            yield
        for tell in [*self.watchers]:
            tell()

    def put(self, record: Record, put_ms: int) -> None:
        """Add a record."""
        self.latest += 1
        self.rows[self.latest] = Row(record, put_ms)

    def bury(self, row: Row, reason: DropReason, detail: str, now_ms: int) -> None:
        """Add a dead letter."""
        self.last_letter += 1
        name = f"{self.last_letter:012}"
        self.letters[name] = DeadLetter(name, row.record, reason, detail, row.put_ms, now_ms)


class PlaceStore(DurableStore):
    """A store at a place."""

    def __init__(
        self,
        place: Place,
        *,
        max_events: int = 10_000,
        max_bytes: int = 10**7,
        lease_seconds: float = 30.0,
        max_letters: int = 1_000,
    ) -> None:
        super().__init__(max_events=max_events, max_bytes=max_bytes)
        self._place = place
        self._lease_seconds = lease_seconds
        self._max_letters = max_letters
        self._host: StoreHost | None = None
        self._loop: Loop | None = None
        self._wakeup: Wakeup | None = None
        self._writer: DetachedTask | None = None
        self._close_by: float | None = None

    @property
    def host(self) -> StoreHost:
        """Who uses the store."""
        assert self._host is not None
        return self._host

    # -- opening and closing ------------------------------------------------------------------------------

    async def open(self, host: StoreHost) -> None:
        """Begin to write."""
        self._memory.after_fork()
        self._begin()
        self._host = host
        self._loop = current_loop()
        self._wakeup = Wakeup(self._loop)
        self._close_by = None
        self._place.watchers.append(self._look)
        self._look()
        self._writer = self._loop.spawn(self._write, "place")

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Write what is volatile, and end."""
        assert self._writer is not None
        self._close_by = by
        self._wake()
        await self._writer.finished.wait()
        self._place.watchers.remove(self._look)
        given_up = self._give_up_volatile()
        for commit in self._take_group().commits:
            commit.conclude()
        return given_up

    def at_exit(self, by: float) -> int:
        """Write what is volatile, whatever the loop does."""
        self._commit_group()
        return self.backlog().volatile

    def after_fork(self) -> None:
        """Know nothing of what the parent has."""
        super().after_fork()
        self._wakeup = None
        self._place.watchers.clear()

    # -- the writer ---------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set()

    async def _write(self) -> None:
        assert self._wakeup is not None
        clock = self.host.clock
        while True:
            self._wakeup.clear()
            is_safe = self._commit_group()
            self._renew()
            if self._close_by is not None and (is_safe or clock.now() >= self._close_by):
                return
            seconds = self._lease_seconds / 3 if is_safe else RETRY_SECONDS
            with clock.move_on_at(clock.now() + seconds):
                await self._wakeup.wait()

    def _commit_group(self) -> bool:
        group: Group = self._take_group()
        clock = self.host.clock
        try:
            with self._place.entered():
                for lease in group.leases:
                    for record, put_at in zip(lease.records, lease.put_at, strict=True):
                        age_ms = round((clock.now() - put_at) * 1000)
                        self._place.put(record, clock.wall_ms() - age_ms)
                self._group_committed(group, self._held_now())
        except ConnectionError:
            self._group_failed(group)
            return False
        for commit in group.commits:
            commit.conclude()
        return True

    def _renew(self) -> None:
        until_ms = self._until_ms()
        with self._place.lock:
            for row in self._place.rows.values():
                if row.holder is self:
                    row.until_ms = until_ms

    def _until_ms(self) -> int:
        return self.host.clock.wall_ms() + round(self._lease_seconds * 1000)

    def _look(self) -> None:
        """Learn what is at the place now, whoever changed it."""
        with self._place.lock:
            if not self._place.is_away:
                self._note_held(self._held_now())
        if self._loop is not None:
            self._loop.call_soon(self.host.changed)

    def _held_now(self) -> Held:
        clock = self.host.clock
        rows = self._place.rows
        waiting = {number: row for number, row in rows.items() if self._waits(row)}
        counts = {kind: [row for row in waiting.values() if row.record.kind is kind] for kind in Kind}
        oldest = min(waiting, default=None)
        age_ms = 0 if oldest is None else clock.wall_ms() - rows[oldest].put_ms
        return Held(
            events=len(rows),
            size_bytes=sum(row.record.size_bytes for row in rows.values()),
            leased=len(rows) - len(waiting),
            fullest_events=max(map(len, counts.values())),
            fullest_bytes=max(sum(row.record.size_bytes for row in kind) for kind in counts.values()),
            oldest_at=None if oldest is None else clock.now() - age_ms / 1000,
            oldest_sequence=oldest,
            first_sequence=min(rows, default=None),
            latest_sequence=self._place.latest,
        )

    def _waits(self, row: Row) -> bool:
        return row.holder is None or row.until_ms < self.host.clock.wall_ms()

    # -- leases -------------------------------------------------------------------------------------------

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest, from memory while the place is away."""
        try:
            with self._place.entered():
                return self._lease_rows(max_events, max_bytes)
        except ConnectionError:
            return self._lease_volatile(max_events, max_bytes)

    def _lease_rows(self, max_events: int, max_bytes: int) -> Lease | None:
        found: list[int] = []
        kind: Kind | None = None
        for number, row in sorted(self._place.rows.items()):
            if kind is None and self._waits(row):
                kind = row.record.kind
            if kind is None or row.record.kind is not kind:
                continue
            if not self._waits(row):
                break
            found.append(number)
        if kind is None:
            return None
        sizes = [self._place.rows[number].record.size_bytes for number in found[:max_events]]
        found = found[: fitting(sizes, max_events, max_bytes)]
        rows = [self._place.rows[number] for number in found]
        clock = self.host.clock
        for row in rows:
            row.holder, row.until_ms = self, self._until_ms()
        return Lease(
            kind,
            tuple(row.record.data for row in rows),
            tuple(found),
            tuple(clock.now() - (clock.wall_ms() - row.put_ms) / 1000 for row in rows),
        )

    def _held_rows(self, lease: Lease) -> list[int]:
        rows = self._place.rows
        return [number for number in lease.sequences if number in rows and rows[number].holder is self]

    async def ack(self, lease: Lease) -> int:
        """Forget what is still held here."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        with self._place.entered():
            held = self._held_rows(lease)
            for number in held:
                del self._place.rows[number]
        return len(held)

    async def release(self, lease: Lease) -> None:
        """Let go of what is still held here."""
        if self._is_volatile(lease):
            self._put_back_volatile(lease)
            return
        with self._place.entered():
            for number in self._held_rows(lease):
                self._place.rows[number].holder = None

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Make letters of what is still held here."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        with self._place.entered():
            held = self._held_rows(lease)
            for number in held:
                self._place.bury(self._place.rows.pop(number), reason, detail, self.host.clock.wall_ms())
            letters = self._place.letters
            lost = list(letters)[: max(0, len(letters) - self._max_letters)]
            for name in lost:
                del letters[name]
        if lost:
            self.host.say(
                logging.WARNING, "dead_letters", f"{len(lost)} dead letters made room for newer ones"
            )
        return len(held)

    async def reclaim(self) -> int:
        """Let go of everything that is held here."""
        count = await self._memory.reclaim()
        with self._place.lock:
            for row in self._place.rows.values():
                if row.holder is self:
                    row.holder = None
                    count += 1
        self._look()
        return count

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:
        """Remove the oldest at the place."""
        with self._place.entered():
            waiting = [number for number, row in sorted(self._place.rows.items()) if self._waits(row)]
            sizes = [self._place.rows[number].record.size_bytes for number in waiting]
            used = [self._held.events + self._reserved_events, self._held.size_bytes + self._reserved_bytes]
            if (
                used[0] - len(waiting) + 1 > self._max_events
                or used[1] - sum(sizes) + size_bytes > self._max_bytes
            ):
                return None
            removed = []
            while not self.reserve(size_bytes):
                number = waiting.pop(0)
                row = self._place.rows.pop(number)
                removed.append(Lease(row.record.kind, (row.record.data,), (number,), (0.0,)))
                self._note_held(self._held_now())
            return removed

    # -- dead letters -------------------------------------------------------------------------------------

    async def count_dead_letters(self) -> int:
        """Return how many there are."""
        with self._place.entered():
            return len(self._place.letters)

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Return a page."""
        with self._place.entered():
            return [letter for name, letter in self._place.letters.items() if name > after][:limit]

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put letters back."""
        with self._place.entered():
            found = [letter for letter in letters if self._place.letters.pop(letter.letter_id, None)]
            for letter in found:
                self._place.put(letter.record, self.host.clock.wall_ms())
            return len(found)

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Remove letters."""
        with self._place.entered():
            return sum(self._place.letters.pop(letter.letter_id, None) is not None for letter in letters)
