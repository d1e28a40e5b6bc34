"""How many of the oldest records make a batch. Pure."""

from __future__ import annotations

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
    count = 0
    total = ENVELOPE_BYTES - 1
    for size in sizes:
        total += size
        if count == max_events or (count and total > max_bytes):
            break
        count += 1
    return count
