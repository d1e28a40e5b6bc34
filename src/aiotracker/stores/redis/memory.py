"""What the parts of an opening may do with the memory in front of Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.stores.durable import Group, Held

__all__ = ["Memory"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is needed of the memory in front of Redis.

    Attributes:
        waiting: how many records wait there.
        take_group: take everything that waits.
        committed: forget a part of a group, which is safe.
        failed: keep a part, or the commits of a group.
        take_evictions: how many records are to make room in Redis; asked again, only those that came since.
        add_evictions: so many are still to make room.
        held: what is committed, as was noted last.
        note: remember what is committed.
    """

    waiting: Callable[[], int]
    take_group: Callable[[], Group]
    committed: Callable[[Group], None]
    failed: Callable[[Group], None]
    take_evictions: Callable[[], int]
    add_evictions: Callable[[int], None]
    held: Callable[[], Held]
    note: Callable[[Held], None]
