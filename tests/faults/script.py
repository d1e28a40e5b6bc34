"""The script of a collector: faults, and when each happens.

    collector.plays(answer(503).for_seconds(6), answer(413).above(events=20))

The first fault that applies to a request happens to it; without one it is answered 200.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.faults.replies import Answer, Deafness, Ending, Endless, Octets, Point, Reply, Reset

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
OK: Final = Answer()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, as far as it is read when a fault is chosen.

    Attributes:
        at: seconds of the monotonic clock when its headers were read.
        size_bytes: of its body, as the headers tell.
        event_ids: of its events, oldest first; empty before the body is read.
        connection: number of the connection.
        is_reused: whether the connection carried a request before.
    """

    at: float
    size_bytes: int
    event_ids: tuple[str, ...] = ()
    connection: int = 0
    is_reused: bool = False


@dataclass(frozen=True)
class Fault:
    """Something that happens to some requests."""

    reply: Reply
    chance: float = 1.0
    seconds: float = math.inf
    count: float = math.inf
    most_events: float = math.inf
    most_bytes: float = math.inf
    event_id: str | None = None
    only_reused: bool = False

    def one_in(self, count: int) -> Fault:
        """Happen to so many requests on average, drawn by the collector's seed."""
        return replace(self, chance=1 / count)

    def for_seconds(self, seconds: float) -> Fault:
        """Happen for a while after the first request of the script."""
        return replace(self, seconds=seconds)

    def times(self, count: int) -> Fault:
        """Happen so often and no more."""
        return replace(self, count=count)

    def above(self, *, events: float = math.inf, size_bytes: float = math.inf) -> Fault:
        """Happen to requests that are larger than that."""
        return replace(self, most_events=events, most_bytes=size_bytes)

    def holding(self, event_id: str | None) -> Fault:
        """Happen to requests that hold an event."""
        return replace(self, event_id=event_id)

    def on_reused_connections(self) -> Fault:
        """Happen to requests on a connection that carried one before."""
        return replace(self, only_reused=True)

    def concerns(self, asked: Asked) -> bool:
        """Tell whether a request is one of those that it can happen to."""
        is_large = len(asked.event_ids) > self.most_events or asked.size_bytes > self.most_bytes
        is_sized = math.isfinite(self.most_events) or math.isfinite(self.most_bytes)
        return (
            (is_large or not is_sized)
            and (self.event_id is None or self.event_id in asked.event_ids)
            and (asked.is_reused or not self.only_reused)
        )


class Script:
    """Faults in the order of precedence, and how far each has come."""

    def __init__(self, faults: Sequence[Fault], chances: random.Random) -> None:
        """Begin with the first request."""
        self._faults = faults
        self._chances = chances
        self._played: Counter[int] = Counter()
        self._began_at: float | None = None

    def choose(self, asked: Asked, *, is_early: bool) -> Reply | None:
        """Return what happens to a request; None for nothing in particular.

        Args:
            asked: the request.
            is_early: True to choose among what happens before the body is read, False among the rest.
        """
        if self._began_at is None:
            self._began_at = asked.at
        for number, fault in enumerate(self._faults):
            if (
                fault.reply.is_early is is_early
                and self._played[number] < fault.count
                and asked.at - self._began_at < fault.seconds
                and fault.concerns(asked)
                and self._chances.random() < fault.chance
            ):
                self._played[number] += 1
                return fault.reply
        return None


def answer(
    status: int = 200,
    body: bytes = b"ok",
    *,
    is_chunked: bool = False,
    interim: bytes = b"",
    delay: float = 0.0,
    seconds_per_byte: float = 0.0,
    closes: bool = False,
    **headers: str,
) -> Fault:
    """Answer with a status; `retry_after="4"` becomes the header `Retry-After: 4`."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Fault(
        Answer(
            status=status,
            body=body,
            headers=named,
            is_chunked=is_chunked,
            interim=interim,
            delay=delay,
            seconds_per_byte=seconds_per_byte,
            closes=closes,
        )
    )


def half_answer(status: int) -> Fault:
    """Answer, and close the connection in the middle of the body."""
    return Fault(Answer(status=status, body=b"ok" * 500, sends_half=True, closes=True))


def answer_unread(status: int, *, lingers: bool = True) -> Fault:
    """Answer when the headers are read, before the body; without `lingers` close at once."""
    return Fault(Answer(status=status, headers={"Connection": "close"}, is_early=True, lingers=lingers))


def hang(after: Point = "nothing") -> Fault:
    """Stop before the response, after its headers, or in the middle of its body, and stay silent."""
    return Fault(Answer(stops_after=after))


def drip(seconds_per_byte: float) -> Fault:
    """Answer byte by byte."""
    return answer(seconds_per_byte=seconds_per_byte)


def endless(announced_bytes: int | None = None) -> Fault:
    """Answer 200 with a body that never ends, whatever length it announces."""
    return Fault(Endless(announced_bytes=announced_bytes))


def say(octets: bytes) -> Fault:
    """Send something that is no HTTP, and close."""
    return Fault(Octets(octets=octets))


def reset() -> Fault:
    """Reset the connection when the request is read; the events are not kept."""
    return Fault(Reset(keeps=False))


def reset_unread() -> Fault:
    """Reset the connection when only the headers are read."""
    return Fault(Reset(keeps=False, is_early=True))


def lose_acknowledgement() -> Fault:
    """Keep the events, and reset the connection instead of saying so."""
    return Fault(Reset(keeps=True))


def close_unanswered() -> Fault:
    """Close the connection when the request is read; the events are not kept."""
    return Fault(Ending())


def half_close() -> Fault:
    """Close the sending half of the connection instead of answering."""
    return Fault(Ending(is_half=True))


def read_nothing() -> Fault:
    """Never read the body."""
    return Fault(Deafness())
