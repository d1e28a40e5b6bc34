"""The contract can fail: a store that breaks a promise is caught by the test of that promise."""

# ruff: noqa: D102 - each class says what it breaks

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import anyio
import anyio.lowlevel
import pytest

from aiotracker import Commit, DeadLetter, DropReason, EventStore, Kind, Lease, MemoryStore, Record
from aiotracker.testing import DeadLetterContract, EventStoreContract
from aiotracker.testing.records import SIZE
from tests.fakes.place import Place, PlaceStore, Row

# -- stores in memory, each with one fault ------------------------------------------------------------------


class NewestFirst(MemoryStore):
    """Has the order of a stack."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        lease = await super().lease(max_events, max_bytes)
        if lease is None:
            return None
        backwards = slice(None, None, -1)
        return Lease(lease.kind, lease.data[backwards], lease.sequences[backwards], lease.put_at[backwards])


class MixesKinds(MemoryStore):
    """Takes every record for an ordinary one."""

    def put(self, record: Record, now: float) -> None:
        super().put(Record(Kind.ORDINARY, record.data), now)


class ForgetsTheTime(MemoryStore):
    """Has every record put at the beginning of time."""

    def put(self, record: Record, now: float) -> None:
        super().put(record, 0.0)


class Generous(MemoryStore):
    """Finds room for everybody."""

    def _reserve(self, size_bytes: int) -> bool:
        super()._reserve(size_bytes)
        return True


class ForgetsToFreeRoom(MemoryStore):
    """Is full for ever after some events."""

    async def ack(self, lease: Lease) -> int:
        count = await super().ack(lease)
        self._free(-count, -lease.records_bytes)
        return count


class FreesRoomTooEarly(MemoryStore):
    """Has room for others while records are being sent."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        lease = await super().lease(max_events, max_bytes)
        if lease is not None:
            self._free(len(lease), lease.records_bytes)
        return lease


class IgnoresBytes(MemoryStore):
    """Fills requests without measuring them."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        return await super().lease(max_events, 10**9)


class LeasesTwice(MemoryStore):
    """Hands out what it handed out before."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        lease = await super().lease(max_events, max_bytes)
        if lease is not None:
            self.put_back(lease)
        return lease


class ReleasesToTheEnd(MemoryStore):
    """Queues what failed behind what came later."""

    async def release(self, lease: Lease) -> None:
        await self.ack(lease)
        for record, put_at in zip(lease.records, lease.put_at, strict=True):
            self.try_put(record, record.size_bytes, put_at)


class NeverReclaims(MemoryStore):
    """Leaves with its holder what nobody will settle."""

    async def reclaim(self) -> int:
        return 0


class CountsNothing(MemoryStore):
    """Keeps no accounts."""

    async def ack(self, lease: Lease) -> int:
        await super().ack(lease)
        return 0


class GivesUpWhenCancelled(MemoryStore):
    """Does the work after a wait, which is as good as not doing it."""

    async def ack(self, lease: Lease) -> int:
        await anyio.lowlevel.checkpoint()
        return await super().ack(lease)

    async def release(self, lease: Lease) -> None:
        await anyio.lowlevel.checkpoint()
        await super().release(lease)


class LosesWhenCancelled(MemoryStore):
    """Takes records out, and then waits."""

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        lease = await super().lease(max_events, max_bytes)
        if lease is not None:
            self._leased[lease.kind].clear()
        await anyio.lowlevel.checkpoint()
        if lease is not None:
            self._leased[lease.kind].update(
                zip(lease.sequences, zip(lease.sequences, lease.put_at, lease.data, strict=True), strict=True)
            )
        return lease


class EvictsTheNewest(MemoryStore):
    """Makes room at the wrong end."""

    def evict(self, size_bytes: int) -> list[Lease] | None:
        for queue in self._queues.values():
            queue.entries.reverse()
        evicted = super().evict(size_bytes)
        for queue in self._queues.values():
            queue.entries.reverse()
        return evicted


class EvictsInVain(MemoryStore):
    """Removes records though that is not enough."""

    def evict(self, size_bytes: int) -> list[Lease] | None:
        return super().evict(size_bytes) or (None if self.take_all() else [])


class ForgetsAtTheEnd(MemoryStore):
    """Says nothing of what it loses."""

    async def aclose(self, by: float) -> list[Lease]:
        await super().aclose(by)
        return []


class KeepsWhatIsTheParents(MemoryStore):
    """Has a child send what its parent sends."""

    def after_fork(self) -> None:
        return


class Volatile(MemoryStore):
    """Says that it is durable."""

    @property
    def is_durable(self) -> bool:
        return True


