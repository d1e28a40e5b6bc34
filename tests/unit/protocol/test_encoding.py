"""From an event to the bytes of its record."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from aiotracker import (
    Entity,
    Event,
    InvalidDataError,
    PagePing,
    PageView,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
)
from aiotracker.protocol.encoding import Encoding, decode, encode, encode_base64, largest_fields
from aiotracker.protocol.layer import EMPTY_LAYER, Layer
from aiotracker.protocol.record import Kind, Record

PAGE = "https://acme.com/"
NEW_ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
OWN_ID = "6de9024e-17b9-4026-bd4d-efec50ae84cb"
NOW_MS = 1_740_832_200_000
TRACKER = Layer({"tv": "aiotracker-1", "tna": "web", "p": "srv", "aid": "shop"})
ORDER = SelfDescribingJson("iglu:com.acme/order/jsonschema/1-0-0", {"id": 7})
SESSION = SelfDescribingJson(
    "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2", {"userId": "u-1"}
)
SELF_DESCRIBING = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
ENTITIES = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"


class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
    """A typed entity."""

    sku: str


class Order(SelfDescribingEvent, schema="iglu:com.acme/order/jsonschema/2-0-0"):
    """A typed event."""

    total: Decimal
    coupon: str | None = None


def record_of(
    event: Event,
    *,
    tracker: Layer = TRACKER,
    scope: Layer | None = None,
    encoding: Encoding = Encoding(),  # noqa: B008 - frozen
) -> Record:
    """Return the record of an event, by default of a plain tracker."""
    return encode(event, event_id=NEW_ID, created_ms=NOW_MS, tracker=tracker, scope=scope, encoding=encoding)


def once(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object, none of which may be repeated."""
    names = [name for name, _ in members]
    assert sorted(set(names)) == sorted(names)
    return dict(members)


def payload(record: Record) -> dict[str, Any]:
    """Return the JSON object of a record, read strictly."""
    decoded: dict[str, Any] = json.loads(record.data + b"}", object_pairs_hook=once)
    return decoded


def entities_of(record: Record) -> list[Any]:
    """Return the entities of a record, out of their envelope."""
    envelope = json.loads(payload(record)["co"])
    assert ENTITIES == envelope["schema"]
    assert {"schema", "data"} == envelope.keys()
    found: list[Any] = envelope["data"]
    return found


def test_a_page_view_is_all_there() -> None:
    """The constant fields, the event's own, an id and a time: texts all of them."""
    event = PageView(page_url=PAGE, page_title="Größe", referrer="https://x.example/")

    record = record_of(event)

    assert {
        "tv": "aiotracker-1",
        "tna": "web",
        "p": "srv",
        "aid": "shop",
        "e": "pv",
        "eid": NEW_ID,
        "dtm": str(NOW_MS),
        "url": PAGE,
        "page": "Größe",
        "refr": "https://x.example/",
    } == payload(record)
    assert (NEW_ID, Kind.ORDINARY) == (record.event_id, record.kind)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            PagePing(page_url=PAGE, page_title="t", referrer=PAGE, min_x=0, max_x=-1, min_y=2, max_y=3),
            {"e": "pp", "url": PAGE, "page": "t", "refr": PAGE}
            | {"pp_mix": "0", "pp_max": "-1", "pp_miy": "2", "pp_may": "3"},
        ),
        (
            StructuredEvent(category="c", action="a", label="l", property_="p", value=Decimal("1.50")),
            {"e": "se", "se_ca": "c", "se_ac": "a", "se_la": "l", "se_pr": "p", "se_va": "1.50"},
        ),
        (
            StructuredEvent(category="c", action="a", value=0),
            {"e": "se", "se_ca": "c", "se_ac": "a", "se_va": "0"},
        ),
    ],
    ids=["page ping", "structured", "zero is a value"],
)
def test_fields_travel_under_their_wire_names(event: Event, expected: dict[str, str]) -> None:
    """What is given is sent, what is not is not."""
    sent = payload(record_of(event))

    assert expected == {key: sent[key] for key in sent.keys() - TRACKER.pairs.keys() - {"eid", "dtm"}}


