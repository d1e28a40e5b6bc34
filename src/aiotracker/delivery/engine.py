"""The delivery engine: decides when a batch is sent, and survives whatever happens meanwhile.

It runs as one detached task per emitter, beside the tracker or in a process of its own, and knows
neither `Tracker` nor `Emitter`, so that a forgotten tracker can be collected. It does what
`policy.dispatch` says and decides nothing itself. Invariant: whatever happens to it, every record is
settled or back in the store.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from aiotracker.delivery.closing import TRANSPORT_CLOSE_SECONDS
from aiotracker.delivery.intake import Intake
from aiotracker.delivery.report import Health, HealthStatus
from aiotracker.policy.age import expired
from aiotracker.policy.dispatch import Send, Situation, Sleep, next_step
from aiotracker.policy.reasons import DropReason
from aiotracker.policy.restart import Crashes, after_crash

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from aiotracker.clock import Clock
    from aiotracker.delivery.admission import Admission
    from aiotracker.delivery.callbacks import Callbacks
    from aiotracker.delivery.destination import Destination
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.sender import Sender
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.transport import Transport
    from aiotracker.delivery.watch import Watches
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore, Lease

__all__ = ["Engine"]

PAUSE_SECONDS: Final = 0.05  # for a shared store to learn what others have done
DURABLE_MAX_AGE: Final = 24 * 3600.0  # seconds, where nothing else decides what is too old to be sent


class Engine(Intake):
    """Delivers what one store holds to one destination."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        store: EventStore,
        ledger: Ledger,
        watches: Watches,
        settlement: Settlement,
        admission: Admission,
        destination: Destination,
        sender: Sender,
        transport: Transport,
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
        self._destination = destination
        self._sender = sender
        self._transport = transport
        self._crashes = Crashes()
        self._busy = 0
        self._linger = settings.first_flush_interval
        self._urgent_sequence: float = 0
        self._last_sequence: float = math.inf  # when closing, what came later is left to others
        self._is_stopping = False
        default_age = DURABLE_MAX_AGE if store.is_durable else math.inf
        self._max_age = default_age if settings.max_age is None else settings.max_age

    # -- what the tracker's side calls ----------------------------------------------------------------

    def hurry(self) -> None:
        """Send what is stored now without waiting for company, cutting a backoff short once."""
        self._urgent_sequence = self._store.backlog().latest_sequence
        self._destination.hurry()
        self._wakeup.set()

    def close(self, by: float) -> None:
        """Take nothing more; deliver the rest until a moment in clock seconds, a backoff cut short once.

        The rest is what is stored now: others may go on filling a durable store.
        """
        if self._store.is_durable and self._close_by is None:
            self._last_sequence = self._store.backlog().latest_sequence
        self._destination.hurry()
        super().close(by)

    def stop(self, by: float) -> None:
        """Begin no more requests, and end when those that are on their way are answered."""
        self._is_stopping = True
        super().close(by)

    @property
    def health(self) -> Health:
        """How delivery fares."""
        circuit = self._destination.circuit
        if self._crashes.is_failing(self._clock.now()):
            return Health(HealthStatus.FAILING, {self._log.name: "the engine keeps crashing"})
        if circuit.is_open:
            wait = max(0.0, circuit.retry_at - self._clock.now())
            cause = self._destination.last_cause
            why = f"open after {circuit.failures} failures ({cause}), next probe in {wait:.1f} s"
            return Health(HealthStatus.DEGRADED, {self._log.name: why})
        return super().health

    # -- life -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until closed. Raises nothing but the loop's own cancellation."""
        crash: BaseException | None = None
        while crash is None or not self._is_over():
            try:
                if crash is not None:
                    await self._recover(crash)
                await self._deliver()
                await self._finish()
            except (anyio.get_cancelled_exc_class(), KeyboardInterrupt):
                raise  # the loop is ending, or the user wants it to
            except BaseException as error:  # noqa: BLE001 - SystemExit too: a defect of ours must not end the host
                crash = error
            else:
                return

    async def _deliver(self) -> None:
        async with anyio.create_task_group() as senders:
            await self._dispatch(senders)
            senders.cancel_scope.cancel()  # what is in flight when closing runs out of time

    async def _finish(self) -> None:
        await self._close_books(self._clock.now() if self._close_by is None else self._close_by)
        with self._clock.move_on_at(self._clock.now() + TRANSPORT_CLOSE_SECONDS, shield=True):
            try:
                await self._transport.aclose()
            except Exception as error:  # noqa: BLE001 - a user's transport; everything is settled by now
                message = f"the transport failed to close: {error}"
                self._log.say(logging.ERROR, "close", type(error).__name__, message)

    async def _recover(self, crash: BaseException) -> None:
        self._crashes = after_crash(self._crashes, self._clock.now())
        message = "the delivery engine crashed and restarts; no event is lost by it"
        self._log.say(logging.ERROR, "engine", type(crash).__name__, message, error=crash)
        resume_at = self._clock.now() + self._crashes.delay
        while self._clock.now() < resume_at and not self._is_over():
            self._wakeup.clear()
            with self._clock.move_on_at(min(resume_at, self._deadline())):
                await self._wakeup.wait()
        await self._settlement.reclaimed()
        self._busy = 0
        self._destination.forget_probe()

    # -- batches --------------------------------------------------------------------------------------

    async def _dispatch(self, senders: TaskGroup) -> None:
        while True:
            self._spare_events = 0  # whatever is put from here on is noticed
            self._wakeup.clear()
            if self._close_by is not None and (self._is_over() or self._is_drained()):
                return
            match self._next_step():
                case Send(is_probe):
                    await self._begin(senders, is_probe=is_probe)
                case Sleep(until, wake_events, wake_bytes):
                    self._spare_events = math.inf if wake_events is None else wake_events
                    self._spare_bytes = math.inf if wake_bytes is None else wake_bytes
                    with self._clock.move_on_at(min(until, self._deadline())):
                        await self._wakeup.wait()

    def _deadline(self) -> float:
        return math.inf if self._close_by is None else self._close_by

    def _is_over(self) -> bool:
        return self._clock.now() >= self._deadline()

    def _is_drained(self) -> bool:
        backlog = self._store.backlog()
        oldest = backlog.oldest_sequence
        waits = oldest is not None and oldest <= self._last_sequence
        # What is volatile has no number yet, and is of this process: it is sent from memory if need be.
        has_more = (waits or backlog.volatile > 0) and not self._is_stopping
        return not has_more and not self._busy

    def _next_step(self) -> Send | Sleep:
        return Sleep(math.inf) if self._is_stopping else next_step(self._situation(self._busy))

    @property
    def _allowed_senders(self) -> int:
        return 1 if self._destination.limit.is_learning else self._settings.concurrency

    def _situation(self, busy: int) -> Situation:
        return Situation(
            now=self._clock.now(),
            backlog=self._store.backlog(),
            circuit=self._destination.circuit,
            busy=busy,
            senders=self._allowed_senders,
            batch_events=self._settings.batch_events,
            batch_bytes=self._destination.limit.current,
            linger=self._linger,
            urgent_sequence=self._urgent_sequence if self._close_by is None else math.inf,
        )

    async def _begin(self, senders: TaskGroup, *, is_probe: bool) -> None:
        lease = await self._lease()
        if lease is None:  # somebody else was faster
            await self._pause()
            return
        self._linger = self._settings.flush_interval
        self._busy += 1
        if is_probe:
            self._destination.probe()
        senders.start_soon(self._send, lease)

    async def _pause(self) -> None:
        """Give the loop a chance before looking again; with a store that others use, give them one, too."""
        if not self._store.is_durable:
            await anyio.lowlevel.checkpoint()
            return
        with self._clock.move_on_at(self._clock.now() + PAUSE_SECONDS):
            await self._wakeup.wait()

    async def _send(self, lease: Lease | None) -> None:
        try:
            while lease is not None:
                await self._sender.send(lease)
                lease = await self._following()
        except SystemExit as error:
            # asyncio lets it out of any task and through the whole loop: make it a crash like others.
            raise RuntimeError("something in a sender called sys.exit()") from error
        self._busy -= 1
        self._wakeup.set()

    async def _following(self) -> Lease | None:
        """Return the batch that is due when another is done, or None.

        The same decision as the dispatcher's, without a new task and without waking it: a third less time
        around a request. Only while all senders are at work: otherwise the dispatcher has more to start, as
        after the probe that closed the circuit.
        """
        await anyio.lowlevel.checkpoint()  # a transport may answer without ever suspending
        if self._is_over() or self._is_stopping or self._busy < self._allowed_senders:
            return None
        is_due = next_step(self._situation(self._busy - 1)) == Send(is_probe=False)
        return await self._lease() if is_due else None

    async def _lease(self) -> Lease | None:
        """Take the next batch out of the store, without what is too old; None when nothing is left of it."""
        lease = await self._settlement.lease(self._settings.batch_events, self._destination.limit.current)
        return None if lease is None else await self._without_expired(lease)

    async def _without_expired(self, lease: Lease) -> Lease | None:
        """Give up the records of a lease that are too old; None when all are."""
        max_age = self._max_age
        count = expired(lease.put_at, self._clock.now(), max_age)
        if count:
            detail = f"older than {max_age:g} s"
            await self._settlement.dropped(lease.part(0, count), DropReason.EXPIRED, detail)
            self.admission.room_freed()
        return lease.part(count, len(lease)) if count < len(lease) else None
