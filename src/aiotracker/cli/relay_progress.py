"""What a relay has done and has before it, and how that reads: plain values and pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiotracker import Health, HealthStatus, Relay

__all__ = ["Progress", "closing_line", "progress_line"]

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"))


@dataclass(frozen=True, slots=True)
class Progress:
    """A relay at one moment.

    Attributes:
        at: seconds of any clock that only ever grows.
        waiting: events in the store that nobody has leased.
        oldest_age: seconds for which the oldest of them has waited; None when none waits.
        in_flight: events that this relay is sending.
        delivered: events that it has delivered since it was started.
        dropped: events that it has given up since then, by reason.
        health: how delivery fares.
    """

    at: float
    waiting: int
    oldest_age: float | None
    in_flight: int
    delivered: int
    dropped: Mapping[str, int]
    health: Health

    @classmethod
    def of(cls, relay: Relay, health: Health, at: float) -> "Progress":
        """Look at a relay."""
        stats = relay.stats()
        dropped = {str(reason): count for reason, count in stats.dropped.items()}
        age = relay.oldest_age()
        return cls(at, stats.buffered, age, stats.in_flight, stats.delivered, dropped, health)


def progress_line(now: Progress, before: Progress) -> str:
    """Return one line about a relay, with the rate since an earlier moment."""
    waiting = f"{now.waiting:,} waiting"
    if now.oldest_age is not None and now.waiting:
        waiting += f" (the oldest for {_span(now.oldest_age)})"
    parts = [waiting, f"{now.in_flight:,} in flight", f"{now.delivered:,} delivered{_rate(now, before)}"]
    if now.dropped:
        parts.append(f"{_total(now.dropped)} dropped ({_reasons(now.dropped)})")
    parts.append(_health(now.health))
    return ", ".join(parts)


def closing_line(why: str, last: Progress, first: Progress) -> str:
    """Return the last line of a relay.

    Args:
        why: it ended.
        last: after closing.
        first: when it began.
    """
    dropped = f"{_total(last.dropped)} dropped"
    if last.dropped:
        dropped += f" ({_reasons(last.dropped)}), see aiotracker dead-letters"
    seconds = last.at - first.at
    return (
        f"{why} after {_span(seconds)}: {last.delivered:,} delivered{_rate(last, first)}, {dropped}, "
        f"{last.waiting:,} left in the store"
    )


def _rate(now: Progress, before: Progress) -> str:
    seconds = now.at - before.at
    return f", {(now.delivered - before.delivered) / seconds:,.0f}/s" if seconds > 0 else ""


def _total(dropped: Mapping[str, int]) -> str:
    return f"{sum(dropped.values()):,}"


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())


def _health(health: Health) -> str:
    if health.status is HealthStatus.OK:
        return str(health.status)
    return f"{health.status}: " + "; ".join(f"{name}: {why}" for name, why in health.details.items())


def _span(seconds: float) -> str:
    """Return a duration in the largest unit that it fills."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
