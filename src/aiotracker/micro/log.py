"""What arrived, newest last, and the counts of it: the only state of Micro.

Thread-safe: the server's thread adds, any other one reads. Invariant: the counts cover everything
since the start or the last reset; the receipts only what the bounds allow, oldest forgotten first.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final
from uuid import UUID

from aiotracker.errors import ConfigurationError
from aiotracker.micro.receipt import Receipt

__all__ = ["MAX_BYTES", "MAX_EVENTS", "ReceivedLog", "Summary"]

MAX_EVENTS: Final = 1_000_000
MAX_BYTES: Final = 512 * 1024 * 1024  # a million page views in batches take 350 MB

Summary = dict[str, int]  # {"total": t, "good": g, "bad": b}


class ReceivedLog:
    """Receipts within bounds.

    Args:
        max_events: the oldest requests are forgotten as soon as the newer ones alone hold as many
            entries, good and bad.
        max_bytes: likewise for the memory of the requests, roughly.
    Raises:
        ConfigurationError: a bound is below 1.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        for name, bound in (("max_events", max_events), ("max_bytes", max_bytes)):
            if bound < 1:
                raise ConfigurationError(name, bound, "must be at least 1")
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._receipts: deque[Receipt] = deque()
        self._events = 0  # in the receipts
        self._bytes = 0
        self._good = 0  # ever
        self._bad = 0

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Append the receipts of one request, and forget the oldest ones beyond the bounds."""
        with self._lock:
            for receipt in receipts:
                self._receipts.append(receipt)
                self._good += receipt.good
                self._bad += receipt.bad
                self._events += receipt.good + receipt.bad
                self._bytes += receipt.size_bytes
            while len(self._receipts) > 1 and self._is_beyond(self._receipts[0]):
                oldest = self._receipts.popleft()
                self._events -= oldest.good + oldest.bad
                self._bytes -= oldest.size_bytes

    def summary(self) -> Summary:
        """Return `{"total": …, "good": …, "bad": …}`, forgotten entries included."""
        with self._lock:
            return {"total": self._good + self._bad, "good": self._good, "bad": self._bad}

    def newest_first(self) -> Sequence[Receipt]:
        """Return what is remembered at this moment."""
        with self._lock:
            return tuple(reversed(self._receipts))

    def event_ids(self) -> set[str]:
        """Return the distinct ids of the good events that are remembered, in lower case."""
        distinct = {found for receipt in self.newest_first() for found in receipt.good_ids()}
        return {str(UUID(bytes=event_id)) for event_id in distinct}

    def reset(self) -> Summary:
        """Forget everything, counts included; return the summary, all zero."""
        with self._lock:
            self._receipts.clear()
            self._events = self._bytes = self._good = self._bad = 0
        return self.summary()

    def _is_beyond(self, oldest: Receipt) -> bool:
        newer = self._events - oldest.good - oldest.bad
        return newer >= self._max_events or self._bytes > self._max_bytes
