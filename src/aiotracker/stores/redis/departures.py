"""Records that leave the streams of a `RedisStore`: delivered, or to be dead letters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiotracker.protocol.record import Kind
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.parts import chunks
from aiotracker.stores.redis.streams import Burial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.policy.reasons import DropReason
    from aiotracker.stores.base import Lease, StoreHost
    from aiotracker.stores.redis.streams import Reply, Streams
    from aiotracker.stores.redis.walltime import WallTime

__all__ = ["Departures"]


class Departures:
    """What is in Redis, and as good as gone. On the loop only."""

    def __init__(self, streams: Streams, times: WallTime, host: StoreHost) -> None:
        """Begin with nothing.

        Args:
            streams: say how records leave.
            times: of putting.
            host: of the store.
        """
        self.burying: int = 0
        """Records that are to be dead letters."""
        self._streams = streams
        self._times = times
        self._host = host
        self._leaving: dict[Kind, set[int]] = {kind: set() for kind in Kind}

    def sequences(self, kind: Kind) -> frozenset[int]:
        """Return the numbers of what has no answer yet."""
        return frozenset(self._leaving[kind])

    def acking(self, kind: Kind, sequences: Sequence[int]) -> Errand:
        """Return the errand that removes records that were delivered."""
        leaving = self._leaving[kind]
        leaving.update(sequences)
        return Errand(
            self._streams.ack(kind, sequences),
            lambda _: leaving.difference_update(sequences),
            is_lasting=True,
        )

    def burying_of(
        self, lease: Lease, sequences: Sequence[int], reason: DropReason, detail: str
    ) -> list[Errand]:
        """Return the errands that make dead letters of a lease.

        Args:
            lease: what is given up.
            sequences: numbers of those that Redis should have; the others are in no stream.
            reason: why.
            detail: what happened, for a person.
        """
        there = frozenset(sequences)
        burials = [
            Burial(lease.kind, number if number in there else None, self._times.to_wall_ms(put_at), data)
            for number, put_at, data in zip(lease.sequences, lease.put_at, lease.data, strict=True)
        ]
        return [self.bury(part, reason, detail) for part in chunks(burials)]

    def bury(self, burials: Sequence[Burial], reason: DropReason, detail: str) -> Errand:
        """Return the errand that makes dead letters of records of one kind."""
        leaving = self._leaving[burials[0].kind]
        numbers = {each.sequence for each in burials if each.sequence is not None}
        leaving |= numbers
        self.burying += len(burials)

        def receive(reply: Reply) -> None:
            leaving.difference_update(numbers)
            self.burying -= len(burials)
            cut = reply[1]
            if cut > 0:
                message = f"{cut} of the oldest dead letters made room for others"
                self._host.say(logging.WARNING, "dead_letters", message)

        command = self._streams.bury(burials, self._host.clock.wall_ms(), reason, detail)
        return Errand(command, receive, is_lasting=True)
