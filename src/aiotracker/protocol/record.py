"""An event as it is stored and sent: bytes, an id and a kind.

The bytes are the event's JSON object *without its closing brace*: the time of sending is appended per
attempt, so a batch is one join, and a record's share of a body is known before it is queued.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiotracker.protocol import fields

__all__ = ["ENCODING_VERSION", "SENT_AT_BYTES", "Kind", "Record"]

ENCODING_VERSION: Final = 1  # of `Record.data`; a store may be drained by a later release

SENT_AT_BYTES: Final = len(f',"{fields.SENT_AT.key}":"{0:013d}"}}')
"""What is appended to a record's bytes when it is sent, its closing brace included (until 2286)."""


class Kind(StrEnum):
    """What a request must say of its events, so that one request holds one kind."""

    ORDINARY = "ordinary"
    ANONYMOUS = "anonymous"  # travels with the `SP-Anonymous` header, which belongs to a request


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded event.

    Attributes:
        event_id: the event's UUID; every attempt to send it carries the same.
        kind: which requests it may travel in.
        data: its JSON object in UTF-8, without the closing brace and the time of sending.
        version: of the encoding of `data`.
    """

    event_id: str
    kind: Kind
    data: bytes
    version: int = ENCODING_VERSION

    @property
    def size_bytes(self) -> int:
        """What the record adds to the body of a request, the separating comma included."""
        return len(self.data) + SENT_AT_BYTES + 1
