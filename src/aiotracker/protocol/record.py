"""An event as it is stored and sent: bytes and a kind.

The bytes are the event's JSON object *without its closing brace*: the time of sending is appended per
attempt, so a batch is one join, and a record's share of a body is known before it is queued. The event's
id comes first, always in the same place, so that nothing else has to remember it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from aiotracker.protocol import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ENCODING_VERSION",
    "RECORD_START",
    "SENT_AT_BYTES",
    "Kind",
    "Record",
    "record_bytes",
    "records_bytes",
]

ENCODING_VERSION: Final = 1  # of `Record.data`; a store may be drained by a later release

RECORD_START: Final = f'{{"{fields.EVENT_ID.key}":"'
"""What stands before the event's id."""

SENT_AT_BYTES: Final = len(f',"{fields.SENT_AT.key}":"{0:013d}"}}')
"""What is appended to a record's bytes when it is sent, its closing brace included (until 2286)."""

_AROUND_BYTES: Final = SENT_AT_BYTES + 1  # a comma
_ID: Final = slice(len(RECORD_START), len(RECORD_START) + 36)


class Kind(StrEnum):
    """What a request must say of its events, so that one request holds one kind."""

    ORDINARY = "ordinary"
    ANONYMOUS = "anonymous"  # travels with the `SP-Anonymous` header, which belongs to a request


class Record(NamedTuple):
    """One encoded event.

    A named tuple because one is made for every event: 0.2 µs, a frozen dataclass takes 0.7.

    Attributes:
        kind: which requests it may travel in.
        data: its JSON object in UTF-8, without the closing brace and the time of sending.
        version: of the encoding of `data`.
    """

    kind: Kind
    data: bytes
    version: int = ENCODING_VERSION

    @property
    def event_id(self) -> str:
        """The event's UUID; every attempt to send it carries the same."""
        return self.data[_ID].decode("ascii")

    @property
    def size_bytes(self) -> int:
        """What the record adds to the body of a request, the separating comma included."""
        return record_bytes(self.data)


def record_bytes(data: bytes) -> int:
    """Return what a record's bytes add to the body of a request, the separating comma included."""
    return len(data) + _AROUND_BYTES


def records_bytes(data: Sequence[bytes]) -> int:
    """Return what several records' bytes add to the body of a request, their commas included."""
    return sum(map(len, data)) + len(data) * _AROUND_BYTES
