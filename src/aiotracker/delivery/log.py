"""What delivery says: one line per place and reason per minute, with a count of those left out."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiotracker.clock import Clock

__all__ = ["LOGGER", "DeliveryLog"]

LOGGER: Final = logging.getLogger("aiotracker")

LOGGER.addHandler(logging.NullHandler())  # a program that does not configure logging sees nothing

INTERVAL: Final = 60.0  # seconds between two lines of one place and reason


class DeliveryLog:
    """A log that an outage cannot flood.

    Places and reasons are both closed sets, so what is remembered is bounded.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        """Begin with nothing said.

        Args:
            clock: decides when a minute is over.
            name: the destination, which begins every line.
        """
        self._clock = clock
        self.name = name
        self._lock = Lock()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def say(
        self,
        level: int,
        place: str,
        reason: str,
        message: str,
        *,
        count: int = 1,
        error: BaseException | None = None,
    ) -> None:
        """Write a line, unless the same place gave the same reason within a minute.

        Args:
            level: of `logging`.
            place: where it happened: `track`, `send`, `close`, …
            reason: why, from a closed set.
            message: what to tell a person.
            count: how many events it concerns.
            error: whose traceback is written below the line.
        """
        now = self._clock.now()
        with self._lock:
            last, skipped = self._said.get((place, reason), (None, 0))
            if last is not None and now - last < INTERVAL:
                self._said[place, reason] = (last, skipped + count)
                return
            self._said[place, reason] = (now, 0)
        more = f" [{skipped} more since the last line]" if skipped else ""
        LOGGER.log(level, "%s: %s%s", self.name, message, more, exc_info=error)