MEMORY_FAULTS: list[tuple[type[MemoryStore], str]] = [
    (NewestFirst, "records_come_out_in_the_order_of_putting"),
    (MixesKinds, "a_lease_holds_one_kind_that_of_the_oldest"),
    (ForgetsTheTime, "a_lease_knows_when_its_records_were_put"),
    (Generous, "no_more_events_are_taken_than_there_is_room_for"),
    (Generous, "no_more_bytes_are_taken_than_there_is_room_for"),
    (Generous, "threads_reserve_exactly_what_there_is"),
    (ForgetsToFreeRoom, "settling_frees_room"),
    (FreesRoomTooEarly, "no_more_events_are_taken_than_there_is_room_for"),
    (IgnoresBytes, "a_lease_fits_in_one_request"),
    (LeasesTwice, "a_record_is_in_one_lease_at_a_time"),
    (ReleasesToTheEnd, "what_is_released_comes_first_again"),
    (ReleasesToTheEnd, "sequences_grow_in_the_order_of_putting"),
    (NeverReclaims, "what_nobody_settles_can_be_reclaimed"),
    (CountsNothing, "settling_says_how_many_records_were_there"),
    (GivesUpWhenCancelled, "a_cancelled_settlement_is_made_all_the_same"),
    (GivesUpWhenCancelled, "a_cancelled_release_puts_back_all_the_same"),
    (LosesWhenCancelled, "a_cancelled_lease_can_be_reclaimed"),
    (EvictsTheNewest, "evicting_removes_the_oldest_until_there_is_room"),
    (EvictsInVain, "evicting_in_vain_removes_nothing"),
    (ForgetsAtTheEnd, "closing_gives_up_what_only_this_process_could_send"),
    (KeepsWhatIsTheParents, "a_child_process_begins_empty"),
    (Volatile, "the_contract_covers_what_the_store_can_do"),
]


@pytest.mark.parametrize(("store", "promise"), MEMORY_FAULTS)
def test_a_store_that_breaks_a_promise_is_caught(store: type[MemoryStore], promise: str) -> None:
    """The test of that promise fails."""

    class Contract(EventStoreContract):
        patience = 0.1

        def make_store(self, *, max_events: int, max_bytes: int) -> EventStore:
            return store(max_events, max_bytes)

    with pytest.raises(AssertionError):
        anyio.run(getattr(Contract(), f"test_{promise}"))


# -- stores at a place, each with one fault -----------------------------------------------------------------


class CommitsTooEarly(PlaceStore):
    """Says that records are safe which it is about to write."""

    def put(self, record: Record, now: float) -> Commit:
        commit = super().put(record, now)
        commit.conclude()
        return commit

    def _wake(self) -> None:
        if self._close_by is not None:
            super()._wake()


class NeverCommits(PlaceStore):
    """Has everybody wait."""

    def _commit_group(self) -> bool:
        return True


class ForgetsWhatIsVolatile(PlaceStore):
    """Closes without a last group, and without a word."""

    async def aclose(self, by: float) -> Sequence[Lease]:
        self._give_up_volatile()
        return await super().aclose(by)

    def at_exit(self, by: float) -> int:
        self._give_up_volatile()
        return super().at_exit(by)


class Rejuvenates(PlaceStore):
    """Has every record begin anew."""

    async def open(self, host: object) -> None:
        await super().open(host)  # type: ignore[arg-type]  # a host
        for row in self._place.rows.values():
            row.put_ms = self.host.clock.wall_ms()


class NumbersAnew(PlaceStore):
    """Gives numbers again when nothing is left."""

    async def open(self, host: object) -> None:
        self._place.latest = max(self._place.rows, default=0)
        await super().open(host)  # type: ignore[arg-type]  # a host


class LeasesForEver(PlaceStore):
    """Never takes back what a dead process has."""

    def _waits(self, row: Row) -> bool:
        return row.holder is None


class NeverRenews(PlaceStore):
    """Loses what it is still sending."""

    def _renew(self) -> None:
        return


class LeasesWhatOthersHave(PlaceStore):
    """Knows its own leases only."""

    def _waits(self, row: Row) -> bool:
        return row.holder is not self


class SettlesWhatOthersHold(PlaceStore):
    """Believes that its lease is still its own."""

    def _held_rows(self, lease: Lease) -> list[int]:
        return [number for number in lease.sequences if number in self._place.rows]


class CountsWhatItLeased(PlaceStore):
    """Counts what others settled."""

    async def ack(self, lease: Lease) -> int:
        await super().ack(lease)
        return len(lease)


class LooksNever(PlaceStore):
    """Does not learn what others do."""

    async def open(self, host: object) -> None:
        await super().open(host)  # type: ignore[arg-type]  # a host
        self._place.watchers[-1] = lambda: None

    async def aclose(self, by: float) -> Sequence[Lease]:
        self._place.watchers.append(self._look)
        return await super().aclose(by)


