"""The entities of a request, held to what their schemas say."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from aiotracker.integrations.browser_cookies import BrowserId
from aiotracker.integrations.request_entities import MAX_ALL_HEADERS, client_session, http_headers

USER = "6c33a6ad-dd67-4f24-9f6c-3d2ab1f1d6a1"
SESSION = "9c65e7f3-8e8e-470d-b243-910b5b300da0"
PREVIOUS = "3a1f0d3c-3d3b-4f57-8a64-7a4a3cf2b4de"
FIRST = "b1a3bb2c-0d5c-4b3f-8f0a-2ad3bba8a2c1"
BROWSER = BrowserId(
    "1fff",
    user_id=USER,
    session_id=SESSION,
    session_index=3,
    previous_session_id=PREVIOUS,
    first_event_id=FIRST,
    first_event_ms=1673957921210,
    event_index=38,
)

# What the schemas say, by hand: Iglu Central, client_session 1-0-2 and http_header 1-0-0.
SESSION_REQUIRED = {"userId", "sessionId", "sessionIndex", "storageMechanism"}
SESSION_OPTIONAL = {"eventIndex", "previousSessionId", "firstEventId", "firstEventTimestamp"}
USER_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}")
UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def check_session(data: Mapping[str, Any]) -> None:
    """Check an entity as the schema does."""
    assert data.keys() >= SESSION_REQUIRED
    assert data.keys() <= SESSION_REQUIRED | SESSION_OPTIONAL
    assert USER_ID.fullmatch(data["userId"])
    assert UUID.fullmatch(data["sessionId"])
    assert data["storageMechanism"] in {"SQLITE", "COOKIE_1", "COOKIE_3", "LOCAL_STORAGE", "FLASH_LSO"}
    for name in ("sessionIndex", "eventIndex"):
        number = data.get(name)
        assert number is None or (type(number) is int and 0 <= number <= 2147483647)
    assert data["sessionIndex"] is not None
    for name in ("previousSessionId", "firstEventId"):
        assert data.get(name) is None or UUID.fullmatch(data[name])
    moment = data.get("firstEventTimestamp")
    assert moment is None or datetime.fromisoformat(moment).tzinfo is not None


def test_a_session_has_every_field() -> None:
    """Under the names and in the forms of the schema."""
    entity = client_session(BROWSER)

    assert entity is not None
    assert "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2" == entity.schema
    assert {
        "userId": USER,
        "sessionId": SESSION,
        "sessionIndex": 3,
        "storageMechanism": "COOKIE_1",
        "previousSessionId": PREVIOUS,
        "eventIndex": 38,
        "firstEventId": FIRST,
        "firstEventTimestamp": "2023-01-17T12:18:41.210Z",
    } == entity.data


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"user_id": "a1b2c3d4e5f60718"},
        {"previous_session_id": None},
        {"first_event_id": None, "first_event_ms": None, "event_index": None},
        {"session_index": 0, "event_index": 0},
        {"session_index": 2**31 - 1, "event_index": 2**31 - 1},
        {"first_event_ms": 1},
        {"first_event_ms": 253_402_300_799_999},
    ],
)
def test_a_session_is_valid(changes: dict[str, Any]) -> None:
    """Whatever else the cookie lacks."""
    entity = client_session(replace(BROWSER, **changes))

    assert entity is not None
    assert isinstance(entity.data, dict)
    check_session(entity.data)


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": None},
        {"user_id": "customer-7"},
        {"user_id": USER.upper()},
        {"user_id": f"{USER}\n"},
        {"session_id": None},
        {"session_index": None},
    ],
)
def test_what_would_not_be_valid_is_no_session(changes: dict[str, Any]) -> None:
    """The schema wants a user id in one of two forms, a session and its number."""
    entity = client_session(replace(BROWSER, **changes))

    assert entity is None


def test_an_anonymous_browser_has_the_user_id_of_nobody() -> None:
    """As the browser itself writes it."""
    browser = replace(BROWSER, user_id=None, is_anonymous=True, previous_session_id=None)

    entity = client_session(browser)

    assert entity is not None
    assert isinstance(entity.data, dict)
    assert "00000000-0000-0000-0000-000000000000" == entity.data["userId"]
    check_session(entity.data)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"00-abc-01"], "00-abc-01"),
        ([b"a", b"b"], "a, b"),
        ([b""], ""),
        ([b"x" * 5000], "x" * 4096),
        (["\U0001f600".encode() * 5000], "\U0001f600" * 4096),
        ([b"a\x00b\tc\x7f\r\n"], "ab c"),
        ([b"\xff\xfe"], "ÿþ"),
    ],
)
def test_a_header_is_cut_to_its_schema(values: list[bytes], expected: str) -> None:
    """Its limit counts characters; control characters go."""
    (entity,) = http_headers([b"traceparent"], {b"traceparent": values})

    assert "iglu:org.ietf/http_header/jsonschema/1-0-0" == entity.schema
    assert {"name": "traceparent", "value": expected} == entity.data


def test_only_headers_that_are_there_become_entities() -> None:
    """In the order of the setting."""
    headers = {b"b": [b"2"], b"a": [b"1"], b"d": [b"4"]}

    entities = [entity.data for entity in http_headers([b"a", b"b", b"c"], headers)]

    assert [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}] == entities


def test_headers_cannot_fill_an_event() -> None:
    """Beyond a limit for all of them, which no ordinary request comes near, they are left out."""
    names = [f"h{number}".encode() for number in range(100)]

    entities = list(http_headers(names, {name: [b"x" * 4096] for name in names}))

    assert MAX_ALL_HEADERS // 4096 == len(entities)
