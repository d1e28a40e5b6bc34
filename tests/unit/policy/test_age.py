"""When an event is too old to be worth sending."""

import pytest

from aiotracker.policy.age import expired


@pytest.mark.parametrize(
    ("put_at", "expected"),
    [
        ((), 0),
        ((100.0,), 0),
        ((40.0,), 0),
        ((39.9,), 1),
        ((10.0, 39.9, 40.0, 90.0), 2),
        ((90.0, 10.0), 0),
    ],
)
def test_the_oldest_are_counted(put_at: tuple[float, ...], expected: int) -> None:
    """Of records put oldest first, those above `max_age` seconds; exactly so old is still good."""
    assert expected == expired(put_at, 100.0, 60.0)
