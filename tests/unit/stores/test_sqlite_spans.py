"""Leases as ranges of sequences: what the ranges say is what a mark on every record would say."""

from bisect import bisect_right
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiotracker.stores.sqlite.spans import Lane, Read, Rows, Span

LEASE_MS = 1_000
ME, OTHER = "me", "other"


@dataclass
class Table:
    """The rows of one kind, as the file has them, each with its holder.

    Attributes:
        sizes: of each record, by sequence.
        holders: of those that are leased, and until when.
    """

    sizes: dict[int, int] = field(default_factory=dict)
    holders: dict[int, tuple[str, int]] = field(default_factory=dict)

    def rows(self, first: int, last: int, limit: int) -> Rows:
        """Return rows as the file does."""
        found = [number for number in sorted(self.sizes) if first <= number <= last][: min(limit, 10**9)]
        return Rows(found, [10 * number for number in found], [self.sizes[number] for number in found])

    def waiting(self) -> list[int]:
        """Return what can be leased."""
        return sorted(set(self.sizes) - set(self.holders))


class LaneMachine(RuleBasedStateMachine):
    """A lane beside a table with a mark on every record."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.lane = Lane()
        self.latest = 0
        self.now_ms = 0
        self.leases: list[tuple[str, list[int]]] = []
        self.read = Read(self.table.rows)

    @rule(gap=st.integers(1, 3), sizes=st.lists(st.integers(20, 50), min_size=1, max_size=6))
    def put(self, gap: int, sizes: list[int]) -> None:
        """Records come in; numbers of the other kind lie between."""
        numbers = [self.latest + gap * (at + 1) for at in range(len(sizes))]
        self.latest = numbers[-1]
        self.table.sizes.update(zip(numbers, sizes, strict=True))
        self.lane.append(Rows(numbers, [10 * number for number in numbers], sizes))

    @precondition(lambda self: self.table.waiting())
    @rule(count=st.integers(1, 5), holder=st.sampled_from([ME, OTHER]))
    def lease(self, count: int, holder: str) -> None:
        """The oldest are leased, without a gap."""
        first, last = self.lane.source()
        rows = self.read._rows(first, last, count + 1)
        count = min(count, len(rows.sequences))
        until_ms = self.now_ms + LEASE_MS

        self.lane.take(rows, count, holder, until_ms, LEASE_MS)

        taken = list(rows.sequences[:count])
        assert self.table.waiting()[:count] == taken
        self.table.holders.update(dict.fromkeys(taken, (holder, until_ms)))
        self.leases.append((holder, taken))

    def _part(self, data: st.DataObject) -> tuple[str, list[int]]:
        holder, numbers = data.draw(st.sampled_from(self.leases))
        start = data.draw(st.integers(0, len(numbers) - 1))
        return holder, numbers[start : data.draw(st.integers(start + 1, len(numbers)))]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Part of a lease is settled, were it expired, leased to others or settled before."""
        _, numbers = self._part(data)
        there = [number for number in numbers if number in self.table.sizes]

        self.lane.cut(numbers[0], numbers[-1], self.read)
        count = self.lane.remove(numbers[0], numbers[-1])

        assert len(there) == count
        for number in there:
            del self.table.sizes[number]
            self.table.holders.pop(number, None)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Part of a lease comes back, as far as it is still its holder's."""
        holder, numbers = self._part(data)
        own = [number for number in numbers if self.table.holders.get(number, ("", 0))[0] == holder]

        self.lane.cut(numbers[0], numbers[-1], self.read)
        count = self.lane.free(numbers[0], numbers[-1], holder)

        assert len(own) == count
        for number in own:
            del self.table.holders[number]

    @rule(holder=st.sampled_from([ME, OTHER]))
    def reclaim(self, holder: str) -> None:
        """A holder gives up everything."""
        own = [number for number, (who, _) in self.table.holders.items() if who == holder]

        assert len(own) == self.lane.free(0, self.lane.cursor, holder)

        for number in own:
            del self.table.holders[number]

    @rule(ms=st.integers(1, 700), is_renewed=st.booleans())
    def pass_time(self, ms: int, is_renewed: bool) -> None:  # noqa: FBT001 - drawn
        """Time goes by; one looks after its own leases, and the other may."""
        self.now_ms += ms
        for holder in [ME, OTHER] if is_renewed else [ME]:
            self.lane.renew(holder, self.now_ms)
        self.lane.expire(self.now_ms, ME)
        for number, (holder, until_ms) in list(self.table.holders.items()):
            if holder == ME or is_renewed:
                self.table.holders[number] = (holder, self.now_ms + LEASE_MS)
            elif until_ms <= self.now_ms:
                del self.table.holders[number]

    @invariant()
    def accounts_are_right(self) -> None:
        """Every number that the lane says is that of the table."""
        table, lane = self.table, self.lane
        waiting = table.waiting()
        assert (len(table.sizes), sum(table.sizes.values())) == (lane.events, lane.size_bytes)
        assert (len(waiting), len(table.holders)) == (lane.waiting_events, lane.leased_events)
        assert sum(table.sizes[number] for number in waiting) == lane.waiting_bytes
        assert (
            (waiting[0], 10 * waiting[0]) == lane.oldest_waiting() if waiting else not lane.oldest_waiting()
        )
        assert min(table.sizes, default=None) == lane.first_sequence()
        for holder in (ME, OTHER):
            own = [number for number, (who, _) in table.holders.items() if who == holder]
            assert len(own) == lane.held_by(holder)
        ends = [until for who, until in table.holders.values() if who == OTHER]
        assert min(ends, default=None) == lane.expires_at(ME)

    @invariant()
    def spans_are_apart(self) -> None:
        """They are in order, none overlaps another, and the cursor is not inside one."""
        edges = [edge for span in self.lane.spans for edge in (span.first, span.last)]
        assert sorted(edges) == edges
        assert bisect_right(edges, self.lane.cursor) == len(edges)


