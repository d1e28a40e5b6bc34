"""What happens to an open emitter when the process forks, or ends without closing it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from aiotracker.policy.reasons import DropReason

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiotracker.clock import Clock
    from aiotracker.delivery.rescue import Rescue
    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.delivery.settlement import Settlement
    from aiotracker.delivery.statistics import Ledger
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import EventStore

__all__ = ["Lifeline"]

Result = TypeVar("Result")


class Lifeline:
    """Watches over one open emitter; the process tells it when something ends."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        store: EventStore,
        ledger: Ledger,
        settlement: Settlement,
        rescue: Rescue | None,
        clock: Clock,
        loop: Loop,
    ) -> None:
        """Belong to this process."""
        self._settings = settings
        self._store = store
        self._ledger = ledger
        self._settlement = settlement
        self._rescue = rescue
        self._clock = clock
        self._loop = loop
        self._pid = os.getpid()
        self._has_forgotten = False

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of the process that opened the emitter."""
        return os.getpid() != self._pid

    def after_fork(self) -> None:
        """In a child: forget everything, since the parent still has it. Touches nothing that is shared."""
        self._has_forgotten = True
        self._store.after_fork()
        self._ledger.after_fork(is_durable=self._store.is_durable)

    def notice_fork(self) -> None:
        """Catch up with a fork that Python was not told of: uWSGI forks in C and runs no hooks by default."""
        if self.is_forked and not self._has_forgotten:
            self.after_fork()

    def at_exit(self, by: float) -> int:
        """Send what is left until a moment of `time.monotonic()`; return how many events remain unsent."""
        if self.is_forked:
            return 0
        if self._store.is_durable:  # what it holds is sent when somebody opens it again
            lost = self._store.at_exit(by)
            self._ledger.drop_buffered(lost, DropReason.SHUTDOWN_DEADLINE)
            return lost
        if not self._loop.is_running():
            _run(self._settlement.reclaimed())
        if self._rescue is not None:
            if self._settings.exit_flush and self._rescue.is_possible:
                self._send_rest(self._rescue, by)
            self._rescue.close()
        _run(self._settlement.reclaimed())
        return _run(self._settlement.discarded(self._clock.now()))

    def _send_rest(self, rescue: Rescue, by: float) -> None:
        while True:
            lease = _run(self._settlement.lease(self._settings.batch_events, self._settings.byte_limit))
            if lease is None:
                return
            if not rescue.deliver(lease, now_ms=self._clock.wall_ms(), by=by):
                _run(self._settlement.kept(lease, DropReason.SHUTDOWN_DEADLINE))
                return
            _run(self._settlement.delivered(lease))


def _run(step: Coroutine[object, object, Result]) -> Result:
    """Run a coroutine that never suspends: there is no loop any more, and memory needs none."""
    try:
        step.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    step.close()
    raise RuntimeError("a store that is not durable must not suspend")
