"""The door of the buffer: room is reserved here before a record is put.

Owns who waits for room, in which order, and when waiting is pointless. Decides nothing itself: what a
full buffer does is `policy.overflow`.
"""

from __future__ import annotations

import math
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Literal

import anyio

from aiotracker.policy.overflow import Evict, Refuse, Wait, when_full
from aiotracker.policy.reasons import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.delivery.settings import DeliverySettings
    from aiotracker.stores.base import EventStore, Lease

__all__ = ["Admission", "Verdict", "Waiter"]

Verdict = Literal[True] | RefusalReason
"""True for reserved room, or why there is none."""


class Waiter:
    """One caller that waits for room.

    `verdict` is None while it waits, then True for reserved room, or the reason of the refusal.
    """

    __slots__ = ("decided", "freed_before", "max_wait", "size_bytes", "verdict")

    def __init__(self, size_bytes: int, max_wait: float, freed_before: int) -> None:
        """Begin to wait for `size_bytes`, at most `max_wait` seconds."""
        self.size_bytes: int = size_bytes
        self.max_wait: float = max_wait
        self.freed_before: int = freed_before
        self.verdict: Verdict | None = None
        self.decided: anyio.Event = anyio.Event()

    def decide(self, verdict: Verdict) -> None:
        """End the wait."""
        self.verdict = verdict
        self.decided.set()


class Admission:
    """Grants room in one emitter's store, first come, first served.

    `reserve` may be called from any thread; everything that concerns waiters runs on the emitter's loop.
    """

    def __init__(
        self,
        store: EventStore,
        settings: DeliverySettings,
        on_evicted: Callable[[Lease], None],
    ) -> None:
        """Open the door of a store."""
        self._store = store
        self._settings = settings
        self._on_evicted = on_evicted
        self._waiters: deque[Waiter] = deque()
        self._freed = 0  # how often room was freed
        self._is_stalled = False
        self._is_circuit_open = False
        self._is_closed = False
        self._no_room = RefusalReason.STORE_FULL if store.is_durable else RefusalReason.QUEUE_FULL
        self.lock: Lock = Lock()
        """Held from reserving to putting: nothing is put after closing, nor evicted before it counts."""

    @property
    def is_closed(self) -> bool:
        """Whether everyone is refused."""
        return self._is_closed

    @property
    def is_free(self) -> bool:
        """Whether a record may be put without asking: nobody is refused, and nobody waits."""
        return not self._is_closed and not self._waiters

    def reserve(self, size_bytes: int) -> Verdict:
        """Reserve room without waiting; True, or why not."""
        if self._is_closed:
            return RefusalReason.CLOSED
        # Whoever waits came first: a small event does not slip past them.
        if not self._waiters and self._store.reserve(size_bytes):
            return True
        if isinstance(self._when_full(), Evict):
            evicted = self._store.evict(size_bytes)
            if evicted is not None:
                for lease in evicted:
                    self._on_evicted(lease)
                return True
        return self._no_room

    def reserve_or_wait(self, size_bytes: int) -> Verdict | Waiter:
        """Reserve room, or queue up for it where waiting makes sense."""
        verdict = self.reserve(size_bytes)
        if verdict is not self._no_room:
            return verdict
        match self._when_full():
            case Wait(seconds):
                waiter = Waiter(size_bytes, seconds, self._freed)
                self._waiters.append(waiter)
                return waiter
            case Refuse() | Evict():
                return verdict

    def give_up(self, waiter: Waiter) -> RefusalReason:
        """Take a waiter out of the queue whose time is over; return why it got no room."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.freed_before == self._freed:
            self._is_stalled = True
        self._grant()  # it may have been the first, and too large for what there was
        return self._no_room

    def abandon(self, waiter: Waiter) -> None:
        """Take a waiter out of the queue whose caller was cancelled, and return its room if it had any."""
        if waiter.verdict is True:
            self._store.cancel(waiter.size_bytes)
            self.room_freed()
        elif waiter in self._waiters:
            self._waiters.remove(waiter)
            self._grant()  # it may have been the first, and too large for what there was

    def cancel(self, size_bytes: int) -> None:
        """Return room that was reserved and will not be used."""
        self._store.cancel(size_bytes)
        self.room_freed()

    def room_freed(self) -> None:
        """Let in whom there is room for now."""
        self._freed += 1
        self._grant()

    def delivered(self) -> None:
        """Note that a batch arrived: the destination takes events again."""
        self._is_stalled = False

    def circuit_changed(self, is_open: bool) -> None:  # noqa: FBT001 - the one argument of a hook
        """Send away those who would wait in vain, the moment the circuit opens."""
        if is_open and not self._is_circuit_open:
            patient = [waiter for waiter in self._waiters if math.isinf(waiter.max_wait)]
            for waiter in self._waiters:
                if not math.isinf(waiter.max_wait):
                    waiter.decide(self._no_room)
            self._waiters = deque(patient)
            self._grant()
        self._is_circuit_open = is_open

    def close(self) -> None:
        """Refuse everyone from now on."""
        with self.lock:
            self._is_closed = True
        while self._waiters:
            self._waiters.popleft().decide(RefusalReason.CLOSED)

    def _grant(self) -> None:
        while self._waiters and self._store.reserve(self._waiters[0].size_bytes):
            self._waiters.popleft().decide(True)  # noqa: FBT003 - the verdict

    def _when_full(self) -> Wait | Refuse | Evict:
        return when_full(
            self._settings.overflow,
            max_wait=self._settings.max_wait,
            is_circuit_open=self._is_circuit_open,
            is_stalled=self._is_stalled,
        )
