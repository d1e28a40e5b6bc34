"""The accounts of delivery: what was offered, and what became of it.

At every moment, exactly:

    offered  = accepted + refused
    accepted = delivered + dropped + buffered + in_flight

(With a durable store that several processes share, the first line holds for each, the second for all.)
The ledger moves events between these accounts and does nothing else; every move is one critical section,
so that a snapshot taken from any thread adds up. What is buffered is not kept but follows from the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiotracker.policy.reasons import DropReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiotracker.policy.reasons import RefusalReason

__all__ = ["Ledger", "Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of the accounts, in events.

    Attributes:
        offered: whose admission was decided.
        accepted: taken into the buffer.
        refused: not taken, by reason.
        delivered: the collector has them.
        dropped: accepted and given up, by reason.
        buffered: waiting to be sent; with a durable store, all that wait there, whoever put them in.
        in_flight: being sent.
        requests: attempts made, of any outcome.
        retries: attempts that failed and are repeated, by cause (`503`, `timeout`, …).
        volatile: those of the buffered that a durable store has not made safe yet.
    """

    offered: int
    accepted: int
    refused: Mapping[RefusalReason, int]
    delivered: int
    dropped: Mapping[DropReason, int]
    buffered: int
    in_flight: int
    requests: int
    retries: Mapping[str, int]
    volatile: int = 0

    @classmethod
    def total(cls, parts: Iterable[Statistics]) -> Statistics:
        """Return the sums of several emitters' accounts."""
        snapshots = list(parts)
        refused: Counter[RefusalReason] = Counter()
        dropped: Counter[DropReason] = Counter()
        retries: Counter[str] = Counter()
        for snapshot in snapshots:
            refused.update(snapshot.refused)
            dropped.update(snapshot.dropped)
            retries.update(snapshot.retries)
        return cls(
            offered=sum(s.offered for s in snapshots),
            accepted=sum(s.accepted for s in snapshots),
            refused=MappingProxyType(dict(refused)),
            delivered=sum(s.delivered for s in snapshots),
            dropped=MappingProxyType(dict(dropped)),
            buffered=sum(s.buffered for s in snapshots),
            in_flight=sum(s.in_flight for s in snapshots),
            requests=sum(s.requests for s in snapshots),
            retries=MappingProxyType(dict(retries)),
            volatile=sum(s.volatile for s in snapshots),
        )


class Ledger:
    """The accounts of one emitter."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = Lock()
        self._accepted = 0
        self._refused: Counter[RefusalReason] = Counter()
        self._delivered = 0
        self._dropped: Counter[DropReason] = Counter()
        self._in_flight = 0
        self._requests = 0
        self._retries: Counter[str] = Counter()

    def accept(self) -> None:
        """An event was offered and taken. Callers hold the admission's lock, and so accept one at a time."""
        self._accepted += 1

    def refuse(self, reason: RefusalReason) -> None:
        """An event was offered and not taken."""
        with self._lock:
            self._refused[reason] += 1

    def lease(self, count: int) -> None:
        """Events went out to be sent."""
        with self._lock:
            self._in_flight += count

    def release(self, count: int, _found: int = 0) -> None:
        """Events came back to be sent again."""
        with self._lock:
            self._in_flight -= count

    def reclaim(self) -> None:
        """Nothing is in flight any more."""
        with self._lock:
            self._in_flight = 0

    def deliver(self, count: int, found: int) -> None:
        """Events that were in flight arrived.

        Args:
            count: of those that were in flight.
            found: of those that nobody else had settled meanwhile.
        """
        with self._lock:
            self._in_flight -= count
            self._delivered += found

    def drop(self, count: int, found: int, reason: DropReason) -> None:
        """Events that were in flight were given up; the counts are those of `deliver`."""
        with self._lock:
            self._in_flight -= count
            self._dropped[reason] += found

    def drop_buffered(self, count: int, reason: DropReason) -> None:
        """Events that were waiting were given up."""
        with self._lock:
            self._dropped[reason] += count

    def after_fork(self, *, is_durable: bool = False) -> None:
        """In a forked child: what was not settled belongs to the parent. The lock may be held: a new one.

        Args:
            is_durable: it waits where the child finds it, too, and so is not lost to it.
        """
        self._lock = Lock()
        self._in_flight = 0
        if not is_durable:
            rest = self._accepted - self._delivered - sum(self._dropped.values())
            self._dropped[DropReason.FORKED] += rest

    def attempt(self) -> None:
        """A request begins."""
        with self._lock:
            self._requests += 1

    def retry(self, cause: str) -> None:
        """An attempt failed and will be repeated."""
        with self._lock:
            self._retries[cause] += 1

    def snapshot(self) -> Statistics:
        """Return the accounts as they are now."""
        with self._lock:
            refused = sum(self._refused.values())
            settled = self._delivered + sum(self._dropped.values())
            accepted = self._accepted  # once: it grows without this lock
            return Statistics(
                offered=accepted + refused,
                accepted=accepted,
                refused=MappingProxyType(dict(self._refused)),
                delivered=self._delivered,
                dropped=MappingProxyType(dict(self._dropped)),
                buffered=accepted - settled - self._in_flight,
                in_flight=self._in_flight,
                requests=self._requests,
                retries=MappingProxyType(dict(self._retries)),
            )
