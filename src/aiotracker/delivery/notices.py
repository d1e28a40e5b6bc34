"""What users are told of their events: notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aiotracker.protocol.encoding import decode

if TYPE_CHECKING:
    from aiotracker.protocol.record import Record

__all__ = ["Callback", "Notice", "NoticeKind"]


class NoticeKind(StrEnum):
    """What happened to the events of a notice."""

    SUCCESS = "success"  # the collector has them
    RETRY = "retry"  # a request failed; they are kept and sent again
    FAILURE = "failure"  # the collector refused them for good
    DROP = "drop"  # they were refused or given up on this side


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to some events, told once.

    Attributes:
        kind: success, retry, failure or drop.
        collector: address of the collector.
        records: the events, encoded; none for an event that `before_track` or the sample rate left out,
            because it may hold what must not be seen.
        reason: a refusal or drop reason, the cause of a retry (`503`, `timeout`), empty for success.
        detail: for a person.
    """

    kind: NoticeKind
    collector: str
    records: tuple[Record, ...]
    reason: str = ""
    detail: str = ""

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The ids of the events."""
        return tuple(record.event_id for record in self.records)

    def payloads(self) -> list[dict[str, str]]:
        """Return the events as they are sent: wire names and texts."""
        return [decode(record.data) for record in self.records]


Callback = Callable[[Notice], Awaitable[None] | None]