def test_times_and_ids_of_the_event_win() -> None:
    """`event_id`, `created_at` and `true_timestamp` become eid, dtm and ttm."""
    event = PageView(
        page_url=PAGE,
        event_id=UUID(OWN_ID),
        created_at=datetime(2013, 5, 16, 17, 28, 7, tzinfo=UTC),
        true_timestamp=1_368_725_288_000,
    )

    record = record_of(event)

    sent = payload(record)
    assert (OWN_ID, "1368725287000", "1368725288000") == (sent["eid"], sent["dtm"], sent["ttm"])
    assert OWN_ID == record.event_id


def test_the_event_wins_over_its_subject_over_the_scope_over_the_tracker() -> None:
    """Each level replaces what the one below says of the same field, and leaves the rest."""
    tracker = TRACKER.over({"uid": "tracker", "lang": "tracker", "tz": "tracker", "url": "tracker"}, (), None)
    scope = Layer({"lang": "scope", "tz": "scope", "url": "scope", "p": "web"})
    subject = Subject(timezone="subject", page_url="https://subject.example/", platform="mob")

    sent = payload(record_of(PageView(page_url=PAGE, event_subject=subject), tracker=tracker, scope=scope))

    assert {"uid": "tracker", "lang": "scope", "tz": "subject", "url": PAGE, "p": "mob"} == {
        key: sent[key] for key in ("uid", "lang", "tz", "url", "p")
    }


def test_a_subject_without_a_platform_leaves_the_trackers() -> None:
    """A subject of the event's own does not turn a server into a PC."""
    event = PageView(page_url=PAGE, event_subject=Subject(user_id="u-1"))

    sent = payload(record_of(event))

    assert ("srv", "u-1") == (sent["p"], sent["uid"])


@pytest.mark.parametrize(
    "scope", [None, EMPTY_LAYER, Layer({"uid": "u-1"})], ids=["none", "empty", "disjoint"]
)
@pytest.mark.parametrize("tracker", [TRACKER, EMPTY_LAYER], ids=["tracker", "bare"])
def test_layers_without_common_fields_are_joined_as_they_are(tracker: Layer, scope: Layer | None) -> None:
    """The encoded layers are used again, whichever of them is empty."""
    sent = payload(record_of(PageView(page_url=PAGE), tracker=tracker, scope=scope))

    own = {"e": "pv", "url": PAGE, "eid": NEW_ID, "dtm": str(NOW_MS)}
    assert {**tracker.pairs, **(scope.pairs if scope else {}), **own} == sent


def test_self_describing_data_is_json_in_its_envelope() -> None:
    """`ue_pr` holds the envelope around the event's own schema and data."""
    sent = payload(record_of(SelfDescribing(ORDER)))

    assert {
        "schema": SELF_DESCRIBING,
        "data": {"schema": ORDER.schema, "data": {"id": 7}},
    } == json.loads(sent["ue_pr"])
    assert {"ue_px", "co", "cx"}.isdisjoint(sent)


def test_a_typed_event_states_its_own_schema() -> None:
    """Its fields are the data; digits stay, and what is absent is left out."""
    sent = payload(record_of(Order(total=Decimal("9.990"))))

    assert '"schema":"iglu:com.acme/order/jsonschema/2-0-0","data":{"total":9.990}' in sent["ue_pr"]


def test_entities_come_in_order() -> None:
    """Those of the tracker, then the scope's, then the event's; typed ones among generic ones."""
    tracker = TRACKER.over({}, [SelfDescribingJson("iglu:com.acme/a/jsonschema/1-0-0", 1)], None)
    scope = Layer({}, (Product(sku="s-1"),))
    event = PageView(page_url=PAGE, context=[ORDER, Product(sku="s-2")])

    found = entities_of(record_of(event, tracker=tracker, scope=scope))

    assert [
        {"schema": "iglu:com.acme/a/jsonschema/1-0-0", "data": 1},
        {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "s-1"}},
        {"schema": "iglu:com.acme/order/jsonschema/1-0-0", "data": {"id": 7}},
        {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "s-2"}},
    ] == found


