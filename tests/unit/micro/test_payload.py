"""From a collected request to raw events, or to one failure."""

import json
from typing import Any

import pytest

from aiotracker.micro.payload import (
    SNOWPLOW,
    CollectorPayload,
    FailedRequest,
    Failure,
    parse_query,
    raw_events,
)
from aiotracker.micro.violations import Message
from aiotracker.protocol.fields import FIELDS
from tests.unit.micro.samples import PAGE_VIEW, PAYLOAD_DATA, body_of, get, nested, post

VERSIONS = ["1-0-0", "1-0-1", "1-0-2", "1-0-3", "1-0-4"]


def failed(payload: CollectorPayload) -> tuple[Failure, Message]:
    """Return what a request failed with, which is one message."""
    found = raw_events(payload)
    assert isinstance(found, FailedRequest)
    (message,) = found.messages
    return found.failure, message


def findings(payload: CollectorPayload) -> list[tuple[str, str]]:
    """Return path and keyword of what breaks `payload_data`."""
    failure, message = failed(payload)
    assert failure is Failure.TRACKER_PROTOCOL
    return [(found["path"], found["keyword"]) for found in message["error"]["dataReports"]]


def schema(version: str) -> str:
    """Return the URI of a version of `payload_data`."""
    return PAYLOAD_DATA.removesuffix("1-0-4") + version


def test_a_post_is_as_many_events_as_it_has() -> None:
    """Each event of the body is one raw event, in order."""
    events = [{**PAGE_VIEW, "page": "a"}, {**PAGE_VIEW, "page": "b"}]

    assert events == raw_events(post(body_of(*events)))


@pytest.mark.parametrize("version", ["tp1", "tp2"])
def test_a_get_is_one_event(version: str) -> None:
    """`/i` and a GET of the tp2 path take the query string, which no schema checks."""
    payload = get("e=pv&unknown=1&page=a+b%26c", version=version)

    assert [{"e": "pv", "unknown": "1", "page": "a b&c"}] == raw_events(payload)


def test_the_query_of_a_post_wins_over_its_events() -> None:
    """It is merged into every event, unchecked."""
    payload = post(body_of(PAGE_VIEW, {**PAGE_VIEW, "aid": "body"}), query="aid=query&cv=x")

    expected = [{**PAGE_VIEW, "aid": "query", "cv": "x"}] * 2
    assert expected == raw_events(payload)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("a=1&b=2", [("a", "1"), ("b", "2")]),
        ("a=1;b=2", [("a", "1"), ("b", "2")]),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a", [("a", None)]),
        ("a=", [("a", "")]),
        ("=1&&", []),
        ("a=b=c", [("a", "b=c")]),
        ("a=1+2%2B3", [("a", "1 2+3")]),
        ("a=%C3%BC%20%F0%9F%98%80", [("a", "ü 😀")]),
        ("a=%FF", [("a", "\ufffd")]),
        ("a=1#b=2", [("a", "1")]),
    ],
)
def test_a_query_is_a_list_of_pairs(query: str, expected: list[tuple[str, str | None]]) -> None:
    """Both separators, plus for space, percent-encoded UTF-8, a hash that ends it all."""
    assert expected == parse_query(query)


def test_the_last_of_equal_keys_wins() -> None:
    """A map has each key once."""
    assert [{"e": "se"}] == raw_events(get("e=pv&e=se"))


def test_extra_members_of_the_body_are_tolerated() -> None:
    """Only `schema` and `data` are read."""
    body = json.dumps({"schema": PAYLOAD_DATA, "data": [PAGE_VIEW], "more": 1}).encode()

    assert [PAGE_VIEW] == raw_events(post(body))


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=UTF-8"])
def test_json_is_the_one_content_type(charset: str) -> None:
    """With UTF-8 or without a charset."""
    payload = post(body_of(PAGE_VIEW), content_type=f"application/json{charset}")

    assert [PAGE_VIEW] == raw_events(payload)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/json; charset=iso-8859-1",
        "application/json;charset=utf-8",
        "application/x-www-form-urlencoded",
    ],
)
def test_any_other_content_type_fails_the_post(content_type: str | None) -> None:
    """The body is not even looked at."""
    failure, message = failed(post(body_of(PAGE_VIEW), content_type=content_type))

    assert (Failure.TRACKER_PROTOCOL, "contentType") == (failure, message["field"])
    assert content_type == message["value"]


