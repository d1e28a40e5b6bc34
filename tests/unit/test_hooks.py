"""What a user's own functions do to events, and what they cannot do."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from aiotracker import (
    ConfigurationError,
    Event,
    EventRefusedError,
    InvalidDataError,
    Notice,
    PagePing,
    RefusalReason,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
    scope,
)
from aiotracker.hooks import event_schema
from tests.fakes.bench import COLLECTOR, Bench, TrackWith, view

SECRET = "iban DE02 1203"


class Heartbeat(SelfDescribingEvent, schema="iglu:com.acme/heartbeat/jsonschema/1-0-0"):
    """Something that happens all the time."""

    beats: int = 1


def entity(name: str) -> SelfDescribingJson:
    """Return an entity that is told apart by its schema."""
    return SelfDescribingJson(f"iglu:com.acme/{name}/jsonschema/1-0-0", {})


async def sent(bench: Bench, *events: Event) -> list[dict[str, Any]]:
    """Track events, deliver them, and return what arrived, in order."""
    for event in events:
        await bench.tracker.track(event)
    await bench.flush()
    return [dict(event) for event in bench.transport.events]


def refused(bench: Bench) -> Mapping[RefusalReason, int]:
    """Return what was refused, by reason."""
    return bench.tracker.stats().refused


# -- before_track -------------------------------------------------------------------------------------


async def test_the_hook_sees_what_would_be_sent(track_with: TrackWith) -> None:
    """Subject and entities of tracker, scope and event are merged, the later one wins; the id is known."""
    seen: list[Event] = []

    def look(event: Event) -> Event:
        seen.append(event)
        return event

    bench = await track_with(
        tracker={
            "subject": Subject(user_id="tracker", lang="de", cookies_enabled=True, domain_session_index=3),
            "context": [entity("service")],
            "before_track": look,
        }
    )
    with scope(subject=Subject(user_id="scope", timezone="Europe/Berlin"), context=[entity("request")]):
        event_id = await bench.tracker.track(
            view("a", event_subject=Subject(ip_address="203.0.113.7"), context=[entity("page")])
        )
    await bench.flush()

    (event,) = seen
    assert event_id == event.event_id
    assert (
        Subject(
            user_id="scope",
            lang="de",
            timezone="Europe/Berlin",
            ip_address="203.0.113.7",
            cookies_enabled=True,
            domain_session_index=3,
        )
        == event.event_subject
    )
    assert (entity("service"), entity("request"), entity("page")) == event.context
    ((arrived,),) = [one.events for one in bench.transport.sent]
    assert ("scope", "203.0.113.7", "3") == (arrived["uid"], arrived["ip"], arrived["vid"])
    assert 1 == arrived["co"].count("com.acme/service/")


async def test_the_hook_changes_what_is_sent(track_with: TrackWith) -> None:
    """What it takes away is gone, wherever it came from; what the tracker itself says of itself stays."""

    def scrub(event: Event) -> Event:
        return event.model_copy(update={"event_subject": Subject(user_id="hashed"), "context": None})

    bench = await track_with(
        tracker={
            "app_id": "shop",
            "subject": Subject(user_id="u-1", ip_address="203.0.113.7"),
            "context": [entity("person")],
            "before_track": scrub,
        }
    )
    with scope(subject=Subject(useragent="Firefox"), context=[entity("device")]):
        (event,) = await sent(bench, view("a"))

    assert ("hashed", "shop", "bench", "srv") == (event["uid"], event["aid"], event["tna"], event["p"])
    assert {"ip", "ua", "co"}.isdisjoint(event)


async def test_the_hook_may_put_another_event_in_its_place(track_with: TrackWith) -> None:
    """Of any kind."""
    bench = await track_with(
        tracker={"before_track": lambda _: StructuredEvent(category="shop", action="view")}
    )

    (event,) = await sent(bench, view("a"))

    assert ("se", "view") == (event["e"], event["se_ac"])


async def test_the_hook_refuses(track_with: TrackWith) -> None:
    """None leaves the event out: counted, and its caller gets no id."""
    bench = await track_with(
        tracker={"before_track": lambda event: None if isinstance(event, PagePing) else event}
    )

    ids = [
        await bench.tracker.track(PagePing(page_url="https://acme.com/")),
        bench.tracker.track_nowait(PagePing(page_url="https://acme.com/")),
    ]
    (event,) = await sent(bench, view("a"))

    assert [None, None] == ids
    assert "pv" == event["e"]
    assert {RefusalReason.BEFORE_TRACK: 2} == refused(bench)


async def test_a_failed_scrubber_never_leaks(track_with: TrackWith, caplog: pytest.LogCaptureFixture) -> None:
    """The event is refused; no callback sees it, and no line of the log holds what the exception said."""
    notices: list[Notice] = []

    def fail(event: Event) -> Event:
        raise ValueError(f"cannot scrub {SECRET}")

    bench = await track_with(tracker={"before_track": fail}, on_drop=notices.append)
    with caplog.at_level(logging.INFO, logger="aiotracker"):
        assert None is await bench.tracker.track(view("a", page_title=SECRET))
        assert None is await bench.tracker.track(view("a", page_title=SECRET))
    await bench.tracker.aclose()

    assert {RefusalReason.BEFORE_TRACK: 2} == refused(bench)
    assert [] == bench.transport.sent
    assert [()] * 2 == [notice.records for notice in notices]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert ["tracker bench: before_track failed with ValueError, the event is refused"] == lines
    assert SECRET not in caplog.text


async def test_what_is_no_event_is_refused(track_with: TrackWith) -> None:
    """A hook that forgets its `return` gives None; one that returns something else is told of it."""
    bench = await track_with(tracker={"before_track": lambda event: event.model_dump()})

    assert None is await bench.tracker.track(view("a"))
    assert {RefusalReason.BEFORE_TRACK: 1} == refused(bench)


async def test_anonymous_events_stay_anonymous(track_with: TrackWith) -> None:
    """Whatever a hook puts into the subject, an anonymous event identifies nobody."""
    bench = await track_with(
        tracker={
            "before_track": lambda event: event.model_copy(
                update={"event_subject": Subject(user_id="u-1", lang="de")}
            )
        }
    )
    with scope(anonymous=True):
        (event,) = await sent(bench, view("a"))

    assert (False, "de") == ("uid" in event, event["lang"])
    assert ("SP-Anonymous", "*") in bench.transport.sent[0].request.headers


async def test_deliver_says_that_the_hook_refused(track_with: TrackWith) -> None:
    """Whoever must not go on without the event is told."""
    bench = await track_with(tracker={"before_track": lambda _: None})

    with pytest.raises(EventRefusedError, match="before_track"):
        await bench.tracker.deliver(view("a"))


# -- context_generator --------------------------------------------------------------------------------


async def test_a_generator_adds_entities(track_with: TrackWith) -> None:
    """To the event's own; the scrubber sees them, too."""
    seen: list[Any] = []

    def look(event: Event) -> Event:
        seen.append(event.context)
        return event

    bench = await track_with(
        tracker={
            "context_generator": lambda event: [entity(event.event_code)],
            "before_track": look,
        }
    )
    (event,) = await sent(bench, view("a", context=[entity("page")]))

    assert [(entity("page"), entity("pv"))] == seen
    assert "com.acme/pv/" in event["co"]


