"""Where a tracker hands its records over: the side of an open emitter that callers see.

What is put here is in the accounts at once. Whoever stands behind it (the engine, or nobody but the store)
learns of it only when that changes what it does.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from aiotracker.delivery.closing import (
    CALLBACKS_CLOSE_SECONDS,
    CALLBACKS_GRACE_SECONDS,
    STORE_CLOSE_SECONDS,
    STORE_GRACE_SECONDS,
)
from aiotracker.delivery.report import Health, HealthStatus
from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import record_bytes
from aiotracker.runtime import Wakeup
from aiotracker.stores.base import InstantStore

if TYPE_CHECKING:
    from aiotracker.clock import Clock
    from aiotracker.delivery.admission import Admission
    from aiotracker.delivery.callbacks import Callbacks
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.watch import FlushWatch, Watches
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import Commit, EventStore

__all__ = ["Intake"]

PATIENCE: Final = 2  # commit timeouts after which a store that commits nothing is in trouble


class Intake(ABC):
    """Takes the records of one emitter into its store."""

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
        self._settings = settings
        self._store = store
        self._instant_store = store if isinstance(store, InstantStore) else None
        self._ledger = ledger
        self._settlement = settlement
        self._callbacks = callbacks
        self._log = log
        self._clock = clock
        self.admission: Admission = admission
        self.watches: Watches = watches
        self._wakeup = Wakeup(loop)
        self._close_by: float | None = None
        self._latest_commit: Commit | None = None
        self._latest_since = 0.0  # clock seconds when the first record of it was put
        self._oldest_commit: Commit | None = None  # when it is done, the latest stands for all
        self._oldest_since = 0.0
        # How many more events and bytes may be put before whoever stands behind this must be woken.
        self._spare_events: float = 0
        self._spare_bytes: float = 0

    def offer(self, record: Record) -> bool:
        """Put a record in one step, on this loop; False, with nothing done, where that takes more."""
        size = record_bytes(record.data)
        store, admission = self._instant_store, self.admission
        if store is None:
            return False
        with admission.lock:  # or another thread could evict what is not in the accounts yet
            if not admission.is_free or not store.try_put(record, size, self._clock.now()):
                return False
            self._ledger.accept()
        self._put_one_more(size)
        return True

    def put(self, record: Record, size_bytes: int) -> Commit | None:
        """Store a record in the room reserved for it; return what to wait for until it is safe.

        The caller holds the admission's lock.
        """
        self._ledger.accept()
        now = self._clock.now()
        commit = self._store.put(record, now)
        if commit is not None and commit is not self._latest_commit:
            if self._oldest_commit is None or self._oldest_commit.is_done:
                self._oldest_commit, self._oldest_since = self._latest_commit, self._latest_since
            self._latest_commit, self._latest_since = commit, now
        self._put_one_more(size_bytes)
        return commit

    def _put_one_more(self, size_bytes: int) -> None:
        self._spare_events -= 1
        self._spare_bytes -= size_bytes
        if self._spare_events <= 0 or self._spare_bytes <= 0:
            self._wakeup.set()

    async def committed(self, by: float) -> bool:
        """Wait until everything that was put is safe, at most until a moment in clock seconds; tell if it is.

        And at most the commit timeout: a store in trouble must not take up the time for delivering.
        """
        commit = self._latest_commit
        if commit is None:
            return True
        if not commit.is_done:
            with self._clock.move_on_at(min(by, self._clock.now() + self._settings.commit_timeout)):
                await commit.wait()
        return commit.is_done

    def store_changed(self) -> None:
        """Look again: others put records into the store or settled them, or it made room."""
        self.admission.room_freed()
        self.watches.pass_by(self._store.backlog().first_sequence)
        self._wakeup.set()

    def watch_stored(self, *, is_committed: bool) -> FlushWatch:
        """Return a watch over all events that are in the store now.

        Args:
            is_committed: what is to be watched has been committed, so that what is volatile came later.
        """
        with self.admission.lock:  # an eviction by another thread is either noted or yet to come
            backlog = self._store.backlog()
            events = backlog.events + backlog.leased - (backlog.volatile if is_committed else 0)
            return self.watches.watch_all(
                backlog.latest_sequence, events, has_unnumbered=bool(backlog.volatile) and not is_committed
            )

    @property
    def health(self) -> Health:
        """How it fares."""
        for commit, since in (
            (self._oldest_commit, self._oldest_since),
            (self._latest_commit, self._latest_since),
        ):
            late = self._clock.now() - since
            if commit is not None and not commit.is_done and late > PATIENCE * self._settings.commit_timeout:
                why = f"the store has committed nothing for {late:.1f} s; events wait in memory"
                return Health(HealthStatus.DEGRADED, {self._log.name: why})
        return Health(HealthStatus.OK, {})

    @abstractmethod
    def hurry(self) -> None:
        """Send what is stored now without waiting for company."""

    def close(self, by: float) -> None:
        """Take nothing more, and finish until a moment in clock seconds."""
        self.admission.close()
        self._close_by = by if self._close_by is None else min(self._close_by, by)
        self._wakeup.set()

    @abstractmethod
    async def run(self) -> None:
        """Work until closed. Raises nothing but the loop's own cancellation."""

    async def settle_abandoned(self) -> None:
        """Settle everything after the loop has died, from any other loop."""
        self.admission.close()
        await self._close_store(self._clock.now())

    async def _close_books(self, by: float) -> None:
        """Close the store, and tell callbacks the last there is to tell; in clock seconds."""
        await self._close_store(by)
        now = self._clock.now()
        await self._callbacks.aclose(
            max(min(by, now + CALLBACKS_CLOSE_SECONDS), now + CALLBACKS_GRACE_SECONDS)
        )

    async def _close_store(self, by: float) -> None:
        """Take back what is leased, and close the store, whatever it does: the books must be closed, too.

        Args:
            by: clock seconds at which closing is to be over; the store has a little more when that is near.
        """
        by = max(by, self._clock.now() + STORE_CLOSE_SECONDS)
        failure: Exception = TimeoutError("it did not answer in time")
        try:
            with self._clock.move_on_at(by, shield=True):
                await self._settlement.reclaimed()
            with self._clock.move_on_at(by + STORE_GRACE_SECONDS, shield=True):
                await self._settlement.discarded(by)
                return
        except Exception as error:  # noqa: BLE001 - a user's store; nothing of it reaches the host
            failure = error
        message = f"the store failed to close: {failure}"
        self._log.say(logging.ERROR, "close", type(failure).__name__, message, error=failure)
        self._settlement.lost(self._unsafe_events(), DropReason.SHUTDOWN_DEADLINE, message)

    def _unsafe_events(self) -> int:
        """Return how many events end with this process."""
        backlog = self._store.backlog()
        return backlog.volatile if self._store.is_durable else backlog.events + backlog.leased
