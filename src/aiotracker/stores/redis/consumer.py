"""One opening of a `RedisStore`, which is one consumer of its streams.

Wires the parts that an opening is made of, and tells the courier what each round is for: to hold on to what
is held, to make room, to write. Invariant: what this consumer holds in Redis is in the holdings, among the
departures, or found with the next `keep`.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
from typing import TYPE_CHECKING, Final

from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import Kind
from aiotracker.runtime import current_loop
from aiotracker.stores.base import CLOSE_GRACE_SECONDS
from aiotracker.stores.durable import Held
from aiotracker.stores.redis import streams
from aiotracker.stores.redis.address import address_of
from aiotracker.stores.redis.arrivals import Arrivals
from aiotracker.stores.redis.courier import GRACE_SECONDS, Courier, Orders
from aiotracker.stores.redis.departures import Departures
from aiotracker.stores.redis.errand import Errand
from aiotracker.stores.redis.groups import Groups
from aiotracker.stores.redis.holdings import Holdings
from aiotracker.stores.redis.link import Link, send_now
from aiotracker.stores.redis.overview import Overview
from aiotracker.stores.redis.parts import parts
from aiotracker.stores.redis.streams import Streams
from aiotracker.stores.redis.trouble import RedisTrouble
from aiotracker.stores.redis.walltime import WallTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aiotracker.runtime import DetachedTask, Loop
    from aiotracker.stores.base import Lease, StoreHost
    from aiotracker.stores.dead_letters import DeadLetter
    from aiotracker.stores.durable import Group
    from aiotracker.stores.redis.memory import Memory
    from aiotracker.stores.redis.settings import Settings
    from aiotracker.stores.redis.streams import Command, Look, Reply

__all__ = ["Consumer"]

KEPT_PER_LEASE: Final = 3  # how often a holder says that it lives before its lease would expire
OPEN_SECONDS: Final = 1.0  # opening waits so long to learn whether Redis is there


class Consumer:
    """Reads and writes for one store until it is closed. On the loop only."""

    def __init__(self, settings: Settings, memory: Memory, host: StoreHost, loop: Loop, title: str) -> None:
        """Begin to go to Redis; one that is away is tried again and again.

        Args:
            settings: of the store.
            memory: in front of Redis.
            host: of the store.
            loop: on which it is opened.
            title: of its task.
        Raises:
            ConfigurationError: redis cannot use the URL.
        """
        self._settings = settings
        self._memory = memory
        self.host: StoreHost = host
        self._clock = host.clock
        self._loop = loop
        self._title = title
        self.name: str = f"{os.getpid()}-{secrets.token_hex(8)}"
        """As Redis knows it."""
        self.streams: Streams = Streams(
            settings.name,
            self.name,
            lease_seconds=settings.lease_seconds,
            max_dead_letters=settings.max_dead_letters,
        )
        times = WallTime(self._clock)
        self.holdings: Holdings = Holdings()
        self.departures: Departures = Departures(self.streams, times, host)
        self.groups: Groups = Groups(memory, self.streams, times, self._committed, self.wake)
        self._overview = Overview(
            self.holdings, times, self._clock, is_reachable=lambda: self.courier.is_reachable
        )
        self._arrivals = Arrivals(
            self.streams,
            self.holdings,
            self._overview,
            self.departures,
            times=times,
            host=host,
            post=self._post,
            max_deliveries=settings.max_deliveries,
        )
        self._unbooked: set[int] = set()  # settled, which who asked for it does not know yet
        self._kept_at = -math.inf  # when it was last said that what is held here is
        self._told = Held()
        self._was_seen = False  # the streams
        self.courier: Courier = self._build_courier(loop)
        """Another one once the loop has ended on which it was opened."""
        self._task = loop.spawn(self.courier.run, title)

    def _build_courier(self, loop: Loop) -> Courier:
        return Courier(
            Link(self._settings.url, self._settings.timeout),
            self.streams,
            Orders(self._prepare, self._resume, self._receive_looks, self._is_idle, self._lost_touch),
            self.host,
            loop,
            timeout=self._settings.timeout,
            poll=self._settings.lease_seconds / KEPT_PER_LEASE,
            patience=self._settings.lease_seconds,
        )

    # -- life -----------------------------------------------------------------------------------------

    async def wait_a_little(self) -> None:
        """Wait a little to learn whether Redis is there."""
        with self._clock.move_on_at(self._clock.now() + OPEN_SECONDS):
            await self.courier.has_tried.wait()

    @property
    def is_here(self) -> bool:
        """Whether the current loop is the one on which it was opened."""
        return self._loop.is_current()

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Have all written that can be, give back what is held, and disconnect.

        Args:
            by: clock seconds.
        Returns:
            What Redis had lost, and has not taken again.
        """
        loop, task = (self._loop, self._task) if self.is_here else self._succeed()
        courier = self.courier
        lone = self.holdings.take_orphans()
        for lease in list(lone):
            courier.post(Errand(self.groups.put([lease]), _taking(lease, lone), is_lasting=True))
        courier.close(by)
        by = max(by, self._clock.now())
        await loop.outlast([task], self._clock.move_on_at(by + GRACE_SECONDS, shield=True))
        if not task.finished.is_set():
            courier.cut()  # and what was on its way goes back to memory, to be given up there
            await loop.outlast([task], self._clock.move_on_at(by + CLOSE_GRACE_SECONDS, shield=True))
        courier.link.abort()
        return lone

    def _succeed(self) -> tuple[Loop, DetachedTask]:
        """Go on here with what a loop left behind that has ended."""
        self.courier.link.leave()
        self.groups.give_up()
        lasting = self.courier.lasting
        loop = current_loop()
        self.courier = self._build_courier(loop)
        for errand in lasting:
            self.courier.post(Errand(errand.command, errand.receive, is_lasting=True))
        return loop, loop.spawn(self.courier.run, self._title)

    def at_exit(self, leases: Sequence[Lease], by: float) -> int:
        """Write records, and give back what is held, without the event loop.

        Args:
            leases: what is to be written.
            by: moment of `time.monotonic()`.
        Returns:
            How many records are lost.
        """
        pieces = list(parts(leases))
        commands = [self.groups.put(part) for part in pieces]
        commands += [each.command for each in self.courier.lasting]
        done = send_now(self._settings.url, [*commands, self.streams.give()], by, self.courier.link.peer)
        lost = [part for part, is_done in zip(pieces, done, strict=False) if not is_done]
        return sum(len(lease) for part in lost for lease in part)

    # -- what the store calls -------------------------------------------------------------------------

    def wake(self) -> None:
        """Begin a round. Any thread."""
        self.courier.wake()

    def _post(self, errand: Errand) -> None:
        self.courier.post(errand)  # whoever that is by then

    async def fetch(self, max_events: int, max_bytes: int) -> None:
        """Read what one more lease takes, where Redis is there."""
        if self.courier.is_reachable:
            await self.hold_on()
            is_patient = self.courier.is_patient
            await self.courier.do(*self._arrivals.fetching(max_events, max_bytes, is_patient=is_patient))

    async def hold_on(self) -> None:
        """See what is still held, where this process stood still until others may have taken it."""
        if self._is_silent() and self.courier.is_reachable:
            await self.courier.do(*(self._keeping(kind, is_first=False) for kind in Kind))

    async def settle(self, sequences: Sequence[int], *errands: Errand) -> None:
        """Wait until records are settled; until their caller knows, the host takes them for unsettled.

        A flush would end before the delivery that it waited for is in the accounts.
        """
        self._unbooked.update(sequences)
        try:
            await self.courier.do(*errands)
        finally:
            self._unbooked.difference_update(sequences)

    async def ask(self, command: Command) -> Reply:
        """Have one thing done at once, for somebody who waits for the answer.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        link = self.courier.link
        try:
            (reply,) = await link.exchange([command])
        except RedisTrouble as error:
            raise ConnectionError(f"{link.address} {error}") from error
        if isinstance(reply, RedisTrouble):
            raise ConnectionError(f"{link.address} {reply}") from reply
        return reply

    async def letters(self, after: str, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, the oldest ones after one of them.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        return streams.letters(await self.ask(self.streams.letters(after, limit)))

    def account(self) -> None:
        """Say what is committed now."""
        self._memory.note(self._overview.held(self._unbooked, self._memory.held().latest_sequence))

    # -- what the courier calls -----------------------------------------------------------------------

    def _resume(self) -> Iterator[Errand]:
        """Yield what is to be done first when Redis is there again: hold on to what is held."""
        if self._was_seen:
            yield from (self._keeping(kind, is_first=True) for kind in Kind)

    def _prepare(self) -> Iterator[Errand]:
        """Yield what else is to be done in the next round."""
        if self._clock.now() - self._kept_at >= self._settings.lease_seconds / KEPT_PER_LEASE:
            kinds = [kind for kind in Kind if self.holdings.sequences(kind)]
            yield from (self._keeping(kind, is_first=False) for kind in kinds)
            if not kinds:
                self._kept_at = self._clock.now()
        yield from self._evicting()
        if not self.courier.is_refused:
            yield from self.groups.errands()

    def _is_idle(self) -> bool:
        """Tell whether nothing is volatile."""
        return not self._memory.waiting() and self.groups.is_idle

    def _lost_touch(self) -> None:
        """Have what is here sent from here."""
        self.groups.refuse_unsent()
        self.account()
        self.host.changed()

    def _receive_looks(self, looks: Mapping[Kind, Look]) -> None:
        """Learn how the streams are."""
        lost = [kind for kind, look in looks.items() if look.is_new]
        if lost and self._was_seen:
            self._lost(lost)
        self._was_seen = True
        self._overview.looks = looks
        self.account()
        held = self._memory.held()
        if held != self._told:
            self._told = held
            self.host.changed()

    def _lost(self, kinds: Iterable[Kind]) -> None:
        """Redis has lost streams: what is held here is all that there is of them."""
        saved = sum(self.holdings.orphan(kind) for kind in kinds)
        known = sum(self._overview.looks[kind].length for kind in kinds)
        message = (
            f"{address_of(self._settings.url)} has lost its streams, in which there were {known} events when "
            f"last seen, and more that this process does not know of: {saved} that it holds are sent all the "
            "same"
        )
        self.host.say(logging.ERROR, "lost", message)

    def _committed(self, part: Group) -> None:
        self.courier.accepted()
        for lease in part.leases:
            self._overview.learn_size(lease.data)
        self._memory.committed(part)

    # -- what is held ---------------------------------------------------------------------------------

    def _keeping(self, kind: Kind, *, is_first: bool) -> Errand:
        def receive(reply: Reply) -> None:
            kept = streams.kept(reply)
            self._kept_at = self._clock.now()
            self.holdings.drop(kind, kept.taken)
            if is_first:  # back after an outage, in which nobody else can have sent them
                self.holdings.orphan(kind, kept.gone)
            else:
                self.holdings.drop(kind, kept.gone)
            self._arrivals.take_in(kind, kept.found)

        return Errand(self.streams.keep(kind, self._held_of(kind)), receive)

    def _held_of(self, kind: Kind) -> list[int]:
        """Return the numbers of what this consumer holds, or has settled without an answer."""
        return sorted(self.departures.sequences(kind).union(self.holdings.sequences(kind)))

    def _is_silent(self) -> bool:
        """Tell whether this process was silent for so long that others may take it for dead."""
        return self._clock.now() - self._kept_at > self._settings.lease_seconds

    # -- what makes room ------------------------------------------------------------------------------

    def _evicting(self) -> Iterator[Errand]:
        """Yield what makes room: the oldest that waits, here before in Redis, is given up."""
        count = self._memory.take_evictions()
        if not count:
            return
        for lease in self.holdings.drop_oldest(count):
            count -= len(lease)
            ours, _ = self.holdings.settle(lease)
            if ours:
                yield self.departures.acking(lease.kind, ours)
            self._evicted([lease])

        def receive(reply: Reply) -> None:
            found = streams.evicted(reply)
            self._evicted([self._arrivals.lease_of(kind, each) for kind, each in found.items() if each])

        def refuse() -> None:
            self._memory.add_evictions(count)

        if count:
            yield Errand(self.streams.evict(count), receive, refuse=refuse)

    def _evicted(self, leases: Sequence[Lease]) -> None:
        count = sum(map(len, leases))
        self.host.lost(count, DropReason.EVICTED, "the oldest made room for newer ones", leases)


def _taking(lease: Lease, leases: list[Lease]) -> Callable[[object], None]:
    return lambda _: leases.remove(lease)
