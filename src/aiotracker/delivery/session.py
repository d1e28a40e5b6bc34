"""One opening of an emitter: the parts of delivery, wired, from `open()` to the end of the drain."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiotracker.delivery.admission import Admission
from aiotracker.delivery.callbacks import Callbacks
from aiotracker.delivery.destination import Destination
from aiotracker.delivery.engine import Engine
from aiotracker.delivery.keeper import Keeper
from aiotracker.delivery.lifeline import Lifeline
from aiotracker.delivery.log import DeliveryLog
from aiotracker.delivery.requests import RequestBuilder
from aiotracker.delivery.rescue import Rescue
from aiotracker.delivery.sender import Sender
from aiotracker.delivery.settlement import Settlement
from aiotracker.delivery.store_host import Host
from aiotracker.delivery.transport import Transport
from aiotracker.delivery.watch import Watches
from aiotracker.protocol.url import CollectorURL
from aiotracker.runtime import forget_process, watch_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.clock import Clock
    from aiotracker.delivery.intake import Intake
    from aiotracker.delivery.notices import Callback, NoticeKind
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.runtime import DetachedTask, Loop
    from aiotracker.stores.base import EventStore

__all__ = ["Sending", "Session"]

Sending: TypeAlias = tuple[CollectorURL, RequestBuilder, Transport]
"""Where events are sent, how requests are made of them, and who carries those; the transport is open."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open emitter.

    Attributes:
        intake: takes records; an `Engine` delivers them as well.
        settlement: keeps the books.
        lifeline: watches over fork and exit.
        task: in which the intake runs.
    """

    intake: Intake
    settlement: Settlement
    lifeline: Lifeline
    task: DetachedTask

    @classmethod
    async def start(
        cls,
        settings: DeliverySettings,
        *,
        name: str,
        sending: Sending | None,
        store: EventStore,
        ledger: Ledger,
        callbacks: Mapping[NoticeKind, Callback],
        clock: Clock,
        loop: Loop,
    ) -> Session:
        """Wire the parts, open the store, and start on a loop; without `sending`, records are only kept."""
        log = DeliveryLog(clock, name)
        watches = Watches()
        runner = Callbacks(callbacks, log=log, clock=clock, loop=loop)
        settlement = Settlement(
            store=store, ledger=ledger, watches=watches, callbacks=runner, log=log, loop=loop
        )
        admission = Admission(store, settings, settlement.evicted)
        intake: Intake
        if sending is None:
            intake = Keeper(
                settings,
                store=store,
                ledger=ledger,
                watches=watches,
                settlement=settlement,
                admission=admission,
                callbacks=runner,
                log=log,
                clock=clock,
                loop=loop,
            )
        else:
            _, requests, transport = sending
            destination = Destination(
                settings, clock=clock, random=random.random, log=log, on_circuit=admission.circuit_changed
            )
            sender = Sender(
                settings,
                transport=transport,
                requests=requests,
                destination=destination,
                settlement=settlement,
                admission=admission,
                ledger=ledger,
                clock=clock,
            )
            intake = Engine(
                settings,
                store=store,
                ledger=ledger,
                watches=watches,
                settlement=settlement,
                admission=admission,
                destination=destination,
                sender=sender,
                transport=transport,
                callbacks=runner,
                log=log,
                clock=clock,
                loop=loop,
            )
        lifeline = Lifeline(
            settings,
            store=store,
            ledger=ledger,
            settlement=settlement,
            rescue=None if sending is None else Rescue(*sending),
            clock=clock,
            loop=loop,
        )
        await store.open(Host(intake, settlement=settlement, log=log, clock=clock))
        watch_process(lifeline)

        async def live() -> None:
            await intake.run()
            forget_process(lifeline)  # not reached when the loop dies first: then there is more to do

        return cls(intake, settlement, lifeline, loop.spawn(live, f"aiotracker {name}"))

    async def settle_abandoned(self) -> None:
        """Settle everything after the loop has died, from any other loop."""
        await self.intake.settle_abandoned()
        forget_process(self.lifeline)
