"""Whatever event is accepted, its payload is whole and the pipeline takes it."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import Event
from aiotracker.micro.payload import CollectorPayload
from aiotracker.micro.receipt import events as received
from aiotracker.micro.receipt import receive
from aiotracker.protocol.encoding import Encoding, decode, encode
from aiotracker.protocol.envelope import CONTENT_TYPE, body_bytes, get_query, post_body
from aiotracker.protocol.layer import Layer
from aiotracker.protocol.record import Kind, Record
from aiotracker.protocol.rules import wire
from tests.property.strategies import events, layers

pytestmark = pytest.mark.filterwarnings("ignore::aiotracker.PipelineWarning")

NOW_MS = 1_740_832_200_000
TRACKER = Layer({"tv": "aiotracker-1", "tna": "web", "p": "srv"})
REQUIRED = {"e", "p", "tv"}
WHOLE = re.compile(r"-?[0-9]+")
SIZE = re.compile(r"[0-9]+x[0-9]+")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# An own reading of the protocol, key by key; the length of a text is checked where it is read back.
READS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("eid", "sid"), ID.fullmatch),
    **dict.fromkeys(
        ("dtm", "stm", "ttm"), lambda text: WHOLE.fullmatch(text) and int(text) < 253_402_300_800_000
    ),
    **dict.fromkeys(
        ("vid", "pp_mix", "pp_max", "pp_miy", "pp_may"),
        lambda text: WHOLE.fullmatch(text) and -(2**31) <= int(text) < 2**31,
    ),
    **dict.fromkeys(
        ("res", "vp", "ds"),
        lambda text: SIZE.fullmatch(text) and all(0 < int(side) < 2**31 for side in text.split("x")),
    ),
    "cookie": {"0", "1"}.__contains__,
    "e": {"pv", "pp", "se", "ue"}.__contains__,
    "p": {"web", "mob", "pc", "srv", "app", "tv", "cnsl", "iot", "headset"}.__contains__,
    "ip": re.compile(r"[0-9a-f.:]+").fullmatch,
    "se_va": lambda text: Decimal(text).is_finite(),
    **dict.fromkeys(("ue_pr", "co"), lambda text: json.loads(text)["schema"].startswith("iglu:")),
    **dict.fromkeys(("url", "refr", "page", "se_ca", "se_ac", "se_la", "se_pr"), len),
    **dict.fromkeys(("tv", "tna", "uid", "duid", "tnuid", "fp", "ua", "tz", "lang", "cs", "cd"), len),
}


def record_of(
    event: Event, tracker: Layer = TRACKER, scope: Layer | None = None, *, base64: bool = False
) -> Record:
    """Return the record of an event."""
    return encode(
        event,
        event_id=str(uuid4()),
        created_ms=NOW_MS,
        tracker=tracker,
        scope=scope,
        encoding=Encoding(base64=base64),
    )


def once(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object, none of which may be repeated."""
    assert len(dict(members)) == len(members)
    return dict(members)


def request(*, query: str = "", body: bytes | None = None) -> CollectorPayload:
    """Return a request as a collector hands it on."""
    return CollectorPayload(
        vendor="com.snowplowanalytics.snowplow",
        version="tp1" if body is None else "tp2",
        query=query,
        content_type=None if body is None else CONTENT_TYPE,
        body=body,
        received_ms=NOW_MS,
        ip_address="203.0.113.7",
        useragent=None,
        referer=None,
        headers=(),
        network_user_id=str(UUID(int=0)),
    )


def complaints(payload: CollectorPayload) -> list[object]:
    """Return what the local collector, which reads as the pipeline does, finds wrong with a request."""
    receipt = receive(payload, uuid4)
    if not receipt.event_ids:
        return ["the request failed as a whole"]
    return [shown.enriched.failure for shown in received(receipt, good=False)]


