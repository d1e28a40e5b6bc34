"""From a raw event to columns, and what fails on the way."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro.columns import MAX_LENGTHS
from aiotracker.micro.enriched import EventFailure, Phase
from aiotracker.micro.rules import Cell
from aiotracker.micro.violations import ATOMIC_SCHEMA, LENGTH_EXCEEDED, PARSE_ERROR
from aiotracker.protocol.fields import FIELDS, Rule
from tests.unit.micro.samples import (
    EVENT_ID,
    GENERATED_ID,
    ORDER,
    PAGE_VIEW,
    RECEIVED_MS,
    USER,
    USER_ID,
    body_of,
    enriched,
    entities,
    post,
    self_describing,
)

SNOWPLOW = "com.snowplowanalytics.snowplow"
VALID = {
    Rule.TEXT: ("x", "x"),
    Rule.UUID: (EVENT_ID, EVENT_ID),
    Rule.INT32: ("7", 7),
    Rule.DECIMAL: ("7", 7),
    Rule.FLAG: ("1", True),
    Rule.EPOCH_MS: ("7", 7),
    Rule.ADDRESS: ("::1", "::1"),
    Rule.PAGE_URL: ("http://a.com/", "http://a.com/"),
    Rule.REFERRER_URL: ("http://a.com/", "http://a.com/"),
    Rule.PLATFORM: ("web", "web"),
    Rule.EVENT_CODE: ("pp", "page_ping"),
}
INVALID = {
    Rule.UUID: "",
    Rule.INT32: "1.5",
    Rule.DECIMAL: "1,5",
    Rule.FLAG: "true",
    Rule.EPOCH_MS: "now",
    Rule.DIMENSIONS: "1X1",
    Rule.ADDRESS: ",",
    Rule.PLATFORM: "server",
    Rule.EVENT_CODE: "page_view",
}
URL_PARTS = {
    "scheme": "{}:a",
    "host": "http://{}",
    "path": "{}",
    "query": "?{}",
    "fragment": "#{}",
}
# By column that has a limit: a key that fills it, and what must stand around the filling.
FILLERS = {
    field.columns[0]: (key, "{}") for key, field in FIELDS.items() if field.rule in {Rule.TEXT, Rule.ADDRESS}
} | {
    f"{prefix}_url{part}": (key, around)
    for prefix, key in (("page", "url"), ("refr", "refr"))
    for part, around in URL_PARTS.items()
}


def failure(parameters: dict[str, Any], referer: str | None = None) -> EventFailure:
    """Return why an event fails."""
    found = enriched(parameters, post(body_of(PAGE_VIEW), referer=referer)).failure
    assert found is not None
    return found


def atomic(found: EventFailure) -> list[tuple[str, str]]:
    """Return path and keyword of what is wrong with the plain fields."""
    return [
        (report["path"], report["keyword"])
        for message in found.messages
        if message.get("schemaKey") == ATOMIC_SCHEMA
        for report in message["error"]["dataReports"]
    ]


@pytest.mark.parametrize("key", [key for key, field in FIELDS.items() if field.rule in VALID])
def test_a_key_fills_its_column(key: str) -> None:
    """Every key of the protocol is read, for every type of event."""
    text, expected = VALID[FIELDS[key].rule]

    columns = enriched({**PAGE_VIEW, key: text}).columns

    assert expected == columns[FIELDS[key].columns[0]]


@pytest.mark.parametrize(
    ("key", "width", "height"),
    [
        ("res", "dvce_screenwidth", "dvce_screenheight"),
        ("vp", "br_viewwidth", "br_viewheight"),
        ("ds", "doc_width", "doc_height"),
    ],
)
def test_dimensions_fill_two_columns(key: str, width: str, height: str) -> None:
    """The number before the x is the width."""
    columns = enriched({**PAGE_VIEW, key: "800x600"}).columns

    assert (800, 600) == (columns[width], columns[height])


@pytest.mark.parametrize("key", [key for key, f in FIELDS.items() if f.rule is Rule.IGNORED])
def test_a_key_that_nothing_reads_is_harmless(key: str) -> None:
    """It is allowed in a POST and fills no column."""
    plain = enriched(PAGE_VIEW)

    with_key = enriched({**PAGE_VIEW, key: "\x00 anything"})

    assert plain == with_key


def test_an_unknown_key_is_harmless() -> None:
    """In a query string nothing checks the keys, and a name may stand alone."""
    assert enriched(PAGE_VIEW) == enriched({**PAGE_VIEW, "foo": "1", "bar": None, "eid": None})


@pytest.mark.parametrize("key", [key for key, f in FIELDS.items() if f.rule in INVALID])
def test_a_value_that_breaks_its_rule_fails_the_event(key: str) -> None:
    """As a violation of the atomic schema that names the key."""
    found = failure({**PAGE_VIEW, key: INVALID[FIELDS[key].rule]})

    assert (Phase.SCHEMA, [(key, PARSE_ERROR)]) == (found.phase, atomic(found))


def test_all_broken_rules_are_told_at_once() -> None:
    """One message has a report for each."""
    found = failure({**PAGE_VIEW, "eid": "1", "vid": "x", "res": "1"})

    assert [("eid", PARSE_ERROR), ("vid", PARSE_ERROR), ("res", PARSE_ERROR)] == atomic(found)
    assert 1 == len(found.messages)


@pytest.mark.parametrize(
    ("code", "name", "schema"),
    [
        ("pv", "page_view", f"iglu:{SNOWPLOW}/page_view/jsonschema/1-0-0"),
        ("pp", "page_ping", f"iglu:{SNOWPLOW}/page_ping/jsonschema/1-0-0"),
        ("tr", "transaction", f"iglu:{SNOWPLOW}/transaction/jsonschema/1-0-0"),
        ("ti", "transaction_item", f"iglu:{SNOWPLOW}/transaction_item/jsonschema/1-0-0"),
        ("se", "struct", "iglu:com.google.analytics/event/jsonschema/1-0-0"),
        ("ev", "struct", "iglu:com.google.analytics/event/jsonschema/1-0-0"),
        ("ue", "unstruct", None),
    ],
)
def test_a_type_of_event_has_a_name_and_a_schema(code: str, name: str, schema: str | None) -> None:
    """The schemas are labels; a self-describing event without data has none, and passes."""
    found = enriched({**PAGE_VIEW, "e": code})

    assert (name, schema, None) == (found.columns["event"], found.schema, found.failure)


@pytest.mark.parametrize(("parameters", "value"), [({"p": "srv"}, None), ({"e": "ad"}, "ad_impression")])
def test_an_event_without_a_schema_fails_as_an_enrichment(
    parameters: dict[str, str], value: str | None
) -> None:
    """One without a type, which only a GET can have, and an ad impression."""
    found = failure(parameters)

    assert Phase.ENRICHMENT is found.phase
    assert [(None, "event", value)] == [
        (m["enrichment"], m["message"]["field"], m["message"]["value"]) for m in found.messages
    ]


@pytest.mark.parametrize(
    "parameters",
    [
        {"ue_pr": self_describing(ORDER)},
        {"ue_px": base64.b64encode(self_describing(ORDER).encode()).decode()},
        {"ue_px": base64.urlsafe_b64encode(self_describing(ORDER).encode()).decode().rstrip("=")},
    ],
)
def test_a_self_describing_event_has_the_schema_inside(parameters: dict[str, str]) -> None:
    """As text or as base64."""
    found = enriched({**PAGE_VIEW, "e": "ue", **parameters})

    assert (None, ORDER["schema"]) == (found.failure, found.schema)
    assert found.self_describing is not None
    assert ORDER == found.self_describing.as_json()


def test_self_describing_data_does_not_change_another_event() -> None:
    """Every key is read for every type of event; the schema goes by the type."""
    found = enriched({**PAGE_VIEW, "ue_pr": self_describing(ORDER)})

    assert f"iglu:{SNOWPLOW}/page_view/jsonschema/1-0-0" == found.schema
    assert found.self_describing is not None


@pytest.mark.parametrize(
    "parameters",
    [
        {"co": entities([USER, ORDER])},
        {"cx": base64.b64encode(entities([USER, ORDER]).encode()).decode()},
    ],
)
def test_entities_come_as_text_or_as_base64(parameters: dict[str, str]) -> None:
    """With every type of event."""
    found = enriched({**PAGE_VIEW, **parameters})

    assert (None, [USER, ORDER]) == (found.failure, [e.as_json() for e in found.entities])


def test_of_both_forms_the_base64_one_survives() -> None:
    """Both are read: bad JSON in either fails the event."""
    cx = base64.b64encode(entities([ORDER]).encode()).decode()

    both = enriched({"cx": cx, **PAGE_VIEW, "co": entities([USER])})
    broken = failure({**PAGE_VIEW, "cx": cx, "co": ""})

    assert [ORDER] == [entity.as_json() for entity in both.entities]
    assert Phase.SCHEMA is broken.phase


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, "") for key in ("ue_pr", "ue_px", "co", "cx")),
        *((key, "{}") for key in ("ue_pr", "co")),
        *((key, "e30=") for key in ("ue_px", "cx")),
        ("co", self_describing(ORDER)),
        ("ue_pr", entities([USER])),
        ("co", entities([USER, {}])),
        ("ue_pr", self_describing({**ORDER, "schema": "com.acme/order"})),
    ],
)
def test_bad_json_fails_the_event(key: str, text: str) -> None:
    """Empty texts among it: a key without a value must be left out."""
    found = failure({**PAGE_VIEW, "e": "ue", key: text})

    assert Phase.SCHEMA is found.phase


@pytest.mark.parametrize("column", FILLERS)
def test_a_value_longer_than_its_column_fails_the_event(column: str) -> None:
    """At its limit a value passes, above it fails; nothing is cut."""
    key, around = FILLERS[column]
    limit = MAX_LENGTHS[column]

    fits = enriched({**PAGE_VIEW, key: around.format("x" * limit)})
    found = failure({**PAGE_VIEW, key: around.format("x" * (limit + 1))})

    assert None is fits.failure
    assert (Phase.SCHEMA, (column, LENGTH_EXCEEDED)) == (found.phase, atomic(found)[0])


@pytest.mark.parametrize(("key", "column"), [("url", "page_url"), ("refr", "page_referrer")])
def test_a_url_is_measured_after_it_was_rewritten(key: str, column: str) -> None:
    """A space counts three, so a URL that fits as it is sent may fail."""
    start = "http://a.com/?"
    half = "b" * 4900
    as_sent = f"{start}{half}#" + "c" * 2900

    fits = enriched({**PAGE_VIEW, key: as_sent})
    found = failure({**PAGE_VIEW, key: as_sent + " " * 800})

    assert None is fits.failure
    assert (column, LENGTH_EXCEEDED) in atomic(found)


def test_lengths_are_counted_in_utf_16_after_cleaning() -> None:
    """Emoji count twice, tabs four times, control characters not at all."""
    fits = enriched({**PAGE_VIEW, "tr_cu": "\x00a😀\n"})
    emoji = failure({**PAGE_VIEW, "tr_cu": "ab😀"})
    tab = failure({**PAGE_VIEW, "tr_cu": "\t"})

    assert None is fits.failure
    assert [("tr_currency", LENGTH_EXCEEDED)] == atomic(emoji) == atomic(tab)


def test_the_request_fills_what_the_event_lacks() -> None:
    """Times, address, agent, network user id, and an event id."""
    columns = enriched(PAGE_VIEW, post(body_of(PAGE_VIEW), useragent="Agent\t1")).columns

    expected = {
        "collector_tstamp": RECEIVED_MS,
        "etl_tstamp": RECEIVED_MS,
        "derived_tstamp": RECEIVED_MS,
        "user_ipaddress": "127.0.0.1",
        "network_userid": USER_ID,
        "useragent": "Agent    1",
        "event_id": str(GENERATED_ID),
    }
    assert expected == {column: columns[column] for column in expected}


@pytest.mark.parametrize(
    ("parameters", "column", "expected"),
    [
        ({"eid": EVENT_ID.upper()}, "event_id", EVENT_ID),
        ({"ip": "203.0.113.7, 10.0.0.1"}, "user_ipaddress", "203.0.113.7"),
        ({"ip": ""}, "user_ipaddress", "127.0.0.1"),
        ({"ua": "Mozilla"}, "useragent", "Mozilla"),
        ({"cv": "mine"}, "v_collector", "mine"),
        ({"nuid": "n"}, "network_userid", "n"),
        ({"tnuid": "t"}, "network_userid", "t"),
        ({"nuid": "n", "tnuid": "t"}, "network_userid", "t"),
        ({"tnuid": "t", "nuid": "n"}, "network_userid", "t"),
        ({"tnuid": "", "nuid": "n"}, "network_userid", "n"),
        ({"nuid": ""}, "network_userid", USER_ID),
    ],
)
def test_the_event_wins_over_the_request(parameters: dict[str, str], column: str, expected: str) -> None:
    """What an event says of itself counts; `tnuid` before `nuid` before the cookie."""
    assert expected == enriched({**PAGE_VIEW, **parameters}).columns[column]


def test_an_unreadable_event_id_is_not_replaced() -> None:
    """Only a missing one is made up."""
    found = enriched({**PAGE_VIEW, "eid": "1"})

    assert "event_id" not in found.columns


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, RECEIVED_MS),
        ({"dtm": "1000"}, RECEIVED_MS),
        ({"stm": "1000"}, RECEIVED_MS),
        ({"dtm": "1000", "stm": "4000"}, RECEIVED_MS - 3000),
        ({"dtm": "1000", "stm": "1000"}, RECEIVED_MS),
        ({"dtm": "4000", "stm": "1000"}, RECEIVED_MS),
        ({"dtm": "1000", "stm": "4000", "ttm": "7"}, 7),
        ({"ttm": "0"}, 0),
    ],
)
def test_the_derived_time_corrects_the_clock_of_the_device(parameters: dict[str, str], expected: int) -> None:
    """A true time is taken as it is; else what passed on the device counts back from receipt."""
    assert expected == enriched({**PAGE_VIEW, **parameters}).columns["derived_tstamp"]


@pytest.mark.parametrize(
    ("key", "prefix", "column"),
    [("url", "page", "page_url"), ("refr", "refr", "page_referrer")],
)
def test_urls_are_split(key: str, prefix: str, column: str) -> None:
    """The page's and the referrer's, each into six columns."""
    columns = enriched({**PAGE_VIEW, key: "https://a.com:8080/x y?q=1#f"}).columns

    expected: dict[str, Cell] = {
        column: "https://a.com:8080/x%20y?q=1#f",
        f"{prefix}_urlscheme": "https",
        f"{prefix}_urlhost": "a.com",
        f"{prefix}_urlport": 8080,
        f"{prefix}_urlpath": "/x%20y",
        f"{prefix}_urlquery": "q=1",
        f"{prefix}_urlfragment": "f",
    }
    assert expected == {name: columns[name] for name in expected}


def test_the_parts_that_a_url_lacks_are_null() -> None:
    """All but the port."""
    columns = enriched({**PAGE_VIEW, "url": "http://a.com"}).columns

    parts = {name for name in columns if name.startswith("page_url")}

    assert {"page_url", "page_urlscheme", "page_urlhost", "page_urlport"} == parts


@pytest.mark.parametrize(("key", "column"), [("url", "page_url"), ("refr", "page_referrer")])
def test_a_url_that_java_cannot_read_fails_as_an_enrichment(key: str, column: str) -> None:
    """Both are named."""
    found = failure({**PAGE_VIEW, key: "http://"})

    assert Phase.ENRICHMENT is found.phase
    assert [column] == [message["message"]["field"] for message in found.messages]


@pytest.mark.parametrize(
    ("parameters", "referer", "expected"),
    [
        ({}, "http://r.com/", "http://r.com/"),
        ({"url": ""}, "http://r.com/", "http://r.com/"),
        ({"url": "http://a.com/"}, "http://r.com/", "http://a.com/"),
        ({}, None, None),
        ({}, "", None),
    ],
)
def test_the_referer_of_the_request_stands_in_for_the_page(
    parameters: dict[str, str], referer: str | None, expected: str | None
) -> None:
    """That is why a server must not send the header."""
    columns = enriched({**PAGE_VIEW, **parameters}, post(b"", referer=referer)).columns

    assert expected == columns.get("page_url")


def test_a_bad_referer_fails_the_event() -> None:
    """It is read like any other page URL."""
    assert Phase.ENRICHMENT is failure(PAGE_VIEW, referer="http://").phase


@pytest.mark.parametrize(
    ("query", "user_id", "sent_ms"),
    [
        ("_sp=abc.1790000000000", "abc", 1790000000000),
        ("x=1&_sp=abc.1790000000000.s.u.i.web.r&y=2", "abc", 1790000000000),
        ("_sp=abc", "abc", None),
        ("_sp=abc.", "abc", None),
        ("_sp=.1790000000000", None, 1790000000000),
        ("_sp=", None, None),
        ("_sp", None, None),
        ("_sp=1.2.3.4.5.6.7.8", None, None),
        ("x_sp=abc.1", None, None),
    ],
)
def test_a_link_between_domains_is_read(query: str, user_id: str | None, sent_ms: int | None) -> None:
    """`_sp` in the query of the page, of at most seven parts."""
    found = enriched({**PAGE_VIEW, "url": f"http://a.com/?{query}"})

    columns = found.columns
    actual = (columns.get("refr_domain_userid"), columns.get("refr_dvce_tstamp"), found.failure)
    assert (user_id, sent_ms, None) == actual


def test_a_link_between_domains_with_a_bad_time_fails_the_event() -> None:
    """As an enrichment; so a middleware may want to clean it."""
    assert Phase.ENRICHMENT is failure({**PAGE_VIEW, "url": "http://a.com/?_sp=abc.now"}).phase


def test_a_link_between_domains_is_not_read_from_the_referer() -> None:
    """Only the event's own page URL counts."""
    columns = enriched(PAGE_VIEW, post(b"", referer="http://a.com/?_sp=abc.1")).columns

    assert "refr_domain_userid" not in columns


