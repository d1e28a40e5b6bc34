"""Delivery without a tracker: sends what others put into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import anyio

from aiotracker.clock import SystemClock
from aiotracker.delivery.closing import CLOSE_GRACE
from aiotracker.delivery.emitter import Emitter
from aiotracker.delivery.report import Health, HealthStatus
from aiotracker.errors import ConfigurationError, TrackerOpenError, TrackerStateError
from aiotracker.stores.dead_letters import DeadLetterStore

if TYPE_CHECKING:
    from types import TracebackType

    from aiotracker.clock import Clock
    from aiotracker.delivery.engine import Engine
    from aiotracker.delivery.statistics import Statistics
    from aiotracker.policy.dispatch import Backlog
    from aiotracker.runtime import Loop

__all__ = ["Relay"]

NAME: Final = "relay"
STOP_SECONDS: Final = 5.0
CHECK_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 1.0  # what waits in a store that comes back is known by then


class Relay:
    """Sends what services put into a durable store, for as long as it is open.

        emitter = Emitter("https://collector.acme.com", event_store=SQLiteStore("events.db"))
        async with Relay(emitter) as relay:
            await relay.drained()

    Any number of relays may work on one store, next to services that send for themselves: each event is
    leased by one of them. Closing begins no more requests and waits for those on their way; what is
    left stays in the store.
    """

    def __init__(self, emitter: Emitter, *, clock: Clock | None = None) -> None:
        """Describe a relay; nothing is sent before it is opened.

        Args:
            emitter: where to send, how, and with `event_store` from where. Its `concurrency` is the number
                of requests at a time.
            clock: what time it is; for tests.
        Raises:
            ConfigurationError: the emitter's store is one that nobody else can fill.
            TrackerOpenError: the emitter belongs to a tracker, or to another relay.
        """
        if not isinstance(emitter, Emitter):
            raise ConfigurationError("emitter", emitter, "must be an Emitter with a durable event_store")
        if not emitter.event_store.is_durable:
            rule = "must be durable, such as SQLiteStore: nobody else can fill memory"
            raise ConfigurationError("event_store", emitter.event_store, rule)
        emitter.claim(NAME)
        self._emitter = emitter
        self._clock = clock or SystemClock()
        self._loop: Loop | None = None
        self._is_open = False

    # -- life -----------------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Begin to send, on the current loop.

        Raises:
            TrackerOpenError: it is open already.
            ConfigurationError: the store can never work here.
        """
        if self._is_open and not self._emitter.is_forked:
            raise TrackerOpenError("the relay is already open", "open it once")
        from aiotracker.runtime import current_loop  # asyncio comes with it: not before it is needed

        loop = current_loop()
        await self._emitter.open(loop=loop, clock=self._clock, get_base64=True)
        self._loop = loop
        self._is_open = True
        return self

    async def aclose(self, timeout: float = STOP_SECONDS) -> None:
        """Begin no more requests, and wait for those on their way; what is left stays in the store.

        Whatever cancels the caller meanwhile is raised when the wait is over.

        Args:
            timeout: seconds for everything; a batch whose answer is not there then is sent again later.
        """
        loop = self._loop
        if loop is None or not self._is_open:
            return
        if self._emitter.is_forked:  # the parent's
            self._is_open = False
        elif loop.is_closed():
            self._is_open = False
            await self._emitter.settle_abandoned()
        elif not loop.is_current():
            raise TrackerStateError("the relay was opened on another event loop: close it there")
        else:
            by = self._clock.now() + timeout
            self._engine.stop(by)
            try:
                deadline = self._clock.move_on_at(by + CLOSE_GRACE, shield=True)
                await loop.outlast([self._emitter.task], deadline)
            finally:
                self._is_open = False

    async def __aenter__(self) -> Self:
        """Open the relay."""
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the relay; an exception of the block always comes through."""
        try:
            await self.aclose()
        except anyio.get_cancelled_exc_class():
            if exc is None:
                raise
            # The block's own exception ends the task just as well, and says more.

    # -- what it does ---------------------------------------------------------------------------------

    async def drained(self) -> None:
        """Wait until the store is empty, sending without waiting for batches to fill.

        What others have leased is waited for, too. A store that is away is not empty.

        Raises:
            TrackerStateError: the relay is not open.
        """
        engine = self._engine
        was_away = False
        while True:
            while (backlog := self.backlog()).events or backlog.leased:
                watch = engine.watch_stored(is_committed=True)
                engine.hurry()
                try:
                    await watch.done.wait()
                finally:
                    engine.watches.forget(watch)
            is_away = await self._store_trouble(CHECK_SECONDS) is not None
            if not is_away and not was_away:
                return
            was_away = is_away
            with self._clock.move_on_at(self._clock.now() + LOOK_AGAIN_SECONDS):
                await anyio.sleep_forever()

    async def check(self, timeout: float = CHECK_SECONDS) -> Health:
        """Ask the store for a sign of life; return how delivery fares, and the store with it.

        Args:
            timeout: seconds that the store has for its answer.
        """
        why = await self._store_trouble(timeout)
        if why is None:
            return self.health()
        name = type(self._emitter.event_store).__name__
        return Health.worst([self.health(), Health(HealthStatus.DEGRADED, {name: why})])

    async def _store_trouble(self, timeout: float) -> str | None:
        """Return why the store does not answer; None when it does, or cannot be asked."""
        store = self._emitter.event_store
        if not isinstance(store, DeadLetterStore):
            return None
        has_answered = False
        with self._clock.move_on_at(self._clock.now() + timeout):
            try:
                await store.count_dead_letters()
            except Exception as error:  # noqa: BLE001 - of a library that only the store knows
                return f"no answer: {error}"
            has_answered = True
        return None if has_answered else f"no answer within {timeout:g} s"

    def backlog(self) -> Backlog:
        """Return what waits in the store, as far as it is known here; it is looked up twice a second."""
        return self._emitter.event_store.backlog()

    def oldest_age(self) -> float | None:
        """Return for how many seconds the oldest event has waited; None when none waits."""
        oldest_at = self.backlog().oldest_at
        return None if oldest_at is None else max(0.0, self._clock.now() - oldest_at)

    def stats(self) -> Statistics:
        """Return the accounts: what this relay delivered and dropped, and what waits for anybody."""
        return self._emitter.stats()

    def health(self) -> Health:
        """Return how delivery fares, as far as it is known without asking the store: see `check()`."""
        return self._emitter.health()

    @property
    def _engine(self) -> Engine:
        from aiotracker.delivery.engine import Engine

        if not self._is_open:
            raise TrackerStateError("the relay is not open: use it inside `async with`")
        engine = self._emitter.intake
        if not isinstance(engine, Engine):
            raise TypeError("an emitter's intake is an engine")  # an emitter has no other
        return engine