@given(event=events(), tracker=layers(), scope=st.none() | layers())
def test_a_payload_follows_the_protocol(event: Event, tracker: Layer, scope: Layer | None) -> None:
    """Known keys, each once, with texts that the rule of the key reads; the required ones are there."""
    record = record_of(
        event, Layer({**TRACKER.pairs, **tracker.pairs}, tracker.entities, tracker.anonymous), scope
    )

    sent = json.loads(record.data + b"}", object_pairs_hook=once)

    assert sent.keys() >= REQUIRED
    assert {} == {
        key: text for key, text in sent.items() if not isinstance(text, str) or not READS[key](text)
    }
    assert {"ue_pr"} & sent.keys() == ({"ue_pr"} if sent["e"] == "ue" else set())


@given(event=events())
def test_values_survive(event: Event) -> None:
    """What was given is what is decoded at the other end."""
    record = record_of(event)

    (sent,) = json.loads(post_body([record.data], NOW_MS))["data"]

    subject = event.event_subject
    own = {
        field.key: wire(getattr(event, name))
        for name, field in event.wired()
        if getattr(event, name) is not None
    }
    expected = {**(subject.pairs() if subject else {}), **own}
    assert expected == {key: sent[key] for key in expected}
    assert str(NOW_MS) == sent["stm"]
    assert record.event_id == sent["eid"]


@given(batch=st.lists(events(), min_size=1, max_size=5))
def test_the_pipeline_takes_every_accepted_event(batch: list[Event]) -> None:
    """No event is bad, alone or in a batch, as JSON text."""
    records = [record_of(event) for event in batch]

    body = post_body([record.data for record in records], NOW_MS)

    assert [] == complaints(request(body=body))


@given(event=events(), tracker=layers(), scope=layers(), base64=st.booleans())
def test_the_pipeline_takes_what_layers_add(
    event: Event, tracker: Layer, scope: Layer, *, base64: bool
) -> None:
    """Subjects and entities of every level are as good as the event's own, in base64, too."""
    below = Layer({**TRACKER.pairs, **tracker.pairs}, tracker.entities, tracker.anonymous)

    body = post_body([record_of(event, below, scope, base64=base64).data], NOW_MS)

    assert [] == complaints(request(body=body))


@given(event=events(), base64=st.booleans())
def test_the_pipeline_takes_every_event_by_get(event: Event, *, base64: bool) -> None:
    """The query is a legal URI query whose decoded pairs are the event's."""
    record = record_of(event)

    query = get_query(record.data, NOW_MS, base64=base64)

    assert [] == complaints(request(query=query))
    found = parse_qs(query, keep_blank_values=True, strict_parsing=True)
    expected = decode(record.data) | {"stm": str(NOW_MS)}
    for plain, encoded in (("ue_pr", "ue_px"), ("co", "cx")):
        if base64 and plain in expected:
            (text,) = found.pop(encoded)
            assert expected.pop(plain) == base64_text(text)
    assert {key: [text] for key, text in expected.items()} == found


def base64_text(text: str) -> str:
    """Return the text behind URL-safe base64 without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


@given(batch=st.lists(events(), min_size=1, max_size=5))
def test_sizes_are_exact(batch: list[Event]) -> None:
    """The bytes of a body are known before it is built."""
    records = [record_of(event) for event in batch]

    body = post_body([record.data for record in records], NOW_MS)

    assert len(body) == body_bytes(record.size_bytes for record in records)


@given(event=events(), tracker=layers(), scope=st.none() | layers())
def test_anonymous_events_identify_nobody(event: Event, tracker: Layer, scope: Layer | None) -> None:
    """Whatever the levels say of a person is left out, and the record says its kind."""
    below = Layer(tracker.pairs, tracker.entities, anonymous=True)

    record = record_of(event, below, scope and Layer(scope.pairs, scope.entities))

    assert Kind.ANONYMOUS is record.kind
    assert {"ip", "uid", "duid", "sid", "vid", "tnuid", "nuid", "fp"}.isdisjoint(decode(record.data))


@given(event=events())
def test_an_event_can_be_tracked_twice(event: Event) -> None:
    """The second payload differs in nothing but the id that was made for it."""
    first, second = record_of(event), record_of(event)

    pairs = [decode(record.data) | {"eid": ""} for record in (first, second)]
    assert pairs[0] == pairs[1]
    assert (event.event_id is not None) is (first.event_id == second.event_id)
