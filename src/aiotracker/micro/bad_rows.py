"""The bad rows of the pipeline: what failed, as the self-describing JSON in which it is kept.

Sources: badrows 2.3, `BadRow.scala`, `Failure.scala`, `Payload.scala`, `Schemas.scala`; Iglu
Central, `com.snowplowanalytics.snowplow.badrows`.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from aiotracker.micro import timestamps
from aiotracker.micro.columns import COLUMNS, TIMESTAMPS
from aiotracker.micro.enriched import COLLECTOR_NAME, Enriched, EventFailure, Phase
from aiotracker.micro.payload import CollectorPayload, FailedRequest, Failure, parse_query
from aiotracker.micro.receipt import ShownEvent
from aiotracker.micro.record_size import Oversize
from aiotracker.micro.rules import Cell
from aiotracker.micro.self_describing import CONTEXTS, UNSTRUCT_EVENT

__all__ = ["for_event", "for_oversize", "for_request"]

BadRow: TypeAlias = dict[str, Any]  # {"schema": …, "data": {"processor", "failure", "payload"}}

VENDOR: Final = "com.snowplowanalytics.snowplow.badrows"
VERSIONS: Final = MappingProxyType(
    {
        Failure.FORMAT.value: "1-0-0",
        Failure.TRACKER_PROTOCOL.value: "1-0-1",
        Failure.ADAPTER.value: "1-0-0",
        Phase.SCHEMA.value: "2-0-1",
        Phase.ENRICHMENT.value: "2-0-1",
        "size_violation": "1-0-0",
    }
)
PROCESSOR: Final = MappingProxyType({"artifact": "aiotracker-micro", "version": version("aiotracker")})
LOADER: Final = "thrift"
ENCODING: Final = "UTF-8"
TEXT_COLUMNS: Final = frozenset({"txn_id"})  # a number on the wire, a text in the enriched event
MAX_EXPANDED_EXPONENT: Final = 10_000  # a longer row of zeros helps nobody


def for_event(shown: ShownEvent, failure: EventFailure) -> BadRow:
    """Return the `schema_violations` or `enrichment_failures` of one event."""
    payload = shown.payload
    return _bad_row(
        failure.phase.value,
        {"timestamp": timestamps.instant(payload.received_ms), "messages": list(failure.messages)},
        {
            "enriched": _partially_enriched(shown.enriched),
            "raw": {
                "vendor": payload.vendor,
                "version": payload.version,
                "parameters": _pairs(shown.parameters.items()),
                "contentType": payload.content_type,
                "loaderName": COLLECTOR_NAME,
                **_context(payload),
                "userId": payload.network_user_id,
            },
        },
    )


def for_request(payload: CollectorPayload, failed: FailedRequest) -> BadRow:
    """Return the bad row of a request that failed as a whole."""
    failure: dict[str, Any] = {"timestamp": timestamps.instant(payload.received_ms)}
    flat = {
        "vendor": payload.vendor,
        "version": payload.version,
        "querystring": _pairs(parse_query(payload.query)),
        "contentType": payload.content_type,
        "body": payload.body_text(),
        "collector": COLLECTOR_NAME,
        **_context(payload),
        "networkUserId": payload.network_user_id,
    }
    if failed.failure is Failure.FORMAT:
        # The pipeline keeps the record's bytes as text here; this is the record as JSON.
        failure |= {"loader": LOADER, "message": failed.messages[0]}
        return _bad_row(failed.failure.value, failure, json.dumps(flat))
    failure |= {
        "vendor": payload.vendor,
        "version": payload.version,
        "messages": list(failed.messages),
    }
    return _bad_row(failed.failure.value, failure, flat)


def for_oversize(oversize: Oversize) -> BadRow:
    """Return the `size_violation` of a payload that the collector could not store."""
    failure = {
        "timestamp": timestamps.instant(oversize.received_ms),
        "maximumAllowedSizeBytes": oversize.limit_bytes,
        "actualSizeBytes": oversize.actual_bytes,
        "expectation": oversize.expectation,
    }
    return _bad_row("size_violation", failure, oversize.head)


def _bad_row(name: str, failure: dict[str, Any], payload: dict[str, Any] | str) -> BadRow:
    return {
        "schema": f"iglu:{VENDOR}/{name}/jsonschema/{VERSIONS[name]}",
        "data": {"processor": dict(PROCESSOR), "failure": failure, "payload": payload},
    }


def _context(payload: CollectorPayload) -> dict[str, Any]:
    return {
        "encoding": ENCODING,
        "hostname": None,
        "timestamp": timestamps.joda(payload.received_ms),
        "ipAddress": payload.ip_address,
        "useragent": payload.useragent,
        "refererUri": payload.referer,
        "headers": list(payload.headers),
    }


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> list[dict[str, str | None]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _partially_enriched(event: Enriched) -> dict[str, str | int | None]:
    """Return all columns in the forms of the TSV, None where nothing could be filled in."""
    filled = {column: _tsv_cell(column, cell) for column, cell in event.columns.items()}
    if event.entities:
        entities = [entity.as_json() for entity in event.entities]
        filled["contexts"] = json.dumps({"schema": f"iglu:{CONTEXTS}/1-0-1", "data": entities})
    if event.self_describing is not None:
        inner = event.self_describing.as_json()
        envelope = {"schema": f"iglu:{UNSTRUCT_EVENT}/1-0-0", "data": inner}
        filled["unstruct_event"] = json.dumps(envelope)
    return {column: filled.get(column) for column in COLUMNS}


def _tsv_cell(column: str, cell: Cell) -> str | int:
    if column in TIMESTAMPS:
        return timestamps.tsv(int(cell))
    if isinstance(cell, Decimal):
        is_short = abs(cell.adjusted()) <= MAX_EXPANDED_EXPONENT
        return format(cell, "f") if is_short else str(cell)
    if column in TEXT_COLUMNS:
        return str(cell)
    return int(cell) if isinstance(cell, bool) else cell
