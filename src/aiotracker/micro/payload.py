"""One collected request, and the raw events in it or the reason why there are none.

Owns what the collector hands to the pipeline and the adapters that read it. Must not know HTTP, nor
what the fields of an event mean. Invariant: a request is either events or one failure, so a single
malformed event fails all of its POST.

Sources: Enrich 6.10, `Tp2Adapter.scala`, `Loader.scala`, `ThriftLoader.scala`,
`CollectorPayload.scala`, `Adapter.scala`; Iglu Central, `payload_data` 1-0-0 to 1-0-4.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus

from aiotracker.micro import violations
from aiotracker.micro.rules import Refusal, read_uuid
from aiotracker.micro.self_describing import (
    EMBEDDED,
    JsonProblem,
    SelfDescribing,
    is_version_of,
    parse_json,
    read_self_describing,
)
from aiotracker.micro.violations import Message, Report
from aiotracker.protocol import fields

__all__ = [
    "CollectorPayload",
    "FailedRequest",
    "Failure",
    "Parameters",
    "parse_query",
    "raw_events",
]

SNOWPLOW: Final = "com.snowplowanalytics.snowplow"
TP1: Final = "tp1"
TP2: Final = "tp2"
PAYLOAD_DATA: Final = f"{SNOWPLOW}/payload_data/jsonschema"
CONTENT_TYPES: Final = frozenset(
    {"application/json", "application/json; charset=utf-8", "application/json; charset=UTF-8"}
)
REQUIRED_KEYS: Final = frozenset({fields.TRACKER_VERSION.key, fields.PLATFORM.key, fields.EVENT.key})
KEYS_SINCE: Final = (  # versions of payload_data, latest first, and the keys that each one added
    ("1-0-4", frozenset({fields.TRUE_TIMESTAMP.key})),
    ("1-0-3", frozenset({fields.SENT_AT.key, fields.DOMAIN_SESSION_ID.key})),
    ("1-0-2", frozenset({fields.NETWORK_USER_ID.key})),
    ("1-0-1", frozenset({fields.USERAGENT.key})),
    ("1-0-0", frozenset[str]()),
)

# What `java.net.URI` allows in a query; the collector passes it on as it came.
_QUERY = re.compile(r"(?:[A-Za-z0-9_\-!.~'()*:@&=+$,;/?\[\]]|[^\x00-\xa0]|%[0-9A-Fa-f]{2})*")
_SEPARATORS = re.compile("[&;]")

Parameters: TypeAlias = Mapping[str, str | None]  # one raw event: wire key to text


class Failure(Enum):
    """The bad rows that a request as a whole can become, by their name."""

    FORMAT = "collector_payload_format_violation"
    TRACKER_PROTOCOL = "tracker_protocol_violations"
    ADAPTER = "adapter_failures"


@dataclass(frozen=True, slots=True)
class CollectorPayload:
    """What the collector records of a request.

    Attributes:
        vendor: first segment of the path, `com.snowplowanalytics.snowplow`; of `/i` the same.
        version: second segment, `tp2`; of `/i` it is `tp1`.
        query: the query string as it came, without the question mark.
        content_type: rendered anew and in lower case; None in a GET.
        body: the body as it came; None in a GET.
        received_ms: when it came, in epoch milliseconds.
        ip_address: of the sender, `unknown` in an anonymous request.
        useragent: the header, if any.
        referer: the header, if any.
        headers: `Name: value` each, and the bare content type at the end of a POST's.
        network_user_id: of the query, the cookie, or made up by the collector.
    """

    vendor: str
    version: str
    query: str
    content_type: str | None
    body: bytes | None
    received_ms: int
    ip_address: str
    useragent: str | None
    referer: str | None
    headers: tuple[str, ...]
    network_user_id: str

    def body_text(self) -> str | None:
        """Return the body as text, broken UTF-8 replaced."""
        return None if self.body is None else self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A request without a single raw event.

    Attributes:
        failure: which bad row it becomes.
        messages: what is wrong, at least one.
    """

    failure: Failure
    messages: Sequence[Message]


def parse_query(query: str) -> list[tuple[str, str | None]]:
    """Return the pairs of a query string, decoded, in order; None where a name stands alone.

    `;` separates like `&`, a plus is a space, `#` ends it, broken UTF-8 is replaced.

    Source: Enrich 6.10, `Loader.scala` (`parseQuerystring`).
    """
    pairs: list[tuple[str, str | None]] = []
    for part in _SEPARATORS.split(query.partition("#")[0]):
        name, equals, value = part.partition("=")
        if name:
            pairs.append((unquote_plus(name), unquote_plus(value) if equals else None))
    return pairs