TestLane = pytest.mark.timeout(60)(LaneMachine.TestCase)


def span(first: int, last: int, holder: str = "", until_ms: int = 0) -> Span:
    """Return a span of records of one byte."""
    return Span(first, last, last - first + 1, last - first + 1, 0, holder, until_ms, LEASE_MS)


def test_a_clock_that_was_set_back_locks_nothing_away() -> None:
    """A lease that ends later than it can begins anew, so that it is over after one more of its length."""
    lane = Lane(2, 2, 2, None, [span(1, 2, OTHER, until_ms=10**9)])

    first = lane.expire(5_000, ME)

    assert (True, 5_000 + LEASE_MS) == (first, lane.expires_at(ME))
    assert lane.expire(5_000 + LEASE_MS, ME)
    assert (0, 2) == (lane.leased_events, lane.waiting_events)


def test_a_holder_is_not_robbed_by_its_own_clock() -> None:
    """A clock that was set ahead ends no lease of who looks at it: he is alive."""
    lane = Lane(2, 2, 2, None, [span(1, 2, ME, until_ms=100)])

    assert not lane.expire(10**9, ME)

    assert 2 == lane.held_by(ME)


def test_a_lease_ends_where_that_of_another_begins() -> None:
    """What waits before it is handed out alone."""
    lane = Lane(6, 6, 6, None, [span(1, 2), span(3, 4, OTHER, 10), span(5, 6, ME, 10)])

    assert (1, 2) == lane.source()


def test_what_is_free_at_the_end_is_no_span() -> None:
    """Most of the time there is nothing but what is leased."""
    lane = Lane(6, 6, 6, None, [span(1, 2, ME, 10), span(3, 4, ME, 10), span(5, 6, ME, 10)])

    lane.free(3, 6, ME)

    assert ([span(1, 2, ME, 10)], 2, (3, 0)) == (lane.spans, lane.cursor, lane.head)