class LosesWhatItCouldNotWrite(PlaceStore):
    """Gives up a group with its first failure."""

    def _group_failed(self, group: object) -> None:
        super()._group_failed(group)  # type: ignore[arg-type]  # a group
        self._give_up_volatile()


class ThrowsAway(PlaceStore):
    """Keeps no letters."""

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        return await self.ack(lease)


class WritesLettersTooLate(PlaceStore):
    """Keeps what somebody else delivered."""

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        for record in lease.records:
            self._place.bury(Row(record, 0), reason, detail, 0)
        return await self.ack(lease)


class ReplaysAgainAndAgain(PlaceStore):
    """Has an event both as a letter and as an event."""

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        for letter in letters:
            self._place.put(letter.record, letter.put_ms)
        self._look()
        return len(letters)


class LosesLettersWhenFull(PlaceStore):
    """Has room for what it takes back, or for nothing."""

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        if not self.reserve(SIZE):
            return await self.purge(letters)
        self.cancel(SIZE)
        return await super().replay(letters)


class HasOnePage(PlaceStore):
    """Begins again with every page."""

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        return await super().dead_letters(limit=limit)


class GivesNoReasons(PlaceStore):
    """Forgets why."""

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        page = await super().dead_letters(after=after, limit=limit)
        return [replace(letter, detail="") for letter in page]


class KeepsEveryLetter(PlaceStore):
    """Fills up the place."""

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        self._max_letters = 10**9
        return await super().reject(lease, reason, detail)


PLACE_FAULTS: list[tuple[type[PlaceStore], str]] = [
    (CommitsTooEarly, "what_is_committed_is_safe"),
    (NeverCommits, "a_record_is_volatile_until_it_is_committed"),
    (ForgetsWhatIsVolatile, "closing_makes_safe_what_is_volatile"),
    (ForgetsWhatIsVolatile, "the_end_of_the_program_makes_safe_what_is_volatile"),
    (Rejuvenates, "a_record_is_as_old_after_a_new_opening"),
    (NumbersAnew, "sequences_go_on_after_a_new_opening"),
    (LeasesForEver, "the_leases_of_a_dead_process_come_back"),
    (NeverRenews, "a_slow_holder_keeps_its_leases"),
    (LeasesWhatOthersHave, "stores_at_one_place_never_lease_the_same_record"),
    (SettlesWhatOthersHold, "what_another_holds_is_not_put_back"),
    (CountsWhatItLeased, "what_two_holders_deliver_counts_once"),
    (LooksNever, "stores_at_one_place_have_each_others_records"),
    (LooksNever, "room_is_that_of_the_place"),
    (LosesWhatItCouldNotWrite, "while_the_place_is_away_records_wait_in_memory"),
    (LosesWhatItCouldNotWrite, "while_the_place_is_away_records_are_sent_from_memory"),
    (ThrowsAway, "what_is_rejected_is_a_dead_letter"),
    (WritesLettersTooLate, "a_rejection_that_comes_too_late_leaves_no_letter"),
    (ReplaysAgainAndAgain, "a_letter_is_replayed_once"),
    (ReplaysAgainAndAgain, "replayed_letters_are_the_latest_events"),
    (LosesLettersWhenFull, "a_full_store_takes_its_letters_back"),
    (HasOnePage, "dead_letters_come_page_by_page"),
    (GivesNoReasons, "what_is_rejected_is_a_dead_letter"),
    (KeepsEveryLetter, "dead_letters_are_bounded"),
]


@pytest.mark.parametrize(("store", "promise"), PLACE_FAULTS)
def test_a_durable_store_that_breaks_a_promise_is_caught(store: type[PlaceStore], promise: str) -> None:
    """What a durable store promises beyond the others is tested as well."""

    class Contract(DeadLetterContract):
        patience = 0.1
        lease_seconds = 30.0
        max_dead_letters = 20

        @cached_property
        def place(self) -> Place:
            return Place()

        def make_store(self, *, max_events: int, max_bytes: int) -> EventStore:
            return store(self.place, max_events=max_events, max_bytes=max_bytes, max_letters=20)

        async def cut_off(self) -> None:
            self.place.is_away = True

        async def restore(self) -> None:
            self.place.is_away = False

    with pytest.raises(AssertionError):
        anyio.run(getattr(Contract(), f"test_{promise}"))


def test_a_contract_without_a_store_says_what_it_lacks() -> None:
    """A subclass must say how a store is built."""
    with pytest.raises(NotImplementedError, match=r"make_store\(\)"):
        anyio.run(EventStoreContract().test_an_empty_store_says_so)
