"""One opening of an emitter: the parts of delivery, wired, from `open()` to the end of the drain."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiotracker.delivery.admission import Admission
from aiotracker.delivery.callbacks import Callbacks
from aiotracker.delivery.destination import Destination
from aiotracker.delivery.engine import Engine
from aiotracker.delivery.lifeline import Lifeline
from aiotracker.delivery.log import DeliveryLog
from aiotracker.delivery.rescue import Rescue
from aiotracker.delivery.sender import Sender
from aiotracker.delivery.settlement import Settlement
from aiotracker.delivery.watch import Watches
from aiotracker.runtime import forget_process, watch_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiotracker.clock import Clock
    from aiotracker.delivery.notices import Callback, NoticeKind
    from aiotracker.delivery.requests import RequestBuilder
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.delivery.transport import Transport
    from aiotracker.protocol.url import CollectorURL
    from aiotracker.runtime import DetachedTask, Loop
    from aiotracker.stores.base import EventStore

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """An open emitter.

    Attributes:
        engine: decides and delivers.
        settlement: keeps the books.
        lifeline: watches over fork and exit.
        task: in which the engine runs.
    """

    engine: Engine
    settlement: Settlement
    lifeline: Lifeline
    task: DetachedTask

    @classmethod
    def start(
        cls,
        settings: DeliverySettings,
        *,
        url: CollectorURL,
        requests: RequestBuilder,
        transport: Transport,
        store: EventStore,
        ledger: Ledger,
        callbacks: Mapping[NoticeKind, Callback],
        clock: Clock,
        loop: Loop,
    ) -> Session:
        """Wire the parts and start the engine on a loop; the transport is open already."""
        log = DeliveryLog(clock, str(url))
        watches = Watches()
        runner = Callbacks(callbacks, log=log, clock=clock, loop=loop)
        settlement = Settlement(
            store=store, ledger=ledger, watches=watches, callbacks=runner, log=log, loop=loop
        )
        admission = Admission(store, settings, settlement.evicted)
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
        engine = Engine(
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
            rescue=Rescue(url, requests, transport),
            clock=clock,
            loop=loop,
        )
        watch_process(lifeline)

        async def live() -> None:
            await engine.run()
            forget_process(lifeline)  # not reached when the loop dies first: then there is more to do

        return cls(engine, settlement, lifeline, loop.spawn(live, f"aiotracker {url}"))

    async def settle_abandoned(self) -> None:
        """Settle everything after the engine's loop has died, from any other loop."""
        await self.engine.settle_abandoned()
        forget_process(self.lifeline)
