"""Micro's own endpoints."""

import json
from typing import Any

import pytest

from aiotracker.micro import api
from aiotracker.micro.exchange import Response
from aiotracker.micro.log import ReceivedLog
from tests.unit.micro.samples import PAGE_VIEW, body_of, get, post, received, request


def filled() -> ReceivedLog:
    """Return a log with three good events and two bad entries."""
    log = ReceivedLog()
    log.add([received(post(body_of({**PAGE_VIEW, "page": "1"}, {**PAGE_VIEW, "page": "2"})))])
    log.add([received(post(b"not json")), received(get("", vendor="com.acme"))])
    log.add([received(get("e=se&page=3"))])
    return log


def asked(log: ReceivedLog, endpoint: str, body: bytes | None = None, method: str | None = None) -> Response:
    """Return the answer of an endpoint, to a GET or to a POST with this body."""
    verb = method or ("GET" if body is None else "POST")
    wanted = request(verb, f"/micro/{endpoint}", body=body or b"")
    return api.answer(wanted, ["micro", *endpoint.split("/")], log)


def decoded(response: Response) -> Any:  # noqa: ANN401 - any JSON value
    """Return the body of an answer."""
    body = response.body
    return json.loads(body if isinstance(body, bytes) else b"".join(body))


@pytest.mark.parametrize("body", [None, b"", b"not json"])
def test_all_is_the_summary(body: bytes | None) -> None:
    """By GET or POST, whatever the body."""
    response = asked(filled(), "all", body)

    assert (200, "application/json") == (response.status, response.headers["Content-Type"])
    assert {"total": 5, "good": 3, "bad": 2} == decoded(response)


def test_good_is_a_list_of_good_events() -> None:
    """Newest first."""
    response = asked(filled(), "good")

    assert (200, "application/json") == (response.status, response.headers["Content-Type"])
    assert ["3", "2", "1"] == [event["event"]["page_title"] for event in decoded(response)]


def test_bad_is_a_list_of_bad_entries() -> None:
    """Newest first."""
    vendors = [e["collectorPayload"]["api"]["vendor"] for e in decoded(asked(filled(), "bad"))]

    assert ["com.acme", "com.snowplowanalytics.snowplow"] == vendors


@pytest.mark.parametrize("endpoint", ["good", "bad"])
def test_a_list_may_be_empty(endpoint: str) -> None:
    """It is a list all the same."""
    nothing = decoded(asked(ReceivedLog(), endpoint))
    none_of_it = decoded(asked(filled(), endpoint, b'{"limit": 0}'))

    assert ([], []) == (nothing, none_of_it)


@pytest.mark.parametrize(
    ("endpoint", "wanted", "expected"),
    [
        ("good", {}, 3),
        ("good", {"event_type": "page_view"}, 2),
        ("good", {"event_type": "unstruct"}, 0),
        ("good", {"limit": 1}, 1),
        ("bad", {"vendor": "com.acme"}, 1),
        ("bad", {"limit": 1}, 1),
        ("bad", {"version": "tp2"}, 1),
    ],
)
def test_a_post_filters(endpoint: str, wanted: dict[str, Any], expected: int) -> None:
    """By the JSON in its body."""
    found = decoded(asked(filled(), endpoint, json.dumps(wanted).encode()))

    assert expected == len(found)


@pytest.mark.parametrize("endpoint", ["good", "bad"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"limit": "x"}', 422),
    ],
)
def test_a_filter_that_cannot_be_read_is_an_error(endpoint: str, body: bytes, status: int) -> None:
    """400 when it is not JSON, 422 when it has the wrong types."""
    response = asked(filled(), endpoint, body)

    assert status == response.status
    assert isinstance(decoded(response), str)


@pytest.mark.parametrize("body", [None, b"", b"x"])
def test_a_reset_forgets_everything_and_says_so(body: bytes | None) -> None:
    """By GET or POST; the answer is the summary."""
    log = filled()

    answer = decoded(asked(log, "reset", body))

    zero = {"total": 0, "good": 0, "bad": 0}
    assert (zero, zero) == (answer, log.summary())


@pytest.mark.parametrize(
    ("method", "endpoint"),
    [
        ("GET", ""),
        ("GET", "none"),
        ("GET", "all/"),
        ("GET", "good/1"),
        ("HEAD", "all"),
        ("PUT", "good"),
        ("DELETE", "reset"),
        ("POST", "none"),
    ],
)
def test_everything_else_is_a_hint(method: str, endpoint: str) -> None:
    """404 and a text in JSON that names the endpoints."""
    response = asked(filled(), endpoint, method=method)

    assert 404 == response.status
    assert "/micro/good" in decoded(response)


def test_a_long_search_comes_in_parts() -> None:
    """Empty ones where a request has nothing to show."""
    response = asked(filled(), "good", b'{"event_type": "page_view"}')

    assert not isinstance(response.body, bytes)
    parts = list(response.body)
    assert [b"", b"", b"", b"["] == [part[:1] for part in parts[:-1]]
    assert 2 == len(json.loads(b"".join(parts)))
