"""Everything that can be done to the file, in one transaction: records come in, are leased and settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from aiotracker.policy.batching import fitting
from aiotracker.protocol.envelope import ENVELOPE_BYTES
from aiotracker.protocol.record import Kind, record_bytes, records_bytes
from aiotracker.stores.base import Lease
from aiotracker.stores.durable import Held
from aiotracker.stores.sqlite.file import DamagedFileError
from aiotracker.stores.sqlite.spans import Read, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiotracker.stores.sqlite.file import Letter, SQLiteFile, State
    from aiotracker.stores.sqlite.settings import Bounds
    from aiotracker.stores.sqlite.spans import Lane

__all__ = ["Moment", "Transaction"]

LETTERS_PART: Final = 16  # of all are removed at once when they take up too many bytes
WASTE: Final = 3  # times their size is what records take up in a file at most, its pages half empty
EVICTED_AT_ONCE: Final = 500  # records; what is evicted is read first, for those who want to know
EVICTED_BYTES: Final = 1024 * 1024  # likewise
_AROUND: Final = record_bytes(b"")


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks.

    Attributes:
        now: clock seconds.
        wall_ms: milliseconds since 1970.
    """

    now: float
    wall_ms: int

    def ms_of(self, put_at: float) -> int:
        """Return milliseconds since 1970 of a moment in clock seconds."""
        return self.wall_ms - round((self.now - put_at) * 1000)

    def seconds_of(self, put_ms: int) -> float:
        """Return clock seconds of a moment in milliseconds since 1970."""
        return self.now - (self.wall_ms - put_ms) / 1000


