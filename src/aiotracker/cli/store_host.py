"""Who uses a store when there is no tracker: a command."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from aiotracker.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiotracker import Clock, DropReason, Lease

__all__ = ["CommandHost"]


class CommandHost:
    """The host of a store that a command has open: what the store has to say goes to standard error.

    Attributes:
        lost_count: records that the store gave up by itself.
    """

    def __init__(self, command: str, *, clock: Clock | None = None) -> None:
        """Begin with nothing said.

        Args:
            command: stands before everything that is said.
            clock: what time it is; for tests.
        """
        self._command = command
        self._clock = clock or SystemClock()
        self._reasons: set[str] = set()
        self._said: set[str] = set()
        self.lost_count: int = 0

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self._clock

    def changed(self) -> None:
        """Do nothing: a command looks when it wants to know."""

    def lost(self, count: int, reason: DropReason, detail: str, leases: Sequence[Lease] = ()) -> None:  # noqa: ARG002 - nobody waits for them
        """Say what the store gave up."""
        self.lost_count += count
        self.complain(f"{count} events were dropped as {reason}: {detail}")

    def say(self, level: int, reason: str, message: str, *, error: BaseException | None = None) -> None:  # noqa: ARG002 - a person, not a log
        """Say what goes wrong, once for each reason: a command is over soon."""
        if level >= logging.WARNING and reason not in self._reasons:
            self._reasons.add(reason)
            self.complain(message)

    def complain(self, message: str) -> None:
        """Say something, unless it was said already, as by a store that also raises it."""
        if message not in self._said:
            self._said.add(message)
            print(f"{self._command}: {message}", file=sys.stderr)
