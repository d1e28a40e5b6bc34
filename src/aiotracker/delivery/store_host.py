"""What a store is told of the emitter that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker.clock import Clock
    from aiotracker.delivery.intake import Intake
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.policy.reasons import DropReason
    from aiotracker.stores.base import Lease

__all__ = ["Host"]


class Host:
    """The host of a store: an open emitter."""

    def __init__(self, intake: Intake, *, settlement: Settlement, log: DeliveryLog, clock: Clock) -> None:
        """Pass on to the parts of an emitter what the store says."""
        self._intake = intake
        self._settlement = settlement
        self._log = log
        self._clock = clock

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self._clock

    def changed(self) -> None:
        """Look at the backlog again."""
        self._intake.store_changed()

    def lost(self, count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ()) -> None:
        """Count records that the store gave up."""
        self._settlement.lost(count, reason, detail, leases)

    def say(self, level: int, reason: str, message: str, *, error: BaseException | None = None) -> None:
        """Write a line about the store."""
        self._log.say(level, "store", reason, message, error=error)