@pytest.mark.parametrize("nothing", [[], None])
async def test_a_generator_with_nothing_to_add(track_with: TrackWith, nothing: object) -> None:
    """An empty list and None add nothing."""
    bench = await track_with(tracker={"context_generator": lambda _: nothing})

    (event,) = await sent(bench, view("a"))

    assert "co" not in event


@pytest.mark.parametrize("wrong", [1 / 3, ["no entity"], "text"])
async def test_a_failed_generator_costs_only_its_entities(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture, wrong: object
) -> None:
    """The event goes without them, and one line says so."""

    def generate(event: Event) -> object:
        if wrong == "text":
            raise LookupError(SECRET)
        return wrong

    bench = await track_with(tracker={"context_generator": generate})
    with caplog.at_level(logging.INFO, logger="aiotracker"):
        events = await sent(bench, view("a", context=[entity("page")]), view("b"))

    assert [True, False] == ["co" in event for event in events]
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)
    assert SECRET not in caplog.text


async def test_data_without_a_json_form_is_still_a_mistake(track_with: TrackWith) -> None:
    """What a generator returns is checked like everything else."""
    bench = await track_with(
        tracker={
            "context_generator": lambda _: [
                SelfDescribingJson("iglu:com.acme/cart/jsonschema/1-0-0", {"total": float("nan")})
            ]
        }
    )

    with pytest.raises(InvalidDataError, match="total"):
        await bench.tracker.track(view("a"))


# -- sample_rate --------------------------------------------------------------------------------------


async def test_a_visitor_is_kept_or_left_out_as_a_whole(track_with: TrackWith) -> None:
    """Wherever the visitor's id comes from: the event, the scope or the tracker."""
    bench = await track_with(tracker={"sample_rate": 0.5})
    for number in range(40):
        subject = Subject(user_id=f"u-{number}")
        ids = {await bench.tracker.track(view(number, event_subject=subject)) is None}
        with scope(subject=subject):
            ids |= {await bench.tracker.track(view(number)) is None for _ in range(3)}
        assert 1 == len(ids)

    stats = bench.tracker.stats()
    assert 160 == stats.offered == stats.accepted + stats.refused[RefusalReason.SAMPLED]
    assert 40 < stats.accepted < 120


