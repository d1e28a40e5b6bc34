"""The messages of bad rows: what is wrong, in the JSON in which the pipeline says it.

Every function returns one message, ready for the `messages` of a bad row.

Sources: Iglu Central, `com.snowplowanalytics.snowplow.badrows` (`schema_violations` 2-0-1,
`tracker_protocol_violations` 1-0-1, `enrichment_failures` 2-0-1); badrows 2.3,
`FailureDetails.scala`; Enrich 6.10, `AtomicError.scala`.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from aiotracker.micro import timestamps

__all__ = [
    "ATOMIC_SCHEMA",
    "LENGTH_EXCEEDED",
    "PARSE_ERROR",
    "Message",
    "Report",
    "criterion_mismatch",
    "enrichment_failure",
    "input_data",
    "invalid",
    "not_found",
    "not_iglu",
    "not_json",
    "report",
]

ATOMIC_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0"
PARSE_ERROR: Final = "atomic_field_parse_error"
LENGTH_EXCEEDED: Final = "atomic_field_length_exceeded"

Message: TypeAlias = dict[str, Any]  # one JSON object in the `messages` of a bad row
Report: TypeAlias = dict[str, Any]  # `message`, `path`, `keyword`, `targets`


def report(path: str, keyword: str, message: str, targets: Sequence[str] = ()) -> Report:
    """Return one finding of a validator, for `invalid`."""
    return {"message": message, "path": path, "keyword": keyword, "targets": list(targets)}


def invalid(uri: str, reports: Sequence[Report]) -> Message:
    """Say that data breaks its schema, which for an atomic field is `ATOMIC_SCHEMA`."""
    return {"schemaKey": uri, "error": {"error": "ValidationError", "dataReports": list(reports)}}


def not_found(uri: str, registry: str, epoch_ms: int) -> Message:
    """Say that no registry has the schema."""
    lookup = {
        "repository": registry,
        "errors": [{"error": "NotFound"}],
        "attempts": 1,
        "lastAttempt": timestamps.instant(epoch_ms),
    }
    return {"schemaKey": uri, "error": {"error": "ResolutionError", "lookupHistory": [lookup]}}


def not_json(field: str, value: str | None, error: str) -> Message:
    """Say that a text is not JSON."""
    return {"field": field, "value": value, "error": error}


def not_iglu(json: Any, code: str) -> Message:  # noqa: ANN401 - any JSON value
    """Say that JSON is not self-describing; `code` as iglu-scala-core names it."""
    return {"json": json, "error": code}


def criterion_mismatch(uri: str, criterion: str) -> Message:
    """Say that self-describing JSON has another schema than its place asks for."""
    return {"schemaKey": uri, "schemaCriterion": criterion}


def input_data(field: str, value: str | None, expectation: str) -> Message:
    """Say that part of a request is not what it should be."""
    return {"field": field, "value": value, "expectation": expectation}


def enrichment_failure(message: Message) -> Message:
    """Wrap a message for a failure of the pipeline's own, unnamed enrichments."""
    return {"enrichment": None, "message": message}
