"""What every event store promises, as tests that users run over a store of their own.

Nothing here needs pytest: a promise that does not apply raises `unittest.SkipTest`, which pytest takes for
a skip. Invariant: a test asks for what `EventStore` says and for nothing else.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, TypeVar
from unittest import SkipTest

import anyio
import anyio.lowlevel
import anyio.to_thread

from aiotracker import DeadLetterStore, DropReason, InstantStore, Kind
from aiotracker.protocol.envelope import ENVELOPE_BYTES
from aiotracker.testing.clock import MovableClock
from aiotracker.testing.host import RecordingHost
from aiotracker.testing.records import LARGE, SIZE, make_record, names, names_of_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    from aiotracker import Commit, EventStore, Lease, Record

__all__ = ["EventStoreContract"]

T = TypeVar("T")

THREADS: Final = 8
CANCELLED_AFTER: Final = (0, 1, 2, 4)  # turns of the loop that a call has before it is cancelled
CLOCKS_APART: Final = 1_000.0  # seconds, as of machines that were started at different times
POLL_SECONDS: Final = 0.005
TOLERANCE: Final = 1.0  # seconds between two readings of a clock; what the tests tell apart is further apart


@dataclass
class Opening:
    """A store that a test has open.

    Attributes:
        host: who uses it.
        clock: what time it is there.
        is_still: whether its process is as if stopped.
    """

    host: RecordingHost
    clock: MovableClock
    is_still: bool = False


class EventStoreContract:
    """What every event store promises.

    Subclass it in a test module; each test gets an instance of its own:

        pytestmark = pytest.mark.anyio

        class TestMyStore(EventStoreContract):
            def make_store(self, *, max_events, max_bytes):
                return MyStore(max_events, max_bytes)

    A store that outlives its process has a `DurableStoreContract`, and one that keeps dead letters a
    `DeadLetterContract`. For failures that show their values, a conftest.py says
    `pytest.register_assert_rewrite("aiotracker.testing")` before anything imports it.

    Attributes:
        patience: real seconds that a test waits for what must happen, before it fails.
        is_bounded_in_events: whether the store has a bound in records, exact within one process.
        is_bounded_in_bytes: whether its bound in bytes is that of records, and counts all that it holds;
            False where it is that of a file, or counts only what is in memory.
    """

    patience: float = 10.0
    is_bounded_in_events: bool = True
    is_bounded_in_bytes: bool = True
    _is_for_durable_stores: bool = False
    _is_for_dead_letters: bool = False

    # -- what a user provides -----------------------------------------------------------------------------

    def make_store(self, *, max_events: int, max_bytes: int) -> EventStore:
        """Return a new store that was not opened yet.

        Called again within a test, stores of a durable kind share one place, as those of several
        processes would; each test has another place. What makes and removes places is a fixture of yours.

        Args:
            max_events: bound in records.
            max_bytes: bound in bytes.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a make_store()")

    # -- what tests are made of ---------------------------------------------------------------------------

    @cached_property
    def _openings(self) -> dict[int, Opening]:
        return {}  # no __init__: pytest would not collect the class

    @cached_property
    def _passed(self) -> list[float]:
        return []

    @asynccontextmanager
    async def opened(
        self,
        store: EventStore | None = None,
        *,
        max_events: int = LARGE,
        max_bytes: int = LARGE,
        may_lose: bool = False,
    ) -> AsyncIterator[EventStore]:
        """Open a store for a block, and close it as an engine does.

        Args:
            store: one that is closed; a new one when None.
            max_events: bound of a new one.
            max_bytes: likewise.
            may_lose: the store may tell its host of losses.
        """
        one = self.make_store(max_events=max_events, max_bytes=max_bytes) if store is None else store
        clock = MovableClock(start=CLOCKS_APART * len(self._openings), ahead=sum(self._passed))
        opening = Opening(RecordingHost(clock), clock)
        with self.patiently("the store did not open"):
            await one.open(opening.host)
        self._openings[id(one)] = opening
        try:
            yield one
        finally:
            if id(one) in self._openings:
                await self.close(one)
        assert may_lose or [] == opening.host.losses

    async def close(self, store: EventStore, *, within: float | None = None) -> Sequence[Lease]:
        """Close a store as an engine does, and return what it gave up.

        Args:
            store: an open one.
            within: seconds of its clock; as long as the tests are patient when None.
        """
        clock = self._openings.pop(id(store)).clock
        given_up: Sequence[Lease] = ()
        with anyio.CancelScope(shield=True):
            await store.reclaim()
            given_up = await store.aclose(clock.now() + (self.patience if within is None else within))
        return given_up  # noqa: RET504 - as far as types know, a scope may end its block

    @contextmanager
    def patiently(self, what: str) -> Iterator[None]:
        """Let a block take as long as the tests are patient.

        Args:
            what: did not happen, for whoever reads the failure.
        """
        with anyio.move_on_after(self.patience) as scope:
            yield
        assert not scope.cancelled_caught, f"{what}, not within {self.patience:g} s"

    def host_of(self, store: EventStore) -> RecordingHost:
        """Return who uses an open store."""
        return self._openings[id(store)].host

    def now(self, store: EventStore) -> float:
        """Return the clock seconds of an open store."""
        return self._openings[id(store)].clock.now()

    async def put(self, store: EventStore, *records: Record, at: float | None = None) -> None:
        """Put records and wait until they are as safe as they will be.

        Args:
            store: an open one with room for them.
            records: what to put.
            at: clock seconds of the store; now when None.
        """
        commits: list[Commit | None] = []
        for record in records:
            assert store.reserve(record.size_bytes)
            commits.append(store.put(record, self.now(store) if at is None else at))
        await self.concluded(commits)

    async def concluded(self, commits: Iterable[Commit | None]) -> None:
        """Wait for the commits of puts."""
        with self.patiently("a commit was not concluded"):
            for commit in commits:
                if commit is not None:
                    await commit.wait()

    async def put_names(self, store: EventStore, text: str, kind: Kind = Kind.ORDINARY) -> None:
        """Put one record for each letter."""
        await self.put(store, *[make_record(name, kind) for name in text])

    async def lease(self, store: EventStore, max_events: int = LARGE, max_bytes: int = LARGE) -> Lease:
        """Lease records, soon: those of others need not be known at once."""
        lease: Lease | None = None
        with self.patiently("there was nothing to lease"):
            while (lease := await store.lease(max_events, max_bytes)) is None:  # noqa: ASYNC110 - it is polled
                await anyio.sleep(POLL_SECONDS)
        assert lease is not None
        return lease

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        with self.patiently("what a test waits for did not happen"):
            while not condition():  # noqa: ASYNC110 - nobody tells of it
                await anyio.sleep(POLL_SECONDS)

    def check_room(self, store: EventStore, events: int) -> None:
        """Fail unless there is room for so many records of the usual size, and not for one more."""
        granted = 0
        while granted <= events and store.reserve(SIZE):
            granted += 1
        for _ in range(granted):
            store.cancel(SIZE)
        assert granted == (events if self.is_bounded_in_events else events + 1)

    def _needs_bound_in_events(self) -> None:
        if not self.is_bounded_in_events:
            raise SkipTest("no bound in events")

    def _needs_bound_in_bytes(self) -> None:
        if not self.is_bounded_in_bytes:
            raise SkipTest("no bound in bytes of all records")

    async def cancelled(self, turns: int, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call, and cancel it after some turns of the loop, if it is still waiting then."""
        with anyio.CancelScope() as scope:
            if turns == 0:
                scope.cancel()
                await call()
                return

        async def run() -> None:
            await call()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    # -- order --------------------------------------------------------------------------------------------

    async def test_the_contract_covers_what_the_store_can_do(self) -> None:
        """A store that outlives its process, or keeps dead letters, has more to promise."""
        store = self.make_store(max_events=LARGE, max_bytes=LARGE)

        assert self._is_for_durable_stores == store.is_durable, "see DurableStoreContract"
        assert self._is_for_dead_letters == isinstance(store, DeadLetterStore), "see DeadLetterContract"

    async def test_records_come_out_in_the_order_of_putting(self) -> None:
        """One kind is one FIFO, over several leases."""
        async with self.opened() as store:
            await self.put_names(store, "abcdef")

            leases = [await self.lease(store, 4), await self.lease(store, 4)]

            assert [list("abcd"), list("ef")] == names_of_all(leases)
            assert None is await store.lease(1, LARGE)

    async def test_records_come_out_as_they_were_put(self) -> None:
        """Bytes, kind and version of the encoding."""
        put = [make_record("a"), make_record("b", Kind.ANONYMOUS, 5_000)]
        async with self.opened() as store:
            await self.put(store, *put)

            leases = [await self.lease(store), await self.lease(store)]

            assert put == [record for lease in leases for record in lease.records]

    async def test_sequences_grow_in_the_order_of_putting(self) -> None:
        """A record keeps its number through every release, so that a flush knows what it waits for."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            first = await self.lease(store)
            await store.release(first)
            await self.put_names(store, "c")

            again = await self.lease(store)

            assert sorted(again.sequences) == list(again.sequences)
            assert first.sequences == again.sequences[:2]
            assert again.sequences[-1] == store.backlog().latest_sequence

    async def test_a_lease_knows_when_its_records_were_put(self) -> None:
        """The age of a record counts from its putting, through every release."""
        async with self.opened() as store:
            now = self.now(store)
            await self.put(store, make_record("a"), at=now - 100)
            await self.put(store, make_record("b"), at=now - 50)
            await store.release(await self.lease(store))

            again = await self.lease(store)

            assert [True, True] == [
                abs(at - put_at) < TOLERANCE
                for at, put_at in zip([now - 100, now - 50], again.put_at, strict=True)
            ]

    async def test_a_lease_holds_one_kind_that_of_the_oldest(self) -> None:
        """The kind of the oldest record decides, and the other is skipped, not waited for."""
        async with self.opened() as store:
            for name in "abcdef":
                await self.put_names(store, name, Kind.ANONYMOUS if name in "bdf" else Kind.ORDINARY)

            leases = [await self.lease(store), await self.lease(store)]

            assert [list("ace"), list("bdf")] == names_of_all(leases)
            assert [Kind.ORDINARY, Kind.ANONYMOUS] == [each.kind for each in leases]

    async def test_what_is_released_comes_first_again(self) -> None:
        """A released lease goes to the front, in its old order, before what came later."""
        async with self.opened() as store:
            await self.put_names(store, "abc")
            taken = await self.lease(store)
            await self.put_names(store, "def")

            await store.release(taken)

            assert list("abcdef") == names(await self.lease(store))

    async def test_parts_of_a_lease_settle_on_their_own(self) -> None:
        """A slice can be acknowledged while another is released and a third rejected."""
        async with self.opened() as store:
            await self.put_names(store, "abcdef")
            whole = await self.lease(store)

            await store.ack(whole.part(0, 2))
            await store.reject(whole.part(2, 3), DropReason.REJECTED)
            await store.release(whole.part(3, 6))

            assert list("def") == names(await self.lease(store))
            assert (0, 3) == (store.backlog().events, store.backlog().leased)

    async def test_leases_released_in_any_order_leave_the_queue_sorted(self) -> None:
        """Two failed batches come back in the order of putting, whichever failed first."""
        async with self.opened() as store:
            await self.put_names(store, "abcd")
            first, second = await self.lease(store, 2), await self.lease(store, 2)

            await store.release(first)
            await store.release(second)

            assert list("abcd") == names(await self.lease(store))

    # -- bounds -------------------------------------------------------------------------------------------

    async def test_no_more_events_are_taken_than_there_is_room_for(self) -> None:
        """The bound in events counts what is reserved, waiting and leased."""
        self._needs_bound_in_events()
        async with self.opened(max_events=3) as store:
            await self.put_names(store, "ab")
            await self.lease(store, 1)

            granted = [store.reserve(SIZE), store.reserve(SIZE)]

            assert [True, False] == granted

    async def test_no_more_bytes_are_taken_than_there_is_room_for(self) -> None:
        """The bound in bytes counts what is reserved, waiting and leased; a smaller record may still fit."""
        self._needs_bound_in_bytes()
        async with self.opened(max_bytes=3 * SIZE + 10) as store:
            await self.put_names(store, "abc")
            await self.lease(store, 1)

            granted = [store.reserve(SIZE), store.reserve(11), store.reserve(10), store.reserve(1)]

            assert [False, False, True, False] == granted

    async def test_no_more_bytes_are_reserved_than_there_are(self) -> None:
        """Room that was granted and is not used yet is taken."""
        async with self.opened(max_bytes=2 * SIZE) as store:
            granted = [store.reserve(SIZE) for _ in range(3)]

            assert [True, True, False] == granted

    async def test_the_largest_record_is_one_that_finds_room(self) -> None:
        """What the store says of itself is true of an empty one."""
        async with self.opened(max_bytes=1_000) as store:
            largest = store.max_record_bytes

            granted = [store.reserve(largest + 1), store.reserve(largest)]

            assert [False, True] == granted

    async def test_settling_frees_room(self) -> None:
        """What was delivered or given up takes up no room."""
        async with self.opened(max_events=2) as store:
            for names_, is_delivered in (("ab", True), ("cd", False)):
                await self.put_names(store, names_)
                taken = await self.lease(store)
                self.check_room(store, 0)

                await (store.ack(taken) if is_delivered else store.reject(taken, DropReason.REJECTED))

                self.check_room(store, 2)

    async def test_a_full_store_refuses_until_something_was_settled(self) -> None:
        """Whatever its bound is made of, it is there, and room comes back."""
        async with self.opened(max_events=50, max_bytes=LARGE) as store:
            size = LARGE // 40
            count = 0
            while store.reserve(size):
                await self.concluded([store.put(make_record(f"{count}", size=size), self.now(store))])
                count += 1
                assert count <= 50

            while (lease := await store.lease(LARGE, LARGE)) is not None:
                count -= await store.ack(lease)

            assert 0 == count
            await self.until(lambda: store.reserve(size))

    async def test_releasing_frees_no_room(self) -> None:
        """What comes back still takes up its room."""
        async with self.opened(max_events=2) as store:
            await self.put_names(store, "ab")

            await store.release(await self.lease(store))

            self.check_room(store, 0)

    async def test_a_reservation_can_be_given_back(self) -> None:
        """Room that will not be used is there for others."""
        self._needs_bound_in_events()
        async with self.opened(max_events=1) as store:
            store.reserve(SIZE)
            before = store.reserve(SIZE)

            store.cancel(SIZE)

            assert (False, True) == (before, store.reserve(SIZE))

    async def test_a_lease_fits_in_one_request(self) -> None:
        """Events and bytes of the body, envelope included, bound a lease."""
        async with self.opened() as store:
            await self.put_names(store, "abcdefgh")

            by_bytes = await self.lease(store, LARGE, ENVELOPE_BYTES - 1 + 3 * SIZE)
            by_events = await self.lease(store, 2, LARGE)

            assert [list("abc"), list("de")] == names_of_all([by_bytes, by_events])

    async def test_a_record_above_the_bytes_of_a_request_comes_alone(self) -> None:
        """It was admitted under a larger limit, so it must be able to leave."""
        async with self.opened() as store:
            await self.put(store, make_record("a", size=5_000), make_record("b"))

            assert ["a"] == names(await self.lease(store, LARGE, 1_000))

    # -- exclusive leases ---------------------------------------------------------------------------------

    async def test_a_record_is_in_one_lease_at_a_time(self) -> None:
        """What is leased is not handed out a second time before it is settled."""
        async with self.opened() as store:
            await self.put_names(store, "abcd")

            leases = [await self.lease(store, 2), await self.lease(store, 2)]

            assert [list("ab"), list("cd")] == names_of_all(leases)
            assert None is await store.lease(2, LARGE)

    async def test_what_nobody_settles_can_be_reclaimed(self) -> None:
        """After a crash every lease comes back, in order, before what waits."""
        async with self.opened() as store:
            await self.put_names(store, "abcdef")
            settled = await self.lease(store, 1)
            await self.lease(store, 2)
            await self.lease(store, 1)
            await store.ack(settled)

            count = await store.reclaim()

            assert (3, 0) == (count, store.backlog().leased)
            assert list("bcdef") == names(await self.lease(store))

    async def test_both_kinds_are_reclaimed(self) -> None:
        """Reclaimed records go back to the queue of their kind."""
        async with self.opened() as store:
            await self.put_names(store, "a")
            await self.put_names(store, "b", Kind.ANONYMOUS)
            await self.lease(store)
            await self.lease(store)

            count = await store.reclaim()

            assert 2 == count
            assert [["a"], ["b"]] == names_of_all([await self.lease(store), await self.lease(store)])

    async def test_without_leases_there_is_nothing_to_reclaim(self) -> None:
        """Reclaiming in vain changes nothing."""
        async with self.opened() as store:
            await self.put_names(store, "ab")

            assert 0 == await store.reclaim()
            assert list("ab") == names(await self.lease(store))

    async def test_settling_says_how_many_records_were_there(self) -> None:
        """The accounts count what `ack` and `reject` return."""
        async with self.opened() as store:
            await self.put_names(store, "abcde")
            whole = await self.lease(store)

            delivered = await store.ack(whole.part(0, 2))
            rejected = await store.reject(whole.part(2, 5), DropReason.EXPIRED, "older than a day")

            assert (2, 3) == (delivered, rejected)
            assert (0, 0) == (store.backlog().events, store.backlog().leased)

    async def test_putting_in_one_step_is_reserving_and_putting(self) -> None:
        """Where a store can do both at once, it does the same: order, bounds, and nothing when it is full."""
        self._needs_bound_in_events()
        async with self.opened(max_events=3) as store:
            if not isinstance(store, InstantStore):
                raise SkipTest("the store has no try_put()")
            await self.put_names(store, "a")

            taken = [store.try_put(make_record(name), SIZE, self.now(store)) for name in "bcd"]

            assert [True, True, False] == taken
            assert list("abc") == names(await self.lease(store))
            assert (0, False) == (store.backlog().events, store.reserve(1))

    # -- a caller that is cancelled -----------------------------------------------------------------------

    async def test_a_cancelled_settlement_is_made_all_the_same(self) -> None:
        """What was delivered must not be sent again because somebody stopped waiting."""
        async with self.opened() as store:
            for turns in CANCELLED_AFTER:
                for is_delivered in (True, False):
                    await self.put_names(store, "a")
                    taken = await self.lease(store)

                    settle = store.ack if is_delivered else partial(store.reject, reason=DropReason.REJECTED)
                    await self.cancelled(turns, partial(settle, taken))

                    await self.until(lambda: (0, 0) == (store.backlog().events, store.backlog().leased))
                    assert None is await store.lease(1, LARGE)

    async def test_a_cancelled_release_puts_back_all_the_same(self) -> None:
        """What was not delivered must not be forgotten because somebody stopped waiting."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            taken = await self.lease(store)
            for turns in CANCELLED_AFTER:
                await self.cancelled(turns, partial(store.release, taken))

                taken = await self.lease(store)
                assert list("ab") == names(taken)

    async def test_a_cancelled_lease_can_be_reclaimed(self) -> None:
        """Records that nobody received are there to be leased again, at the latest after `reclaim`."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            for turns in CANCELLED_AFTER:
                await self.cancelled(turns, partial(store.lease, LARGE, LARGE))

                await store.reclaim()
                taken = await self.lease(store)

                assert list("ab") == names(taken)
                await store.release(taken)

    # -- eviction and closing -----------------------------------------------------------------------------

    async def evict(self, store: EventStore, size_bytes: int, count: int) -> list[str]:
        """Evict as many records as there should be, and return the names of those that are left.

        Eviction need not be over when the call returns: the host is told of the rest.
        """
        host = self.host_of(store)
        before = host.lost_count
        evicted = store.evict(size_bytes)
        assert evicted is not None
        at_once = sum(map(len, evicted))

        await self.until(lambda: at_once + host.lost_count - before >= count)

        assert at_once + host.lost_count - before == count
        assert {DropReason.EVICTED} >= {loss.reason for loss in host.losses}
        left = []
        taken = []
        while (lease := await store.lease(LARGE, LARGE)) is not None:
            left += names(lease)
            taken.append(lease)
        for lease in taken:
            await store.release(lease)
        return sorted(left)

    async def test_evicting_removes_the_oldest_until_there_is_room(self) -> None:
        """As many of the oldest as needed, of whatever kind, and the room is reserved."""
        self._needs_bound_in_events()
        async with self.opened(max_events=4, may_lose=True) as store:
            await self.put_names(store, "a")
            await self.put_names(store, "b", Kind.ANONYMOUS)
            await self.put_names(store, "cd")

            assert (list("bcd"), False) == (await self.evict(store, SIZE, 1), store.reserve(1))
            assert (list("cd"), False) == (await self.evict(store, SIZE, 1), store.reserve(1))

    async def test_evicting_for_a_large_record_removes_several(self) -> None:
        """Bytes count as records do."""
        self._needs_bound_in_bytes()
        async with self.opened(max_bytes=4 * SIZE, may_lose=True) as store:
            await self.put_names(store, "abcd")

            left = await self.evict(store, 2 * SIZE, 2)

            assert (list("cd"), False) == (left, store.reserve(1))

    async def test_evicting_spares_what_is_leased(self) -> None:
        """A record that is being sent cannot make room: the oldest that waits does."""
        self._needs_bound_in_events()
        async with self.opened(max_events=3, may_lose=True) as store:
            await self.put_names(store, "abc")
            taken = await self.lease(store, 2)

            left = await self.evict(store, SIZE, 1)

            assert ([], None) == (left, store.evict(SIZE))
            assert 2 == await store.ack(taken)

    async def test_evicting_in_vain_removes_nothing(self) -> None:
        """When all that waits would not be enough, all of it stays."""
        self._needs_bound_in_bytes()
        async with self.opened(max_bytes=3 * SIZE) as store:
            await self.put_names(store, "abc")
            await self.lease(store, 2)

            evicted = store.evict(2 * SIZE)

            assert (None, 1) == (evicted, store.backlog().events)
            assert ["c"] == names(await self.lease(store))

    async def test_evicting_where_there_is_room_removes_nothing(self) -> None:
        """Room that is there is simply reserved."""
        async with self.opened(max_events=2) as store:
            await self.put_names(store, "a")

            evicted = store.evict(SIZE)

            assert ([], 1) == (list(evicted or ()), store.backlog().events)
            self.check_room(store, 0)

    async def test_closing_gives_up_what_only_this_process_could_send(self) -> None:
        """A store that survives keeps everything; another one hands it all out, oldest first of each kind."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            await self.put_names(store, "c", Kind.ANONYMOUS)
            await self.put_names(store, "d")

            given_up = await self.close(store)

            expected = [] if store.is_durable else [list("abd"), ["c"]]
            assert expected == names_of_all(sorted(given_up, key=lambda lease: lease.kind, reverse=True))
            assert (4 if store.is_durable else 0) == store.backlog().events

    async def test_a_closed_store_can_be_opened_again(self) -> None:
        """It has what survived, and all the room that this leaves."""
        async with self.opened(max_events=2) as store:
            await self.put_names(store, "a")
            store.reserve(SIZE)
            store.cancel(SIZE)
        kept = store.backlog().events

        async with self.opened(store):
            self.check_room(store, 2 - kept)
            assert ["a"] * kept == names(await store.lease(LARGE, LARGE))

    async def test_a_closed_store_can_be_opened_on_another_loop(self) -> None:
        """Nothing of the first loop is left in it."""
        async with self.opened(max_events=3) as store:
            await self.put_names(store, "a")

        async def use() -> None:
            async with self.opened(store):
                kept = names(await store.lease(LARGE, LARGE))
                await self.put_names(store, "b")
                found.extend([kept, names(await self.lease(store))])

        found: list[list[str]] = []
        await anyio.to_thread.run_sync(anyio.run, use)

        assert [["a"] if store.is_durable else [], ["b"]] == found

    # -- what it says of itself ---------------------------------------------------------------------------

    async def test_an_empty_store_says_so(self) -> None:
        """Nothing waits, nothing is leased, and there is no oldest record."""
        async with self.opened() as store:
            backlog = store.backlog()

            assert (0, 0, 0, 0) == (backlog.events, backlog.fullest_events, backlog.leased, backlog.volatile)
            assert (None, None) == (backlog.oldest_at, backlog.oldest_sequence)
            assert None is backlog.first_sequence
            assert None is await store.lease(1, LARGE)

    async def test_the_backlog_is_what_waits(self) -> None:
        """Sums over both kinds, the fullest kind by itself, and the oldest of all."""
        async with self.opened() as store:
            now = self.now(store)
            await self.put(store, make_record("a", Kind.ANONYMOUS), at=now - 100)
            await self.put(store, make_record("b"), make_record("c"), at=now - 50)
            whole = store.backlog()
            await self.lease(store)
            rest = store.backlog()

            assert (3, 2, 0) == (whole.events, whole.fullest_events, whole.leased)
            assert (2, 2, 1) == (rest.events, rest.fullest_events, rest.leased)
            assert (0, 0) == (whole.volatile, rest.volatile)
            assert ENVELOPE_BYTES - 1 + 2 * SIZE == whole.fullest_bytes == rest.fullest_bytes
            assert whole.oldest_at is not None
            assert rest.oldest_at is not None
            assert abs(now - 100 - whole.oldest_at) < TOLERANCE
            assert abs(now - 50 - rest.oldest_at) < TOLERANCE

    async def test_a_flush_knows_what_it_waits_for(self) -> None:
        """The oldest that waits, the oldest of all and the latest ever are numbers of one row."""
        async with self.opened() as store:
            await self.put_names(store, "abc")
            first = await self.lease(store, 1)
            leased = store.backlog()
            await store.ack(first)
            rest = await self.lease(store)
            await store.ack(rest)
            done = store.backlog()

            assert (*first.sequences, *rest.sequences) == tuple(sorted({*first.sequences, *rest.sequences}))
            assert (rest.sequences[0], rest.sequences[-1]) == (leased.oldest_sequence, leased.latest_sequence)
            assert leased.first_sequence in {first.sequences[0], None}
            assert (None, None, rest.sequences[-1]) == (
                done.oldest_sequence,
                done.first_sequence,
                done.latest_sequence,
            )

    async def test_a_reservation_does_not_wait_to_be_sent(self) -> None:
        """Room alone is no record."""
        async with self.opened() as store:
            store.reserve(SIZE)

            assert (0, None) == (store.backlog().events, store.backlog().oldest_at)

    # -- processes and threads ----------------------------------------------------------------------------

    async def test_a_child_process_begins_empty(self) -> None:
        """After a fork the parent still has the records: the child must not send them, too."""
        async with self.opened(max_events=3) as store:
            await self.put_names(store, "ab")
            taken = await self.lease(store, 1)
            store.reserve(SIZE)

            def child() -> object:
                store.after_fork()
                backlog = store.backlog()
                self.check_room(store, 3)
                return backlog.events, backlog.leased

            told = await self.forked(child)

            assert repr((0, 0)) == told
            assert (1, ["b"]) == (await store.ack(taken), names(await self.lease(store)))

    async def forked(self, work: Callable[[], object]) -> str:
        """Run a function in a forked child that ends then; return the `repr` of its result."""
        if sys.platform == "win32":
            raise SkipTest("there is no fork")
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, and that is the point
            child = os.fork()
        if child == 0:
            try:
                told = repr(work())
            except BaseException:  # noqa: BLE001 - nothing may go on in a child that is a copy of the tests
                told = traceback.format_exc()
            os.write(writer, told.encode())
            os._exit(0)
        os.close(writer)
        try:
            with os.fdopen(reader) as pipe, self.patiently("the child did not end"):
                told = await anyio.to_thread.run_sync(pipe.read, abandon_on_cancel=True)
        finally:
            os.kill(child, signal.SIGKILL)  # it has ended, unless it hangs
            os.waitpid(child, 0)  # noqa: ASYNC222 - at once
        return told

    async def in_threads(self, work: Callable[[int], None]) -> None:
        """Run a function in several threads at once, which are given their numbers."""
        start = threading.Barrier(THREADS)

        def run(number: int) -> None:
            start.wait()
            work(number)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)

    async def test_threads_reserve_exactly_what_there_is(self) -> None:
        """Together they are granted the bound, and every put after a grant succeeds."""
        self._needs_bound_in_events()
        async with self.opened(max_events=400) as store:
            granted: list[Commit | None] = []

            def work(thread: int) -> None:
                for number in range(100):
                    one = make_record(f"{thread}-{number}")
                    if store.reserve(one.size_bytes):
                        granted.append(store.put(one, now))

            now = self.now(store)
            await self.in_threads(work)
            await self.concluded(granted)

            assert 400 == len(granted) == store.backlog().events
            taken = await self.lease(store)
            assert 400 == len(taken) == len(set(taken.sequences))

    async def test_each_threads_records_stay_in_order(self) -> None:
        """Putting from several threads mixes them, and keeps each one's own order."""
        async with self.opened() as store:
            commits: list[Commit | None] = []

            def work(thread: int) -> None:
                for number in range(100):
                    one = make_record(f"{thread}-{number:03}")
                    store.reserve(one.size_bytes)
                    commits.append(store.put(one, now))

            now = self.now(store)
            await self.in_threads(work)
            await self.concluded(commits)

            found = names(await self.lease(store))
            for thread in range(THREADS):
                own = [name for name in found if name.startswith(f"{thread}-")]
                assert 100 == len(own)
                assert sorted(own) == own