async def test_the_domain_user_id_comes_first(track_with: TrackWith) -> None:
    """It is the one that a visitor has before logging in, too."""
    bench = await track_with(tracker={"sample_rate": 0.5})

    taken = [
        await bench.tracker.track(
            view("a", event_subject=Subject(domain_user_id="d-1", user_id=f"u-{number}"))
        )
        is None
        for number in range(20)
    ]

    assert 1 == len(set(taken))


@pytest.mark.parametrize("anonymous", [True, False])
async def test_without_a_visitor_events_are_sampled(track_with: TrackWith, anonymous: bool) -> None:  # noqa: FBT001 - a parameter
    """Each by its own id; so are anonymous ones, whose visitor is nobody's business."""
    subject = Subject(user_id="u-1") if anonymous else None
    bench = await track_with(
        tracker={"sample_rate": 0.5, "anonymous": anonymous, "subject": subject}, buffer_capacity=500
    )
    for number in range(200):
        await bench.tracker.track(view(number))

    assert 50 < bench.tracker.stats().accepted < 150


async def test_rates_by_schema(track_with: TrackWith) -> None:
    """What no pattern matches is kept."""
    bench = await track_with(tracker={"sample_rate": {"iglu:com.acme/heartbeat/*": 0}})

    events = await sent(
        bench,
        Heartbeat(),
        SelfDescribing(SelfDescribingJson("iglu:com.acme/heartbeat/jsonschema/2-0-0", {})),
        view("a"),
    )

    assert ["pv"] == [event["e"] for event in events]
    assert {RefusalReason.SAMPLED: 2} == refused(bench)


async def test_the_scrubber_does_not_run_for_what_is_left_out(track_with: TrackWith) -> None:
    """Sampling is there to save work, and decides by the visitor before a scrubber hides them."""
    seen: list[Event] = []
    bench = await track_with(tracker={"sample_rate": 0.0, "before_track": seen.append})

    await bench.tracker.track(view("a"))

    assert [] == seen


def test_every_event_has_a_schema() -> None:
    """The pipeline's own names for those that have none in the payload."""
    assert [
        "iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/page_ping/jsonschema/1-0-0",
        "iglu:com.google.analytics/event/jsonschema/1-0-0",
        "iglu:com.acme/heartbeat/jsonschema/1-0-0",
        "iglu:com.acme/cart/jsonschema/1-0-0",
    ] == [
        event_schema(event)
        for event in (
            view(),
            PagePing(page_url="https://acme.com/"),
            StructuredEvent(category="a", action="b"),
            Heartbeat(),
            SelfDescribing(entity("cart")),
        )
    ]


# -- enabled ------------------------------------------------------------------------------------------


async def test_a_disabled_tracker_checks_and_sends_nothing(track_with: TrackWith) -> None:
    """Every event is refused as `disabled`; a mistake is still a mistake."""
    bench = await track_with(tracker={"enabled": False})

    assert None is await bench.tracker.track(view("a"))
    assert None is bench.tracker.track_nowait(view("b"))
    with pytest.raises(InvalidDataError):
        await bench.tracker.track(
            SelfDescribing(SelfDescribingJson("iglu:com.acme/cart/jsonschema/1-0-0", {"n": float("inf")}))
        )
    with pytest.raises(EventRefusedError, match="disabled"):
        await bench.tracker.deliver(view("c"))
    await bench.tracker.aclose()

    assert {RefusalReason.DISABLED: 3} == refused(bench)
    assert [] == bench.transport.sent


# -- mistakes -----------------------------------------------------------------------------------------


async def coroutine(event: Event) -> Event:
    """Return the event, later."""
    return event


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("before_track", coroutine),
        ("before_track", "scrub"),
        ("context_generator", coroutine),
        ("sample_rate", 1.5),
        ("sample_rate", -0.1),
        ("sample_rate", True),
        ("sample_rate", "half"),
        ("sample_rate", {"iglu:com.acme/*": 2}),
        ("sample_rate", {"com.acme/*": 0.5}),
    ],
)
def test_a_hook_that_cannot_work_is_refused(setting: str, value: object) -> None:
    """At once, by its name."""
    with pytest.raises(ConfigurationError, match=setting):
        Tracker("web", COLLECTOR, **{setting: value})  # type: ignore[arg-type]  # that is the mistake
