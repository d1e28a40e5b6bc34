"""Dead letters as a person reads them: lines of a table, and one letter in full."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiotracker import InvalidSchemaKeyError, SchemaKey
from aiotracker.protocol import fields
from aiotracker.protocol.fields import EVENT_NAMES
from aiotracker.stores.letter_lines import event_of, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiotracker import DeadLetter

__all__ = ["full_text", "summary", "table"]

HEADINGS: Final = ("ID", "DROPPED (UTC)", "REASON", "EVENT ID", "EVENT", "DETAIL")
GAP: Final = "  "
STRUCTURED: Final = "struct"
NESTED: Final = (fields.SELF_DESCRIBING.key, fields.ENTITIES.key)
NESTED_BASE64: Final = (fields.SELF_DESCRIBING_BASE64.key, fields.ENTITIES_BASE64.key)

_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+"
)  # what a server answered may steer a terminal


def table(pages: Sequence[DeadLetter], *, is_first: bool, max_width: int | None) -> Iterator[str]:
    """Yield the lines of a page of letters.

    Args:
        pages: the letters.
        is_first: put headings above them.
        max_width: characters of a line; None for as many as it takes.
    """
    rows = [HEADINGS, *map(_row, pages)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if is_first else rows[1:]:
        line = GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        yield line if max_width is None or len(line) <= max_width else line[: max_width - 1] + "…"


def _row(letter: DeadLetter) -> tuple[str, ...]:
    dropped = f"{datetime.fromtimestamp(letter.dropped_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"
    try:
        what = summary(event_of(letter.record))
    except ValueError:
        what = "unreadable"
    detail = _UNPRINTABLE.sub(" ", letter.detail)
    return letter.letter_id, dropped, letter.reason, letter.record.event_id, what, detail


def summary(event: Mapping[str, object]) -> str:
    """Return what kind of event it is, in a few words.

    Args:
        event: wire names and texts.
    """
    code = str(event.get(fields.EVENT.key, ""))
    name = EVENT_NAMES.get(code, code or "unknown")
    schema = _schema(_unpacked(event).get(fields.SELF_DESCRIBING.key))
    if schema:
        return schema
    if name == STRUCTURED:
        what = [str(event.get(field.key, "")) for field in (fields.CATEGORY, fields.ACTION)]
        return _UNPRINTABLE.sub(" ", f"{name} {'/'.join(what)}")
    return _UNPRINTABLE.sub(" ", name)


def _schema(described: object) -> str | None:
    """Return vendor, name and version of what a self-describing event is about."""
    data = described.get("data") if isinstance(described, dict) else None
    uri = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(uri, str):
        return None
    try:
        key = SchemaKey.parse(uri)
    except InvalidSchemaKeyError:
        return _UNPRINTABLE.sub(" ", uri)
    return f"{key.vendor}/{key.name}/{key.version}"


def _unpacked(event: Mapping[str, object]) -> dict[str, object]:
    """Return an event with self-describing data and entities as objects, whichever way they travel."""
    unpacked = dict(event)
    for plain, encoded in zip(NESTED, NESTED_BASE64, strict=True):
        text = event.get(plain)
        try:
            if text is None and encoded in event:
                padded = str(event[encoded]) + "=="
                text = base64.urlsafe_b64decode(padded).decode()
                unpacked.pop(encoded)
            if text is not None:
                unpacked[plain] = json.loads(str(text))
        except ValueError:
            unpacked[plain] = text if text is not None else event[encoded]
    return unpacked


def full_text(letter: DeadLetter) -> str:
    """Return a letter as JSON for a person, with self-describing data and entities unpacked."""
    shown = json.loads(line_of(letter))
    shown["event"] = _unpacked(shown["event"])
    return json.dumps(shown, indent=2, ensure_ascii=False)