@pytest.mark.parametrize("context", [None, [], ()])
def test_without_entities_there_is_no_envelope(context: Sequence[Entity] | None) -> None:
    """An empty list sends nothing."""
    sent = payload(record_of(PageView(page_url=PAGE, context=context)))

    assert {"co", "cx"}.isdisjoint(sent)


def test_base64_replaces_json() -> None:
    """With base64 the other member of each pair is sent, in the URL-safe alphabet and without padding."""
    event = SelfDescribing(SelfDescribingJson(ORDER.schema, {"q": "ÿ?>~ü"}), context=[ORDER])

    sent = payload(record_of(event, encoding=Encoding(base64=True)))

    plain = payload(record_of(event))
    assert {"ue_pr", "co"}.isdisjoint(sent)
    for encoded, key in (("ue_px", "ue_pr"), ("cx", "co")):
        text = sent[encoded]
        assert set("+/=").isdisjoint(text)
        assert plain[key] == base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def test_base64_can_be_added_later() -> None:
    """For a GET the pairs of a plain record become what a base64 record holds."""
    event = SelfDescribing(ORDER, context=[ORDER])

    later = encode_base64(decode(record_of(event).data))

    assert payload(record_of(event, encoding=Encoding(base64=True))) == later


def test_base64_without_json_changes_nothing() -> None:
    """A page view without entities has nothing to encode."""
    pairs = decode(record_of(PageView(page_url=PAGE)).data)

    assert pairs == encode_base64(pairs)


@pytest.mark.parametrize(
    ("tracker", "scope", "expected"),
    [
        (True, None, Kind.ANONYMOUS),
        (None, None, Kind.ORDINARY),
        (False, True, Kind.ANONYMOUS),
        (True, False, Kind.ORDINARY),
    ],
)
def test_the_scope_decides_on_anonymity(*, tracker: bool | None, scope: bool | None, expected: Kind) -> None:
    """The tracker's word counts where the scope says nothing."""
    layer = None if scope is None else Layer({}, (), scope)

    record = record_of(PageView(page_url=PAGE), tracker=Layer(TRACKER.pairs, (), tracker), scope=layer)

    assert expected is record.kind


def test_an_anonymous_event_says_nothing_of_the_person() -> None:
    """No ids and no address, from whichever level, and no session entity; the rest stays."""
    subject = Subject(
        user_id="u-1",
        domain_user_id="d-1",
        domain_session_id=OWN_ID,
        domain_session_index=3,
        network_user_id="n-1",
        fingerprint="f-1",
        ip_address="203.0.113.7",
        useragent="Mozilla/5.0",
        lang="en",
    )
    tracker = Layer({**TRACKER.pairs, **subject.pairs()}, (SESSION,), anonymous=True)
    scope = Layer(subject.pairs(), (SESSION, ORDER))
    event = PageView(page_url=PAGE, event_subject=subject, context=[SESSION, ORDER])

    record = record_of(event, tracker=tracker, scope=scope)

    sent = payload(record)
    assert {"uid", "duid", "sid", "vid", "tnuid", "fp", "ip"}.isdisjoint(sent)
    assert ("Mozilla/5.0", "en", NEW_ID) == (sent["ua"], sent["lang"], sent["eid"])
    assert [ORDER.schema] * 2 == [entity["schema"] for entity in entities_of(record)]


def test_an_anonymous_event_may_lose_all_its_entities() -> None:
    """When the session was the only one, no empty envelope is sent."""
    sent = payload(
        record_of(PageView(page_url=PAGE, context=[SESSION]), tracker=Layer({}, (), anonymous=True))
    )

    assert "co" not in sent


def test_an_ordinary_event_keeps_its_session() -> None:
    """The session entity is dropped from anonymous events only."""
    found = entities_of(record_of(PageView(page_url=PAGE, context=[SESSION])))

    assert [SESSION.schema] == [entity["schema"] for entity in found]


