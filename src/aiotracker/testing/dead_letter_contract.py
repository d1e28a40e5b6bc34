"""What a store promises that keeps the events that were given up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from unittest import SkipTest

from aiotracker import DeadLetterStore, DropReason, Kind
from aiotracker.testing.contract import TOLERANCE
from aiotracker.testing.durable_contract import AN_HOUR, DurableStoreContract
from aiotracker.testing.records import LARGE, SIZE, make_record, name_of, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiotracker import DeadLetter, EventStore

__all__ = ["DeadLetterContract"]

BEYOND_THE_BOUND: Final = 5


class DeadLetterContract(DurableStoreContract):
    """What a store of dead letters promises beyond `DurableStoreContract`.

    Attributes:
        max_dead_letters: bound of the stores that `make_store` returns; None: no test fills one up.
    """

    max_dead_letters: int | None = None
    _is_for_dead_letters = True

    @asynccontextmanager
    async def lettered(self, text: str) -> AsyncIterator[tuple[EventStore, DeadLetterStore]]:
        """Open a store in which a record for each letter was given up, one after the other."""
        async with self.opened() as store:
            assert isinstance(store, DeadLetterStore)
            for name in text:
                await self.put_names(store, name)
                await store.reject(await self.lease(store), DropReason.REJECTED, f"why {name}")
            yield store, store

    async def test_what_is_rejected_is_a_dead_letter(self) -> None:
        """With the event, the reason, the detail, and the times of tracking and of giving up."""
        record = make_record("a", Kind.ANONYMOUS)
        async with self.opened() as store:
            assert isinstance(store, DeadLetterStore)
            await self.put(store, record, at=self.now(store) - AN_HOUR)
            await store.reject(await self.lease(store), DropReason.EXPIRED, "older than a day")
            now_ms = self.host_of(store).clock.wall_ms()

            found = await store.dead_letters()

            assert 1 == len(found) == await store.count_dead_letters()
            letter = found[0]
            assert (record, DropReason.EXPIRED) == (letter.record, letter.reason)
            assert "older than a day" == letter.detail
            assert abs(now_ms - letter.dropped_ms) < TOLERANCE * 1000
            assert abs(now_ms - AN_HOUR * 1000 - letter.put_ms) < TOLERANCE * 1000
            assert None is await store.lease(1, LARGE)

    async def test_what_was_delivered_is_no_dead_letter(self) -> None:
        """Of a lease in parts, those that were rejected are letters."""
        async with self.lettered("") as (store, letters):
            await self.put_names(store, "abc")
            whole = await self.lease(store)

            await store.ack(whole.part(0, 1))
            await store.reject(whole.part(1, 2), DropReason.TOO_LARGE)
            await store.release(whole.part(2, 3))

            assert [("b", DropReason.TOO_LARGE, "")] == [
                (name_of(letter.record), letter.reason, letter.detail)
                for letter in await letters.dead_letters()
            ]

    async def test_dead_letters_are_there_after_a_new_opening(self) -> None:
        """They wait for a person, who comes when the process is long gone."""
        async with self.lettered("ab") as (_, letters):
            before = list(await letters.dead_letters())

        async with self.opened() as again:
            assert isinstance(again, DeadLetterStore)
            assert before == list(await again.dead_letters())
            assert ["why a", "why b"] == [letter.detail for letter in before]

    async def test_dead_letters_come_page_by_page(self) -> None:
        """The oldest first; their ids sort in the order of dropping."""
        async with self.lettered("abcde") as (_, letters):
            pages: list[Sequence[DeadLetter]] = [await letters.dead_letters(limit=2)]
            while pages[-1] and len(pages) < 5:
                pages.append(await letters.dead_letters(after=pages[-1][-1].letter_id, limit=2))

            assert [["a", "b"], ["c", "d"], ["e"], []] == [
                [name_of(letter.record) for letter in page] for page in pages
            ]
            ids = [letter.letter_id for page in pages for letter in page]
            assert sorted({*ids}) == ids

    async def test_a_page_begins_after_a_letter_that_is_gone(self) -> None:
        """Whoever replays page by page goes on from the last letter, which is no letter any more."""
        async with self.lettered("abc") as (_, letters):
            page = await letters.dead_letters(limit=2)
            await letters.purge(page)

            rest = await letters.dead_letters(after=page[-1].letter_id)

            assert ["c"] == [name_of(letter.record) for letter in rest]

    async def test_replayed_letters_are_the_latest_events(self) -> None:
        """They are sent after what waits, as they were, and their age begins anew."""
        async with self.lettered("ab") as (store, letters):
            await self.put(store, make_record("c"), at=self.now(store) - AN_HOUR)

            count = await letters.replay(await letters.dead_letters())

            await self.until(lambda: store.backlog().events == 3)
            lease = await self.lease(store)
            assert (2, list("cab")) == (count, names(lease))
            assert sorted(lease.sequences) == list(lease.sequences)
            assert abs(self.now(store) - lease.put_at[1]) < TOLERANCE
            assert make_record("a") == lease.records[1]
            assert 0 == await letters.count_dead_letters()

    async def test_a_letter_is_replayed_once(self) -> None:
        """Two persons who replay the same letters send each event once."""
        async with self.lettered("ab") as (store, letters):
            found = await letters.dead_letters()
            one = await letters.replay(found[:1])

            counts = [
                one,
                await letters.replay(found),
                await letters.replay(found),
                await letters.purge(found),
            ]

            await self.until(lambda: store.backlog().events == 2)
            assert [1, 1, 0, 0] == counts
            assert list("ab") == names(await self.lease(store))

    async def test_a_full_store_takes_its_letters_back(self) -> None:
        """Room for them was found once; who tracks meets the bound, and not the person who replays."""
        async with self.opened(max_events=2) as store:
            assert isinstance(store, DeadLetterStore)
            await self.put_names(store, "a")
            await store.reject(await self.lease(store), DropReason.REJECTED)
            await self.put_names(store, "bc")

            count = await store.replay(await store.dead_letters())

            await self.until(lambda: store.backlog().events == 3)
            assert (1, False) == (count, store.reserve(SIZE))
            assert list("bca") == names(await self.lease(store))

    async def test_purged_letters_are_gone(self) -> None:
        """They are neither letters nor events; the others stay."""
        async with self.lettered("abc") as (store, letters):
            found = await letters.dead_letters()

            counts = [await letters.purge(found[:2]), await letters.purge(found[:2])]

            assert [2, 0] == counts
            assert list(found[2:]) == list(await letters.dead_letters())
            assert (0, 1) == (store.backlog().events, await letters.count_dead_letters())

    async def test_without_letters_there_is_nothing_to_do(self) -> None:
        """An empty page, an empty replay and an empty purge."""
        async with self.lettered("") as (_, letters):
            assert [] == list(await letters.dead_letters())
            assert (0, 0, 0) == (
                await letters.count_dead_letters(),
                await letters.replay([]),
                await letters.purge([]),
            )

    async def test_a_cancelled_rejection_keeps_the_letter(self) -> None:
        """Somebody stopped waiting, and the event is a letter all the same."""
        async with self.lettered("") as (store, letters):
            await self.put_names(store, "a")
            lease = await self.lease(store)

            await self.cancelled(0, lambda: store.reject(lease, DropReason.REJECTED, "why"))

            await self.until(lambda: store.backlog().leased == 0)
            assert ["why"] == [letter.detail for letter in await letters.dead_letters()]

    async def test_a_rejection_that_comes_too_late_leaves_no_letter(self) -> None:
        """The lease expired, and another holder delivered the event: it must not be sent again."""
        async with self.expired("ab") as (slow, lease, other):
            assert isinstance(other, DeadLetterStore)
            await other.ack(await self.lease(other))

            count = await slow.reject(lease, DropReason.REJECTED, "too late")

            assert (0, 0) == (count, await other.count_dead_letters())

    async def test_stores_at_one_place_have_the_same_letters(self) -> None:
        """A person who looks is another process than the one that gave up."""
        self._needs_sharing()
        async with self.lettered("ab") as (store, letters), self.opened() as other:
            assert isinstance(other, DeadLetterStore)
            found = await other.dead_letters()

            count = await other.replay(found[:1])

            assert (1, 1) == (count, await letters.count_dead_letters())
            assert ["a"] == names(await self.lease(store))

    async def test_dead_letters_are_bounded(self) -> None:
        """What the bound costs is said, and the store goes on."""
        if self.max_dead_letters is None:
            raise SkipTest("see max_dead_letters")
        async with self.lettered("") as (store, letters):
            total = self.max_dead_letters + BEYOND_THE_BOUND
            await self.put(store, *[make_record(f"{number:06}") for number in range(total)])
            for _ in range(2):
                await store.reject(await self.lease(store, total - 1), DropReason.REJECTED)

            assert 0 < await letters.count_dead_letters() <= self.max_dead_letters
            assert [] != self.host_of(store).lines
            assert (0, 0) == (store.backlog().events, store.backlog().leased)
