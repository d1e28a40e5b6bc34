"""An intake with nobody behind it: records are made safe, and others send them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiotracker.delivery.intake import Intake

if TYPE_CHECKING:
    from aiotracker.clock import Clock
    from aiotracker.delivery.admission import Admission
    from aiotracker.delivery.callbacks import Callbacks
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.watch import FlushWatch, Watches
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore

__all__ = ["Keeper"]


class Keeper(Intake):
    """Keeps the records of one emitter in a store that others empty."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        store: EventStore,
        ledger: Ledger,
        watches: Watches,
        settlement: Settlement,
        admission: Admission,
        callbacks: Callbacks,
        log: DeliveryLog,
        clock: Clock,
        loop: Loop,
    ) -> None:
        """Connect the parts; nothing runs before `run()`."""
        super().__init__(
            settings,
            store=store,
            ledger=ledger,
            watches=watches,
            settlement=settlement,
            admission=admission,
            callbacks=callbacks,
            log=log,
            clock=clock,
            loop=loop,
        )
        self._spare_events = self._spare_bytes = math.inf  # whatever is put, there is nothing to do here

    def hurry(self) -> None:
        """Do nothing: there is no hurrying others."""

    def store_changed(self) -> None:
        """Look again, and let callers wait for room: the store works."""
        self.admission.delivered()
        super().store_changed()

    def watch_stored(self, *, is_committed: bool) -> FlushWatch:
        """Return a watch over what is not safe yet: for this emitter, what is safe is done."""
        with self.admission.lock:
            backlog = self._store.backlog()
            events = 0 if is_committed else backlog.volatile
            return self.watches.watch_all(backlog.latest_sequence, events, has_unnumbered=events > 0)

    async def run(self) -> None:
        """Wait for the end, and make safe what is not."""
        while self._close_by is None:
            self._wakeup.clear()
            await self._wakeup.wait()
        await self._close_books(self._close_by)
