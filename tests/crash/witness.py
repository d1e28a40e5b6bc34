"""A collector that remembers every event, and whether it came again unchanged."""

from __future__ import annotations

import threading
from typing import Any

from tests.crash.numbers import is_genuine, number_of
from tests.faults.collector import Collector

__all__ = ["Witness"]


class Witness(Collector):
    """Keeps, of everything that was ever kept: the numbers, and a digest of each payload without `stm`.

    Attributes:
        changed: ids of events that are not what was tracked, or came again with another payload.
    """

    def __init__(self, *, seed: int) -> None:
        """Remember nothing yet."""
        super().__init__(seed=seed)
        self._digests: dict[int, int] = {}
        self._repeated = 0
        self.changed: list[str] = []
        self._witnessing = threading.Lock()

    def witness(self, payloads: list[dict[str, Any]]) -> None:
        """Remember the events of a request that is kept."""
        with self._witnessing:
            for payload in payloads:
                payload.pop("stm", None)
                number, digest = number_of(payload["eid"]), hash(tuple(sorted(payload.items())))
                is_repeated = number in self._digests
                self._repeated += is_repeated
                if not is_genuine(payload) or (is_repeated and self._digests[number] != digest):
                    self.changed.append(payload["eid"])
                self._digests[number] = digest

    @property
    def arrived(self) -> set[int]:
        """The numbers of all events that it has."""
        with self._witnessing:
            return set(self._digests)

    @property
    def repeated(self) -> int:
        """How often an event came that was there already."""
        return self._repeated

    @property
    def begun(self) -> int:
        """How many requests it has read; the last ones may be unanswered yet."""
        with self._lock:
            return len(self._seen)

    def forget(self) -> None:
        """Begin again, as if nothing had arrived; nobody may be sending."""
        self.drain()
        with self._witnessing:
            self._digests.clear()
            self._repeated = 0
            self.changed.clear()
