"""What happens to an event that finds the buffer full."""

import math

import pytest

from aiotracker.policy.overflow import Evict, Overflow, Refuse, Wait, when_full


@pytest.mark.parametrize(
    ("overflow", "max_wait", "is_circuit_open", "is_stalled", "expected"),
    [
        (Overflow.WAIT, 0.25, False, False, Wait(0.25)),
        (Overflow.WAIT, 0.25, True, False, Refuse()),
        (Overflow.WAIT, 0.25, False, True, Refuse()),
        (Overflow.WAIT, 0.25, True, True, Refuse()),
        (Overflow.WAIT, 0.0, False, False, Refuse()),
        (Overflow.WAIT, math.inf, False, False, Wait(math.inf)),
        (Overflow.WAIT, math.inf, True, True, Wait(math.inf)),
        (Overflow.DROP_NEWEST, 0.25, False, False, Refuse()),
        (Overflow.DROP_NEWEST, 0.25, True, True, Refuse()),
        (Overflow.RAISE, 0.25, False, False, Refuse()),
        (Overflow.RAISE, 0.25, True, True, Refuse()),
        (Overflow.DROP_OLDEST, 0.25, False, False, Evict()),
        (Overflow.DROP_OLDEST, 0.25, True, True, Evict()),
    ],
)
def test_a_full_buffer(
    overflow: Overflow,
    max_wait: float,
    is_circuit_open: bool,  # noqa: FBT001 - a table
    is_stalled: bool,  # noqa: FBT001 - a table
    expected: Wait | Refuse | Evict,
) -> None:
    """Waiting is for a buffer that moves; a batch job waits whatever happens."""
    decision = when_full(overflow, max_wait=max_wait, is_circuit_open=is_circuit_open, is_stalled=is_stalled)

    assert expected == decision