def test_two_records_of_one_event_are_independent() -> None:
    """Nothing is changed by encoding, and what is changed later does not reach back."""
    data: dict[str, object] = {"id": 7}
    subject = Subject(user_id="u-1")
    event = SelfDescribing(SelfDescribingJson(ORDER.schema, data), event_subject=subject)

    first = record_of(event)
    same = record_of(event)
    data["id"] = 8
    subject.user_id = "u-2"
    changed = record_of(event)

    assert first == same
    assert ("u-1", "u-2") == (payload(first)["uid"], payload(changed)["uid"])
    assert '"data":{"id":7}' in payload(first)["ue_pr"]
    assert '"data":{"id":8}' in payload(changed)["ue_pr"]


def test_the_custom_encoder_reaches_events_and_entities() -> None:
    """Objects without a JSON form go through `json_encoder`, wherever they are."""
    event = SelfDescribing(
        SelfDescribingJson(ORDER.schema, {"n": 1j}), context=[SelfDescribingJson(ORDER.schema, 2j)]
    )

    record = record_of(event, encoding=Encoding(json_encoder=str))

    assert '"data":{"n":"1j"}' in payload(record)["ue_pr"]
    assert "2j" == entities_of(record)[0]["data"]


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (
            SelfDescribing(SelfDescribingJson(ORDER.schema, {"items": [1, {"price": b"9"}]})),
            "data.items[1].price",
        ),
        (Order(total=Decimal("1e400")), "data.total"),
        (
            PageView(page_url=PAGE, context=[ORDER, SelfDescribingJson(ORDER.schema, {"x": {1: 2}})]),
            "context[1].data.x[1]",
        ),
    ],
    ids=["event", "typed event", "entity"],
)
def test_data_without_a_json_form_is_named_by_its_path(event: Event, path: str) -> None:
    """The path begins with what the caller wrote: the data of the event, or the entity's place."""
    with pytest.raises(InvalidDataError) as caught:
        record_of(event)

    assert path == caught.value.path


def test_the_place_of_an_entity_is_counted_in_its_own_list() -> None:
    """Entities of tracker and scope do not move those of the event."""
    bad = SelfDescribingJson(ORDER.schema, {"x": b""})
    tracker = TRACKER.over({}, [ORDER], None)

    with pytest.raises(InvalidDataError) as own:
        record_of(PageView(page_url=PAGE, context=[bad]), tracker=tracker)
    with pytest.raises(InvalidDataError) as below:
        record_of(PageView(page_url=PAGE), tracker=tracker, scope=Layer({}, (bad,)))

    assert "context[0].data.x" == own.value.path
    assert "scope.context[0].data.x" == below.value.path


@pytest.mark.parametrize(
    "text",
    ['"', "\\", "\n\t\x00\x1f\x7f", "\u2028\u2029", "größe 日本 \U0001f600", "</script>", "{}[],:", "%00"],
)
def test_any_text_survives(text: str) -> None:
    """The record is UTF-8 JSON without ASCII escapes, and decodes to what was given."""
    event = StructuredEvent(
        category=text, action="a", context=[SelfDescribingJson(ORDER.schema, {text: text})]
    )

    record = record_of(event)

    assert text == payload(record)["se_ca"]
    assert [{text: text}] == [entity["data"] for entity in entities_of(record)]
    assert decode(record.data) == payload(record)


def test_the_largest_fields_are_counted_in_bytes() -> None:
    """Sizes are of UTF-8, largest first, three by default."""
    event = StructuredEvent(category="ü" * 300, action="a" * 500, label="l" * 400, property_="p")

    assert [("se_ca", 600), ("se_ac", 500), ("se_la", 400)] == largest_fields(record_of(event).data)
    assert [("se_ca", 600)] == largest_fields(record_of(event).data, count=1)


def test_decode_is_the_way_back() -> None:
    """The bytes hold the pairs in their order."""
    pairs: Mapping[str, str] = decode(b'{"e":"pv","p":"srv"')

    assert [("e", "pv"), ("p", "srv")] == list(pairs.items())