@dataclass
class Transaction:
    """One transaction, from `BEGIN` to `COMMIT`, on behalf of one holder of leases.

    Attributes:
        file: that is changed.
        holder: to whom leases are given.
        lease_ms: how long they last.
        bounds: how much there may be.
        moment: when it happens.
        is_changed: whether there is anything to commit.
        letters_lost: dead letters that were removed because there were too many.
    """

    file: SQLiteFile
    holder: str
    lease_ms: int
    bounds: Bounds
    moment: Moment
    is_changed: bool = False
    letters_lost: int = 0
    _state: State = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.file.begin()
        self._state = self.file.state()
        for lane in self._lanes:
            self.is_changed |= lane.expire(self.moment.wall_ms, self.holder)

    @property
    def origin(self) -> int:
        """Sequences of this file are above it."""
        return self._state.origin

    @property
    def _lanes(self) -> Iterable[Lane]:
        return self._state.lanes.values()

    def finish(self) -> Held:
        """Write the accounts and commit; return what there is now."""
        self._trim_letters()
        if self.is_changed:
            self.file.save(self._state)
        size_bytes = self._size_bytes()
        if self.is_changed:
            self.file.commit()
        else:
            self.file.rollback()
        return held(self._state, size_bytes, self.moment)

    def _size_bytes(self) -> int:
        """Return what takes up room: of the file where that comes near to its bound, else of the records."""
        size_bytes = sum([lane.size_bytes for lane in self._lanes])
        if WASTE * (size_bytes + self._state.letters_bytes) < self.bounds.used_bytes:
            return size_bytes
        return max(size_bytes, self.file.used_bytes())

    def held_by_me(self) -> int:
        """Return how many records the holder has leased."""
        return sum([lane.held_by(self.holder) for lane in self._lanes])

    def expires_at(self) -> int | None:
        """Return when the first lease of others ends, in milliseconds since 1970."""
        ends = [end for lane in self._lanes if (end := lane.expires_at(self.holder)) is not None]
        return min(ends, default=None)

    def renew(self) -> None:
        """Let the holder's leases begin anew."""
        for lane in self._lanes:
            self.is_changed |= lane.renew(self.holder, self.moment.wall_ms)

    def recount(self) -> int:
        """Forget records that the accounts know and the tables do not; return how many that were."""
        lost = 0
        for lane in self._lanes:
            if lane.events and not lane.spans and lane.head is None:
                lost += lane.events
                lane.events = lane.size_bytes = 0
                self.is_changed = True
        return lost

    # -- records --------------------------------------------------------------------------------------

    def put(self, leases: Sequence[Lease]) -> None:
        """Add records at the end, in the order of their sequences across all leases."""
        if not leases:
            return
        base = self._state.latest + 1 - min([lease.sequences[0] for lease in leases])
        for lease in leases:
            rows = Rows(
                [base + sequence for sequence in lease.sequences],
                [self.moment.ms_of(put_at) for put_at in lease.put_at],
                [len(data) + _AROUND for data in lease.data],
            )
            self.file.insert(lease.kind, rows, lease.data)
            self._state.lanes[lease.kind].append(rows)
            self._state.latest = max(self._state.latest, rows.sequences[-1])
        self.is_changed = True

    def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Lease the oldest records that fit in one request."""
        kind = self._oldest_kind()
        if kind is None:
            return None
        lane = self._state.lanes[kind]
        first, last = lane.source()
        limit = min(max_events, max_bytes // _AROUND)  # more cannot fit
        rows = self.file.rows(kind, first, last, limit + 1)
        count = fitting(rows.sizes, max_events, max_bytes)
        taken = rows.part(0, count)
        data = self.file.data(kind, taken.sequences[0], taken.sequences[-1]) if count else []
        if not count or len(data) != count:
            raise DamagedFileError("records are missing that the accounts know")
        lane.take(rows, count, self.holder, self.moment.wall_ms + self.lease_ms, self.lease_ms)
        self.is_changed = True
        put_at = tuple(map(self.moment.seconds_of, taken.put_ms))
        return Lease(kind, tuple(data), tuple(taken.sequences), put_at)

    def ack(self, lease: Lease) -> int:
        """Remove records; return how many were there."""
        first, last = lease.sequences[0], lease.sequences[-1]
        lane = self._cut(lease)
        events = lane.remove(first, last)
        if events:
            self.file.delete(lease.kind, first, last)
            self.is_changed = True
        return events

    def release(self, lease: Lease) -> int:
        """Take back what the holder has of a lease; return how many records."""
        events = self._cut(lease).free(lease.sequences[0], lease.sequences[-1], self.holder)
        self.is_changed |= events > 0
        return events

    def reclaim(self) -> int:
        """Take back everything that the holder has leased; return how many records."""
        events = sum([lane.free(0, lane.cursor, self.holder) for lane in self._lanes])
        self.is_changed |= events > 0
        return events

    def reject(self, lease: Lease, reason: str, detail: str) -> int:
        """Move records to the dead letters; return how many were there."""
        first, last = lease.sequences[0], lease.sequences[-1]
        lane = self._cut(lease)
        size_bytes = lane.size_bytes
        events = lane.remove(first, last)
        if events:
            self._bury(lease.kind, first, last, reason, detail)
            self._state.letters += events
            self._state.letters_bytes += size_bytes - lane.size_bytes - events * _AROUND
        return events

    def bury(self, lease: Lease, reason: str, detail: str) -> None:
        """Make dead letters of records that were never in the file."""
        base = self._state.latest + 1 - lease.sequences[0]
        rows = Rows(
            [base + sequence for sequence in lease.sequences], list(map(self.moment.ms_of, lease.put_at)), ()
        )
        self.file.insert(lease.kind, rows, lease.data)
        self._state.latest = rows.sequences[-1]
        self._bury(lease.kind, rows.sequences[0], rows.sequences[-1], reason, detail)
        self._state.letters += len(lease)
        self._state.letters_bytes += records_bytes(lease.data) - len(lease) * _AROUND

    def evict(self, events: int, size_bytes: int) -> list[Lease]:
        """Remove the oldest records that are not leased, and return them.

        Args:
            events: how many are to be removed at least.
            size_bytes: how much of them; more while the file is above its bound.
        """
        evicted: list[Lease] = []
        while events > 0 or size_bytes > 0 or (evicted and self.file.used_bytes() > self.bounds.used_bytes):
            most = EVICTED_AT_ONCE if size_bytes > 0 else max(1, min(events, EVICTED_AT_ONCE))
            lease = self.lease(most, ENVELOPE_BYTES + (size_bytes if size_bytes > 0 else EVICTED_BYTES))
            if lease is None:
                break
            self.ack(lease)
            events -= len(lease)
            size_bytes -= lease.records_bytes
            evicted.append(lease)
        return evicted

    def _cut(self, lease: Lease) -> Lane:
        lane = self._state.lanes[lease.kind]
        first, last = lease.sequences[0], lease.sequences[-1]
        if not lane.has(first, last, len(lease)):
            # Part of a lease, or one that expired and that others may have taken or settled since.
            lane.cut(first, last, Read(partial(self.file.rows, lease.kind)))
        return lane

    def _oldest_kind(self) -> Kind | None:
        waiting = [
            (oldest, kind) for kind, lane in self._state.lanes.items() if (oldest := lane.oldest_waiting())
        ]
        return min(waiting)[1] if waiting else None

    # -- dead letters ---------------------------------------------------------------------------------

    def _bury(self, kind: Kind, first: int, last: int, reason: str, detail: str) -> None:
        above = self._state.latest
        self.file.bury(
            kind, first, last, above=above, reason=reason, detail=detail, now_ms=self.moment.wall_ms
        )
        self.file.delete(kind, first, last)
        self._state.latest = above + 1 + last - first
        self.is_changed = True

    @property
    def letters(self) -> int:
        """How many dead letters there are."""
        return self._state.letters

    def replay(self, ids: Sequence[int]) -> int:
        """Make records of letters, the latest ones; return how many there were."""
        known = self.file.known_letters(ids)
        for kind in Kind:
            some = [(letter, size) for letter, name, size in known if name == kind.encode()]
            if some:
                numbers = range(self._state.latest + 1, self._state.latest + 1 + len(some))
                self.file.revive(
                    kind,
                    [(letter, number) for (letter, _), number in zip(some, numbers, strict=True)],
                    self.moment.wall_ms,
                )
                times = [self.moment.wall_ms] * len(some)
                self._state.lanes[kind].append(Rows(numbers, times, [size + _AROUND for _, size in some]))
                self._state.latest = numbers[-1]
        return self._remove_letters(known)

    def purge(self, ids: Sequence[int]) -> int:
        """Remove letters; return how many there were."""
        return self._remove_letters(self.file.known_letters(ids))

    def give_letters(self, limit: int) -> list[Letter]:
        """Remove the oldest letters, and return them."""
        letters = self.file.letters(0, limit)
        self._remove_letters([(letter[0], letter[1], len(letter[-1])) for letter in letters])
        return letters

    def adopt_letters(self, letters: Sequence[Letter]) -> None:
        """Add letters of another file."""
        if letters:
            numbers = range(self._state.latest + 1, self._state.latest + 1 + len(letters))
            self.file.add_letters(
                [
                    (number, kind, version, reason, detail, put_ms, dropped_ms, data)
                    for number, (_, kind, version, reason, detail, put_ms, dropped_ms, data) in zip(
                        numbers, letters, strict=True
                    )
                ]
            )
            self._state.latest = numbers[-1]
            self._state.letters += len(letters)
            self._state.letters_bytes += sum([len(letter[-1]) for letter in letters])
            self.is_changed = True

    def _remove_letters(self, known: Sequence[tuple[int, bytes, int]]) -> int:
        if known:
            self.file.remove_letters([letter for letter, _, _ in known])
            self._state.letters -= len(known)
            self._state.letters_bytes -= sum([size for _, _, size in known])
            self.is_changed = True
        return len(known)

    def _trim_letters(self) -> None:
        state = self._state
        while state.letters > self.bounds.letters or state.letters_bytes > self.bounds.letters_bytes:
            excess = state.letters - self.bounds.letters
            count, size_bytes, last = self.file.oldest_letters(max(excess, 1 + state.letters // LETTERS_PART))
            if not count:
                state.letters = state.letters_bytes = 0
                return
            self.file.remove_letters_until(last)
            state.letters -= count
            state.letters_bytes -= size_bytes
            self.letters_lost += count
            self.is_changed = True


def held(state: State, size_bytes: int, moment: Moment) -> Held:
    """Return what is committed, as the store's users are told."""
    lanes = list(state.lanes.values())
    fullest = max(lanes, key=lambda lane: lane.waiting_events)
    oldest = min([each for lane in lanes if (each := lane.oldest_waiting())], default=None)
    first = min([number for lane in lanes if (number := lane.first_sequence()) is not None], default=None)
    return Held(
        events=sum([lane.events for lane in lanes]),
        size_bytes=size_bytes,
        leased=sum([lane.leased_events for lane in lanes]),
        leased_bytes=sum([lane.size_bytes - lane.waiting_bytes for lane in lanes]),
        fullest_events=fullest.waiting_events,
        fullest_bytes=fullest.waiting_bytes,
        oldest_at=None if oldest is None else moment.seconds_of(oldest[1]),
        oldest_sequence=None if oldest is None else oldest[0],
        first_sequence=first,
        latest_sequence=state.latest if state.latest > state.origin else 0,
    )
