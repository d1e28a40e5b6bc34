"""What a delivery engine does next: send a batch, or sleep until something changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiotracker.policy.circuit import next_chance

if TYPE_CHECKING:
    from aiotracker.policy.circuit import Circuit

__all__ = ["Backlog", "Send", "Situation", "Sleep", "next_step"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent.

    Attributes:
        events: records that are not leased.
        fullest_events: records of the kind that has the most.
        fullest_bytes: bytes of the kind that has the most, as its body would have.
        oldest_at: clock seconds when the oldest record was put; None when nothing waits.
        oldest_sequence: number of the oldest record, in the order of putting; None likewise.
        latest_sequence: number of the latest record that was ever put; 0 before the first.
        leased: records that are leased, by whomever.
        volatile: records among `events` that would not survive this process yet.
        first_sequence: number of the oldest record of all, leased ones included, where others may settle
            records; None where nobody else does, or nothing is held.
    """

    events: int
    fullest_events: int
    fullest_bytes: int
    oldest_at: float | None
    oldest_sequence: int | None
    latest_sequence: int
    leased: int
    volatile: int = 0
    first_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the decision depends on.

    Attributes:
        now: clock seconds.
        backlog: what waits.
        circuit: whether the destination may be sent to.
        busy: senders at work.
        senders: how many may be at work.
        batch_events: a batch of so many records is full.
        batch_bytes: a batch of so many bytes is full.
        linger: seconds that a batch may wait for company, from its first event on.
        urgent_sequence: records up to this number do not wait for company; `inf` for all.
    """

    now: float
    backlog: Backlog
    circuit: Circuit
    busy: int
    senders: int
    batch_events: int
    batch_bytes: int
    linger: float
    urgent_sequence: float


@dataclass(frozen=True, slots=True)
class Send:
    """A batch is to be leased and sent now."""

    is_probe: bool


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing to do before something changes.

    Attributes:
        until: clock seconds, `inf` for as long as nothing changes.
        wake_events: wake when so many more records were put; None: putting changes nothing.
        wake_bytes: likewise for bytes.
    """

    until: float
    wake_events: int | None = None
    wake_bytes: int | None = None


def next_step(situation: Situation) -> Send | Sleep:
    """Return what to do next."""
    s = situation
    chance = next_chance(s.circuit, s.now)
    if s.backlog.oldest_at is None or s.backlog.oldest_sequence is None:
        return Sleep(float("inf"), wake_events=1, wake_bytes=1)
    if s.busy >= s.senders:
        return Sleep(float("inf"))  # a sender that ends wakes the engine
    if chance is not None:
        return Sleep(chance)
    if s.circuit.is_open:
        return Send(is_probe=True)
    is_full = s.backlog.fullest_events >= s.batch_events or s.backlog.fullest_bytes >= s.batch_bytes
    is_urgent = s.backlog.oldest_sequence <= s.urgent_sequence
    due_at = s.backlog.oldest_at + s.linger
    if is_full or is_urgent or s.now >= due_at:
        return Send(is_probe=False)
    return Sleep(
        due_at,
        wake_events=s.batch_events - s.backlog.fullest_events,
        wake_bytes=s.batch_bytes - s.backlog.fullest_bytes,
    )
