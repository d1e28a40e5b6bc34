"""Malformed events, one for each rule: what a newcomer reads when the tracker refuses one.

`python -m pytest -s -k malformed tests/end_to_end` prints the messages.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field

from aiotracker import (
    AiotrackerError,
    Emitter,
    Entity,
    Event,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)
from aiotracker.micro import Micro

PAGE = "https://acme.com/"
ORDER = "iglu:com.acme/order/jsonschema/1-0-0"
LOOP: dict[str, object] = {}
LOOP["self"] = LOOP


class OrderPlaced(SelfDescribingEvent, schema=ORDER):
    """A typed event."""

    order_id: str = Field(serialization_alias="orderId", max_length=8)
    total: Decimal


class Schemaless(Entity):
    """A typed entity whose author forgot the schema."""

    sku: str


class Customer:
    """What a program has of its own."""


def event(kind: Callable[..., Event], **arguments: Any) -> Event:
    """Build an event from arguments that a type checker would refuse, as callers without one do."""
    return kind(**arguments)


def order(data: object) -> Event:
    """Build a self-describing event."""
    return SelfDescribing(SelfDescribingJson(ORDER, data))


# The rule, an event that breaks it, and what its message must say: what, where, what to do.
MALFORMED: list[tuple[str, Callable[[], Event], list[str]]] = [
    (
        "a required value is missing",
        lambda: event(PageView),
        ["PageView is not valid", "page_url: is required"],
    ),
    (
        "a required value is empty",
        lambda: event(StructuredEvent, category="shop", action=""),
        ["action = ''", "is required and must not be empty"],
    ),
    (
        "a keyword has a typo",
        lambda: event(PageView, page_url=PAGE, page_titel="Home"),
        ["page_titel = 'Home'", "did you mean page_title?"],
    ),
    (
        "a keyword is the one of the published table",
        lambda: event(StructuredEvent, category="shop", action="add", property="pcs"),
        ["property = 'pcs'", "did you mean property_?"],
    ),
    (
        "a text is too long",
        lambda: event(PageView, page_url=PAGE, page_title="x" * 2001),
        ["page_title", "has 2,001 characters", "more than 2,000", "clipped(…)"],
    ),
    (
        "a text is of emojis, which count twice",
        lambda: event(StructuredEvent, category="\U0001f600" * 501, action="a"),
        ["category", "has 1,002 characters", "more than 1,000"],
    ),
    (
        "a text is a number",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject(user_id=7)),  # type: ignore[arg-type]  # refused
        ["Subject is not valid", "user_id = 7", "must be text, not int"],
    ),
    (
        "a text is half an emoji",
        lambda: event(PageView, page_url=PAGE, page_title="\ud83d"),
        ["page_title = '\\ud83d'", "half a surrogate pair", "decode it properly"],
    ),
    (
        "a URL has no host",
        lambda: event(PageView, page_url="https://"),
        ["page_url = 'https://'", "has no host after //", "Enrich would fail the event"],
    ),
    (
        "a URL has a host that is none",
        lambda: event(PageView, page_url="https://acme|shop.com/"),
        ["page_url", "has '|' in its host part"],
    ),
    (
        "a URL has a forged cross-domain parameter",
        lambda: event(PageView, page_url=f"{PAGE}?_sp=me.now"),
        ["page_url", "_sp parameter", "'now' is not milliseconds"],
    ),
    (
        "a platform is made up",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject(platform="coffee")),
        ["platform = 'coffee'", "must be one of web, mob, pc, srv, app, tv, cnsl, iot, headset"],
    ),
    (
        "an address is none",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject().set_ip_address("34.633.11.139")),
        ["ip_address = '34.633.11.139'", "must be an IPv4 or IPv6 address, without a port"],
    ),
    (
        "a session id is no UUID",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject(domain_session_id="s-1")),
        ["domain_session_id = 's-1'", "must be a UUID in its 36-character form"],
    ),
    (
        "a session index has more than 32 bits",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject(domain_session_index=2**31)),
        ["domain_session_index = 2147483648", "must fit in 32 bits"],
    ),
    (
        "a resolution is written with a capital X",
        lambda: event(PageView, page_url=PAGE, event_subject=Subject(screen_resolution="1280X720")),
        ["screen_resolution = '1280X720'", "must be WIDTHxHEIGHT", "as in 1280x720"],
    ),
    (
        "an offset is a fraction",
        lambda: event(PagePing, page_url=PAGE, max_y=10.5),
        ["max_y = 10.5", "must be an int, not float"],
    ),
    (
        "a value is no number",
        lambda: event(StructuredEvent, category="shop", action="add", value="9,99"),
        ["value = '9,99'", "must be an int, float or Decimal, not str"],
    ),
    (
        "a value is NaN",
        lambda: event(StructuredEvent, category="shop", action="add", value=float("nan")),
        ["value = nan", "must be a finite number"],
    ),
    (
        "a time is in seconds",
        lambda: event(PageView, page_url=PAGE, true_timestamp=1_740_832_200),
        ["true_timestamp = 1740832200", "if these are seconds, multiply by 1,000"],
    ),
    (
        "a time has no zone",
        lambda: event(PageView, page_url=PAGE, created_at=datetime(2025, 3, 1)),  # noqa: DTZ001
        ["created_at", "is a datetime without a time zone", "datetime.now(timezone.utc)"],
    ),
    (
        "an entity stands without a list",
        lambda: event(PageView, page_url=PAGE, context=SelfDescribingJson(ORDER, {})),
        ["context", "must be a list of entities: put this one in brackets"],
    ),
    (
        "an entity is a bare dict",
        lambda: event(PageView, page_url=PAGE, context=[{"schema": ORDER, "data": {}}]),
        ["context", "a value of type dict at [0]", "put in SelfDescribingJson or Entity objects"],
    ),
    (
        "a schema is no Iglu URI",
        lambda: SelfDescribing(SelfDescribingJson("com.acme/order/1-0-0", {})),
        ["'com.acme/order/1-0-0' is not an Iglu schema URI", "must begin with iglu:", ORDER],
    ),
    (
        "a schema version has dots",
        lambda: SelfDescribing(SelfDescribingJson("iglu:com.acme/order/jsonschema/1.0.0", {})),
        ["the version '1.0.0' must be three numbers", ORDER],
    ),
    (
        "a typed entity states no schema",
        lambda: event(PageView, page_url=PAGE, context=[Schemaless(sku="s-1")]),
        ["Schemaless has none", "a class states its schema once", "schema="],
    ),
    (
        "a typed event breaks its own rules",
        lambda: event(OrderPlaced, order_id="o-123456789", total="free"),
        ["order_id", "at most 8 characters", "total = 'free'", "must be a valid decimal"],
    ),
    (
        "data has NaN",
        lambda: order({"items": [{"price": 1.5}, {"price": float("nan")}]}),
        ["data.items[1].price = nan", "JSON has no NaN", "leave it out, or pass None"],
    ),
    (
        "data has bytes",
        lambda: order({"signature": b"\x00\x01"}),
        ["data.signature", "bytes have no JSON form", "base64 text"],
    ),
    (
        "data has a key that is no text",
        lambda: order({"stock": {42: 7}}),
        ["data.stock[42]", "a key must be text"],
    ),
    (
        "data has a class of the program",
        lambda: order({"customer": Customer()}),
        ["data.customer", "Customer objects have no JSON form", "give the tracker a json_encoder"],
    ),
    (
        "data contains itself",
        lambda: order(LOOP),
        ["data.self.self", "is nested more than 35 levels deep, or contains itself"],
    ),
    (
        "an entity has a bad value",
        lambda: event(
            PageView, page_url=PAGE, context=[SelfDescribingJson(ORDER, {"total": Decimal("NaN")})]
        ),
        ["context[0].data.total = Decimal('NaN')", "JSON has no NaN"],
    ),
    (
        "an event is larger than a collector can keep",
        lambda: order({"note": "x" * 200_000}),
        ["needs 200,", "the limit is 180,000", "ue_pr (200,", "Send less data"],
    ),
    (
        "the base class is no event",
        lambda: event(Event),
        ["Event is no event that the pipeline knows", "use PageView"],
    ),
    (
        "everything is wrong at once",
        lambda: event(ScreenView, name=7, event_id="7", colour="red"),
        ["ScreenView is not valid", "name = 7", "event_id = '7'", "colour = 'red'"],
    ),
]


@pytest.fixture(scope="module")
def micro() -> Iterator[Micro]:
    """Run a local collector, which is to receive nothing bad."""
    with Micro(port=0) as running:
        yield running


@pytest.mark.parametrize(
    ("rule", "build", "phrases"), MALFORMED, ids=[rule.replace(" ", "-") for rule, _, _ in MALFORMED]
)
async def test_a_malformed_event_is_refused_with_a_remedy(
    micro: Micro, rule: str, build: Callable[[], Event], phrases: list[str]
) -> None:
    """It raises where it is built or tracked, the message says what to do, and nothing is sent."""
    async with Tracker("malformed", Emitter(micro.url)) as tracker:
        with pytest.raises(AiotrackerError) as caught:
            await tracker.track(build())

    message = str(caught.value)
    print(f"\n-- {rule}\n{type(caught.value).__name__}: {message}")  # noqa: T201 - shown with -s
    assert [] == [phrase for phrase in phrases if phrase not in message]
    assert 0 == tracker.stats().accepted
    assert {"total": 0, "good": 0, "bad": 0} == micro.all()


async def test_a_good_event_still_arrives_between_malformed_ones(micro: Micro) -> None:
    """One mistake costs one event: those before and after it are delivered."""
    async with Tracker("malformed", Emitter(micro.url)) as tracker:
        for _, build, _ in MALFORMED:
            await tracker.track(PageView(page_url=PAGE))
            with pytest.raises(AiotrackerError):
                await tracker.track(build())

    arrived = micro.all()
    micro.reset()
    assert {"total": len(MALFORMED), "good": len(MALFORMED), "bad": 0} == arrived
