"""Everything that users may hand in, as Hypothesis strategies: good events, and hostile values."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st
from pydantic import Field

from aiotracker import (
    Entity,
    Event,
    InvalidEventError,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
)
from aiotracker.protocol.fields import PLATFORMS
from aiotracker.protocol.layer import Layer

T = TypeVar("T")
Values = Mapping[str, st.SearchStrategy[Any]]
SPECIAL = "\t\n\x00\x7f\x85\u2028\ufffd\U0001f600\u0130 %|{}<>\"^\\`[]:/?#@&;=+._-~!$'()*,"

# -- what is good ---------------------------------------------------------------------------------------

characters = st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=["Cs"]))
texts = st.text(characters, max_size=30)
long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 1, 1, 50, 200]))
words = st.text("abcxyzABC0189_-", min_size=1, max_size=10)
schemas = st.builds(
    lambda vendor, name, *version: f"iglu:{vendor}/{name}/jsonschema/{'-'.join(map(str, version))}",
    st.text("abc.-_09", min_size=1, max_size=10),
    words,
    st.integers(1, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
)
int32s = st.integers(-(2**31), 2**31 - 1)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=Decimal("-1e30"), max_value=Decimal("1e30")
)
numbers = st.one_of(
    st.integers(-(10**308), 10**308), st.floats(allow_nan=False, allow_infinity=False), decimals
).filter(lambda number: not number or abs(Decimal(number).adjusted()) <= 308)
offsets = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.one_of(
    st.integers(100_000_000_000, 253_402_300_799_999),
    st.floats(100_000_000_000, 253_402_300_799_999),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets),  # noqa: DTZ001 - bounds are naive
    st.just(datetime(1970, 1, 1, tzinfo=UTC)),
)
dimensions = st.one_of(
    st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
    st.from_regex(r"[1-9][0-9]{0,8}x[1-9][0-9]{0,8}", fullmatch=True),
)
urls = st.one_of(
    texts,
    st.builds("https://acme.com/{}?{}#{}".format, long_texts, long_texts, texts),
    st.builds("{}://{}/{}".format, words, texts, texts),
    st.builds("https://acme.com/?_sp={}.{}".format, texts, st.one_of(texts, st.integers(0))),
)
json_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**308), 10**308),
    st.floats(allow_nan=False, allow_infinity=False),
    decimals,
    texts,
)
json_values = st.recursive(
    json_leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
    """A typed entity."""

    sku: str
    price: Decimal | None = Field(default=None, serialization_alias="listPrice")


class Order(SelfDescribingEvent, schema="iglu:com.acme/order/jsonschema/1-0-0"):
    """A typed event."""

    order_id: int = Field(serialization_alias="orderId")
    coupon: str | None = Field(default=None, max_length=5)
    score: float = Field(default=0, allow_inf_nan=False)
    tags: tuple[str, ...] = ()


def accepted(draw: st.DrawFn, build: Callable[..., T], required: Values, optional: Values) -> T:
    """Draw what a constructor accepts: values that it refuses are tried anew."""
    try:
        return build(**draw(st.fixed_dictionaries(dict(required), optional=dict(optional))))
    except InvalidEventError:
        reject()


described = st.builds(SelfDescribingJson, schemas, json_values)
entities: st.SearchStrategy[SelfDescribingJson | Entity] = st.one_of(
    described, st.builds(Product, sku=texts, price=st.none() | decimals)
)
SUBJECT: Values = {
    "platform": st.sampled_from(PLATFORMS),
    "user_id": long_texts,
    "screen_resolution": dimensions,
    "viewport": dimensions,
    "color_depth": st.integers(1, 64) | texts,
    "timezone": texts,
    "lang": texts,
    "ip_address": st.ip_addresses() | st.ip_addresses().map(str),
    "useragent": long_texts,
    "domain_user_id": texts,
    "domain_session_id": st.uuids() | st.uuids().map(str),
    "domain_session_index": int32s,
    "network_user_id": texts,
    "fingerprint": texts,
    "document_size": dimensions,
    "document_charset": texts,
    "cookies_enabled": st.booleans(),
    "page_url": urls,
    "page_referrer": urls,
}


# Composite, because their `repr` is their name: that of the plain strategies fills a screen.
@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """Draw a subject."""
    return accepted(draw, Subject, {}, SUBJECT)


OPTIONS: Values = {
    "event_subject": subjects(),
    "context": st.lists(entities, max_size=3),
    "true_timestamp": moments,
    "event_id": st.uuids() | st.uuids().map(str),
    "created_at": moments,
}
PAGE: Values = {"page_title": long_texts, "referrer": urls}
OFFSETS: Values = dict.fromkeys(("min_x", "max_x", "min_y", "max_y"), int32s)
SCREEN: Values = {
    "id_": st.uuids(),
    "type": texts,
    "previous_name": texts,
    "previous_id": st.uuids().map(str),
    "previous_type": texts,
    "transition_type": texts,
}
KINDS: list[tuple[Callable[..., Event], Values, Values]] = [
    (PageView, {"page_url": urls}, PAGE),
    (PagePing, {"page_url": urls}, {**PAGE, **OFFSETS}),
    (
        StructuredEvent,
        {"category": long_texts, "action": texts},
        {"label": long_texts, "property_": texts, "value": numbers},
    ),
    (ScreenView, {"name": texts}, SCREEN),
    (SelfDescribing, {"event_json": described}, {}),
    (
        Order,
        {"order_id": st.integers(-(10**308), 10**308)},
        {"coupon": texts, "score": st.floats(), "tags": st.lists(texts, max_size=3)},
    ),
]


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Draw an event of any kind."""
    build, required, optional = draw(st.sampled_from(KINDS))
    event: Event = accepted(draw, build, required, {**optional, **OPTIONS})
    return event


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Draw what a tracker or a scope adds."""
    context = draw(st.lists(entities, max_size=2))
    return Layer(draw(subjects()).pairs(), tuple(context), draw(st.sampled_from([None, True, False])))


# -- what is not ----------------------------------------------------------------------------------------

hostile_texts = st.one_of(
    st.text(max_size=20),  # with lone surrogates
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=4), st.integers(1, 6000)),
    urls,
)
hostile_values = st.one_of(
    hostile_texts,
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.decimals(),
    st.binary(max_size=5),
    st.datetimes(),
    st.datetimes(timezones=offsets),
    st.uuids(),
    st.ip_addresses(),
    st.lists(hostile_texts, max_size=2),
    st.dictionaries(hostile_texts, st.integers(), max_size=2),
    dimensions,
    st.builds(object),
)
