"""From records to a request: the POST body and the GET query."""

import json
from urllib.parse import parse_qs

import pytest

from aiotracker import PageView, SelfDescribing, SelfDescribingJson, StructuredEvent
from aiotracker.protocol.encoding import Encoding, decode, encode, encode_base64
from aiotracker.protocol.envelope import CONTENT_TYPE, ENVELOPE_BYTES, body_bytes, get_query, post_body
from aiotracker.protocol.layer import Layer
from aiotracker.protocol.record import record_bytes

NOW_MS = 1_740_832_200_000
TRACKER = Layer({"tv": "aiotracker-1", "tna": "größe", "p": "srv"})
ORDER = SelfDescribingJson(
    "iglu:com.acme/order/jsonschema/1-0-0", {"q": "1 + 1 = 100 %; a&b#c 日本\U0001f600"}
)
EVENTS = [
    PageView(page_url="https://acme.com/?q=a b&c=d;e#f+g", page_title="50 % off; 1+1"),
    StructuredEvent(category="\u2028", action="~'()*!$,:@/?", label='"\\\n\t'),
    SelfDescribing(ORDER, context=[ORDER]),
]
RECORDS = [
    encode(
        event,
        event_id=f"0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8{index}",
        created_ms=NOW_MS,
        tracker=TRACKER,
        scope=None,
        encoding=Encoding(),
    ).data
    for index, event in enumerate(EVENTS)
]


def test_the_constants_are_the_protocols() -> None:
    """An empty envelope has 88 bytes; the content type is one of the three that Enrich takes."""
    assert 88 == ENVELOPE_BYTES
    assert "application/json; charset=utf-8" == CONTENT_TYPE


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_body_is_an_envelope_around_its_events(count: int) -> None:
    """`payload_data` 1-0-4, the events in order, each with the time of sending as a text."""
    body = json.loads(post_body(RECORDS[:count], NOW_MS + 5))

    assert {
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": [decode(record) | {"stm": str(NOW_MS + 5)} for record in RECORDS[:count]],
    } == body


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_size_of_a_body_is_known_before(count: int) -> None:
    """The account of sizes is exact to the byte, characters of several bytes included."""
    records = RECORDS[:count]

    assert len(post_body(records, NOW_MS)) == body_bytes(map(record_bytes, records))


def test_a_body_leaves_its_records_alone() -> None:
    """Every attempt splices its own time into the same bytes."""
    first = post_body(RECORDS, NOW_MS)

    second = post_body(RECORDS, NOW_MS + 1000)

    assert first == second.replace(str(NOW_MS + 1000).encode(), str(NOW_MS).encode(), len(RECORDS))


@pytest.mark.parametrize("record", RECORDS, ids=["page view", "structured", "self-describing"])
@pytest.mark.parametrize("base64", [True, False])
def test_a_query_decodes_to_the_event(record: bytes, *, base64: bool) -> None:
    """A form decoder finds each pair once, with the time of sending."""
    query = get_query(record, NOW_MS + 5, base64=base64)

    found = parse_qs(query, keep_blank_values=True, strict_parsing=True)
    pairs = decode(record)
    sent = (encode_base64(pairs) if base64 else pairs) | {"stm": str(NOW_MS + 5)}
    assert {key: [text] for key, text in sent.items()} == found


@pytest.mark.parametrize("record", RECORDS, ids=["page view", "structured", "self-describing"])
@pytest.mark.parametrize("base64", [True, False])
def test_a_query_has_no_character_that_a_server_could_misread(record: bytes, *, base64: bool) -> None:
    """Everything but letters, digits and `_.-~` is escaped: `;` would separate, `#` end, `+` be a space."""
    query = get_query(record, NOW_MS, base64=base64)

    separators = query.replace("&", "").replace("=", "").replace("%", "")
    assert separators.isascii()
    assert separators.translate(dict.fromkeys(map(ord, "_.-~"))).isalnum()


def test_base64_is_the_default_of_a_query() -> None:
    """Escaped JSON would be longer."""
    query = get_query(RECORDS[2], NOW_MS)

    assert get_query(RECORDS[2], NOW_MS, base64=True) == query
    assert len(query) < len(get_query(RECORDS[2], NOW_MS, base64=False))
