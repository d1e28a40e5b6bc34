"""An intake with nobody behind it: records are made safe, and others send them."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aiotracker.delivery.intake import STORE_CLOSE_SECONDS, Intake

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
            log=log,
            clock=clock,
            loop=loop,
        )
        self._callbacks = callbacks
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
        now = self._clock.now()
        by = max(self._close_by, now + STORE_CLOSE_SECONDS)
        try:
            with self._clock.move_on_at(by + STORE_CLOSE_SECONDS, shield=True):
                await self._settlement.discarded(by)
        except Exception as error:  # noqa: BLE001 - a user's store; nothing of it reaches the host
            message = f"the store failed to close: {error}"
            self._log.say(logging.ERROR, "close", type(error).__name__, message, error=error)
        await self._callbacks.aclose(by)
