"""Sends one batch and settles every record of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never

import anyio

from aiotracker.policy.bisection import Bisection
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
from aiotracker.protocol.envelope import body_bytes
from aiotracker.protocol.exchange import Failure, FailureKind
from aiotracker.runtime import is_cancelled

if TYPE_CHECKING:
    from aiotracker.clock import Clock
    from aiotracker.delivery.admission import Admission
    from aiotracker.delivery.destination import Destination
    from aiotracker.delivery.requests import RequestBuilder
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.transport import Transport
    from aiotracker.policy.outcome import Outcome
    from aiotracker.protocol.exchange import Reply, Request
    from aiotracker.stores.base import Lease

__all__ = ["Sender"]


class Sender:
    """Carries leases to one destination, several at a time."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        transport: Transport,
        requests: RequestBuilder,
        destination: Destination,
        settlement: Settlement,
        admission: Admission,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        """Connect what a batch passes through."""
        self._settings = settings
        self._transport = transport
        self._requests = requests
        self._destination = destination
        self._settlement = settlement
        self._admission = admission
        self._ledger = ledger
        self._clock = clock

    async def send(self, lease: Lease) -> None:
        """Send a batch, in parts if need be, until every record of it is settled or back in the store."""
        destination, settlement = self._destination, self._settlement
        parts = Bisection(len(lease))
        split_by = ""  # the status that began the search
        while (span := parts.next_part()) is not None:
            start, end = span
            if split_by and destination.circuit.is_open:  # another sender met a failure meanwhile
                await settlement.kept(lease.part(start, len(lease)), split_by)
                return
            part = lease.part(start, end)
            outcome = await self._attempt(part)
            match outcome:
                case Delivered():
                    await settlement.delivered(part)
                    self._admission.delivered()
                    self._admission.room_freed()
                case Split(cause=SplitCause.CONTENT, status=status):
                    split_by = status
                    if not destination.may_bisect or not parts.split(span):
                        destination.may_bisect = False
                        await self._drop(part, DropReason.REJECTED, status)
                case Split(status=status):
                    await settlement.kept(lease.part(start, len(lease)), status)
                    return
                case Rejected(reason=reason, status=status, is_refusal=False):
                    await self._drop(part, reason, status)
                case Rejected(reason=reason, status=status):
                    await self._drop(part, reason, status, level=logging.ERROR)
                    await settlement.kept(lease.part(end, len(lease)), status)
                    return
                case Retry(cause=cause, detail=detail):
                    await settlement.kept(lease.part(start, len(lease)), cause, detail)
                    return
                case _:
                    assert_never(outcome)

    async def _attempt(self, part: Lease) -> Outcome:
        began_at = self._clock.now()
        timeout = self._settings.request_timeout
        request = self._requests.build(part, self._clock.wall_ms())
        too_late = Failure(FailureKind.TIMEOUT, f"no response within {timeout:g} s")
        reply: Reply = too_late
        with self._clock.move_on_at(began_at + timeout):
            reply = await self._exchange(request)
            if is_stale(reply):
                reply = too_late
                reply = await self._exchange(request)
        outcome = classify(
            reply,
            events=len(part),
            retry_codes=self._settings.custom_retry_codes,
            now_ms=self._clock.wall_ms(),
        )
        size = body_bytes([part.records_bytes])
        return self._destination.judged(outcome, began_at=began_at, body_bytes=size)

    async def _exchange(self, request: Request) -> Reply:
        self._ledger.attempt()
        try:
            return await self._transport.send(request)
        except anyio.get_cancelled_exc_class() as error:
            if is_cancelled():
                raise
            return Failure(FailureKind.ERROR, f"{type(error).__name__} out of nowhere")
        except Exception as error:  # noqa: BLE001 - a user's client may raise anything; no event may be lost by it
            return Failure(FailureKind.ERROR, f"{type(error).__name__}: {error}")

    async def _drop(
        self, part: Lease, reason: DropReason, status: str, *, level: int = logging.WARNING
    ) -> None:
        await self._settlement.dropped(part, reason, f"status {status}", level=level)
        self._admission.room_freed()
