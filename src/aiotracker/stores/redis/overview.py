"""What one opening of a `RedisStore` knows of its streams: their last look, and what is held of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiotracker.protocol.record import Kind, record_bytes
from aiotracker.stores.durable import Held
from aiotracker.stores.redis.parts import PART_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiotracker.clock import Clock
    from aiotracker.stores.redis.holdings import Holdings
    from aiotracker.stores.redis.streams import Look
    from aiotracker.stores.redis.walltime import WallTime

__all__ = ["Overview"]

FIRST_GUESS_BYTES: Final = 1_000  # of a record, before any was seen


class Overview:
    """Counts what is committed. On the loop only."""

    def __init__(
        self, holdings: Holdings, times: WallTime, clock: Clock, is_reachable: Callable[[], bool]
    ) -> None:
        """Begin without having seen anything.

        Args:
            holdings: of this opening.
            times: of putting.
            clock: tells now.
            is_reachable: whether anything can be had from Redis now.
        """
        self.looks: Mapping[Kind, Look] = {}
        """How the streams were seen last; empty before the first time."""
        self._holdings = holdings
        self._times = times
        self._clock = clock
        self._is_reachable = is_reachable
        self._average_bytes: float | None = None  # of a record; None before any was seen

    @property
    def record_bytes(self) -> float:
        """What a record that was not read adds to a body: a guess."""
        return self._average_bytes or FIRST_GUESS_BYTES

    def learn_size(self, data: Sequence[bytes]) -> None:
        """Let the guess follow the sizes of records that went by."""
        if data:
            average = sum(map(record_bytes, data)) / len(data)
            before = average if self._average_bytes is None else self._average_bytes
            self._average_bytes = before + (average - before) * min(0.5, len(data) / PART_EVENTS)

    def oldest_kind(self) -> Kind | None:
        """Return the kind of the oldest record that waits, here or in Redis."""
        oldest = {kind: number for kind in Kind if (number := self._oldest(kind)) is not None}
        return min(oldest, key=lambda kind: oldest[kind], default=None)

    def held(self, unbooked: Iterable[int], latest_sequence: int) -> Held:
        """Say what is committed, from the last look and from what is held here.

        Args:
            unbooked: numbers of what is settled, which who asked for it does not know yet.
            latest_sequence: number of the latest record of which was known before.
        """
        waiting: dict[Kind, int] = {}
        total = available = 0
        for kind in Kind:
            held, look, seen = self._holdings, self._look(kind), self.looks.get(kind)
            waiting[kind] = held.waiting(kind) + (look.available if look else 0)
            available += waiting[kind]
            total += held.orphans(kind)
            if seen is not None:
                total += seen.length
        fullest = max(waiting, key=lambda kind: waiting[kind])
        oldest = self.oldest_kind()
        firsts = [look.first for look in self.looks.values() if look.first is not None]
        firsts += unbooked
        if (orphan := self._holdings.first_orphan()) is not None:
            firsts.append(orphan)
        latest = [look.latest for look in self.looks.values()]
        return Held(
            events=max(total, available),
            leased=max(total, available) - available,
            fullest_events=waiting[fullest],
            fullest_bytes=self._bytes_of(fullest, waiting[fullest]),
            oldest_at=None if oldest is None else self._oldest_at(oldest),
            oldest_sequence=None if oldest is None else self._oldest(oldest),
            first_sequence=min(firsts, default=None),
            latest_sequence=max(latest_sequence, *latest, 0),
        )

    def _look(self, kind: Kind) -> Look | None:
        """Return how a stream is; None when nothing can be had from it now."""
        return self.looks.get(kind) if self._is_reachable() else None

    def _oldest(self, kind: Kind) -> int | None:
        first, look = self._holdings.first(kind), self._look(kind)
        numbers = [first[0]] if first else []
        numbers += [look.oldest] if look and look.oldest is not None else []
        return min(numbers, default=None)

    def _oldest_at(self, kind: Kind) -> float:
        first, look = self._holdings.first(kind), self._look(kind)
        if first is not None and (look is None or look.oldest is None or first[0] < look.oldest):
            return first[1]
        return self._times.to_clock(look.oldest_put_ms) if look is not None else self._clock.now()

    def _bytes_of(self, kind: Kind, count: int) -> int:
        """Return the bytes of what waits of a kind: counted here, guessed of what is in Redis."""
        unread = count - self._holdings.waiting(kind)
        return self._holdings.waiting_bytes(kind) + round(unread * self.record_bytes)
