"""Events in Redis Streams: shared by any number of writers and relays, on any number of machines."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from aiotracker.errors import ConfigurationError
from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import ENCODING_VERSION, Kind, record_bytes
from aiotracker.runtime import current_loop, is_asyncio
from aiotracker.stores.base import Lease
from aiotracker.stores.dead_letters import DeadLetter
from aiotracker.stores.durable import DurableStore, Group, Held
from aiotracker.stores.memory import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS
from aiotracker.stores.redis import streams
from aiotracker.stores.redis.courier import GRACE_SECONDS, Courier, Errand, Orders
from aiotracker.stores.redis.holdings import Holdings
from aiotracker.stores.redis.link import (
    Link,
    RedisTrouble,
    address_of,
    check_url,
    load_redis,
    send_now,
)
from aiotracker.stores.redis.streams import Burial, Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aiotracker.clock import Clock
    from aiotracker.runtime import DetachedTask, Loop
    from aiotracker.stores.base import StoreHost
    from aiotracker.stores.redis.holdings import Holding
    from aiotracker.stores.redis.streams import Command, Entry, Look, Reply

__all__ = ["RedisStore"]

UNBOUNDED: Final = 2**62  # bytes: it is the records in Redis that are bounded, and in memory both
PART_EVENTS: Final = 1_000  # records of one command: Redis does nothing else meanwhile, for some milliseconds
PART_BYTES: Final = 1024 * 1024  # likewise
ROUND_PARTS: Final = 2  # of a round: what a slow line has to carry before the answer is late
FIRST_GUESS_BYTES: Final = 1_000  # of a record, before any was seen
KEPT_PER_LEASE: Final = 3  # how often a holder says that it lives before its lease would expire
OPEN_SECONDS: Final = 1.0  # opening waits so long to learn whether Redis is there

JUMP_MS: Final = 100  # between two clocks: less is jitter, which is not to move what was put

T = TypeVar("T")

_NAME: Final = re.compile(r"[^{}\s]+")


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
    where they survive nothing, and are sent from there.

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
            url: `redis://[user:password@]host:port/database`, `rediss://…` for TLS, or `unix://path`.
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
        self._url = check_url(url)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError("name", name, "must be a text without spaces and braces")
        for setting, count in (
            ("max_events", max_events),
            ("buffer_events", buffer_events),
            ("buffer_bytes", buffer_bytes),
            ("max_dead_letters", max_dead_letters),
            ("max_deliveries", max_deliveries),
        ):
            if type(count) is not int or count < 1:
                raise ConfigurationError(setting, count, "must be a whole number above 0")
        for setting, seconds in (("lease_seconds", lease_seconds), ("timeout", timeout)):
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0 < seconds < math.inf
            ):
                raise ConfigurationError(setting, seconds, "must be a number of seconds above 0")
        self._name = name
        self._lease_seconds = lease_seconds
        self._max_dead_letters = max_dead_letters
        self._max_deliveries = max_deliveries
        self._timeout = timeout
        self._buffer_events = buffer_events
        super().__init__(
            max_events=max_events,
            max_bytes=UNBOUNDED,
            buffer_events=buffer_events,
            buffer_bytes=buffer_bytes,
        )
        self._shut()

    def _shut(self) -> None:
        """Be closed."""
        self._courier: Courier | None = None
        self._task: DetachedTask | None = None
        self._loop: Loop | None = None
        self._host: StoreHost | None = None
        self._streams = self._streams_for("")
        self._holdings = Holdings()
        self._looks: Mapping[Kind, Look] = {}
        self._written: list[Group] = []  # taken from memory, and not answered yet
        self._unsent: deque[tuple[Group, Callable[..., None]]] = deque()  # those that later rounds take along
        self._settling: dict[Kind, set[int]] = {kind: set() for kind in Kind}  # in Redis, and as good as gone
        self._unbooked: set[int] = set()  # settled, which who asked for it does not know yet
        self._burying = 0  # records that are to be dead letters
        self._evictions = 0  # records that are to make room
        self._kept_at = -math.inf  # when it was last said that what is held here is
        self._average_bytes: float | None = None  # of a record; None before any was seen
        self._lent: dict[Kind, set[int]] = {kind: set() for kind in Kind}  # from memory
        self._wall_offset = math.nan  # milliseconds from the clock to the wall clock
        self._told = Held()
        self._was_seen = False  # the streams, by this opening

    def _streams_for(self, consumer: str) -> Streams:
        return Streams(
            self._name,
            consumer,
            lease_seconds=self._lease_seconds,
            max_dead_letters=self._max_dead_letters,
        )

    def __repr__(self) -> str:
        """Say which store it is, without what is secret in its URL."""
        return f"RedisStore({address_of(self._url)!r}, {self._name!r})"

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
        await loop.import_in_thread(load_redis)
        self._shut()
        self._loop, self._host = loop, host
        self._streams = self._streams_for(f"{os.getpid()}-{secrets.token_hex(8)}")
        self._courier = courier = self._build_courier(Link(self._url, self._timeout), loop)
        self._task = loop.spawn(courier.run, f"aiotracker {self!r}")
        with host.clock.move_on_at(host.clock.now() + OPEN_SECONDS):
            await courier.has_tried.wait()

    def _build_courier(self, link: Link, loop: Loop) -> Courier:
        return Courier(
            link,
            self._streams,
            Orders(self._prepare, self._resume, self._receive_looks, self._is_idle, self._lost_touch),
            self._its_host,
            loop,
            timeout=self._timeout,
            poll=self._lease_seconds / KEPT_PER_LEASE,
            patience=self._lease_seconds,
        )

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Commit what is volatile until a moment in clock seconds, give back what is held, and disconnect."""
        courier, loop, task = self._courier, self._loop, self._task
        if courier is None or loop is None or task is None:
            return self._give_up_volatile()
        is_here = loop.is_current()
        if not is_here:
            courier.link.leave()
            loop, courier, task = self._succeed(courier)
        lone = self._holdings.take_orphans()
        for lease in list(lone):
            courier.post(Errand(self._put_command([lease]), _taking(lease, lone), is_lasting=True))
        courier.close(by)
        with_grace = max(by, self._clock.now()) + 2 * GRACE_SECONDS
        await loop.outlast([task], self._clock.move_on_at(with_grace, shield=True))
        courier.link.abort()
        rest = [*self._give_up_volatile(), *lone]
        if is_here:  # whoever waits for a commit has waited for all that can be done
            for commit in self._take_group().commits:
                commit.conclude()
        held = self._held
        self._shut()
        self._note_held(held)
        return rest

    def _succeed(self, courier: Courier) -> tuple[Loop, Courier, DetachedTask]:
        """Go on here with what a loop left behind that has ended."""
        for part in self._written:
            self._group_failed(part)
        self._written.clear()
        self._unsent.clear()
        loop = current_loop()
        self._courier = successor = self._build_courier(Link(self._url, self._timeout), loop)
        for errand in courier.lasting:
            successor.post(Errand(errand.command, errand.receive, is_lasting=True))
        return loop, successor, loop.spawn(successor.run, f"aiotracker {self!r}")

    def at_exit(self, by: float) -> int:
        """Write what is volatile, and give back what is held, without the event loop."""
        courier = self._courier
        with self._lock:
            written = [lease for part in self._written for lease in part.leases]
        leases = [*written, *self._give_up_volatile(), *self._holdings.take_orphans()]
        if courier is None:
            return sum(map(len, leases))
        parts = list(_parts(leases))
        commands = [self._put_command(part) for part in parts] + [each.command for each in courier.lasting]
        done = send_now(self._url, [*commands, self._streams.give()], by, courier.link.peer)
        lost = [part for part, is_done in zip(parts, done, strict=False) if not is_done]
        return sum(len(lease) for part in lost for lease in part)

    def after_fork(self) -> None:
        """In a forked child: be closed, and leave the connection to the parent."""
        if self._courier is not None:
            self._courier.link.leave()
        super().after_fork()
        self._shut()

    # -- what is stored -------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._courier is not None:
            self._courier.wake()

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

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records: from Redis, and from memory what it does not take."""
        for is_last in (False, True):
            courier = self._courier
            if courier is None:
                return self._lease_volatile(max_events, max_bytes)
            if courier.is_reachable:
                await self._hold_on(courier)
                await courier.do(*self._errands_for(max_events, max_bytes))
            lease = self._take(max_events, max_bytes)
            if lease is None and (not courier.is_reachable or courier.is_refused):
                lease = self._lease_volatile(max_events, max_bytes)
            if lease is not None:
                self._account()
                return lease
            if not is_last:
                # What waits is on its way to Redis: there is nothing to lease before it has arrived.
                await courier.next_round()
        return None

    def _errands_for(self, max_events: int, max_bytes: int) -> Iterator[Errand]:
        """Yield what has to be fetched for one more lease of the oldest kind."""
        kind = self._oldest_kind()
        look = self._looks.get(kind) if kind is not None else None
        if kind is None or look is None or not look.available:
            return
        if self._holdings.fills(kind, max_events, max_bytes):
            return
        room = max_bytes - self._holdings.waiting_bytes(kind)
        count = max(
            1,
            min(
                max_events - self._holdings.waiting(kind),
                1 + int(room / (self._average_bytes or FIRST_GUESS_BYTES)),
            ),
        )

        def receive(reply: Reply) -> None:
            self._take_in(kind, streams.entries(reply))

        if look.claimable:
            courier = self._courier
            is_patient = courier is not None and courier.is_patient
            yield Errand(self._streams.claim(kind, count, is_patient=is_patient), receive)
        yield Errand(self._streams.read(kind, count), receive)

    def _take(self, max_events: int, max_bytes: int) -> Lease | None:
        filled = {kind: first for kind in Kind if (first := self._holdings.first(kind))}
        kind = min(filled, key=lambda kind: filled[kind], default=None)
        return None if kind is None else self._holdings.take(kind, max_events, max_bytes)

    def _oldest_kind(self) -> Kind | None:
        """Return the kind of the oldest record that waits, here or in Redis."""
        oldest = {kind: number for kind in Kind if (number := self._oldest(kind)) is not None}
        return min(oldest, key=lambda kind: oldest[kind], default=None)

    def _oldest(self, kind: Kind) -> int | None:
        first, look = self._holdings.first(kind), self._look(kind)
        numbers = [first[0]] if first else []
        numbers += [look.oldest] if look and look.oldest is not None else []
        return min(numbers, default=None)

    async def ack(self, lease: Lease) -> int:
        """Remove records that were delivered."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        ours, orphans = self._holdings.settle(lease)
        count = len(orphans)
        if ours and self._courier is not None:
            errand = self._acking(lease.kind, ours)
            await self._do_and_book(ours, errand)
            count += len(ours) if errand.reply is None else errand.reply
        self._account()
        return count

    async def _do_and_book(self, sequences: Sequence[int], *errands: Errand) -> None:
        """Wait until records are settled; until their caller knows, the host takes them for unsettled.

        A flush would end before the delivery that it waited for is in the accounts.
        """
        self._unbooked.update(sequences)
        try:
            if self._courier is not None:
                await self._courier.do(*errands)
        finally:
            self._unbooked.difference_update(sequences)

    def _acking(self, kind: Kind, sequences: Sequence[int]) -> Errand:
        settling = self._settling[kind]
        settling.update(sequences)
        return Errand(
            self._streams.ack(kind, sequences),
            lambda _: settling.difference_update(sequences),
            is_lasting=True,
        )

    async def release(self, lease: Lease) -> None:
        """Take records back; they stay with this process, which keeps its claim on them."""
        if self._is_volatile(lease):
            self._put_back_volatile(lease)
            return
        self._holdings.put_back(lease)
        if self._courier is not None:
            await self._hold_on(self._courier)
        self._account()

    async def _hold_on(self, courier: Courier) -> None:
        """See what is still held, where this process stood still until others may have taken it."""
        if self._is_silent() and courier.is_reachable:
            await courier.do(*(self._keeping(kind, is_first=False) for kind in Kind))

    def _is_silent(self) -> bool:
        """Tell whether this process was silent for so long that others may take it for dead."""
        return self._clock.now() - self._kept_at > self._lease_seconds

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

    # -- settling --------------------------------------------------------------------------------------

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Make dead letters of records."""
        ours: list[int] = []
        if self._is_volatile(lease):
            self._forget_volatile(lease)
        else:
            ours, _ = self._holdings.settle(lease)
        courier = self._courier
        if courier is None:
            return len(lease)
        if not ours and not courier.is_reachable and self._burying + len(lease) > self._buffer_events:
            message = (
                f"{len(lease)} dead letters are gone: they cannot wait until {courier.link.address} is back"
            )
            self._its_host.say(logging.WARNING, "dead_letters", message)
            return len(lease)
        there = frozenset(ours)
        burials = [
            Burial(lease.kind, number if number in there else None, self._wall_ms(put_at), data)
            for number, put_at, data in zip(lease.sequences, lease.put_at, lease.data, strict=True)
        ]
        errands = [self._burying_of(part, reason, detail) for part in _chunks(burials, PART_EVENTS)]
        await self._do_and_book(ours, *errands)
        self._account()
        if any(errand.reply is None for errand in errands):
            return len(lease)
        return sum(errand.reply[0] for errand in errands)

    def _burying_of(self, burials: Sequence[Burial], reason: DropReason, detail: str) -> Errand:
        settling = self._settling[burials[0].kind]
        numbers = {each.sequence for each in burials if each.sequence is not None}
        settling |= numbers
        self._burying += len(burials)

        def receive(reply: Reply) -> None:
            settling.difference_update(numbers)
            self._burying -= len(burials)
            cut = reply[1]
            if cut > 0:
                message = f"{cut} of the oldest dead letters made room for others"
                self._its_host.say(logging.WARNING, "dead_letters", message)

        command = self._streams.bury(burials, self._clock.wall_ms(), reason, detail)
        return Errand(command, receive, is_lasting=True)

    async def reclaim(self) -> int:
        """Take every lease back."""
        count = self._holdings.put_back_all() + self._take_back_volatile()
        if self._courier is not None:
            await self._hold_on(self._courier)
        self._account()
        return count

    # -- dead letters ---------------------------------------------------------------------------------

    async def count_dead_letters(self) -> int:
        """Return how many there are.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        return int(await self._call(self._streams.count()))

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Return the oldest ones after a letter, oldest first.

        Args:
            after: the id of the last letter of the page before; empty to begin.
            limit: 1 or more.
        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        found = streams.letters(await self._call(self._streams.letters(after, limit)))
        return [
            DeadLetter(
                each.letter_id,
                each.record,
                DropReason(each.reason),
                each.detail,
                each.put_ms,
                each.dropped_ms,
            )
            for each in found
        ]

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put letters back among the events to be sent; return how many there were. No bound refuses them.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        count = 0
        for part in _chunks(letters, PART_EVENTS):
            names = [letter.letter_id for letter in part]
            count += await self._call(self._streams.replay(names, self._clock.wall_ms()))
        self._wake()
        return count

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Remove letters for good; return how many there were.

        Raises:
            ConnectionError: Redis is away, or refuses.
        """
        count = 0
        for part in _chunks(letters, PART_EVENTS):
            count += await self._call(self._streams.purge([letter.letter_id for letter in part]))
        return count

    async def _call(self, command: Command) -> Reply:
        courier = self._courier
        if courier is None:
            raise ConnectionError(f"{self!r} is not open")
        try:
            (reply,) = await courier.link.exchange([command])
        except RedisTrouble as error:
            raise ConnectionError(f"{courier.link.address} {error}") from error
        if isinstance(reply, RedisTrouble):
            raise ConnectionError(f"{courier.link.address} {reply}") from reply
        return reply

    # -- what the courier calls -------------------------------------------------------------------------

    def _resume(self) -> Iterator[Errand]:
        """Yield what is to be done first when Redis is there again: hold on to what is held."""
        if self._was_seen:
            yield from (self._keeping(kind, is_first=True) for kind in Kind)

    def _prepare(self) -> Iterator[Errand]:
        """Yield what else is to be done in the next round."""
        courier = self._courier
        if self._clock.now() - self._kept_at >= self._lease_seconds / KEPT_PER_LEASE:
            kinds = [kind for kind in Kind if self._holdings.sequences(kind)]
            yield from (self._keeping(kind, is_first=False) for kind in kinds)
            if not kinds:
                self._kept_at = self._clock.now()
        yield from self._evicting()
        if courier is not None and not courier.is_refused:
            yield from self._putting()

    def _is_idle(self) -> bool:
        """Tell whether nothing is volatile."""
        return not self._memory.backlog().events and not self._written

    def _lost_touch(self) -> None:
        """Have what is here sent from here."""
        self._refuse_unsent()
        self._account()
        self._its_host.changed()

    def _receive_looks(self, looks: Mapping[Kind, Look]) -> None:
        """Learn how the streams are."""
        lost = [kind for kind, look in looks.items() if look.is_new]
        if lost and self._was_seen:
            self._lost(lost)
        self._was_seen = True
        self._looks = looks
        self._account()
        if self._held != self._told:
            self._told = self._held
            self._its_host.changed()

    def _lost(self, kinds: Iterable[Kind]) -> None:
        """Redis has lost streams: what is held here is all that there is of them."""
        saved = sum(self._holdings.orphan(kind) for kind in kinds)
        known = sum(self._looks[kind].length for kind in kinds)
        message = (
            f"{address_of(self._url)} has lost its streams, in which there were {known} events when last "
            f"seen, and more that this process does not know of: {saved} that it holds are sent all the same"
        )
        self._its_host.say(logging.ERROR, "lost", message)

    def _held_of(self, kind: Kind) -> list[int]:
        """Return the numbers of what this consumer holds, or has settled without an answer."""
        return sorted(self._settling[kind].union(self._holdings.sequences(kind)))

    def _keeping(self, kind: Kind, *, is_first: bool) -> Errand:
        def receive(reply: Reply) -> None:
            kept = streams.kept(reply)
            self._kept_at = self._clock.now()
            self._holdings.drop(kind, kept.taken)
            if is_first:  # back after an outage, in which nobody else can have sent them
                self._holdings.orphan(kind, kept.gone)
            else:
                self._holdings.drop(kind, kept.gone)
            self._take_in(kind, kept.found)

        return Errand(self._streams.keep(kind, self._held_of(kind)), receive)

    def _putting(self) -> Iterator[Errand]:
        """Yield what one round takes of the group that has gathered, in parts."""
        if not self._unsent and self._memory.backlog().events:
            self._take_parts()
        for _ in range(ROUND_PARTS):
            if not self._unsent:
                return
            part, answer = self._unsent.popleft()
            yield self._putting_of(part, answer)
        if self._unsent:
            self._wake()

    def _putting_of(self, part: Group, answer: Callable[..., None]) -> Errand:
        def refuse() -> None:
            answer(part, is_done=False)
            self._refuse_unsent()

        return Errand(self._put_command(part.leases), lambda _: answer(part, is_done=True), refuse=refuse)

    def _take_parts(self) -> None:
        group = self._take_group()
        parts = [Group(leases, ()) for leases in _parts(group.leases)]
        answers: list[bool] = []

        def answer(part: Group, *, is_done: bool) -> None:
            self._written.remove(part)
            answers.append(is_done)
            if is_done:
                self._committed(part)
            else:
                self._group_failed(part)
            if len(answers) < len(parts):
                return
            if all(answers):
                for commit in group.commits:
                    commit.conclude()
            else:
                self._group_failed(Group((), group.commits))

        self._written += parts
        self._unsent.extend((part, answer) for part in parts)

    def _refuse_unsent(self) -> None:
        """Put back into memory what no round has taken along."""
        while self._unsent:
            part, answer = self._unsent.popleft()
            answer(part, is_done=False)

    def _put_command(self, leases: Sequence[Lease]) -> Command:
        return self._streams.put(
            (lease.kind, self._wall_ms(put_at), data)
            for lease in leases
            for put_at, data in zip(lease.put_at, lease.data, strict=True)
        )

    def _committed(self, part: Group) -> None:
        if self._courier is not None:
            self._courier.accepted()
        for lease in part.leases:
            self._learn_size(lease.data)
        self._group_committed(part, replace(self._held, events=self._held.events + len(part)))

    def _evicting(self) -> Iterator[Errand]:
        """Yield what makes room: the oldest that waits, here before in Redis, is given up."""
        with self._lock:
            count, self._evictions = self._evictions, 0
        if not count:
            return
        for lease in self._holdings.drop_oldest(count):
            count -= len(lease)
            ours, _ = self._holdings.settle(lease)
            if ours:
                yield self._acking(lease.kind, ours)
            self._evicted([lease])

        def receive(reply: Reply) -> None:
            found = streams.evicted(reply)
            self._evicted([self._lease_of(kind, entries) for kind, entries in found.items() if entries])

        def refuse() -> None:
            with self._lock:
                self._evictions += count

        if count:
            yield Errand(self._streams.evict(count), receive, refuse=refuse)

    def _evicted(self, leases: Sequence[Lease]) -> None:
        count = sum(map(len, leases))
        self._its_host.lost(count, DropReason.EVICTED, "the oldest made room for newer ones", leases)

    # -- entries --------------------------------------------------------------------------------------

    def _take_in(self, kind: Kind, entries: Sequence[Entry]) -> None:
        """Hold what was read, without what nobody can send."""
        self._learn_size([entry.data for entry in entries])
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

    def _give_up(self, kind: Kind, entries: Sequence[Entry], detail: str) -> None:
        courier = self._courier
        if not entries or courier is None:
            return
        burials = [Burial(kind, each.sequence, each.put_ms, each.data, each.version) for each in entries]
        courier.post(self._burying_of(burials, DropReason.STORE_ERROR, detail))
        lease = self._lease_of(kind, entries)
        self._its_host.lost(len(entries), DropReason.STORE_ERROR, detail, [lease])

    def _holding_of(self, entry: Entry) -> Holding:
        return (entry.sequence, self._clock_of(entry.put_ms), entry.data)

    def _lease_of(self, kind: Kind, entries: Iterable[Entry]) -> Lease:
        sequences, put_at, data = zip(*map(self._holding_of, entries), strict=True)
        return Lease(kind, data, sequences, put_at)

    def _learn_size(self, data: Sequence[bytes]) -> None:
        if data:
            average = sum(map(record_bytes, data)) / len(data)
            before = average if self._average_bytes is None else self._average_bytes
            self._average_bytes = before + (average - before) * min(0.5, len(data) / PART_EVENTS)

    # -- what is known ----------------------------------------------------------------------------------

    def _look(self, kind: Kind) -> Look | None:
        """Return how a stream is; None when nothing can be had from it now."""
        courier = self._courier
        return self._looks.get(kind) if courier is not None and courier.is_reachable else None

    def _account(self) -> None:
        """Say what is committed, from the last look and from what is held here."""
        waiting: dict[Kind, int] = {}
        total = available = 0
        for kind in Kind:
            held, look, seen = self._holdings, self._look(kind), self._looks.get(kind)
            waiting[kind] = held.waiting(kind) + (look.available if look else 0)
            available += waiting[kind]
            total += held.orphans(kind)
            if seen is not None:
                total += seen.length
        fullest = max(waiting, key=lambda kind: waiting[kind])
        oldest = self._oldest_kind()
        firsts = [look.first for look in self._looks.values() if look.first is not None]
        firsts += self._unbooked
        if (orphan := self._holdings.first_orphan()) is not None:
            firsts.append(orphan)
        latest = [look.latest for look in self._looks.values()]
        self._note_held(
            Held(
                events=max(total, available),
                leased=max(total, available) - available,
                fullest_events=waiting[fullest],
                fullest_bytes=self._bytes_of(fullest, waiting[fullest]),
                oldest_at=None if oldest is None else self._oldest_at(oldest),
                oldest_sequence=None if oldest is None else self._oldest(oldest),
                first_sequence=min(firsts, default=None),
                latest_sequence=max(self._held.latest_sequence, *latest, 0),
            )
        )

    def _bytes_of(self, kind: Kind, count: int) -> int:
        """Return the bytes of what waits of a kind: counted here, guessed of what is in Redis."""
        unread = count - self._holdings.waiting(kind)
        return self._holdings.waiting_bytes(kind) + round(unread * (self._average_bytes or FIRST_GUESS_BYTES))

    def _oldest_at(self, kind: Kind) -> float:
        first, look = self._holdings.first(kind), self._look(kind)
        if first is not None and (look is None or look.oldest is None or first[0] < look.oldest):
            return first[1]
        return self._clock_of(look.oldest_put_ms) if look is not None else self._clock.now()

    # -- time -----------------------------------------------------------------------------------------

    @property
    def _its_host(self) -> StoreHost:
        if self._host is None:
            raise RuntimeError("the store is not open")
        return self._host

    @property
    def _clock(self) -> Clock:
        return self._its_host.clock

    def _offset_ms(self) -> float:
        """Return what makes wall clock milliseconds of clock seconds."""
        offset = self._clock.wall_ms() - self._clock.now() * 1000
        if not abs(offset - self._wall_offset) < JUMP_MS:
            self._wall_offset = offset
        return self._wall_offset

    def _wall_ms(self, moment: float) -> int:
        return round(moment * 1000 + self._offset_ms())

    def _clock_of(self, wall_ms: int) -> float:
        # Another machine's clock may be ahead.
        return min((wall_ms - self._offset_ms()) / 1000, self._clock.now())


def _parts(leases: Iterable[Lease]) -> Iterator[list[Lease]]:
    """Yield leases in parts that one command may have, in their order."""
    part: list[Lease] = []
    events = size_bytes = 0
    for lease in leases:
        start = 0
        for end, data in enumerate(lease.data):
            if events and (events >= PART_EVENTS or size_bytes + len(data) > PART_BYTES):
                if end > start:
                    part.append(lease.part(start, end))
                yield part
                part, start, events, size_bytes = [], end, 0, 0
            events += 1
            size_bytes += len(data)
        part.append(lease.part(start, len(lease)))
    if part:
        yield part


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _taking(lease: Lease, leases: list[Lease]) -> Callable[[object], None]:
    return lambda _: leases.remove(lease)