@pytest.mark.parametrize("body", [b"{", b"not json", b"\x1f\x8b\x08", b'{"schema": NaN}', b"\xff"])
def test_a_body_that_is_not_json_fails_the_post(body: bytes) -> None:
    """Compressed bodies among them: the collector never decodes any."""
    failure, message = failed(post(body))

    assert (Failure.TRACKER_PROTOCOL, "body") == (failure, message["field"])
    assert body.decode("utf-8", "replace") == message["value"]


def test_a_body_too_deep_fails_the_post() -> None:
    """Even where nothing reads it."""
    body = json.dumps({"schema": PAYLOAD_DATA, "data": [PAGE_VIEW], "more": nested(40)}).encode()

    failure, message = failed(post(body))

    assert (Failure.TRACKER_PROTOCOL, "more than 40 levels deep") == (failure, message["error"])


@pytest.mark.parametrize(
    "body",
    [[], [PAGE_VIEW], "x", None, {}, {"schema": PAYLOAD_DATA}, {"data": [PAGE_VIEW]}],
)
def test_a_body_without_an_envelope_fails_the_post(body: Any) -> None:  # noqa: ANN401
    """It must be self-describing."""
    failure, message = failed(post(json.dumps(body).encode()))

    expected = (Failure.TRACKER_PROTOCOL, {"json": body, "error": "INVALID_DATA_PAYLOAD"})
    assert expected == (failure, message)


@pytest.mark.parametrize(
    "uri",
    [
        "iglu:com.acme/order/jsonschema/1-0-0",
        schema("1-1-0"),
        schema("2-0-0"),
        "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
    ],
)
def test_another_schema_fails_the_post(uri: str) -> None:
    """It must be `payload_data` 1-0-*."""
    failure, message = failed(post(body_of(PAGE_VIEW, schema=uri)))

    assert (Failure.TRACKER_PROTOCOL, uri) == (failure, message["schemaKey"])
    assert schema("1-0-*") == message["schemaCriterion"]


def test_a_version_that_is_not_published_fails_the_post() -> None:
    """1-0-5 would match, if it were there."""
    failure, message = failed(post(body_of(PAGE_VIEW, schema=schema("1-0-5"))))

    assert Failure.TRACKER_PROTOCOL is failure
    assert "ResolutionError" == message["error"]["error"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, [("$", "type")]),
        (None, [("$", "type")]),
        ([], [("$", "minItems")]),
        ([[]], [("$[0]", "type")]),
        (["x"], [("$[0]", "type")]),
        ([PAGE_VIEW, {}], [("$[1]", "required")] * 3),
        ([{"e": "pv", "p": "srv"}], [("$[0]", "required")]),
        ([{"e": "pv", "tv": "x"}], [("$[0]", "required")]),
        ([{"p": "srv", "tv": "x"}], [("$[0]", "required")]),
        ([PAGE_VIEW, {**PAGE_VIEW, "foo": "1"}], [("$[1]", "additionalProperties")]),
        ([{**PAGE_VIEW, "cv": "x"}], [("$[0]", "additionalProperties")]),
        ([{**PAGE_VIEW, "ev_ca": "x"}], [("$[0]", "additionalProperties")]),
        ([{**PAGE_VIEW, "vid": 1}], [("$[0].vid", "type")]),
        ([{**PAGE_VIEW, "vid": 1.5}], [("$[0].vid", "type")]),
        ([{**PAGE_VIEW, "cookie": True}], [("$[0].cookie", "type")]),
        ([{**PAGE_VIEW, "page": None}], [("$[0].page", "type")]),
        ([{**PAGE_VIEW, "co": {}}], [("$[0].co", "type")]),
        ([{**PAGE_VIEW, "co": []}], [("$[0].co", "type")]),
    ],
)
def test_one_malformed_event_fails_the_post(data: object, expected: list[tuple[str, str]]) -> None:
    """An unknown key, a value that is no string, or one of tv, p and e that is missing."""
    body = json.dumps({"schema": PAYLOAD_DATA, "data": data}).encode()

    assert expected == findings(post(body))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_of_payload_data_has_its_keys(version: str) -> None:
    """Each version adds to the one before: 75, 76, 77, 79 and 80 keys."""
    refused = [
        key
        for key in FIELDS
        if isinstance(
            raw_events(post(body_of({**PAGE_VIEW, key: "x"}, schema=schema(version)))),
            FailedRequest,
        )
    ]

    expected = dict(zip(VERSIONS, (75, 76, 77, 79, 80), strict=True))[version]
    assert expected == len(FIELDS) - len(refused)


