"""The search for the event that spoils its batch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.bisection import Bisection


class Search:
    """A batch that is bisected against a collector that refuses parts with a bad event."""

    def __init__(self, count: int, bad: set[int]) -> None:
        self.requests = 0
        self.delivered: list[int] = []
        self.dropped: list[int] = []
        parts = Bisection(count)
        while (part := parts.next_part()) is not None:
            start, end = part
            self.requests += 1
            if not bad & set(range(start, end)):
                self.delivered.extend(range(start, end))
            elif end - start == 1:
                self.dropped.append(start)
            elif not parts.split(part):
                self.dropped.extend(range(start, end))

    @property
    def extra(self) -> int:
        """Requests beyond the one that any batch costs."""
        return self.requests - 1


def log2(count: int) -> int:
    """Return ⌈log₂ n⌉."""
    return math.ceil(math.log2(count))


def test_a_good_batch_is_one_request() -> None:
    """Nothing is split that is not refused."""
    search = Search(500, set())

    assert (0, list(range(500))) == (search.extra, search.delivered)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 8, 9, 100, 400, 500, 512])
def test_one_bad_event_is_found_wherever_it_stands(count: int) -> None:
    """The rest arrives, in order, for at most 2·⌈log₂ n⌉ extra requests."""
    for bad in {0, 1, count // 2, count - 1}:
        search = Search(count, {bad})

        assert [bad] == search.dropped
        assert [n for n in range(count) if n != bad] == search.delivered
        assert search.extra <= 2 * log2(count)


@given(st.integers(2, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_one_bad_event_costs_two_requests_per_halving(batch: tuple[int, int]) -> None:
    """For any size and place: one event dropped, at most 2·⌈log₂ n⌉ extra requests."""
    count, bad = batch

    search = Search(count, {bad})

    assert [bad] == search.dropped
    assert search.extra <= 2 * log2(count)


@given(st.integers(2, 500).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_the_search_has_a_budget(batch: tuple[int, set[int]]) -> None:
    """Whatever is bad, at most 4·⌈log₂ n⌉ extra requests; every event is settled once."""
    count, bad = batch

    search = Search(count, bad)

    assert search.extra <= 4 * log2(count)
    assert list(range(count)) == sorted(search.delivered + search.dropped)
    assert bad <= set(search.dropped)


@given(
    st.integers(2, 500).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=2)))
)
def test_two_bad_events_are_within_the_budget(batch: tuple[int, set[int]]) -> None:
    """Two bad events cost no good one."""
    count, bad = batch

    search = Search(count, bad)

    assert bad == set(search.dropped)


def test_parts_are_sent_oldest_first() -> None:
    """A refused part is replaced by its halves, where it stood."""
    parts = Bisection(8)
    whole = parts.next_part()
    assert whole is not None
    parts.split(whole)
    first = parts.next_part()
    assert first is not None
    parts.split(first)

    rest = [parts.next_part() for _ in range(4)]

    assert ((0, 8), (0, 4)) == (whole, first)
    assert [(0, 2), (2, 4), (4, 8), None] == rest
