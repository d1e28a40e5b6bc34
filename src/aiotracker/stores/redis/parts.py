"""What one command may have of many records, so that Redis is never busy for long. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aiotracker.stores.base import Lease

__all__ = ["PART_BYTES", "PART_EVENTS", "chunks", "parts"]

PART_EVENTS: Final = 1_000  # records of one command: Redis does nothing else meanwhile, for some milliseconds
PART_BYTES: Final = 1024 * 1024  # likewise

T = TypeVar("T")


def parts(leases: Iterable[Lease]) -> Iterator[list[Lease]]:
    """Yield leases in parts that one command may have, in their order."""
    part: list[Lease] = []
    events = size_bytes = 0
    for lease in leases:
        start = 0
        for end, data in enumerate(lease.data):
            if events and (events >= PART_EVENTS or size_bytes + len(data) > PART_BYTES):
                if end > start:
                    part.append(lease.part(start, end))
                yield part
                part, start, events, size_bytes = [], end, 0, 0
            events += 1
            size_bytes += len(data)
        part.append(lease.part(start, len(lease)))
    if part:
        yield part


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield items in parts that one command may have, where their bytes do not matter."""
    for start in range(0, len(items), PART_EVENTS):
        yield items[start : start + PART_EVENTS]
