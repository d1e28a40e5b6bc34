"""What was sent, what was received, and whether the two agree: plain values and pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiotracker import DeliveryReport, Statistics

__all__ = ["Received", "Sent", "problems", "undelivered"]

NAMED_EVENTS = 5  # enough to look for the cause


@dataclass(frozen=True, slots=True)
class Sent:
    """The tracker's side.

    Attributes:
        event_ids: what `track()` returned, one for each event.
        stats: the accounts after closing.
        byte_limit: bytes that no request body may exceed.
    """

    event_ids: Sequence[str | None]
    stats: Statistics
    byte_limit: int

    @property
    def lost(self) -> int:
        """Number of events that the tracker itself knows to be lost."""
        return sum(self.stats.refused.values()) + sum(self.stats.dropped.values())


@dataclass(frozen=True, slots=True)
class Received:
    """The collector's side.

    Attributes:
        good: number of good events, duplicates included.
        bad: number of bad ones.
        event_ids: distinct ids of the good events.
        reasons: by event id, what is wrong with some of the bad ones.
        requests: number of requests with events.
        largest_body_bytes: size of the largest request body.
    """

    good: int
    bad: int
    event_ids: Sequence[str]
    reasons: Mapping[str, str]
    requests: int
    largest_body_bytes: int


def problems(sent: Sent, received: Received) -> list[str]:
    """Return everything in which the two sides disagree; nothing when every event arrived and is good."""
    tracked = [event_id for event_id in sent.event_ids if event_id is not None]
    arrived = set(received.event_ids)
    found = _losses(sent.stats)
    missing = [event_id for event_id in tracked if event_id not in arrived]
    if missing:
        named = [f"{one} ({received.reasons.get(one, 'never arrived')})" for one in missing[:NAMED_EVENTS]]
        found.append(f"{_some(len(missing))} not among the good ones: {_list(named, len(missing))}")
    if received.bad:
        found.append(f"the collector has {received.bad:,} bad")
    strangers = sorted(arrived.difference(tracked))
    if strangers:
        named = strangers[:NAMED_EVENTS]
        found.append(f"{_some(len(strangers))} received that nobody tracked: {_list(named, len(strangers))}")
    if received.largest_body_bytes > sent.byte_limit:
        found.append(f"a request had {received.largest_body_bytes:,} bytes, the limit is {sent.byte_limit:,}")
    return found


def undelivered(url: str, stats: Statistics, report: DeliveryReport) -> list[str]:
    """Return why a collector does not have every event; nothing when it has.

    Args:
        url: the collector.
        stats: the accounts after closing.
        report: what closing came to.
    """
    found = _losses(stats)
    if report.remaining:
        found.append(f"{_some(report.remaining)} not settled")
    if found and not stats.delivered:
        found.append(f"{url} took nothing: is it the address of a collector, and does it run?")
    return found


def _losses(stats: Statistics) -> list[str]:
    found = [f"the tracker refused {count:,} ({reason})" for reason, count in stats.refused.items()]
    found += [f"the tracker dropped {count:,} ({reason})" for reason, count in stats.dropped.items()]
    dropped = sum(stats.dropped.values())
    if stats.accepted != stats.delivered + dropped + stats.buffered + stats.in_flight:
        found.append("the tracker's accounts do not add up")
    return found


def _some(count: int) -> str:
    return "1 event is" if count == 1 else f"{count:,} events are"


def _list(named: Sequence[str], total: int) -> str:
    more = total - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
