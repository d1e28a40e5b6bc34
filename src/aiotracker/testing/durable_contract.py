"""What a store promises that outlives its process, alone and with others at the same place."""

from __future__ import annotations

import math
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from unittest import SkipTest

import anyio

from aiotracker import DropReason, Kind
from aiotracker.testing.contract import POLL_SECONDS, TOLERANCE, EventStoreContract
from aiotracker.testing.records import LARGE, SIZE, make_record, names, names_of_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiotracker import Commit, EventStore, Lease

__all__ = ["DurableStoreContract"]

AN_HOUR: Final = 3_600.0
SOON: Final = 0.05  # real seconds in which a store that learns of the time has renewed its leases
SHARED_RECORDS: Final = 60


class DurableStoreContract(EventStoreContract):
    """What a durable store promises beyond `EventStoreContract`.

    The stores that `make_store` returns within one test share one place.

    Attributes:
        is_shared: whether several stores may have the place open at once.
        lease_seconds: after how many seconds the leases of a process that died come back; None where a
            place is open once, so that all of them come back when it is opened again.
    """

    is_shared: bool = True
    lease_seconds: float | None = None
    _is_for_durable_stores = True

    # -- what a user may override -------------------------------------------------------------------------

    async def pass_time(self, seconds: float) -> None:
        """Let time pass for every open store that does not stand still, by the clock of its host.

        Override it where another clock counts, as that of a server: `await anyio.sleep(seconds)`.
        """
        self._passed.append(seconds)
        for opening in self._openings.values():
            if not opening.is_still:
                opening.clock.advance(seconds)
        await anyio.sleep(SOON)

    async def stand_still(self, store: EventStore) -> None:
        """Let a store be as if its process were stopped: it renews no lease.

        By the clock of its host, which time passes by. Override it where another clock counts.
        """
        self._openings[id(store)].is_still = True

    async def cut_off(self) -> None:
        """Make the place fail for every store, as a full disk or a server that is away.

        Override it and `restore`, to see that a store survives that.
        """
        raise SkipTest("the place is never away: see cut_off()")

    async def restore(self) -> None:
        """Make the place work again."""

    def put_without_waiting(self, store: EventStore, text: str) -> list[Commit | None]:
        """Put one record for each letter, and return their commits."""
        assert [True] * len(text) == [store.reserve(SIZE) for _ in text]
        return [store.put(make_record(name), self.now(store)) for name in text]

    async def in_time(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true, while time passes quickly."""
        with self.patiently("what a test waits for did not happen"):
            while not condition():
                await self.pass_time(0.2)

    # -- what survives ------------------------------------------------------------------------------------

    async def test_what_was_put_is_there_after_a_new_opening(self) -> None:
        """Records of both kinds, in their order."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            await self.put_names(store, "c", Kind.ANONYMOUS)
            await self.put_names(store, "d")

        async with self.opened() as again:
            await self.until(lambda: again.backlog().events == 4)
            backlog = again.backlog()
            leases = [await self.lease(again), await self.lease(again)]

            assert (3, 0, 0) == (backlog.fullest_events, backlog.leased, backlog.volatile)
            assert [list("abd"), ["c"]] == names_of_all(leases)
            assert [Kind.ORDINARY, Kind.ANONYMOUS] == [lease.kind for lease in leases]

    async def test_records_survive_as_they_were_put(self) -> None:
        """Bytes, kind and version of the encoding."""
        put = [make_record("a"), make_record("b", Kind.ANONYMOUS, 5_000)]
        async with self.opened() as store:
            await self.put(store, *put)

        async with self.opened() as again:
            leases = [await self.lease(again), await self.lease(again)]

            assert put == [record for lease in leases for record in lease.records]

    async def test_a_record_is_as_old_after_a_new_opening(self) -> None:
        """Its age goes on, though the clock of another process starts elsewhere."""
        began = time.monotonic()
        async with self.opened() as store:
            await self.put(store, make_record("a"), at=self.now(store) - AN_HOUR)

        async with self.opened() as again:
            await self.until(lambda: again.backlog().oldest_at is not None)
            oldest_at = again.backlog().oldest_at or math.nan
            lease = await self.lease(again)
            ages = [self.now(again) - at for at in (oldest_at, lease.put_at[0])]
            older = time.monotonic() - began

            assert all(-TOLERANCE < age - AN_HOUR < older + TOLERANCE for age in ages)

    async def test_what_was_leased_comes_back_in_front(self) -> None:
        """Closing gives up every lease, and none of the records."""
        async with self.opened() as store:
            await self.put_names(store, "abcd")
            await self.lease(store, 2)

        async with self.opened() as again:
            assert list("abcd") == names(await self.lease(again))

    async def test_what_was_settled_is_gone_for_good(self) -> None:
        """Neither what was delivered nor what was rejected is sent again."""
        async with self.opened() as store:
            await self.put_names(store, "abc")
            await store.ack(await self.lease(store, 1))
            await store.reject(await self.lease(store, 1), DropReason.REJECTED)

        async with self.opened() as again:
            assert ["c"] == names(await self.lease(again))
            assert None is await again.lease(1, LARGE)

    async def test_sequences_go_on_after_a_new_opening(self) -> None:
        """No number is given twice, not even when nothing is left of those before."""
        async with self.opened() as store:
            await self.put_names(store, "ab")
            before = await self.lease(store)
            await store.ack(before)

        async with self.opened() as again:
            await self.put_names(again, "c")
            after = await self.lease(again)

            assert before.sequences[-1] < after.sequences[0] == again.backlog().latest_sequence

    async def test_what_survived_takes_up_room(self) -> None:
        """The bounds are those of the place, and not of what one process put there."""
        async with self.opened(max_events=3) as store:
            await self.put_names(store, "ab")

        async with self.opened(max_events=3) as again:
            await self.until(lambda: again.backlog().events == 2)

            self.check_room(again, 1)

    # -- commits ------------------------------------------------------------------------------------------

    async def test_a_record_is_volatile_until_it_is_committed(self) -> None:
        """It counts from the moment of putting; once its commit is concluded it is as safe as it will be."""
        async with self.opened() as store:
            store.reserve(SIZE)
            commit = store.put(make_record("a"), self.now(store))
            is_safe = commit is None or commit.is_done
            put = store.backlog()
            await self.concluded([commit])
            safe = store.backlog()

            assert (1, 1) == (put.events, put.fullest_events)
            assert put.volatile <= (0 if is_safe else 1)
            assert put.oldest_at is not None
            assert (1, 0) == (safe.events, safe.volatile)

    async def test_what_is_committed_is_safe(self) -> None:
        """Another store at the same place has the record in the moment in which its commit is concluded."""
        self._needs_sharing()
        async with self.opened() as store:
            for name in "abc":
                await self.put_names(store, name)

                async with self.opened() as other:
                    lease = await other.lease(1, LARGE)
                    assert [name] == names(lease)
                    assert lease is not None
                    await other.ack(lease)

    async def test_whoever_stops_waiting_for_a_commit_takes_nothing_back(self) -> None:
        """A caller that is cancelled while it waits gets its cancellation; the event stays accepted."""
        async with self.opened() as store:
            store.reserve(SIZE)
            commit = store.put(make_record("a"), self.now(store))
            if commit is not None:
                await self.cancelled(0, commit.wait)

            await self.concluded([commit])

            assert ["a"] == names(await self.lease(store))

    async def test_closing_makes_safe_what_is_volatile(self) -> None:
        """Nothing is given up where there was time; nobody waits for a commit for ever."""
        async with self.opened() as store:
            commits = self.put_without_waiting(store, "ab")

            given_up = await self.close(store)

            assert [] == names_of_all(given_up)
            assert all(commit is None or commit.is_done for commit in commits)
        async with self.opened() as again:
            assert list("ab") == names(await self.lease(again))

    async def test_the_end_of_the_program_makes_safe_what_is_volatile(self) -> None:
        """Without its loop, on a thread that must not wait for long; twice the same record is allowed."""
        async with self.opened() as store:
            self.put_without_waiting(store, "ab")

            lost = store.at_exit(time.monotonic() + self.patience)

            assert 0 == lost
            if self.is_shared:
                async with self.opened() as other:
                    assert {"a", "b"} == {*names(await other.lease(LARGE, LARGE))}
        async with self.opened() as again:
            assert {"a", "b"} == {*names(await self.lease(again))}

    # -- several stores at one place ----------------------------------------------------------------------

    def _needs_sharing(self) -> None:
        if not self.is_shared:
            raise SkipTest("one store at a time has the place")

    async def test_stores_at_one_place_have_each_others_records(self) -> None:
        """What one puts another leases, and knows of without being asked to look."""
        self._needs_sharing()
        async with self.opened() as one, self.opened() as other:
            await self.put_names(one, "a")
            await self.until(lambda: other.backlog().events == 1)
            heard = self.host_of(other).changes
            taken = await self.lease(other)
            await self.until(lambda: (0, 1) == (one.backlog().events, one.backlog().leased))
            await other.ack(taken)
            await self.until(lambda: (0, 0) == (one.backlog().events, one.backlog().leased))

            assert ["a"] == names(taken)
            assert heard > 0

    async def test_stores_at_one_place_never_lease_the_same_record(self) -> None:
        """However many lease at once, each record is in one lease."""
        self._needs_sharing()
        leases: list[Lease] = []

        async def drain(store: EventStore) -> None:
            while sum(map(len, leases)) < SHARED_RECORDS:
                lease = await store.lease(3, LARGE)
                if lease is None:  # another one may have the rest on its way
                    await anyio.sleep(POLL_SECONDS)
                    continue
                leases.append(lease)
                await anyio.lowlevel.checkpoint()

        async with self.opened() as one, self.opened() as other, self.opened() as third:
            text = [f"{number:02}" for number in range(SHARED_RECORDS)]
            await self.put(one, *[make_record(name) for name in text[::2]])
            await self.put(other, *[make_record(name) for name in text[1::2]])

            with self.patiently("records are in no lease"):
                async with anyio.create_task_group() as tasks:
                    for store in (one, other, third, one, other, third):
                        tasks.start_soon(drain, store)

            assert text == sorted(name for lease in leases for name in names(lease))
            sequences = [sequence for lease in leases for sequence in lease.sequences]
            assert len(text) == len({*sequences})

    async def test_room_is_that_of_the_place(self) -> None:
        """What one puts takes up the room of the other, and what one settles frees it."""
        self._needs_sharing()
        async with self.opened(max_events=2) as one, self.opened(max_events=2) as other:
            await self.put_names(one, "ab")
            await self.until(lambda: other.backlog().events == 2)
            self.check_room(other, 0)

            await one.ack(await self.lease(one, 1))
            await self.until(lambda: (1, 0) == (other.backlog().events, other.backlog().leased))

            self.check_room(other, 1)

    async def test_a_flush_knows_what_others_are_about_to_send(self) -> None:
        """The oldest record of all counts when another store has leased it."""
        self._needs_sharing()
        async with self.opened() as one, self.opened() as other:
            await self.put_names(one, "ab")
            taken = await self.lease(other, 1)
            await self.until(lambda: one.backlog().leased == 1)
            backlog = one.backlog()

            assert taken.sequences[0] == backlog.first_sequence
            assert backlog.oldest_sequence == backlog.latest_sequence == taken.sequences[0] + 1

    async def test_a_child_process_opens_the_place_anew(self) -> None:
        """It sends what waits, and leaves alone what its parent has leased."""
        self._needs_sharing()
        async with self.opened() as store:
            await self.put_names(store, "abc")
            taken = await self.lease(store, 1)

            async def use() -> None:
                async with self.opened(store):
                    lease = await self.lease(store)
                    found.extend([*names(lease), str(await store.ack(lease))])

            def child() -> object:
                store.after_fork()
                thread = threading.Thread(target=anyio.run, args=(use,))  # this one has a loop already
                thread.start()
                thread.join()
                return found

            found: list[str] = []
            told = await self.forked(child)

            assert repr(["b", "c", "2"]) == told
            await self.until(lambda: store.backlog().events == 0)
            assert (1, None) == (await store.ack(taken), await store.lease(1, LARGE))

    # -- leases that expire -------------------------------------------------------------------------------

    @asynccontextmanager
    async def expired(self, text: str) -> AsyncIterator[tuple[EventStore, Lease, EventStore]]:
        """Have one store lease records and stand still until its lease is over.

        Yields:
            That store, its lease, and another store that is at work; both have room for two records more.
        """
        self._needs_sharing()
        if self.lease_seconds is None:
            raise SkipTest("leases do not expire")
        async with (
            self.opened(max_events=len(text) + 2) as slow,
            self.opened(max_events=len(text) + 2) as other,
        ):
            await self.put_names(slow, text)
            lease = await self.lease(slow)
            await self.stand_still(slow)
            await self.pass_time(1.5 * self.lease_seconds)
            yield slow, lease, other

    async def nothing_is_left(self, store: EventStore) -> None:
        """Check the books of a store that could hold four records and holds none."""
        await self.until(lambda: (0, 0) == (store.backlog().events, store.backlog().leased))
        assert None is await store.lease(1, LARGE)
        self.check_room(store, 4)

    async def test_the_leases_of_a_dead_process_come_back(self) -> None:
        """In their old order, before what was put since."""
        async with self.expired("ab") as (_, lease, other):
            await self.put_names(other, "c")
            await self.until(lambda: other.backlog().events == 3)

            taken = await self.lease(other)

            assert list("abc") == names(taken)
            assert lease.sequences == taken.sequences[:2]
            assert 3 == await other.ack(taken)
            await self.nothing_is_left(other)

    async def test_a_slow_holder_keeps_its_leases(self) -> None:
        """A request may take longer than a lease lasts: the store renews it."""
        self._needs_sharing()
        if self.lease_seconds is None:
            raise SkipTest("leases do not expire")
        async with self.opened() as slow, self.opened() as other:
            await self.put_names(slow, "ab")
            lease = await self.lease(slow)

            for _ in range(5):
                await self.pass_time(0.4 * self.lease_seconds)

            assert None is await other.lease(1, LARGE)
            assert 2 == await slow.ack(lease)

    async def test_what_two_holders_deliver_counts_once(self) -> None:
        """The lease expired while its process stood still: both sent the records, and both settle them."""
        for is_late in (False, True):
            for is_delivered in (False, True):
                async with self.expired("ab") as (slow, lease, other):
                    taken = await self.lease(other)
                    counts = [await other.ack(taken)] if is_late else []
                    if is_delivered:
                        counts.append(await slow.ack(lease))
                    else:
                        counts.append(await slow.reject(lease, DropReason.REJECTED))
                    if not is_late:
                        counts.append(await other.ack(taken))

                    assert 2 == sum(counts)
                    await self.nothing_is_left(other)

    async def test_what_another_holds_is_not_put_back(self) -> None:
        """Whoever lost its lease cannot release or reclaim what belongs to another by now."""
        for is_released in (True, False):
            async with self.expired("ab") as (slow, lease, other):
                taken = await self.lease(other)

                if is_released:
                    await slow.release(lease)
                else:
                    await slow.reclaim()

                assert [None, None] == [await slow.lease(1, LARGE), await other.lease(1, LARGE)]
                assert 2 == await other.ack(taken)
                await self.nothing_is_left(other)

    async def test_what_another_settled_does_not_come_back(self) -> None:
        """Whoever lost its lease cannot put back what was delivered meanwhile."""
        for is_released in (True, False):
            async with self.expired("ab") as (slow, lease, other):
                await other.ack(await self.lease(other))

                if is_released:
                    await slow.release(lease)
                else:
                    await slow.reclaim()

                assert [None, None] == [await slow.lease(1, LARGE), await other.lease(1, LARGE)]
                await self.nothing_is_left(other)

    # -- a place that is away -----------------------------------------------------------------------------

    async def test_while_the_place_is_away_records_wait_in_memory(self) -> None:
        """Nothing is raised and nothing is lost; once the place is back they are made safe."""
        async with self.opened(max_events=3) as store:
            await self.put_names(store, "a")
            await self.cut_off()
            commits = self.put_without_waiting(store, "bc")
            await anyio.sleep(SOON)
            away = store.backlog()
            self.check_room(store, 0)
            await self.restore()
            await self.in_time(lambda: store.backlog().volatile == 0)
            await self.concluded(commits)

            assert 2 == away.volatile
            await self.in_time(lambda: store.backlog().events == 3)
            assert list("abc") == names(await self.lease(store))

    async def test_while_the_place_is_away_records_are_sent_from_memory(self) -> None:
        """What cannot be made safe can still be delivered, given up or kept; it frees its room then."""
        async with self.opened(max_events=3) as store:
            await self.cut_off()
            self.put_without_waiting(store, "abc")
            await anyio.sleep(SOON)

            first = await self.lease(store, 1)
            second = await self.lease(store, 1)
            third = await self.lease(store, 1)
            counts = [await store.ack(first), await store.reject(second, DropReason.REJECTED)]
            await store.release(third)
            await self.until(lambda: (1, 0) == (store.backlog().events, store.backlog().leased))

            assert [["a"], ["b"], ["c"]] == names_of_all([first, second, third])
            assert [1, 1] == counts
            self.check_room(store, 2)
            await self.restore()

    async def test_what_could_not_be_made_safe_is_given_up_when_closing(self) -> None:
        """A place that is away ends the wait at its deadline, and the records are told of."""
        async with self.opened(may_lose=True) as store:
            await self.cut_off()
            self.put_without_waiting(store, "ab")

            given_up = await self.close(store, within=0.2)

            assert [list("ab")] == names_of_all(given_up)
        await self.restore()
        async with self.opened() as again:
            assert None is await again.lease(1, LARGE)

    async def test_a_place_that_is_away_can_be_opened(self) -> None:
        """It is tried again; what is there is found once it is back."""
        async with self.opened() as store:
            await self.put_names(store, "a")
        await self.cut_off()

        async with self.opened() as again:
            self.put_without_waiting(again, "b")
            await self.restore()
            await self.in_time(lambda: (2, 0) == (again.backlog().events, again.backlog().volatile))

            assert list("ab") == names(await self.lease(again))