def raw_events(payload: CollectorPayload) -> Sequence[Parameters] | FailedRequest:
    """Return the parameters of every event in a request, or why it has none.

    The query string of a POST is merged into each of its events and wins.
    """
    problem = _format_problem(payload)
    if problem is not None:
        return FailedRequest(Failure.FORMAT, [problem])
    query = dict(parse_query(payload.query))
    if payload.vendor != SNOWPLOW or payload.version not in {TP1, TP2}:
        message = violations.input_data(
            "vendor/version", f"{payload.vendor}/{payload.version}", "a path that an adapter reads"
        )
        return FailedRequest(Failure.ADAPTER, [message])
    if payload.version == TP1:
        if query:
            return [query]
        message = violations.input_data("querystring", None, "a query string with an event")
        return FailedRequest(Failure.ADAPTER, [message])
    return _tp2_events(payload, query)


def _tp2_events(
    payload: CollectorPayload, query: dict[str, str | None]
) -> Sequence[Parameters] | FailedRequest:
    if payload.body is None:
        if query:
            return [query]
        return _violation(violations.input_data("body", None, "a body or a query string"))
    if payload.content_type not in CONTENT_TYPES:
        expectation = "one of " + ", ".join(sorted(CONTENT_TYPES))
        return _violation(
            violations.input_data("contentType", payload.content_type, expectation),
        )
    text = payload.body.decode("utf-8", "replace")
    value = parse_json(text)
    if isinstance(value, JsonProblem):
        return _violation(violations.not_json("body", text, value.error))
    envelope = read_self_describing(value)
    if not isinstance(envelope, SelfDescribing):
        return _violation(envelope)
    key = envelope.key
    if not is_version_of(PAYLOAD_DATA, key):
        return _violation(violations.criterion_mismatch(key.uri, f"iglu:{PAYLOAD_DATA}/1-0-*"))
    allowed = ALLOWED_KEYS.get(key.version)
    if allowed is None:
        return _violation(violations.not_found(key.uri, EMBEDDED, payload.received_ms))
    if not _is_payload_data(envelope.data, allowed):
        return _violation(violations.invalid(key.uri, _reports(envelope.data, allowed)))
    events: list[Parameters] = envelope.data
    return [event | query for event in envelope.data] if query else events


def _violation(message: Message) -> FailedRequest:
    return FailedRequest(Failure.TRACKER_PROTOCOL, [message])


def _format_problem(payload: CollectorPayload) -> Message | None:
    if not payload.vendor or not payload.version:
        path = f"/{payload.vendor}/{payload.version}"
        return _unreadable("path", path, "a path of the form /vendor/version, or /i")
    if payload.query and not _QUERY.fullmatch(payload.query.partition("#")[0]):
        return _unreadable("querystring", payload.query, "a legal query of a URI")
    if isinstance(read_uuid(payload.network_user_id), Refusal):
        return _unreadable("networkUserId", payload.network_user_id, "a UUID")
    return None


def _unreadable(field: str, value: str, expectation: str) -> Message:
    return {"payloadField": field, "value": value, "expectation": expectation}


def _allowed_keys() -> dict[str, frozenset[str]]:
    keys = frozenset(field.key for field in fields.FIELDS.values() if field.in_post)
    allowed = {}
    for version, added in KEYS_SINCE:
        allowed[version] = keys
        keys -= added
    return allowed


ALLOWED_KEYS: Final = _allowed_keys()


def _is_payload_data(data: Any, allowed: frozenset[str]) -> bool:  # noqa: ANN401 - any JSON value
    """Say whether the schema holds, fast: almost always it does."""
    return (
        isinstance(data, list)
        and bool(data)
        and all(
            type(event) is dict
            and allowed >= event.keys() >= REQUIRED_KEYS
            and all(type(value) is str for value in event.values())
            for event in data
        )
    )


def _reports(data: Any, allowed: frozenset[str]) -> list[Report]:  # noqa: ANN401 - any JSON value
    """Say where the schema does not hold."""
    if not isinstance(data, list):
        return [violations.report("$", "type", "$: an array is expected", ["array"])]
    if not data:
        return [violations.report("$", "minItems", "$: there must be at least 1 item", ["1"])]
    return [found for n, event in enumerate(data) for found in _event_reports(event, n, allowed)]


def _event_reports(event: Any, n: int, allowed: frozenset[str]) -> list[Report]:  # noqa: ANN401
    path = f"$[{n}]"
    if not isinstance(event, dict):
        return [violations.report(path, "type", f"{path}: an object is expected", ["object"])]
    reports = [
        violations.report(path, "required", f"{path}.{key}: is missing", [key])
        for key in sorted(REQUIRED_KEYS - event.keys())
    ]
    for key, value in event.items():
        if key not in allowed:
            message = f"{path}.{key}: is not allowed"
            reports.append(violations.report(path, "additionalProperties", message, [key]))
        elif not isinstance(value, str):
            at = f"{path}.{key}"
            message = f"{at}: a string is expected"
            reports.append(violations.report(at, "type", message, ["string"]))
    return reports
