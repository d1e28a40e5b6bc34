"""Events in Redis Streams: shared by any number of writers and relays, on any number of machines."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiotracker.errors import ConfigurationError
from aiotracker.protocol.record import Kind
from aiotracker.runtime import current_loop, import_once, is_asyncio
from aiotracker.stores.base import Lease
from aiotracker.stores.durable import DurableStore, Group
from aiotracker.stores.memory import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS
from aiotracker.stores.redis.address import address_of
from aiotracker.stores.redis.memory import Memory
from aiotracker.stores.redis.parts import chunks
from aiotracker.stores.redis.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.policy.reasons import DropReason
    from aiotracker.stores.base import StoreHost
    from aiotracker.stores.dead_letters import DeadLetter
    from aiotracker.stores.redis.consumer import Consumer

__all__ = ["RedisStore"]

UNBOUNDED: Final = 2**62  # bytes: it is the records in Redis that are bounded, and in memory both


class RedisStore(DurableStore):
    """An event store in Redis Streams, for services whose events outlive a machine.

    Any number of processes on any number of machines fill and drain one store; those with one `name` in one
    Redis share it. Needs an extra, `pip install "aiotracker[redis]"`, asyncio or uvloop, and Redis 6.2 or
    Valkey:

        Emitter("https://collector.acme.com", event_store=RedisStore("redis://localhost:6379/0"))

    What survives:
    - A crash of this process, kill -9 included, loses nothing that was committed. What it had leased is
      handed to others `lease_seconds` after its last sign of life, and at once when it was closed.
    - A crash of Redis loses what Redis had not saved: with `appendonly yes` and `appendfsync everysec` up to
      a second, with `appendfsync always` nothing, without persistence everything. What had been delivered in
      that second may be delivered again.
    - Replication is asynchronous: a failover loses what had not reached the replica.
    - `maxmemory-policy` must be `noeviction`; any other policy lets Redis throw the streams away.

    While Redis is away, or refuses to store, events wait in memory up to `buffer_events` and `buffer_bytes`,
    where they survive nothing, and are sent from there. So it is with a Redis whose certificate cannot be
    verified; `?ssl_ca_certs=path` in the URL names an authority of your own.

    The bound `max_events` is read with every group that is written: each writer may exceed it by one group.
    A group whose answer is lost is written again, so that its events may be there twice, with one id each.
    """

    def __init__(
        self,
        url: str,
        name: str = "default",
        *,
        max_events: int = 1_000_000,
        lease_seconds: float = 60.0,
        buffer_events: int = DEFAULT_MAX_EVENTS,
        buffer_bytes: int = DEFAULT_MAX_BYTES,
        max_dead_letters: int = 100_000,
        max_deliveries: int = 10,
        timeout: float = 3.0,
    ) -> None:
        """Describe a store; nothing is imported or connected before `open()`.

        Args:
            url: `redis://[user:password@]host:port/database`, `rediss://…` for TLS, or `unix://path`; in
                users and passwords `/` is `%2F`, and so on. What is secret in it is never shown.
            name: of the store; part of its keys.
            max_events: bound in records over all processes, those being sent included.
            lease_seconds: how long a process may be silent before others take over what it had leased; more
                than a request and its retries take.
            buffer_events: bound in records of what is not committed yet.
            buffer_bytes: bound in bytes of what is not committed yet.
            max_dead_letters: bound of the dead letters; the oldest make room.
            max_deliveries: a record whose holders died so often is given up: it may be what kills them.
            timeout: seconds for Redis to answer.
        Raises:
            ConfigurationError: a setting that cannot work.
        """
        self._settings = Settings(
            url=url,
            name=name,
            max_events=max_events,
            lease_seconds=lease_seconds,
            buffer_events=buffer_events,
            buffer_bytes=buffer_bytes,
            max_dead_letters=max_dead_letters,
            max_deliveries=max_deliveries,
            timeout=timeout,
        )
        super().__init__(
            max_events=max_events,
            max_bytes=UNBOUNDED,
            buffer_events=buffer_events,
            buffer_bytes=buffer_bytes,
        )
        self._shut()

    def _shut(self) -> None:
        """Be closed."""
        self._consumer: Consumer | None = None
        self._evictions = 0  # records in Redis that are to make room
        self._lent: dict[Kind, set[int]] = {kind: set() for kind in Kind}  # from memory

    def __repr__(self) -> str:
        """Say which store it is, without what is secret in its URL."""
        return f"RedisStore({address_of(self._settings.url)!r}, {self._settings.name!r})"

    # -- life -----------------------------------------------------------------------------------------

    async def open(self, host: StoreHost) -> None:
        """Import redis and begin to go there; a Redis that is away is tried again and again.

        Raises:
            ConfigurationError: redis is not installed, does not know this event loop, or cannot use the URL.
        """
        if not is_asyncio():
            raise ConfigurationError(
                "event_store", self, "redis knows asyncio only: run on asyncio or uvloop, not on trio"
            )
        loop = current_loop()
        await import_once(loop, "aiotracker.stores.redis.consumer", _import_consumer)
        self._shut()
        memory = Memory(
            waiting=lambda: self._memory.backlog().events,
            take_group=self._take_group,
            committed=self._part_committed,
            failed=self._group_failed,
            take_evictions=self._take_evictions,
            add_evictions=self._add_evictions,
            held=lambda: self._held,
            note=self._note_held,
        )
        build = _import_consumer()
        self._consumer = consumer = build(self._settings, memory, host, loop, f"aiotracker {self!r}")
        try:
            await consumer.wait_a_little()
        except BaseException:  # cancelled: nobody will close it, and the next opening must not meet it
            await consumer.aclose(host.clock.now())
            self._shut()
            raise

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Commit what is volatile until a moment in clock seconds, give back what is held, and disconnect."""
        consumer = self._consumer
        if consumer is None:
            return self._give_up_volatile()
        is_here = consumer.is_here
        lone = await consumer.aclose(by)
        rest = [*self._give_up_volatile(), *lone]
        if is_here:  # whoever waits for a commit has waited for all that can be done
            self._let_callers_go()
        self._shut()
        return rest

    def at_exit(self, by: float) -> int:
        """Write what is volatile, and give back what is held, without the event loop."""
        consumer = self._consumer
        if consumer is None:
            return sum(map(len, self._give_up_volatile()))
        self._take_back_volatile()
        consumer.holdings.put_back_all()
        with self._lock:
            written = consumer.groups.leases
        leases = [*written, *self._give_up_volatile(), *consumer.holdings.take_orphans()]
        return consumer.at_exit(leases, by)

    def after_fork(self) -> None:
        """In a forked child: be closed, and leave the connection to the parent."""
        if self._consumer is not None:
            self._consumer.courier.link.leave()
        super().after_fork()
        self._shut()

    # -- records --------------------------------------------------------------------------------------

    def _wake(self) -> None:
        consumer = self._consumer
        if consumer is not None:
            consumer.wake()

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:
        """Make room for one record: at once in memory; in Redis soon, of which the host is told."""
        with self._lock:
            waiting = self._held.events - self._held.leased - self._evictions
            evicted = [] if self._reserve(size_bytes) else self._evict_volatile(size_bytes)
            if evicted is None:
                return None
            surplus = self._held.events + self._reserved_events - self._max_events - self._evictions
            if surplus > 0:
                if waiting < 1 and not evicted:
                    self._memory.cancel(size_bytes)
                    self._free(1, size_bytes)
                    return None
                self._evictions += min(1, max(0, waiting))
        self._wake()
        return evicted

    def _take_evictions(self) -> int:
        with self._lock:
            count, self._evictions = self._evictions, 0
        return count

    def _add_evictions(self, count: int) -> None:
        with self._lock:
            self._evictions += count

    def _part_committed(self, part: Group) -> None:
        self._group_committed(part, replace(self._held, events=self._held.events + len(part)))

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records: from Redis, and from memory what it does not take."""
        for is_last in (False, True):
            consumer = self._consumer
            if consumer is None:
                return self._lease_volatile(max_events, max_bytes)
            await consumer.fetch(max_events, max_bytes)
            lease, courier = consumer.holdings.take_oldest(max_events, max_bytes), consumer.courier
            if lease is None and (not courier.is_reachable or courier.is_refused):
                lease = self._lease_volatile(max_events, max_bytes)
            if lease is not None:
                consumer.account()
                return lease
            if not is_last:
                # What waits is on its way to Redis: there is nothing to lease before it has arrived.
                await courier.next_round()
        return None

    async def ack(self, lease: Lease) -> int:
        """Remove records that were delivered."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        consumer = self._consumer
        if consumer is None:
            return 0
        ours, orphans = consumer.holdings.settle(lease)
        count = len(orphans)
        if ours:
            errand = consumer.departures.acking(lease.kind, ours)
            await consumer.settle(ours, errand)
            count += len(ours) if errand.reply is None else errand.reply
        consumer.account()
        return count

    async def release(self, lease: Lease) -> None:
        """Take records back; they stay with this process, which keeps its claim on them."""
        consumer = self._consumer
        if self._is_volatile(lease):
            self._put_back_volatile(lease)
        elif consumer is not None:
            consumer.holdings.put_back(lease)
            await consumer.hold_on()
            consumer.account()

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Make dead letters of records."""
        consumer = self._consumer
        ours: list[int] = []
        if self._is_volatile(lease):
            self._forget_volatile(lease)
        elif consumer is not None:
            ours, _ = consumer.holdings.settle(lease)
        if consumer is None:
            return len(lease)
        courier, departures = consumer.courier, consumer.departures
        has_room = departures.burying + len(lease) <= self._settings.buffer_events
        if not ours and not courier.is_reachable and not has_room:
            message = (
                f"{len(lease)} dead letters are gone: they cannot wait until {courier.link.address} is back"
            )
            consumer.host.say(logging.WARNING, "dead_letters", message)
            return len(lease)
        errands = departures.burying_of(lease, ours, reason, detail)
        await consumer.settle(ours, *errands)
        consumer.account()
        if any(errand.reply is None for errand in errands):
            return len(lease)
        return sum(errand.reply[0] for errand in errands)

    async def reclaim(self) -> int:
        """Take every lease back."""
        count, consumer = self._take_back_volatile(), self._consumer
        if consumer is not None:
            count += consumer.holdings.put_back_all()
            await consumer.hold_on()
            consumer.account()
        return count

    # -- from memory ----------------------------------------------------------------------------------

    def _lease_volatile(self, max_events: int, max_bytes: int) -> Lease | None:
        lease = super()._lease_volatile(max_events, max_bytes)
        if lease is not None:
            self._lent[lease.kind].update(lease.sequences)
        return lease

    def _forget_volatile(self, lease: Lease) -> int:
        self._lent[lease.kind].difference_update(lease.sequences)
        return super()._forget_volatile(lease)

    def _put_back_volatile(self, lease: Lease) -> None:
        self._lent[lease.kind].difference_update(lease.sequences)
        super()._put_back_volatile(lease)

    def _take_back_volatile(self) -> int:
        """Take back every lease from memory, and not the group that is on its way to Redis."""
        count = 0
        for kind, numbers in self._lent.items():
            count += len(numbers)
            if numbers:  # the memory knows the rest of them
                nothing = ((b"",) * len(numbers), tuple(sorted(numbers)), (0.0,) * len(numbers))
                self._put_back_volatile(Lease(kind, *nothing))
        return count

    # -- dead letters ---------------------------------------------------------------------------------

    async def count_dead_letters(self) -> int:
        """Return how many there are.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        consumer = self._reader()
        return int(await consumer.ask(consumer.streams.count()))

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Return the oldest ones after a letter, oldest first.

        Args:
            after: the id of the last letter of the page before; empty to begin.
            limit: 1 or more.
        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        return await self._reader().letters(after, limit)

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put letters back among the events to be sent; return how many there were. No bound refuses them.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        count = 0
        for part in chunks(letters):
            consumer, names = self._reader(), [letter.letter_id for letter in part]
            count += await consumer.ask(consumer.streams.replay(names, consumer.host.clock.wall_ms()))
        self._wake()
        return count

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Remove letters for good; return how many there were.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        count = 0
        for part in chunks(letters):
            consumer, names = self._reader(), [letter.letter_id for letter in part]
            count += await consumer.ask(consumer.streams.purge(names))
        return count

    def _reader(self) -> Consumer:
        """Return who can be asked for dead letters."""
        if self._consumer is None:
            raise ConnectionError(f"{self!r} is not open")
        return self._consumer


def _import_consumer() -> type[Consumer]:
    """Import redis, and what only an open store needs."""
    from aiotracker.stores.redis.link import load_redis

    load_redis()
    from aiotracker.stores.redis.consumer import Consumer

    return Consumer
