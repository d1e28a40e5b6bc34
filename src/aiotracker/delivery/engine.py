"""The delivery engine: leases records, sends them, settles them.

It runs as one detached task per emitter, beside the tracker or in a process of its own, and knows
neither `Tracker` nor `Emitter`, so that a forgotten tracker can be collected. It does what the policies
say and decides nothing itself. Invariant: whatever happens to it, every record is settled or back in
the store.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, assert_never

import anyio
import anyio.lowlevel

from aiotracker.delivery.admission import Admission
from aiotracker.delivery.report import Health, HealthStatus
from aiotracker.delivery.watch import Watches
from aiotracker.policy.bisection import Bisection
from aiotracker.policy.byte_limit import ByteLimit, after_clean, after_too_large
from aiotracker.policy.circuit import (
    Circuit,
    after_failure,
    after_success,
    probed,
    without_backoff,
)
from aiotracker.policy.dispatch import Send, Situation, Sleep, next_step
from aiotracker.policy.outcome import (
    Delivered,
    Rejected,
    Retry,
    Split,
    SplitCause,
    classify,
    is_stale,
)
from aiotracker.policy.reasons import DropReason
from aiotracker.policy.restart import Crashes, after_crash
from aiotracker.protocol.envelope import body_bytes
from aiotracker.protocol.exchange import Failure, FailureKind
from aiotracker.runtime import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from aiotracker.clock import Clock
    from aiotracker.delivery.log import DeliveryLog
    from aiotracker.delivery.requests import RequestBuilder
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.transport import Transport
    from aiotracker.delivery.watch import FlushWatch
    from aiotracker.policy.outcome import Outcome
    from aiotracker.protocol.exchange import Reply, Request
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore, Lease

__all__ = ["Engine"]

TRANSPORT_CLOSE_SECONDS = 0.2  # closing sockets is local; what takes longer is left to the garbage collector


class Engine:
    """Delivers what one store holds to one destination."""

    def __init__(
        self,
        *,
        settings: DeliverySettings,
        store: EventStore,
        transport: Transport,
        requests: RequestBuilder,
        ledger: Ledger,
        log: DeliveryLog,
        clock: Clock,
        random: Callable[[], float],
        loop: Loop,
    ) -> None:
        """Connect the parts; nothing runs before `run()`."""
        self._settings = settings
        self._store = store
        self._transport = transport
        self._requests = requests
        self._ledger = ledger
        self._log = log
        self._clock = clock
        self._random = random
        self._loop = loop
        self.admission = Admission(store, settings, ledger, self._note_evicted)
        self.watches = Watches()
        self._wakeup = Wakeup(loop)
        self._circuit = Circuit()
        self._limit = ByteLimit(settings.byte_limit)
        self._crashes = Crashes()
        self._busy = 0
        self._linger = settings.first_flush_interval
        self._urgent_sequence: float = 0
        self._may_bisect = True
        self._close_by: float | None = None
        # How many more events and bytes may be put before the sleeping engine must be woken.
        self._spare_events: float = 0
        self._spare_bytes: float = 0

    # -- what the tracker's side calls ----------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Store a record in reserved room, and wake the engine if that changes what it does."""
        self._ledger.accept()
        self._store.put(record, self._clock.now())
        self._spare_events -= 1
        self._spare_bytes -= record.size_bytes
        if self._spare_events <= 0 or self._spare_bytes <= 0:
            self._wakeup.set()

    def hurry(self) -> None:
        """Send what is stored now without waiting for company, cutting a backoff short once."""
        self._urgent_sequence = self._store.backlog().latest_sequence
        self._set_circuit(without_backoff(self._circuit, self._clock.now()))
        self._wakeup.set()

    def watch_stored(self) -> FlushWatch:
        """Return a watch over all events that are in the store now."""
        backlog = self._store.backlog()
        return self.watches.watch_all(backlog.latest_sequence, backlog.events + backlog.leased)

    def close(self, by: float) -> None:
        """Take nothing more, and deliver the rest until a moment in clock seconds. Any thread."""
        self.admission.close()
        self._close_by = by if self._close_by is None else min(self._close_by, by)
        self._wakeup.set()

    @property
    def health(self) -> Health:
        """How delivery fares."""
        if self._crashes.is_failing:
            return Health(HealthStatus.FAILING, {self._log.name: "the engine keeps crashing"})
        if self._circuit.is_open:
            wait = max(0.0, self._circuit.retry_at - self._clock.now())
            why = f"the circuit is open after {self._circuit.failures} failures, next probe in {wait:.1f} s"
            return Health(HealthStatus.DEGRADED, {self._log.name: why})
        return Health(HealthStatus.OK, {})

    # -- life -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until closed. Raises nothing but the loop's own cancellation."""
        crash: BaseException | None = None
        while True:
            try:
                if crash is not None:
                    await self._recover(crash)
                    crash = None
                await self._deliver()
                await self._finish()
            except anyio.get_cancelled_exc_class():
                raise  # the loop is ending
            except BaseException as error:  # noqa: BLE001 - SystemExit too: a defect of ours must not end the host
                crash = error
            else:
                return

    async def _finish(self) -> None:
        await self._settle_rest()
        with self._clock.move_on_at(self._clock.now() + TRANSPORT_CLOSE_SECONDS, shield=True):
            await self._transport.aclose()

    async def settle_abandoned(self) -> None:
        """Settle everything after the engine's loop has died, from any other loop."""
        self.admission.close()
        await self._settle_rest()

    async def _settle_rest(self) -> None:
        self._ledger.release(await self._store.reclaim())
        lost = await self._store.discard(DropReason.SHUTDOWN_DEADLINE)
        if lost.records:
            self._ledger.drop_buffered(len(lost), DropReason.SHUTDOWN_DEADLINE)
            self.watches.settle(lost, DropReason.SHUTDOWN_DEADLINE)
            message = f"{len(lost)} events were not delivered before closing ran out of time"
            self._log.say(logging.WARNING, "close", DropReason.SHUTDOWN_DEADLINE, message)

    async def _recover(self, crash: BaseException) -> None:
        self._crashes = after_crash(self._crashes, self._clock.now())
        self._log.crash(crash)
        resume_at = self._clock.now() + self._crashes.delay
        while self._close_by is None and self._clock.now() < resume_at:
            self._wakeup.clear()
            with self._clock.move_on_at(resume_at):
                await self._wakeup.wait()
        self._ledger.release(await self._store.reclaim())
        self._busy = 0
        if self._circuit.is_open:  # a probe may have gone down with the engine
            self._set_circuit(Circuit(opened_at=self._circuit.opened_at))

    async def _deliver(self) -> None:
        async with anyio.create_task_group() as senders:
            await self._dispatch(senders)
            senders.cancel_scope.cancel()  # what is in flight when closing runs out of time

    async def _dispatch(self, senders: TaskGroup) -> None:
        while True:
            self._spare_events = 0  # whatever is put from here on is noticed
            self._wakeup.clear()
            close_by = self._close_by
            backlog = self._store.backlog()
            if close_by is not None:
                is_done = not backlog.events and not backlog.leased
                if is_done or self._clock.now() >= close_by:
                    return
            situation = Situation(
                now=self._clock.now(),
                backlog=backlog,
                circuit=self._circuit,
                busy=self._busy,
                senders=1 if self._limit.is_learning else self._settings.concurrency,
                batch_events=self._settings.batch_events,
                batch_bytes=self._limit.current,
                linger=self._linger,
                urgent_sequence=self._urgent_sequence if close_by is None else math.inf,
            )
            match next_step(situation):
                case Send(is_probe):
                    await self._begin(senders, is_probe=is_probe)
                case Sleep(until, wake_events, wake_bytes):
                    self._spare_events = math.inf if wake_events is None else wake_events
                    self._spare_bytes = math.inf if wake_bytes is None else wake_bytes
                    with self._clock.move_on_at(min(until, math.inf if close_by is None else close_by)):
                        await self._wakeup.wait()

    async def _begin(self, senders: TaskGroup, *, is_probe: bool) -> None:
        lease = await self._store.lease(self._settings.batch_events, self._limit.current)
        if lease is None:  # somebody else was faster; give the loop a chance before looking again
            await anyio.lowlevel.checkpoint()
            return
        self._ledger.lease(len(lease))
        self._linger = self._settings.flush_interval
        self._busy += 1
        if is_probe:
            self._set_circuit(probed(self._circuit))
        senders.start_soon(self._send, lease)

    # -- one batch ------------------------------------------------------------------------------------

    async def _send(self, lease: Lease) -> None:
        """Send a batch, in parts if need be, and settle every record of it."""
        parts = Bisection(len(lease))
        while (span := parts.next_part()) is not None:
            start, end = span
            part = lease.part(start, end)
            began_at = self._clock.now()
            outcome = await self._attempt(part)
            self._judge(outcome, began_at)
            match outcome:
                case Delivered():
                    await self._delivered(part)
                case Split(status=status, cause=SplitCause.CONTENT):
                    if not self._may_bisect or not parts.split(span):
                        self._may_bisect = False
                        await self._drop(part, DropReason.REJECTED, status)
                case Split(status=status):
                    self._limit = after_too_large(self._limit, _body_bytes(part))
                    await self._release(lease.part(start, len(lease)), str(status))
                    break
                case Rejected(reason=reason, status=status, is_refusal=is_refusal):
                    await self._drop(part, reason, status, logging.ERROR if is_refusal else logging.WARNING)
                    if is_refusal:
                        await self._release(lease.part(end, len(lease)), str(status))
                        break
                case Retry(cause=cause):
                    await self._release(lease.part(start, len(lease)), cause)
                    break
                case _:
                    assert_never(outcome)
        self._busy -= 1
        self._wakeup.set()

    async def _attempt(self, part: Lease) -> Outcome:
        request = self._requests.build(part, self._clock.wall_ms())
        reply: Reply = Failure(
            FailureKind.TIMEOUT, f"no response within {self._settings.request_timeout:g} s"
        )
        with self._clock.move_on_at(self._clock.now() + self._settings.request_timeout):
            reply = await self._exchange(request)
            if is_stale(reply):
                reply = await self._exchange(request)
        return classify(
            reply,
            events=len(part),
            retry_codes=self._settings.custom_retry_codes,
            now_ms=self._clock.wall_ms(),
        )

    async def _exchange(self, request: Request) -> Reply:
        self._ledger.attempt()
        try:
            return await self._transport.send(request)
        except Exception as error:  # noqa: BLE001 - a user's client may raise anything, and none of it may lose events
            return Failure(FailureKind.ERROR, f"{type(error).__name__}: {error}")

    async def _delivered(self, part: Lease) -> None:
        await self._store.ack(part)
        self._ledger.deliver(len(part))
        self._limit = after_clean(self._limit)
        self._may_bisect = True
        self.watches.settle(part, None)
        self.admission.delivered()
        self.admission.room_freed()

    async def _release(self, part: Lease, cause: str) -> None:
        if not part.records:
            return
        await self._store.release(part)
        self._ledger.release(len(part))
        self._ledger.retry(cause)

    async def _drop(self, part: Lease, reason: DropReason, status: int, level: int = logging.WARNING) -> None:
        await self._store.reject(part, reason)
        self._ledger.drop(len(part), reason)
        self.watches.settle(part, reason, f" (status {status})")
        self.admission.room_freed()
        message = f"{len(part)} events were dropped: the collector answered {status}"
        self._log.say(level, "send", f"{reason} {status}", message, len(part))

    # -- what a reply says of the destination ---------------------------------------------------------

    def _judge(self, outcome: Outcome, began_at: float) -> None:
        """Tell the circuit what an outcome says of the destination, whatever it says of the events."""
        now = self._clock.now()
        match outcome:
            case Retry(retry_after=wait):
                is_refusal = False
                self._tell_retry(outcome)
            case Rejected(is_refusal=True, retry_after=wait):
                is_refusal = True
            case _:
                self._set_circuit(after_success(self._circuit, now=now, began_at=began_at))
                return
        self._set_circuit(
            after_failure(
                self._circuit,
                now=now,
                began_at=began_at,
                random=self._random(),
                retry_after=wait,
                is_refusal=is_refusal,
                max_delay=self._settings.max_retry_delay,
            )
        )

    def _set_circuit(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.admission.circuit_changed(is_open=circuit.is_open)

    def _tell_retry(self, outcome: Retry) -> None:
        level = logging.ERROR if outcome.is_misconfigured else logging.WARNING
        detail = f" ({outcome.detail})" if outcome.detail else ""
        message = f"a request failed: {outcome.cause}{detail}; its events are kept and sent again"
        self._log.say(level, "send", outcome.cause, message)

    def _note_evicted(self, evicted: Lease) -> None:
        message = f"{len(evicted)} of the oldest events were dropped to make room"
        self._log.say(logging.WARNING, "track", DropReason.EVICTED, message, len(evicted))
        if self._loop.is_current():
            self.watches.settle(evicted, DropReason.EVICTED)
        else:
            self._loop.call_soon(lambda: self.watches.settle(evicted, DropReason.EVICTED))


def _body_bytes(part: Lease) -> int:
    return body_bytes(record.size_bytes for record in part.records)
