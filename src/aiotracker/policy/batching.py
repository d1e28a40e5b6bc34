"""How many of the oldest records make a batch. Pure."""

from __future__ import annotations

from itertools import accumulate, islice, takewhile
from typing import TYPE_CHECKING

from aiotracker.protocol.envelope import ENVELOPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["fitting"]


def fitting(sizes: Iterable[int], max_events: int, max_bytes: int) -> int:
    """Return how many of the oldest records fit in one request.

    A first record that is larger than the limit makes a batch of its own: it was admitted under the
    configured limit, and the limit can only have become smaller since (a collector answered 413).

    Args:
        sizes: `Record.size_bytes` of each record, oldest first, n values.
        max_events: limit of the batch in records, 1 or more.
        max_bytes: limit of the whole body in bytes, envelope included.
    Returns:
        Count in 0..n; 0 only for no records.
    """
    room = max_bytes - ENVELOPE_BYTES + 1
    totals = accumulate(islice(sizes, max_events))
    first = next(totals, None)
    if first is None or first > room:
        return int(first is not None)
    return 1 + len(list(takewhile(room.__ge__, totals)))