@pytest.mark.parametrize(
    ("key", "since"),
    [("ua", "1-0-1"), ("tnuid", "1-0-2"), ("stm", "1-0-3"), ("sid", "1-0-3"), ("ttm", "1-0-4")],
)
def test_a_key_is_allowed_since_a_version(key: str, since: str) -> None:
    """What the version sent does not know fails the POST."""
    allowed = [
        version
        for version in VERSIONS
        if not isinstance(
            raw_events(post(body_of({**PAGE_VIEW, key: "x"}, schema=schema(version)))),
            FailedRequest,
        )
    ]

    assert VERSIONS[VERSIONS.index(since) :] == allowed


@pytest.mark.parametrize(
    ("vendor", "version"),
    [
        (SNOWPLOW, "tp3"),
        ("com.snowplowanalytics.snowplov", "tp2"),
        ("com.snowplowanalytics.iglu", "v1"),
        ("a", "b"),
    ],
)
def test_another_path_is_an_adapter_failure(vendor: str, version: str) -> None:
    """A typo in the path of the collector is answered 200 all the same."""
    failure, message = failed(post(body_of(PAGE_VIEW), vendor=vendor, version=version))

    assert (Failure.ADAPTER, f"{vendor}/{version}") == (failure, message["value"])


def test_a_get_without_a_query_has_no_event() -> None:
    """For `/i` it is an adapter failure, for the tp2 path a violation of the protocol."""
    pixel, _ = failed(get(""))
    tp2, _ = failed(get("", version="tp2"))

    assert (Failure.ADAPTER, Failure.TRACKER_PROTOCOL) == (pixel, tp2)


@pytest.mark.parametrize(
    "query", ["e=pv&page={x}", "e=pv&page=a|b", "e=pv&page=%", "e=pv&page=%zz", 'page="', "a=<b>"]
)
def test_a_query_that_is_no_uri_is_not_readable(query: str) -> None:
    """Java refuses characters that must be encoded, and the request as a whole is lost."""
    failure, message = failed(get(query))

    assert (Failure.FORMAT, "querystring") == (failure, message["payloadField"])
    assert query == message["value"]


@pytest.mark.parametrize("query", ["e=pv&page=[x]", "e=pv&page=a'b(c)*!~", "e=pv&page=ü"])
def test_a_query_may_have_what_java_allows(query: str) -> None:
    """Brackets and letters of other scripts among them."""
    assert isinstance(raw_events(get(query)), list)


def test_illegal_characters_behind_a_hash_do_not_matter() -> None:
    """A fragment is no part of the query."""
    assert [{"e": "pv"}] == raw_events(get("e=pv#{"))


@pytest.mark.parametrize("user_id", ["", "me", "11111111111141118111111111111111"])
def test_a_network_user_id_that_is_no_uuid_is_not_readable(user_id: str) -> None:
    """From the cookie or the query: the same value inside an event would be fine."""
    failure, message = failed(get("e=pv", user_id=user_id))

    assert (Failure.FORMAT, "networkUserId") == (failure, message["payloadField"])


@pytest.mark.parametrize(("vendor", "version"), [("i", ""), ("", "tp2"), ("", "")])
def test_a_path_with_an_empty_segment_is_not_readable(vendor: str, version: str) -> None:
    """`/i/` is one: it counts as vendor `i` without a version."""
    failure, message = failed(get("e=pv", vendor=vendor, version=version))

    assert (Failure.FORMAT, "path") == (failure, message["payloadField"])
