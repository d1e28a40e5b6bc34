"""One of the places that a tracker hands its events to: an emitter, or a store that others send from."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from aiotracker.delivery.report import Health, HealthStatus
from aiotracker.delivery.statistics import Ledger
from aiotracker.errors import ConfigurationError, TrackerOpenError
from aiotracker.runtime import import_once
from aiotracker.stores.base import EventStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.clock import Clock
    from aiotracker.delivery.admission import Verdict
    from aiotracker.delivery.intake import Intake
    from aiotracker.delivery.notices import Callback, NoticeKind
    from aiotracker.delivery.session import Sending, Session
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.statistics import Statistics
    from aiotracker.policy.reasons import RefusalReason
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import DetachedTask, Loop

__all__ = ["Outlet"]


class Outlet(ABC):
    """What a tracker needs of a place for its events: a store with accounts, opened and closed together."""

    def __init__(
        self,
        name: str,
        settings: DeliverySettings,
        *,
        store: EventStore,
        callbacks: Mapping[NoticeKind, Callback | None],
    ) -> None:
        """Describe a place; nothing is opened before the tracker is.

        Args:
            name: of the place, for people.
            settings: of it.
            store: where its events wait.
            callbacks: who is told of what.
        Raises:
            ConfigurationError: one of them cannot work.
        """
        if not isinstance(store, EventStore):
            raise ConfigurationError("event_store", store, "is no EventStore, such as MemoryStore()")
        self.name: str = name
        self._settings = settings
        self._store = store
        self._callbacks = _checked_callbacks(callbacks)
        self._ledger = Ledger()
        self._owner: str | None = None
        self._session: Session | None = None

    @property
    def settings(self) -> DeliverySettings:
        """How events are taken and delivered."""
        return self._settings

    @property
    def event_store(self) -> EventStore:
        """Where events wait."""
        return self._store

    def stats(self) -> Statistics:
        """Return the accounts since this was built."""
        stats = self._ledger.snapshot()
        if not self._store.is_durable:
            return stats
        backlog = self._store.backlog()  # what others put there is there, too
        return dataclasses.replace(stats, buffered=backlog.events, volatile=backlog.volatile)

    def health(self) -> Health:
        """Return how delivery fares now."""
        return self._session.intake.health if self._session is not None else Health(HealthStatus.OK, {})

    # -- what the tracker calls -----------------------------------------------------------------------

    @property
    @abstractmethod
    def can_deliver(self) -> bool:
        """Whether it learns what becomes of an event."""

    @property
    @abstractmethod
    def safe_bytes(self) -> int:
        """A record of at most so many bytes of data is not `oversize()`; 0 where that must be asked."""

    @abstractmethod
    def oversize(self, record: Record, *, get_base64: bool) -> tuple[int, int] | None:
        """Return bytes needed and bytes allowed when a record is too large, else None."""

    @abstractmethod
    async def open(self, *, loop: Loop, clock: Clock, get_base64: bool) -> None:
        """Get ready on a loop."""

    async def _import(self, loop: Loop) -> type[Session]:
        """Import all that only an open place needs, in a thread: it takes some 30 ms."""
        await import_once(loop, "aiotracker.delivery.session", _import_session)
        return _import_session()

    async def _start(self, loop: Loop, clock: Clock, sending: Sending | None) -> None:
        """Open the store, and begin to take records."""
        if self._session is not None:
            self._session.lifeline.notice_fork()
        session = await self._import(loop)
        self._session = await session.start(
            self._settings,
            name=self.name,
            sending=sending,
            store=self._store,
            ledger=self._ledger,
            callbacks=self._callbacks,
            clock=clock,
            loop=loop,
        )

    def claim(self, namespace: str) -> None:
        """Belong to a tracker from now on.

        Raises:
            TrackerOpenError: it belongs to another one.
        """
        if self._owner is not None:
            raise TrackerOpenError(
                f"the emitter for {self.name} already belongs to {self._owner!r}",
                "give every tracker emitters of its own",
            )
        self._owner = namespace

    @property
    def intake(self) -> Intake:
        """Who takes records since the last opening."""
        return self._opened().intake

    @property
    def task(self) -> DetachedTask:
        """The task behind it."""
        return self._opened().task

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child of the one that opened it."""
        return self._session is not None and self._session.lifeline.is_forked

    async def settle_abandoned(self) -> None:
        """Settle everything after the loop has died, from any other loop."""
        await self._opened().settle_abandoned()

    def refuse(self, record: Record | None, reason: RefusalReason) -> None:
        """Settle a record that was offered and not taken; None for an event that must not be seen."""
        self._opened().settlement.refused(record, reason)

    def offer(self, record: Record) -> Verdict:
        """Take a record or refuse it, at once, from any thread."""
        intake = self.intake
        with intake.admission.lock:
            verdict = intake.admission.reserve(record.size_bytes)
            if verdict is True:
                intake.put(record, record.size_bytes)
                return True
        self.refuse(record, verdict)
        return verdict

    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError("the emitter was never opened")  # the tracker sees to it that it was
        return self._session


def _import_session() -> type[Session]:
    from aiotracker.delivery.session import Session

    return Session


def _checked_callbacks(given: Mapping[NoticeKind, Callback | None]) -> dict[NoticeKind, Callback]:
    for kind, callback in given.items():
        if callback is not None and not callable(callback):
            raise ConfigurationError(f"on_{kind}", callback, "must be a function of one notice")
    return {kind: callback for kind, callback in given.items() if callback is not None}
