"""Dead letters as lines of JSON: what a file of them holds, and the way back.

One line is one object, `event` last: the event as it is sent, with its texts under their wire names. The
event's bytes are copied into the line and not written anew, so that what comes back is what was dropped.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiotracker.errors import InvalidDataError
from aiotracker.protocol import fields
from aiotracker.protocol.record import Kind, Record

if TYPE_CHECKING:
    from aiotracker.stores.dead_letters import DeadLetter

__all__ = ["event_of", "letter_line", "line_of", "record_of_line", "time_text"]

_EVENT_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def time_text(wall_ms: int) -> str:
    """Return a moment as ISO 8601 in UTC, with milliseconds: `2025-03-01T12:30:00.000Z`."""
    moment = datetime.fromtimestamp(wall_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03}Z"


def letter_line(
    record: Record,
    *,
    reason: str,
    detail: str,
    dropped_ms: int,
    tracked_ms: int | None = None,
    letter_id: str | None = None,
    collector: str | None = None,
) -> bytes:
    """Return one event that was given up as a line of JSON, newline included.

    Args:
        record: the event.
        reason: why it was given up or refused.
        detail: what happened, for a person.
        dropped_ms: when, in milliseconds since 1970.
        tracked_ms: when it was tracked, likewise, if that is known.
        letter_id: its name in the store that it comes from.
        collector: where it was to go, if that is known.
    """
    known = {
        "id": letter_id,
        "dropped_at": time_text(dropped_ms),
        "tracked_at": None if tracked_ms is None else time_text(tracked_ms),
        "reason": reason,
        "detail": detail,
        "collector": collector,
        "kind": record.kind,
    }
    head = json.dumps({key: value for key, value in known.items() if value is not None}, ensure_ascii=False)
    # Half a character, as in a path that is no UTF-8, becomes the escape that JSON has for it.
    return head[:-1].encode(errors="backslashreplace") + b', "event": ' + record.data + b"}}\n"


def line_of(letter: DeadLetter) -> bytes:
    """Return the line of a letter in a store."""
    return letter_line(
        letter.record,
        reason=letter.reason,
        detail=letter.detail,
        dropped_ms=letter.dropped_ms,
        tracked_ms=letter.put_ms,
        letter_id=letter.letter_id,
    )


def event_of(record: Record) -> dict[str, object]:
    """Return the wire names and texts of a record."""
    event: dict[str, object] = json.loads(record.data + b"}")
    return event


def record_of_line(line: bytes) -> Record:
    """Return the event of a line, ready to be sent.

    Raises:
        InvalidDataError: the line is none of a file of dead letters.
    """
    try:
        letter = json.loads(line)
    except (ValueError, RecursionError) as error:  # of UTF-8, too
        raise InvalidDataError("line", line, f"is not JSON: {error}") from error
    event = letter.get("event") if isinstance(letter, dict) else None
    if not isinstance(event, dict):
        raise InvalidDataError("line", line, "needs an object with an `event`, as dead letters are exported")
    for key, text in event.items():
        if not isinstance(text, str):
            raise InvalidDataError(f"event.{key}", text, "must be text: an event is sent as names and texts")
    event_id = event.pop(fields.EVENT_ID.key, None)
    if event_id is None or not _EVENT_ID.fullmatch(event_id):
        raise InvalidDataError(f"event.{fields.EVENT_ID.key}", event_id, "must be a UUID")
    kind = letter.get("kind", Kind.ORDINARY)
    if kind not in list(Kind):
        raise InvalidDataError("kind", kind, f"must be one of {', '.join(Kind)}")
    event.pop(fields.SENT_AT.key, None)  # written anew with each attempt
    text = json.dumps({fields.EVENT_ID.key: event_id, **event}, ensure_ascii=False, separators=(",", ":"))
    try:
        return Record(Kind(kind), text[:-1].encode())
    except UnicodeEncodeError as error:
        raise InvalidDataError("event", line, "holds half a character, which no request can carry") from error
