"""How many of the oldest records make a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.batching import fitting
from aiotracker.protocol.envelope import ENVELOPE_BYTES, body_bytes

SIZES = st.lists(st.integers(1, 3_000), max_size=80)


@pytest.mark.parametrize(
    ("sizes", "max_events", "max_bytes", "expected"),
    [
        ([], 500, 1_000, 0),
        ([100], 500, 1_000, 1),
        ([100] * 10, 3, 100_000, 3),
        ([100] * 3, 3, 100_000, 3),
        ([100] * 3, 500, ENVELOPE_BYTES - 1 + 300, 3),
        ([100] * 3, 500, ENVELOPE_BYTES - 1 + 299, 2),
        ([5_000], 500, 1_000, 1),
        ([5_000, 1], 500, 1_000, 1),
        ([1, 5_000, 1], 500, 1_000, 1),
        ([100] * 10, 1, 1, 1),
    ],
)
def test_a_batch_holds(sizes: list[int], max_events: int, max_bytes: int, expected: int) -> None:
    """Events and bytes both bound it; a first record that is too large goes alone."""
    count = fitting(sizes, max_events, max_bytes)

    assert expected == count


@given(SIZES, st.integers(1, 60), st.integers(1, 20_000))
def test_a_batch_is_as_large_as_it_may_be(sizes: list[int], max_events: int, max_bytes: int) -> None:
    """It never exceeds a bound, unless by a lone first record, and one record more would."""
    count = fitting(sizes, max_events, max_bytes)

    assert min(len(sizes), 1) <= count <= max_events
    assert count <= 1 or body_bytes(sizes[:count]) <= max_bytes
    if count < len(sizes):
        assert count == max_events or body_bytes(sizes[: count + 1]) > max_bytes


@given(SIZES, st.integers(1, 60))
def test_no_more_sizes_are_read_than_needed(sizes: list[int], max_events: int) -> None:
    """A queue of a million records is not walked to fill one batch."""
    read = iter(sizes)

    count = fitting(read, max_events, 10_000)

    assert len(sizes) - len(list(read)) <= count + 1
