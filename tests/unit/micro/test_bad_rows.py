"""Bad rows have the shape of their schemas in Iglu Central."""

import json
from typing import Any

import pytest

from aiotracker.micro import bad_rows
from aiotracker.micro.columns import COLUMNS
from aiotracker.micro.payload import FailedRequest, raw_events
from aiotracker.micro.receipt import events
from aiotracker.micro.record_size import Oversize
from tests.unit.micro.samples import (
    ORDER,
    PAGE_VIEW,
    RECEIVED_MS,
    USER,
    USER_ID,
    body_of,
    entities,
    get,
    post,
    received,
    self_describing,
)

RECEIVED = "2026-09-21T14:13:20.250Z"
PREFIX = "iglu:com.snowplowanalytics.snowplow.badrows/"


def event_row(**parameters: str) -> dict[str, Any]:
    """Return the bad row of an event that fails."""
    payload = post(body_of({**PAGE_VIEW, **parameters}), headers=("Host: a.com",), referer="http://r.com/")
    (shown,) = events(received(payload), good=False)
    assert shown.enriched.failure is not None
    return bad_rows.for_event(shown, shown.enriched.failure)


def request_row(body: bytes, query: str = "") -> dict[str, Any]:
    """Return the bad row of a POST that fails as a whole."""
    payload = post(body, query=query)
    failed = raw_events(payload)
    assert isinstance(failed, FailedRequest)
    return bad_rows.for_request(payload, failed)


def test_a_schema_violation_has_messages_and_both_forms_of_the_event() -> None:
    """The failure beside the partially enriched event and the raw one."""
    row = event_row(eid="1")

    assert f"{PREFIX}schema_violations/jsonschema/2-0-1" == row["schema"]
    assert {"processor", "failure", "payload"} == row["data"].keys()
    assert {"artifact", "version"} == row["data"]["processor"].keys()
    assert RECEIVED == row["data"]["failure"]["timestamp"]
    (message,) = row["data"]["failure"]["messages"]
    assert "ValidationError" == message["error"]["error"]
    assert {"enriched", "raw"} == row["data"]["payload"].keys()


def test_the_raw_event_of_a_bad_row_is_flat() -> None:
    """Parameters are pairs, the context of the request stands beside them."""
    raw = event_row(eid="1")["data"]["payload"]["raw"]

    loader = raw.pop("loaderName")
    assert loader.startswith("aiotracker-micro-")
    expected = {
        "vendor": "com.snowplowanalytics.snowplow",
        "version": "tp2",
        "parameters": [{"name": key, "value": value} for key, value in {**PAGE_VIEW, "eid": "1"}.items()],
        "contentType": "application/json",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": RECEIVED,
        "ipAddress": "127.0.0.1",
        "useragent": "test",
        "refererUri": "http://r.com/",
        "headers": ["Host: a.com"],
        "userId": USER_ID,
    }
    assert expected == raw


def test_the_partially_enriched_event_has_the_forms_of_the_tsv() -> None:
    """Flags are 1 and 0, amounts and times are texts, JSON is text inside."""
    enriched = event_row(
        eid="1",
        tid="7",
        vid="3",
        cookie="1",
        f_pdf="0",
        se_va="1e3",
        dtm="1790000000000",
        co=entities([USER]),
        ue_pr=self_describing(ORDER),
    )["data"]["payload"]["enriched"]

    assert list(COLUMNS) == list(enriched)
    expected = {
        "event_id": None,
        "txn_id": "7",
        "domain_sessionidx": 3,
        "br_cookies": 1,
        "br_features_pdf": 0,
        "se_value": "1000",
        "dvce_created_tstamp": "2026-09-21 14:13:20.000",
        "collector_tstamp": "2026-09-21 14:13:20.250",
        "page_urlport": 80,
    }
    assert expected == {column: enriched[column] for column in expected}
    assert entities([USER]) == enriched["contexts"]
    assert self_describing(ORDER) == enriched["unstruct_event"]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("1e400", "1" + "0" * 400), ("1e-5", "0.00001"), ("1e999999", "1E+999999")],
)
def test_exponents_are_written_out_within_reason(amount: str, expected: str) -> None:
    """The pipeline expands them all; a million zeros would help nobody."""
    enriched = event_row(eid="1", se_va=amount)["data"]["payload"]["enriched"]

    assert expected == enriched["se_value"]


def test_an_enrichment_failure_names_no_enrichment() -> None:
    """Reading URLs is the pipeline's own work."""
    row = event_row(url="http://")

    assert f"{PREFIX}enrichment_failures/jsonschema/2-0-1" == row["schema"]
    (message,) = row["data"]["failure"]["messages"]
    assert None is message["enrichment"]
    assert ("page_url", "http://") == (message["message"]["field"], message["message"]["value"])


def test_a_violation_of_the_protocol_has_the_payload() -> None:
    """The request as the collector recorded it, flat."""
    row = request_row(b"not json", "aid=shop&x")

    assert f"{PREFIX}tracker_protocol_violations/jsonschema/1-0-1" == row["schema"]
    failure = row["data"]["failure"]
    assert {"timestamp", "vendor", "version", "messages"} == failure.keys()
    payload = row["data"]["payload"]
    assert [{"name": "aid", "value": "shop"}, {"name": "x", "value": None}] == payload["querystring"]
    assert ("not json", USER_ID) == (payload["body"], payload["networkUserId"])
    assert "UTF-8" == payload["encoding"]


def test_an_adapter_failure_has_the_payload_too() -> None:
    """With the path that no adapter reads."""
    payload = get("e=pv", vendor="com.acme", version="v1")
    failed = raw_events(payload)
    assert isinstance(failed, FailedRequest)

    row = bad_rows.for_request(payload, failed)

    assert f"{PREFIX}adapter_failures/jsonschema/1-0-0" == row["schema"]
    failure = row["data"]["failure"]
    assert ("com.acme", "v1") == (failure["vendor"], failure["version"])


def test_a_violation_of_the_format_has_one_message_and_a_text() -> None:
    """The record could not be read, so there is nothing to show but its text."""
    payload = get("e={")
    failed = raw_events(payload)
    assert isinstance(failed, FailedRequest)

    row = bad_rows.for_request(payload, failed)

    assert f"{PREFIX}collector_payload_format_violation/jsonschema/1-0-0" == row["schema"]
    failure = row["data"]["failure"]
    assert {"timestamp", "loader", "message"} == failure.keys()
    assert "thrift" == failure["loader"]
    assert [{"name": "e", "value": "{"}] == json.loads(row["data"]["payload"])["querystring"]


def test_a_size_violation_has_both_sizes_and_the_head() -> None:
    """Nothing else is left."""
    row = bad_rows.for_oversize(Oversize(RECEIVED_MS, 10, 20, "less", "head"))

    assert f"{PREFIX}size_violation/jsonschema/1-0-0" == row["schema"]
    assert "head" == row["data"]["payload"]
    expected = {
        "timestamp": RECEIVED,
        "maximumAllowedSizeBytes": 10,
        "actualSizeBytes": 20,
        "expectation": "less",
    }
    assert expected == row["data"]["failure"]
