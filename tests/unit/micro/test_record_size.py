"""How large requests are, and what the collector does with large ones."""

import json
from dataclasses import replace

import pytest

from aiotracker.micro.payload import CollectorPayload, raw_events
from aiotracker.micro.record_size import (
    MAX_PAYLOAD_BYTES,
    MAX_RECORD_BYTES,
    Oversize,
    records,
    size_bytes,
)
from tests.unit.micro.samples import PAGE_VIEW, RECEIVED_MS, body_of, get, post


def sized(total_bytes: int, events: int = 4) -> CollectorPayload:
    """Return a POST whose record has exactly this size."""
    empty = post(body_of(*[{**PAGE_VIEW, "page": ""}] * events))
    room = total_bytes - size_bytes(empty)
    lengths = [room // events] * (events - 1) + [room - room // events * (events - 1)]
    return post(body_of(*({**PAGE_VIEW, "page": "x" * length} for length in lengths)))


@pytest.mark.parametrize(
    ("change", "added"),
    [
        ({"body": b"12345"}, 5 + 7),
        ({"query": "e=pv"}, 4 + 7),
        ({"useragent": "Grüße"}, 7 + 7),
        ({"referer": "x"}, 1 + 7),
        ({"content_type": "x"}, 1 + 7),
        ({"headers": ("Host: x", "ü")}, 7 + 4 + 2 + 4),
        ({"ip_address": "1"}, 1 + 7),
    ],
)
def test_the_record_has_the_body_and_all_headers(change: dict[str, object], added: int) -> None:
    """Every text counts in UTF-8, with what Thrift puts around it."""
    bare = replace(get(""), useragent=None, ip_address="")

    grown = replace(bare, **change)  # type: ignore[arg-type] # a table of changes has many types

    assert added == size_bytes(grown) - size_bytes(bare)


@pytest.mark.parametrize("payload", [post(body_of(PAGE_VIEW)), get("e=pv"), post(b"not json")])
def test_a_small_request_goes_on_as_it_is(payload: CollectorPayload) -> None:
    """Nothing looks into it."""
    assert [payload] == list(records(payload))


def test_below_the_limit_of_a_record_nothing_happens() -> None:
    """999,999 bytes are stored as they are."""
    payload = sized(MAX_RECORD_BYTES - 1)

    assert [payload] == list(records(payload))


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_PAYLOAD_BYTES])
def test_a_post_that_barely_exceeds_a_record_is_split(size: int) -> None:
    """Into records that fit, no event lost, in order."""
    payload = sized(size)

    parts = list(records(payload))

    assert 2 == len(parts)
    assert all(isinstance(p, CollectorPayload) and size_bytes(p) <= size for p in parts)
    found = [
        event
        for part in parts
        if isinstance(part, CollectorPayload)
        for event in raw_events(part)  # type: ignore[union-attr] # it is no failure
    ]
    assert raw_events(payload) == found


def test_an_event_that_never_fits_is_lost_alone() -> None:
    """Its neighbours are stored."""
    large = {**PAGE_VIEW, "page": "x" * MAX_RECORD_BYTES}
    payload = post(body_of(PAGE_VIEW, large, PAGE_VIEW))

    oversize, rest = records(payload)

    assert isinstance(oversize, Oversize)
    assert isinstance(rest, CollectorPayload)
    assert [PAGE_VIEW, PAGE_VIEW] == raw_events(rest)
    assert oversize.actual_bytes > oversize.limit_bytes == MAX_RECORD_BYTES


def test_nothing_else_is_left_of_a_request_with_that_event_only() -> None:
    """No empty record is made up for it."""
    payload = post(body_of({**PAGE_VIEW, "page": "x" * MAX_RECORD_BYTES}))

    (oversize,) = records(payload)

    assert isinstance(oversize, Oversize)


def test_above_the_limit_of_a_payload_all_of_it_is_lost() -> None:
    """One violation for the whole request, and a tenth of the limit is kept of its text."""
    payload = sized(MAX_PAYLOAD_BYTES + 1)

    (oversize,) = records(payload)

    assert isinstance(oversize, Oversize)
    assert (RECEIVED_MS, MAX_PAYLOAD_BYTES) == (oversize.received_ms, oversize.limit_bytes)
    assert MAX_PAYLOAD_BYTES + 1 == oversize.actual_bytes
    assert (payload.body or b"").decode()[: MAX_PAYLOAD_BYTES // 10] == oversize.head


@pytest.mark.parametrize(
    "payload",
    [
        get("e=pv&page=" + "x" * MAX_RECORD_BYTES),
        post(b"x" * MAX_RECORD_BYTES),
        post(json.dumps(["x" * MAX_RECORD_BYTES]).encode()),
        post(json.dumps({"schema": "x" * MAX_RECORD_BYTES}).encode()),
        post(json.dumps({"schema": 1, "data": ["x" * MAX_RECORD_BYTES]}).encode()),
        post(json.dumps({"schema": "x", "data": "x" * MAX_RECORD_BYTES}).encode()),
    ],
)
def test_what_is_no_list_of_events_cannot_be_split(payload: CollectorPayload) -> None:
    """A GET, or a body that is not a self-describing array, is one violation."""
    (oversize,) = records(payload)

    assert isinstance(oversize, Oversize)
    assert MAX_RECORD_BYTES == oversize.limit_bytes
