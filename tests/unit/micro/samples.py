"""Requests and events for the tests of Micro, as small as they can be."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from aiotracker.micro.enriched import Enriched, enrich, shared_columns
from aiotracker.micro.exchange import Request
from aiotracker.micro.payload import SNOWPLOW, TP1, TP2, CollectorPayload, Parameters
from aiotracker.micro.receipt import Receipt, receive
from aiotracker.micro.record_size import Oversize
from aiotracker.micro.self_describing import CONTEXTS, UNSTRUCT_EVENT

RECEIVED_MS = 1_790_000_000_250
USER_ID = "11111111-1111-4111-8111-111111111111"
EVENT_ID = "22222222-2222-4222-8222-222222222222"
GENERATED_ID = UUID("33333333-3333-4333-8333-333333333333")
PAGE_VIEW = {"e": "pv", "p": "srv", "tv": "test-1"}
PAYLOAD_DATA = f"iglu:{SNOWPLOW}/payload_data/jsonschema/1-0-4"
ORDER = {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": {"id": 1}}
USER = {"schema": "iglu:com.acme/user/jsonschema/2-1-0", "data": {"tier": "gold"}}


def body_of(*events: object, schema: str = PAYLOAD_DATA) -> bytes:
    """Return the body of a POST with these events."""
    envelope = {"schema": schema, "data": list(events)}
    return json.dumps(envelope, separators=(",", ":")).encode()


def post(
    body: bytes,
    *,
    query: str = "",
    content_type: str | None = "application/json",
    vendor: str = SNOWPLOW,
    version: str = TP2,
    referer: str | None = None,
    useragent: str | None = "test",
    user_id: str = USER_ID,
    headers: Sequence[str] = (),
    ip_address: str = "127.0.0.1",
) -> CollectorPayload:
    """Return a collected POST."""
    return CollectorPayload(
        vendor=vendor,
        version=version,
        query=query,
        content_type=content_type,
        body=body,
        received_ms=RECEIVED_MS,
        ip_address=ip_address,
        useragent=useragent,
        referer=referer,
        headers=tuple(headers),
        network_user_id=user_id,
    )


def get(
    query: str, *, vendor: str = SNOWPLOW, version: str = TP1, user_id: str = USER_ID
) -> CollectorPayload:
    """Return a collected GET."""
    return CollectorPayload(
        vendor=vendor,
        version=version,
        query=query,
        content_type=None,
        body=None,
        received_ms=RECEIVED_MS,
        ip_address="127.0.0.1",
        useragent="test",
        referer=None,
        headers=(),
        network_user_id=user_id,
    )


def enriched(parameters: Parameters, payload: CollectorPayload | None = None) -> Enriched:
    """Take one event through all phases."""
    request = payload or post(body_of(PAGE_VIEW))
    return enrich(parameters, request, shared_columns(request), str(GENERATED_ID))


def received(payload: CollectorPayload | Oversize) -> Receipt:
    """Check a request."""
    return receive(payload, lambda: GENERATED_ID)


def self_describing(inner: object, version: str = "1-0-0") -> str:
    """Return the text of `ue_pr` around something."""
    return json.dumps({"schema": f"iglu:{UNSTRUCT_EVENT}/{version}", "data": inner})


def entities(items: object, version: str = "1-0-1") -> str:
    """Return the text of `co` around something."""
    return json.dumps({"schema": f"iglu:{CONTEXTS}/{version}", "data": items})


def nested(levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return arrays inside of each other."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def request(
    method: str,
    path: str,
    *,
    body: bytes = b"",
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
) -> Request:
    """Return an HTTP request from this machine."""
    return Request(
        method=method,
        path=path,
        query=query,
        headers=tuple(headers),
        body=body,
        peer="127.0.0.1",
        received_ms=RECEIVED_MS,
    )
