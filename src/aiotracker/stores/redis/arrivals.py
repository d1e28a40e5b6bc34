"""Entries that come out of the streams of a `RedisStore`, to be sent from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import ENCODING_VERSION, Kind
from aiotracker.stores.base import Lease
from aiotracker.stores.redis import streams
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.streams import Burial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiotracker.stores.base import StoreHost
    from aiotracker.stores.redis.departures import Departures
    from aiotracker.stores.redis.holdings import Holding, Holdings
    from aiotracker.stores.redis.overview import Overview
    from aiotracker.stores.redis.streams import Entry, Reply, Streams
    from aiotracker.stores.redis.walltime import WallTime

__all__ = ["Arrivals"]


class Arrivals:
    """Fetches entries and takes them in. On the loop only."""

    def __init__(
        self,
        streams: Streams,
        holdings: Holdings,
        overview: Overview,
        departures: Departures,
        *,
        times: WallTime,
        host: StoreHost,
        post: Callable[[Errand], None],
        max_deliveries: int,
    ) -> None:
        """Prepare; nothing is fetched yet.

        Args:
            streams: say what is to be fetched.
            holdings: which hold what was read.
            overview: tells what there is to fetch.
            departures: where those go that nobody can send.
            times: of putting.
            host: of the store.
            post: takes an errand along in the next round.
            max_deliveries: a record whose holders died so often is given up.
        """
        self._streams = streams
        self._holdings = holdings
        self._overview = overview
        self._departures = departures
        self._times = times
        self._host = host
        self._post = post
        self._max_deliveries = max_deliveries

    def fetching(self, max_events: int, max_bytes: int, *, is_patient: bool) -> Iterator[Errand]:
        """Yield what has to be fetched for one more lease of the oldest kind.

        Args:
            max_events: of the lease.
            max_bytes: of the whole POST body.
            is_patient: whether silent consumers are given time to come back.
        """
        kind = self._overview.oldest_kind()
        look = self._overview.looks.get(kind) if kind is not None else None
        if kind is None or look is None or not look.available:
            return
        if self._holdings.fills(kind, max_events, max_bytes):
            return
        room = max_bytes - self._holdings.waiting_bytes(kind)
        count = max(
            1,
            min(max_events - self._holdings.waiting(kind), 1 + int(room / self._overview.record_bytes)),
        )

        def receive(reply: Reply) -> None:
            self.take_in(kind, streams.entries(reply))

        if look.claimable:
            yield Errand(self._streams.claim(kind, count, is_patient=is_patient), receive)
        yield Errand(self._streams.read(kind, count), receive)

    def take_in(self, kind: Kind, entries: Sequence[Entry]) -> None:
        """Hold what was read, without what nobody can send."""
        self._overview.learn_size([entry.data for entry in entries])
        fine, spent, strange = [], [], []
        for entry in entries:
            if entry.version != ENCODING_VERSION:
                strange.append(entry)
            elif entry.deliveries >= self._max_deliveries:
                spent.append(entry)
            else:
                fine.append(self._holding_of(entry))
        self._holdings.add(kind, fine)
        self._give_up(kind, spent, f"{self._max_deliveries} holders died before they had settled it")
        self._give_up(kind, strange, "its encoding is unknown: it was written by another release")

    def lease_of(self, kind: Kind, entries: Iterable[Entry]) -> Lease:
        """Return entries, one or more, as a lease that is settled."""
        sequences, put_at, data = zip(*map(self._holding_of, entries), strict=True)
        return Lease(kind, data, sequences, put_at)

    def _give_up(self, kind: Kind, entries: Sequence[Entry], detail: str) -> None:
        if not entries:
            return
        burials = [Burial(kind, each.sequence, each.put_ms, each.data, each.version) for each in entries]
        self._post(self._departures.bury(burials, DropReason.STORE_ERROR, detail))
        lease = self.lease_of(kind, entries)
        self._host.lost(len(entries), DropReason.STORE_ERROR, detail, [lease])

    def _holding_of(self, entry: Entry) -> Holding:
        return (entry.sequence, self._times.to_clock(entry.put_ms), entry.data)
