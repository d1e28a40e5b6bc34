"""Filters, and the search with them."""

import itertools
from typing import Any

import pytest

from aiotracker.micro.filters import BadFilter, FilterError, GoodFilter, find_bad, find_good
from aiotracker.micro.receipt import Receipt
from aiotracker.micro.record_size import Oversize
from tests.unit.micro.samples import (
    ORDER,
    PAGE_VIEW,
    USER,
    body_of,
    entities,
    get,
    post,
    received,
    self_describing,
)

PAGE_VIEW_URI = "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0"
BOTH = [ORDER["schema"], USER["schema"]]

RECEIPTS = [
    received(post(body_of({**PAGE_VIEW, "page": "4"}))),
    received(
        post(
            body_of(
                {**PAGE_VIEW, "e": "ue", "ue_pr": self_describing(ORDER), "page": "2"},
                {**PAGE_VIEW, "co": entities([USER, ORDER]), "page": "3"},
            )
        )
    ),
    received(post(body_of({**PAGE_VIEW, "e": "se", "co": entities([USER]), "page": "1"}))),
]
BAD_RECEIPTS = [
    received(Oversize(0, 1, 2, "less", "head")),
    received(post(body_of(PAGE_VIEW, {**PAGE_VIEW, "eid": "1"}))),
    received(get("e=pv", vendor="com.acme", version="v1")),
    received(get("")),
]


def pages(wanted: GoodFilter) -> list[str]:
    """Return the pages of the events that are found."""
    found = itertools.chain.from_iterable(find_good(RECEIPTS, wanted))
    return [event["event"]["page_title"] for event in found]


def versions(wanted: BadFilter) -> list[str | None]:
    """Return the versions of the paths of the entries that are found."""
    found = itertools.chain.from_iterable(find_bad(BAD_RECEIPTS, wanted))
    payloads = (entry["collectorPayload"] for entry in found)
    return [payload and payload["api"]["version"] for payload in payloads]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["4", "3", "2", "1"]),
        ({"event_type": "page_view"}, ["4", "3"]),
        ({"event_type": "unstruct"}, ["2"]),
        ({"event_type": "struct"}, ["1"]),
        ({"event_type": "pv"}, []),
        ({"event_type": ""}, []),
        ({"schema": PAGE_VIEW_URI}, ["4", "3"]),
        ({"schema": ORDER["schema"]}, ["2"]),
        ({"schema": "com.acme/order/jsonschema/1-0-0"}, []),
        ({"contexts": [USER["schema"]]}, ["3", "1"]),
        ({"contexts": BOTH}, ["3"]),
        ({"contexts": []}, ["4", "3", "2", "1"]),
        ({"contexts": [*BOTH, "iglu:com.acme/none/jsonschema/1-0-0"]}, []),
        ({"event_type": "struct", "contexts": [USER["schema"]]}, ["1"]),
        ({"event_type": "struct", "schema": PAGE_VIEW_URI}, []),
        ({"limit": 3}, ["4", "3", "2"]),
        ({"limit": 9}, ["4", "3", "2", "1"]),
        ({"limit": 0}, []),
        ({"limit": -1}, []),
        ({"limit": 1, "event_type": "struct"}, ["1"]),
        ({"event_type": None, "schema": None, "contexts": None, "limit": None}, list("4321")),
        ({"unknown": 1}, ["4", "3", "2", "1"]),
    ],
)
def test_good_events_are_found(wanted: dict[str, Any], expected: list[str]) -> None:
    """All conditions must hold, on long names and whole URIs; the newest come first."""
    assert expected == pages(GoodFilter.from_json(wanted))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [None, "tp2", "v1", "tp1"]),
        ({"vendor": "com.acme"}, [None, "v1"]),
        ({"version": "tp2"}, [None, "tp2"]),
        ({"vendor": "com.snowplowanalytics.snowplow"}, [None, "tp2", "tp1"]),
        ({"vendor": "com.acme", "version": "tp2"}, [None]),
        ({"limit": 2}, [None, "tp2"]),
        ({"limit": 0}, []),
        ({"unknown": 1, "vendor": None}, [None, "tp2", "v1", "tp1"]),
    ],
)
def test_bad_entries_are_found(wanted: dict[str, Any], expected: list[str | None]) -> None:
    """By the path of the request; what has no payload matches any."""
    assert expected == versions(BadFilter.from_json(wanted))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ([], "the filter"),
        ("x", "the filter"),
        (None, "the filter"),
        ({"event_type": 1}, "event_type"),
        ({"schema": ["x"]}, "schema"),
        ({"contexts": "x"}, "contexts"),
        ({"contexts": [1]}, "contexts"),
        ({"limit": "1"}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": True}, "limit"),
    ],
)
def test_a_member_of_the_wrong_type_is_an_error(value: object, name: str) -> None:
    """The error names it."""
    with pytest.raises(FilterError) as caught:
        GoodFilter.from_json(value)

    assert name == caught.value.name


@pytest.mark.parametrize("value", [{"vendor": 1}, {"version": []}, {"limit": "x"}, []])
def test_the_filter_of_bad_entries_is_as_strict(value: object) -> None:
    """Texts, and a whole number."""
    with pytest.raises(FilterError):
        BadFilter.from_json(value)


def test_a_search_goes_request_by_request() -> None:
    """Also where it finds nothing, so that whoever drives it can take a breath."""
    parts = [len(part) for part in find_good(RECEIPTS, GoodFilter(event_type="unstruct"))]

    assert [0, 1, 0] == parts


def test_a_large_request_is_searched_in_parts() -> None:
    """Each one small enough to hold."""
    receipts = [received(post(body_of(*[PAGE_VIEW] * 45))), RECEIPTS[0]]

    parts = [[len(part) for part in find_good(receipts, GoodFilter(limit=n))] for n in (99, 30)]

    assert [[20, 20, 5, 1], [20, 10]] == parts


def test_a_search_ends_at_its_limit() -> None:
    """What is older is not looked at."""

    def receipts() -> Any:  # noqa: ANN401 - a generator of receipts
        yield RECEIPTS[0]
        raise AssertionError

    parts = list(find_good(receipts(), GoodFilter(limit=1)))

    assert 1 == len(parts)


def test_receipts_without_bad_entries_are_skipped() -> None:
    """Nothing is worked out anew for them."""
    receipts: list[Receipt] = RECEIPTS

    assert [] == list(itertools.chain.from_iterable(find_bad(receipts, BadFilter())))
