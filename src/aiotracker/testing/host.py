"""Who uses a store in a test, and remembers what the store told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiotracker.testing.clock import MovableClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker import Clock, DropReason, Lease

__all__ = ["LoggedLine", "Loss", "RecordingHost"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Accepted records that a store gave up by itself.

    Attributes:
        count: records.
        reason: why.
        detail: what happened, for a person.
        leases: the records, where they are known.
    """

    count: int
    reason: DropReason
    detail: str
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """What a store wanted a person to know.

    Attributes:
        level: of `logging`.
        reason: from a closed set.
        message: for a person.
        error: whose traceback belongs to it.
    """

    level: int
    reason: str
    message: str
    error: BaseException | None


class RecordingHost:
    """A `StoreHost` that does nothing but remember.

    Attributes:
        changes: how often the store said that its backlog changed.
        losses: what the store gave up by itself.
        lines: what it had to say.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        """Begin with nothing to remember.

        Args:
            clock: what time it is for the store; a `MovableClock` of its own when None.
        """
        self._clock: Clock = clock or MovableClock()
        self.changes: int = 0
        self.losses: list[Loss] = []
        self.lines: list[LoggedLine] = []

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self._clock

    @property
    def lost_count(self) -> int:
        """How many records the store gave up by itself."""
        return sum(loss.count for loss in self.losses)

    def changed(self) -> None:
        """Count."""
        self.changes += 1

    def lost(self, count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ()) -> None:
        """Remember a loss."""
        self.losses.append(Loss(count, reason, detail, tuple(leases)))

    def say(self, level: int, reason: str, message: str, *, error: BaseException | None = None) -> None:
        """Remember a line."""
        self.lines.append(LoggedLine(level, reason, message, error))
