"""What Micro shows of events."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro.columns import COLUMNS
from aiotracker.micro.payload import CollectorPayload
from aiotracker.micro.receipt import events
from aiotracker.micro.record_size import Oversize
from aiotracker.micro.views import bad_entries, good_event
from aiotracker.protocol.fields import FIELDS
from tests.unit.micro.samples import (
    ORDER,
    PAGE_VIEW,
    USER,
    USER_ID,
    body_of,
    entities,
    get,
    post,
    received,
    self_describing,
)

CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"
UNSTRUCT_EVENT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"


def shown(**parameters: str) -> dict[str, Any]:
    """Return a good event as Micro shows it."""
    payload = post(body_of({**PAGE_VIEW, **parameters}), headers=("Host: a.com",))
    (event,) = events(received(payload), good=True)
    return good_event(event)


def bad(payload: CollectorPayload | Oversize) -> list[dict[str, Any]]:
    """Return the bad entries of a request as Micro shows them."""
    return list(bad_entries(received(payload)))


def test_a_good_event_has_six_members() -> None:
    """In the order of Micro 3.0."""
    event = shown(page="Home")

    assert ["rawEvent", "eventType", "schema", "contexts", "event", "incomplete"] == list(event)
    assert ("page_view", False) == (event["eventType"], event["incomplete"])
    assert "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0" == event["schema"]


def test_a_raw_event_has_the_parameters_and_the_request() -> None:
    """Parameters as they were sent, the query merged in."""
    raw = shown(page="a\tb")["rawEvent"]

    name = raw["source"].pop("name")
    assert name.startswith("aiotracker-micro-")
    expected = {
        "api": {"vendor": "com.snowplowanalytics.snowplow", "version": "tp2"},
        "parameters": {**PAGE_VIEW, "page": "a\tb"},
        "contentType": "application/json",
        "source": {"encoding": "UTF-8", "hostname": None},
        "context": {
            "timestamp": "2026-09-21T14:13:20.250Z",
            "ipAddress": "127.0.0.1",
            "useragent": "test",
            "refererUri": None,
            "headers": ["Host: a.com"],
            "userId": USER_ID,
        },
    }
    assert expected == raw


def test_all_131_fields_are_there_in_order() -> None:
    """What an event does not have is null."""
    event = shown()["event"]

    assert list(COLUMNS) == list(event)
    assert None is event["app_id"]


def test_fields_have_the_types_of_the_analytics_sdk() -> None:
    """Times as ISO 8601, numbers, booleans."""
    event = shown(
        tid="7",
        vid="3",
        cookie="1",
        f_pdf="0",
        e="se",
        se_va="9.99",
        dtm="1790000000000",
        stm="1790000000001",
        res="800x600",
        url="https://a.com/x",
    )["event"]

    expected = {
        "txn_id": 7,
        "domain_sessionidx": 3,
        "br_cookies": True,
        "br_features_pdf": False,
        "se_value": 9.99,
        "dvce_created_tstamp": "2026-09-21T14:13:20Z",
        "dvce_sent_tstamp": "2026-09-21T14:13:20.001Z",
        "collector_tstamp": "2026-09-21T14:13:20.250Z",
        "derived_tstamp": "2026-09-21T14:13:20.249Z",
        "dvce_screenwidth": 800,
        "dvce_screenheight": 600,
        "page_urlport": 443,
        "page_urlhost": "a.com",
    }
    assert expected == {column: event[column] for column in expected}


@pytest.mark.parametrize(
    ("text", "expected"), [("1e3", 1000.0), ("1e400", None), ("-1e400", None), ("null", None)]
)
def test_a_decimal_is_a_number_or_null(text: str, expected: float | None) -> None:
    """JSON has no infinity."""
    event = shown(e="se", se_va=text)["event"]

    assert expected == event["se_value"]
    assert expected is None or math.isfinite(event["se_value"])


def test_an_event_without_json_has_empty_envelopes() -> None:
    """No entities are an empty object, no self-describing event is null."""
    event = shown()

    assert [] == event["contexts"]
    json_columns = [event["event"][c] for c in ("contexts", "derived_contexts", "unstruct_event")]
    assert [{}, {}, None] == json_columns


def test_entities_are_shown_as_uris_and_in_full() -> None:
    """The envelope is relabelled 1-0-0, whatever the tracker sent."""
    event = shown(co=entities([USER, ORDER], "1-0-1"))

    assert [USER["schema"], ORDER["schema"]] == event["contexts"]
    assert {"schema": CONTEXTS, "data": [USER, ORDER]} == event["event"]["contexts"]


def test_a_self_describing_event_is_shown_in_its_envelope() -> None:
    """And its schema is that of the event."""
    event = shown(e="ue", ue_pr=self_describing(ORDER))

    assert ("unstruct", ORDER["schema"]) == (event["eventType"], event["schema"])
    assert {"schema": UNSTRUCT_EVENT, "data": ORDER} == event["event"]["unstruct_event"]
    assert ("com.acme", "order", "jsonschema", "1-0-0") == tuple(
        event["event"][f"event_{part}"] for part in ("vendor", "name", "format", "version")
    )


def test_a_failed_event_shows_payload_and_raw_event() -> None:
    """One entry for each event that failed, newest first."""
    first, second = {**PAGE_VIEW, "eid": "1"}, {**PAGE_VIEW, "eid": "2"}

    entries = bad(post(body_of(first, PAGE_VIEW, second)))

    assert [second, first] == [entry["rawEvent"]["parameters"] for entry in entries]
    headline, text = entries[0]["errors"]
    assert "Error while validating the event." == headline
    assert "schema_violations" in json.loads(text)["schema"]
    payload = entries[0]["collectorPayload"]
    assert ["api", "querystring", "contentType", "body", "source", "context"] == list(payload)


def test_a_lost_request_shows_the_payload_only() -> None:
    """With its query as a list of texts and its body as text."""
    (entry,) = bad(post(b"not json", query="aid=shop&x&y="))

    payload = entry["collectorPayload"]
    assert (["aid=shop", "x", "y="], "not json") == (payload["querystring"], payload["body"])
    assert None is entry["rawEvent"]
    headline, text = entry["errors"]
    assert headline.startswith("Error while extracting event(s) from collector payload")
    assert "tracker_protocol_violations" in json.loads(text)["schema"]


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (get("e={"), "collector_payload_format_violation"),
        (get("e=pv", user_id="me"), "collector_payload_format_violation"),
        (Oversize(0, 1, 2, "less", "head"), "size_violation"),
    ],
)
def test_a_record_that_cannot_be_read_shows_neither(payload: CollectorPayload | Oversize, name: str) -> None:
    """Only why."""
    (entry,) = bad(payload)

    assert (None, None) == (entry["collectorPayload"], entry["rawEvent"])
    headline, text = entry["errors"]
    assert "Can't deserialize Thrift bytes." == headline
    assert name in json.loads(text)["schema"]


def test_a_good_request_shows_nothing_bad() -> None:
    """No failure, no entry."""
    assert [] == bad(post(body_of(PAGE_VIEW)))


@given(
    st.dictionaries(
        st.sampled_from(sorted(key for key, field in FIELDS.items() if field.in_post)),
        st.text(st.characters(categories=None)) | st.from_regex(r"\A-?[0-9.e]{1,30}\Z"),
        max_size=8,
    )
)
def test_every_event_can_be_shown_as_json(parameters: dict[str, str]) -> None:
    """Whatever arrives, good or bad, it is one entry of JSON."""
    receipt = received(post(body_of({**PAGE_VIEW, **parameters})))

    entries = [*(good_event(event) for event in events(receipt, good=True)), *bad_entries(receipt)]

    assert 1 == len(entries)
    assert entries == json.loads(json.dumps(entries, allow_nan=False))
