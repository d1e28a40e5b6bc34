"""From a lease to the request that carries it."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aiotracker.delivery.requests import RequestBuilder
from aiotracker.delivery.settings import Method
from aiotracker.protocol.record import Kind
from aiotracker.protocol.url import CollectorURL
from aiotracker.stores import Lease

URL = CollectorURL.parse("https://collector.acme.com/prefix")


def built(method: Method = "post", **headers: str) -> RequestBuilder:
    """Return a builder with the user's own headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestBuilder(URL, method, named, user_agent="aiotracker/1", get_base64=True)


def lease(*data: bytes, kind: Kind = Kind.ORDINARY) -> Lease:
    """Return a lease of records with such data."""
    return Lease(kind, data, tuple(range(len(data))), (0.0,) * len(data))


def test_a_post_is_one_json_document() -> None:
    """All events of the lease, in order, each with the time of sending."""
    request = built().build(lease(b'{"eid":"1"', b'{"eid":"2"'), 1_700_000_000_000)

    assert ("POST", "https://collector.acme.com/prefix/com.snowplowanalytics.snowplow/tp2") == (
        request.method,
        request.url,
    )
    assert [{"eid": "1", "stm": "1700000000000"}, {"eid": "2", "stm": "1700000000000"}] == json.loads(
        request.body
    )["data"]


def test_a_get_is_one_query() -> None:
    """The event's fields are the query, and there is no body."""
    request = built("get").build(lease(b'{"eid":"1","url":"https://acme.com/?a=b&c"'), 5)

    parts = urlsplit(request.url)
    assert ("GET", "/prefix/i", b"") == (request.method, parts.path, request.body)
    assert {"eid": ["1"], "url": ["https://acme.com/?a=b&c"], "stm": ["5"]} == parse_qs(parts.query)


@pytest.mark.parametrize(("kind", "expected"), [(Kind.ORDINARY, None), (Kind.ANONYMOUS, "*")])
@pytest.mark.parametrize("method", ["post", "get"])
def test_anonymity_is_a_header(method: Method, kind: Kind, expected: str | None) -> None:
    """`SP-Anonymous: *` stands on requests of anonymous events only."""
    request = built(method).build(lease(b'{"eid":"1"', kind=kind), 5)

    assert expected == dict(request.headers).get("SP-Anonymous")


def test_a_users_header_wins_whatever_its_case() -> None:
    """Only one header of a name is sent."""
    request = built(user_agent="mine", X_Key="1").build(lease(b'{"eid":"1"'), 5)

    headers = [(name.lower(), value) for name, value in request.headers]
    assert [("user-agent", "mine")] == [pair for pair in headers if pair[0] == "user-agent"]
    assert ("x-key", "1") in headers


def test_only_a_post_has_a_content_type() -> None:
    """A GET has no content."""
    names = [{n.lower() for n, _ in built(m).build(lease(b'{"a":"1"'), 5).headers} for m in ("post", "get")]

    assert [True, False] == ["content-type" in each for each in names]
