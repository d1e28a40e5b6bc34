"""What Micro shows: a good event and a bad event as JSON objects.

Source: Micro 3.0, `MemorySink.scala` and `model.scala`; Scala analytics SDK 3.2, `Event.scala` and
`SnowplowEvent.scala` (the 131 fields of `event`).
"""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, TypeAlias

from aiotracker.micro import bad_rows, timestamps
from aiotracker.micro.columns import COLUMNS, TIMESTAMPS
from aiotracker.micro.enriched import COLLECTOR_NAME, Enriched
from aiotracker.micro.payload import (
    CollectorPayload,
    FailedRequest,
    Failure,
    Parameters,
    parse_query,
    raw_events,
)
from aiotracker.micro.receipt import Receipt, ShownEvent, events
from aiotracker.micro.record_size import Oversize
from aiotracker.micro.rules import Cell
from aiotracker.micro.self_describing import CONTEXTS, UNSTRUCT_EVENT

__all__ = ["JsonObject", "bad_entries", "entity_uris", "good_event"]

JsonObject: TypeAlias = dict[str, Any]

NOT_VALID: Final = "Error while validating the event."
NOT_EXTRACTED: Final = "Error while extracting event(s) from collector payload and validating it/them."
NOT_READABLE: Final = "Can't deserialize Thrift bytes."
# The analytics SDK labels every list of entities so, whatever the tracker sent.
LIST_OF_ENTITIES: Final = f"iglu:{CONTEXTS}/1-0-0"
EVENT_ENVELOPE: Final = f"iglu:{UNSTRUCT_EVENT}/1-0-0"


def good_event(shown: ShownEvent) -> JsonObject:
    """Return `{"rawEvent", "eventType", "schema", "contexts", "event", "incomplete"}`."""
    return {
        "rawEvent": _raw_event(shown.payload, shown.parameters),
        "eventType": shown.enriched.columns.get("event"),
        "schema": shown.enriched.schema,
        "contexts": entity_uris(shown.enriched),
        "event": _event(shown.enriched),
        "incomplete": False,  # the incomplete ones are shown as bad
    }


def bad_entries(receipt: Receipt) -> Iterator[JsonObject]:
    """Yield `{"collectorPayload", "rawEvent", "errors"}` of all that failed in a request.

    A failed event has both of the first two, a request that failed as a whole the first only, and
    one that the pipeline could not even read neither.
    """
    record = receipt.record
    if isinstance(record, Oversize):
        yield _bad_entry(None, None, NOT_READABLE, bad_rows.for_oversize(record))
    elif receipt.failed:
        payload = _collector_payload(record)  # one for all: its body is large
        for shown in events(receipt, good=False):
            if shown.enriched.failure is not None:
                row = bad_rows.for_event(shown, shown.enriched.failure)
                raw = _raw_event(record, shown.parameters)
                yield _bad_entry(payload, raw, NOT_VALID, row)
    elif not receipt.event_ids:
        failed = raw_events(record)
        if isinstance(failed, FailedRequest):
            row = bad_rows.for_request(record, failed)
            if failed.failure is Failure.FORMAT:
                yield _bad_entry(None, None, NOT_READABLE, row)
            else:
                yield _bad_entry(_collector_payload(record), None, NOT_EXTRACTED, row)


def entity_uris(event: Enriched) -> list[str]:
    """Return the schemas of the entities that the tracker sent."""
    return [entity.key.uri for entity in event.entities]


def _bad_entry(
    payload: JsonObject | None, raw: JsonObject | None, headline: str, row: JsonObject
) -> JsonObject:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return {"collectorPayload": payload, "rawEvent": raw, "errors": [headline, text]}


def _collector_payload(payload: CollectorPayload) -> JsonObject:
    query = [name if value is None else f"{name}={value}" for name, value in parse_query(payload.query)]
    return {
        "api": _api(payload),
        "querystring": query,
        "contentType": payload.content_type,
        "body": payload.body_text(),
        "source": _source(),
        "context": _context(payload),
    }


def _raw_event(payload: CollectorPayload, parameters: Parameters) -> JsonObject:
    return {
        "api": _api(payload),
        "parameters": dict(parameters),
        "contentType": payload.content_type,
        "source": _source(),
        "context": _context(payload),
    }


def _api(payload: CollectorPayload) -> JsonObject:
    return {"vendor": payload.vendor, "version": payload.version}


def _source() -> JsonObject:
    return {"name": COLLECTOR_NAME, "encoding": bad_rows.ENCODING, "hostname": None}


def _context(payload: CollectorPayload) -> JsonObject:
    return {
        "timestamp": timestamps.joda(payload.received_ms),
        "ipAddress": payload.ip_address,
        "useragent": payload.useragent,
        "refererUri": payload.referer,
        "headers": list(payload.headers),
        "userId": payload.network_user_id,
    }


def _event(enriched: Enriched) -> JsonObject:
    """Return all 131 fields, None where the event has nothing."""
    cells = enriched.columns
    shown: JsonObject = {
        column: _cell(column, cells[column]) if column in cells else None for column in COLUMNS
    }
    entities = [entity.as_json() for entity in enriched.entities]
    shown["contexts"] = {"schema": LIST_OF_ENTITIES, "data": entities} if entities else {}
    shown["derived_contexts"] = {}
    if enriched.self_describing is not None:
        inner = enriched.self_describing.as_json()
        shown["unstruct_event"] = {"schema": EVENT_ENVELOPE, "data": inner}
    return shown


def _cell(column: str, cell: Cell) -> str | float | None:
    if column in TIMESTAMPS:
        return timestamps.instant(int(cell))
    if isinstance(cell, Decimal):
        number = float(cell)
        return number if math.isfinite(number) else None  # as JSON has no infinity
    return cell
