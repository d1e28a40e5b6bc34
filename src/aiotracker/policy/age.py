"""When an event is too old to be worth sending. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["expired"]


def expired(put_at: Sequence[float], now: float, max_age: float) -> int:
    """Return how many of the oldest records are older than `max_age`.

    Args:
        put_at: clock seconds of each record, oldest first.
        now: clock seconds.
        max_age: seconds.
    """
    count = 0
    while count < len(put_at) and now - put_at[count] > max_age:
        count += 1
    return count
