"""Events that were given up, kept with the reason until a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.policy.reasons import DropReason
    from aiotracker.protocol.record import Record

__all__ = ["DeadLetter", "DeadLetterStore"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that was given up.

    Attributes:
        letter_id: the store's name for it; those of one store sort in the order of dropping.
        record: the event as it would have been sent.
        reason: why it was dropped.
        detail: what happened, for a person; may be empty.
        put_ms: when it was tracked, in milliseconds since 1970.
        dropped_ms: when it was given up, likewise.
    """

    letter_id: str
    record: Record
    reason: DropReason
    detail: str
    put_ms: int
    dropped_ms: int


@runtime_checkable
class DeadLetterStore(Protocol):
    """A store that keeps dead letters, up to a bound; what the bound costs is counted and logged.

    An open `EventStore` that is durable is one. Unlike an event store, it raises what goes wrong: a person
    is waiting for the answer.
    """

    async def count_dead_letters(self) -> int:
        """Return how many there are."""
        ...

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Return the oldest ones after a letter, oldest first.

        Args:
            after: the id of the last letter of the page before; empty to begin.
            limit: 1 or more.
        """
        ...

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put letters back among the events to be sent, as the latest ones; return how many there were.

        A letter is either a letter or an event, whatever happens meanwhile. Its age begins anew. No bound
        refuses it: in a store that is full, those who track wait a little longer.
        """
        ...

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Remove letters for good; return how many there were."""
        ...
