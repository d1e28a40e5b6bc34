"""What happens to an event that finds the buffer full. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Evict", "Overflow", "Refuse", "Wait", "when_full"]


class Overflow(StrEnum):
    """What a full buffer does with the next event."""

    WAIT = "wait"  # let the caller wait up to `max_wait`, then refuse it
    DROP_NEWEST = "drop_newest"  # refuse it
    DROP_OLDEST = "drop_oldest"  # drop the oldest accepted event
    RAISE = "raise"  # refuse it, and raise in the caller when no emitter takes it


@dataclass(frozen=True, slots=True)
class Wait:
    """The caller waits for room, at most this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The event is not taken."""


@dataclass(frozen=True, slots=True)
class Evict:
    """The oldest accepted event makes room."""


def when_full(
    overflow: Overflow, *, max_wait: float, is_circuit_open: bool, is_stalled: bool
) -> Wait | Refuse | Evict:
    """Return what happens to an event that finds no room.

    Waiting cannot help while nothing is sent, and would turn a dead collector into slow requests of
    every user: then an event is refused at once, unless the caller would wait for ever.

    Args:
        overflow: the setting.
        max_wait: seconds; `inf` for batch jobs, whose callers want to be slowed down.
        is_circuit_open: whether sending is suspended.
        is_stalled: whether a caller has waited in vain since the last delivered batch.
    """
    match overflow:
        case Overflow.DROP_OLDEST:
            return Evict()
        case Overflow.DROP_NEWEST | Overflow.RAISE:
            return Refuse()
        case Overflow.WAIT:
            if math.isinf(max_wait):
                return Wait(max_wait)
            if max_wait <= 0 or is_circuit_open or is_stalled:
                return Refuse()
            return Wait(max_wait)
