"""One request after the other, and what is to be seen then."""

import pytest

from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.record_size import MAX_RECORD_BYTES
from aiotracker.micro.service import respond
from tests.unit.micro.samples import PAGE_VIEW, USER, body_of, entities, request

TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON = [("content-type", "application/json")]


def test_an_event_is_processed_before_the_answer() -> None:
    """Whoever got the 200 finds it."""
    log = ReceivedLog()

    response = respond(request("POST", TP2, body=body_of(PAGE_VIEW), headers=JSON), log)

    assert (200, {"total": 1, "good": 1, "bad": 0}) == (response.status, log.summary())


def test_each_event_without_an_id_gets_one_of_its_own() -> None:
    """As the pipeline does."""
    log = ReceivedLog()

    respond(request("POST", TP2, body=body_of(PAGE_VIEW, PAGE_VIEW), headers=JSON), log)

    assert 2 == len(log.event_ids())


def test_the_parts_of_a_large_request_are_kept_apart() -> None:
    """So one malformed event fails only its own part."""
    log = ReceivedLog()
    user = {**USER, "data": "x" * (MAX_RECORD_BYTES // 2)}
    half = {**PAGE_VIEW, "co": entities([user])}

    respond(request("POST", TP2, body=body_of({**half, "foo": "1"}, half), headers=JSON), log)

    assert {"total": 2, "good": 1, "bad": 1} == log.summary()


@pytest.mark.parametrize("path", ["/favicon.ico", "/health", "/a/b/c"])
def test_what_is_not_recorded_does_not_count(path: str) -> None:
    """It shows nowhere."""
    log = ReceivedLog()

    respond(request("GET", path), log)

    assert 0 == log.summary()["total"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/micro/all"), ("POST", "/micro/nothing"), ("HEAD", "/micro/good"), ("GET", "/micro")],
)
def test_requests_to_micro_itself_are_not_recorded(method: str, path: str) -> None:
    """Although they have two segments."""
    log = ReceivedLog()

    respond(request(method, path, body=b"x"), log)

    assert 0 == log.summary()["total"]


def test_answers_of_micro_itself_may_be_read_by_any_page() -> None:
    """A test in a browser asks for them."""
    headers = [("origin", "https://a.com")]

    shown = respond(request("GET", "/micro/all", headers=headers), ReceivedLog())
    preflight = respond(request("OPTIONS", "/micro/all", headers=headers), ReceivedLog())

    origins = [r.headers["Access-Control-Allow-Origin"] for r in (shown, preflight)]
    assert ["https://a.com", "https://a.com"] == origins
    assert (200, 200) == (shown.status, preflight.status)