def test_a_user_id_of_a_link_has_a_limit() -> None:
    """It is measured like any other column."""
    found = failure({**PAGE_VIEW, "url": f"http://a.com/?_sp={'x' * 129}.1"})

    assert [("refr_domain_userid", LENGTH_EXCEEDED)] == atomic(found)


@pytest.mark.parametrize(
    ("parameters", "phase"),
    [
        ({"url": "http://", "eid": "1"}, Phase.SCHEMA),
        ({"url": "http://", "co": entities([{}])}, Phase.SCHEMA),
        ({"url": "http://", "page": "x" * 2001}, Phase.ENRICHMENT),
        ({"page": "x" * 2001, "eid": "1"}, Phase.SCHEMA),
        ({"e": "xx"}, Phase.SCHEMA),
    ],
)
def test_the_first_phase_that_fails_gives_the_name(parameters: dict[str, str], phase: Phase) -> None:
    """Reading comes before enriching, enriching before measuring."""
    assert phase is failure({**PAGE_VIEW, **parameters}).phase


def test_problems_of_the_same_kind_are_shown_together() -> None:
    """What cannot be read, what is no entity, and what is too long."""
    found = failure({**PAGE_VIEW, "eid": "1", "co": "", "page": "x" * 2001})

    assert [("eid", PARSE_ERROR), ("page_title", LENGTH_EXCEEDED)] == atomic(found)
    assert 3 == len(found.messages)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(st.characters(categories=None)), max_size=8))
def test_no_event_makes_it_raise(parameters: dict[str, str]) -> None:
    """Whatever arrives, it is good or its failure has a message that is JSON."""
    found = enriched({**PAGE_VIEW, **parameters}).failure

    if found is not None:
        assert found.messages
        json.dumps(found.messages, allow_nan=False)
