"""From records to a request: the POST body or the GET query, with the time of sending spliced in.

Pure. The time is given per attempt, because the pipeline derives an event's time from it.

Sources: Iglu Central, `payload_data` 1-0-4; Enrich 6.10, `Tp2Adapter.scala` (content types), `Loader.scala`
(the query string must be a legal URI query) and `EventEnrichments.scala` (the derived time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiotracker.protocol import fields
from aiotracker.protocol.encoding import decode, encode_base64

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CONTENT_TYPE", "ENVELOPE_BYTES", "body_bytes", "get_query", "post_body"]

CONTENT_TYPE: Final = "application/json; charset=utf-8"
PAYLOAD_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"

_HEAD: Final = f'{{"schema":"{PAYLOAD_SCHEMA}","data":['.encode()
_TAIL: Final = b"]}"

ENVELOPE_BYTES: Final = len(_HEAD) + len(_TAIL)
"""Size of the body around its events: 88 bytes."""


def post_body(records: Sequence[bytes], sent_ms: int) -> bytes:
    """Return the body of a POST.

    Args:
        records: the bytes of one or more records of one kind.
        sent_ms: milliseconds since 1970, now.
    """
    end = f',"{fields.SENT_AT.key}":"{sent_ms}"}}'.encode()
    return _HEAD + (end + b",").join(records) + end + _TAIL


def body_bytes(sizes: Iterable[int]) -> int:
    """Return the exact size of the POST body that holds records of these sizes (`Record.size_bytes`)."""
    return ENVELOPE_BYTES - 1 + sum(sizes)  # n records have n - 1 commas


def get_query(record: bytes, sent_ms: int, *, base64: bool = True) -> str:
    """Return the query string of a GET, everything outside of letters, digits and `_.-~` escaped.

    Args:
        record: the bytes of the one record of the request.
        sent_ms: milliseconds since 1970, now.
        base64: write self-describing data and entities as base64, which is shorter once escaped.
    """
    pairs = decode(record)
    if base64:
        pairs = encode_base64(pairs)
    pairs[fields.SENT_AT.key] = str(sent_ms)
    return "&".join(f"{key}={quote(text, safe='')}" for key, text in pairs.items())
