"""How large a collected request is for the collector's sink, and what becomes of large ones.

A request that the sink can store goes on as it is. A larger one is split by event when it is a POST
that barely exceeds the sink, else nothing of it is left but the head of its text. The limits are
those of the collectors that write to Kinesis, Kafka and NSQ.

Source: collector 3.4, `SplitBatch.scala`, `networking.maxPayloadSize` of the `reference.conf` and
`maxBytes` of the sinks' `application.conf`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from aiotracker.micro.payload import CollectorPayload
from aiotracker.micro.self_describing import JsonProblem, parse_json

__all__ = ["MAX_PAYLOAD_BYTES", "MAX_RECORD_BYTES", "Oversize", "records", "size_bytes"]

MAX_RECORD_BYTES: Final = 1_000_000  # what the sink stores as one record
MAX_PAYLOAD_BYTES: Final = 1_048_576  # above, the collector does not even try to split
KEPT_SHARE: Final = 10  # of an oversize payload this part of its limit is kept, in characters

# Thrift's binary protocol: what stands around the values of a record.
STRING_FIELD_BYTES: Final = 7
STRING_BYTES: Final = 4
LIST_FIELD_BYTES: Final = 8
# Schema, encoding, collector name and path, timestamp, stop byte: the same in every record.
FIXED_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Oversize:
    """What is left of a payload that was too large.

    Attributes:
        received_ms: when the request came, in epoch milliseconds.
        limit_bytes: what the payload may have.
        actual_bytes: what it has.
        expectation: why it could not be split.
        head: the first characters of its body or query string.
    """

    received_ms: int
    limit_bytes: int
    actual_bytes: int
    expectation: str
    head: str


def size_bytes(payload: CollectorPayload) -> int:
    """Return the bytes of the record that the collector would store, headers included.

    Exact but for the constant part, which stands for names that are not the same here and there.
    """
    texts = [
        payload.vendor,
        payload.version,
        payload.query,
        payload.content_type,
        payload.ip_address,
        payload.useragent,
        payload.referer,
        payload.network_user_id,
    ]
    return (
        FIXED_BYTES
        + sum(STRING_FIELD_BYTES + _utf8_length(text) for text in texts if text)
        + (0 if payload.body is None else STRING_FIELD_BYTES + len(payload.body))
        + LIST_FIELD_BYTES
        + sum(STRING_BYTES + _utf8_length(header) for header in payload.headers)
    )


def records(payload: CollectorPayload) -> Iterator[CollectorPayload | Oversize]:
    """Yield what the pipeline gets of a request: mostly the request itself."""
    size = size_bytes(payload)
    if size < MAX_RECORD_BYTES:
        yield payload
    elif size > MAX_PAYLOAD_BYTES:
        yield _oversize(payload, MAX_PAYLOAD_BYTES, size, "a request that the collector can keep")
    else:
        envelope = _envelope(payload)
        if envelope is None:
            expectation = "a POST with a list of events, which could be split"
            yield _oversize(payload, MAX_RECORD_BYTES, size, expectation)
        else:
            yield from _split(payload, envelope)


def _envelope(payload: CollectorPayload) -> dict[str, Any] | None:
    text = payload.body_text()
    if text is None:
        return None
    value = parse_json(text)
    if isinstance(value, JsonProblem) or not isinstance(value, dict):
        return None
    has_list = isinstance(value.get("schema"), str) and isinstance(value.get("data"), list)
    return value if has_list else None


def _split(payload: CollectorPayload, envelope: dict[str, Any]) -> Iterator[CollectorPayload | Oversize]:
    """Yield payloads of as many events as fit, and what is left of events that never do."""
    empty = replace(payload, body=_compact({"schema": envelope["schema"], "data": []}))
    room = MAX_RECORD_BYTES - 1 - size_bytes(empty)  # a record must stay below the limit
    batch: list[bytes] = []
    used = 0
    for event in envelope["data"]:
        encoded = _compact(event)
        if len(encoded) > room:
            size = size_bytes(empty) + len(encoded)
            alone = replace(empty, body=encoded)
            yield _oversize(alone, MAX_RECORD_BYTES, size, "an event that fits into a record")
            continue
        if batch and used + len(encoded) + 1 > room:
            yield _with_events(payload, envelope["schema"], batch)
            batch, used = [], 0
        batch.append(encoded)
        used += len(encoded) + 1  # and a comma
    if batch:
        yield _with_events(payload, envelope["schema"], batch)


def _with_events(payload: CollectorPayload, schema: str, events: list[bytes]) -> CollectorPayload:
    body = b'{"schema":' + _compact(schema) + b',"data":[' + b",".join(events) + b"]}"
    return replace(payload, body=body)


def _oversize(payload: CollectorPayload, limit: int, actual: int, expectation: str) -> Oversize:
    text = payload.query if payload.body is None else payload.body_text() or ""
    return Oversize(payload.received_ms, limit, actual, expectation, text[: limit // KEPT_SHARE])


def _compact(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
