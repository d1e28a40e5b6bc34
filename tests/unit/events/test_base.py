"""What every event has: its options, whatever it tells."""

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, get_type_hints
from uuid import UUID

import pytest
from pydantic import Field

from aiotracker import (
    ConfigurationError,
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
from aiotracker.events import EventOptions

PAGE = "https://acme.com/"
ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
ORDER = SelfDescribingJson("iglu:com.acme/order/jsonschema/1-0-0", {"id": 7})


class LinkClick(
    SelfDescribingEvent, schema="iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
):
    """A typed event."""

    target_url: str = Field(serialization_alias="targetUrl")


class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
    """A typed entity."""

    sku: str


BUILDERS: list[Callable[..., Event]] = [
    lambda **options: PageView(page_url=PAGE, **options),
    lambda **options: PagePing(page_url=PAGE, **options),
    lambda **options: StructuredEvent(category="c", action="a", **options),
    lambda **options: ScreenView(name="Home", id_=ID, **options),
    lambda **options: SelfDescribing(ORDER, **options),
    lambda **options: LinkClick(target_url=PAGE, **options),
]
every_event = pytest.mark.parametrize(
    "build", BUILDERS, ids=["page view", "page ping", "structured", "screen view", "self-describing", "typed"]
)


@every_event
def test_every_event_takes_the_options(build: Callable[..., Event]) -> None:
    """Subject, entities, true time, id and time of creation; kept in their normal form."""
    subject = Subject(user_id="u-1")

    event = build(
        event_subject=subject,
        context=[ORDER, Product(sku="s")],
        true_timestamp=1_368_725_287_000.5,
        event_id=UUID(ID),
        created_at=datetime(2013, 5, 16, 17, 28, 7, tzinfo=UTC),
    )

    assert event.event_subject is subject
    assert (ORDER, Product(sku="s")) == event.context
    assert (1_368_725_287_000, ID, 1_368_725_287_000) == (
        event.true_timestamp,
        event.event_id,
        event.created_at,
    )


@every_event
def test_no_option_is_needed(build: Callable[..., Event]) -> None:
    """All of them are None unless they are given; the empty text is nothing."""
    plain, empty = build(), build(event_id="", context=None)

    assert plain == empty
    assert {None} == {getattr(plain, option) for option in Event.model_fields}


def test_options_have_one_list() -> None:
    """What `SelfDescribing` takes as keywords is what every event has as fields."""
    assert set(Event.model_fields) == set(get_type_hints(EventOptions))


@every_event
def test_events_are_frozen(build: Callable[..., Event]) -> None:
    """Nothing of an event can be changed or deleted, and nothing added; the error says what to do."""
    event = build(event_id=ID)

    with pytest.raises(InvalidEventError, match="event_id = None: cannot be changed: build a new one"):
        event.event_id = None  # type: ignore[misc]  # frozen
    with pytest.raises(InvalidEventError, match="cannot be changed: build a new one"):
        del event.event_id
    with pytest.raises(InvalidEventError, match="colour = 'red': cannot be changed: build a new one"):
        event.colour = "red"  # type: ignore[attr-defined]  # frozen
    assert build(event_id=ID) == event


@every_event
def test_events_can_be_pickled_and_copied(build: Callable[..., Event]) -> None:
    """A task queue hands on the same event."""
    event = build(event_subject=Subject(user_id="u-1"), context=[ORDER, Product(sku="s")])

    twins = [pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)]

    assert [event] * 3 == twins


@every_event
def test_a_repr_shows_class_and_values(build: Callable[..., Event]) -> None:
    """An event can be recognised in a log and a debugger."""
    event = build(event_id=ID)

    assert repr(event).startswith(f"{type(event).__name__}(")
    assert f"event_id='{ID}'" in repr(event)


@every_event
def test_a_list_of_entities_is_kept_as_it_was(build: Callable[..., Event]) -> None:
    """What is appended to the caller's list later is not part of the event."""
    context: list[SelfDescribingJson | Entity] = [ORDER]

    event = build(context=context)
    context.append(ORDER)

    assert (ORDER,) == event.context


@every_event
@pytest.mark.parametrize(
    ("options", "field", "phrase"),
    [
        ({"context": ORDER}, "context", "must be a list of entities: put this one in brackets"),
        ({"context": Product(sku="s")}, "context", "put this one in brackets"),
        (
            {"context": [{"schema": "x"}]},
            "context",
            "has a value of type dict at [0]: put in SelfDescribingJson or",
        ),
        ({"context": [ORDER, None]}, "context", "has a value of type NoneType at [1]"),
        ({"context": "iglu:…"}, "context", "must be a list of SelfDescribingJson and Entity objects"),
        ({"context": {"a": 1}}, "context", "must be a list of SelfDescribingJson and Entity objects"),
        pytest.param(
            {"context": iter([ORDER])},
            "context",
            "must be a list of SelfDescribingJson and Entity objects",
            id="an iterator",  # which has no text of its own: processes that share the tests must agree
        ),
        ({"event_subject": {"user_id": "u-1"}}, "event_subject", "must be a Subject, not dict"),
        ({"event_subject": "u-1"}, "event_subject", "must be a Subject, not str"),
        ({"event_id": "7"}, "event_id", "must be a UUID in its 36-character form"),
        ({"true_timestamp": 1_368_725_287}, "true_timestamp", "if these are seconds, multiply by 1,000"),
        ({"created_at": datetime(2013, 5, 16)}, "created_at", "without a time zone"),  # noqa: DTZ001
        ({"contexts": []}, "contexts", "did you mean context?"),
        ({"subject": None}, "subject", "did you mean event_subject?"),
        ({"timestamp": 1}, "timestamp", "did you mean true_timestamp?"),
        ({"tstamp": 1}, "tstamp", "did you mean true_timestamp?"),
        ({"eid": ID}, "eid", "is no argument of"),
    ],
    ids=str,
)
def test_a_mistake_is_named_with_its_remedy(
    build: Callable[..., Event], options: dict[str, Any], field: str, phrase: str
) -> None:
    """The error has the argument, what was given, and what to do instead."""
    with pytest.raises(InvalidEventError) as caught:
        build(**options)

    assert [field] == [problem.field for problem in caught.value.problems]
    assert phrase in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    """One error lists them in order: nobody wants to meet them one by one."""
    with pytest.raises(InvalidEventError) as caught:
        StructuredEvent(category="", label=7, value="2", property="blue", event_id="7")  # type: ignore[call-arg, arg-type]  # all wrong

    assert "StructuredEvent" == caught.value.model
    assert [
        ("event_id", "'7'"),
        ("category", "''"),
        ("action", ""),
        ("label", "7"),
        ("value", "'2'"),
        ("property", "'blue'"),
    ] == [(problem.field, problem.value) for problem in caught.value.problems]


def test_an_unknown_keyword_without_likeness_gets_the_list() -> None:
    """When nothing resembles it, all arguments are listed."""
    with pytest.raises(
        InvalidEventError, match=r"is no argument of PageView, which takes .*page_title, referrer"
    ):
        PageView(page_url=PAGE, zzz=1)  # type: ignore[call-arg]  # unknown


class Nameless(Event):
    """An event of a user's own that the pipeline does not know."""

    note: str = ""


class Page(PageView):
    """A subclass with the code of its parent."""

    site: ClassVar[str] = "shop"


@pytest.mark.parametrize("kind", [Event, Nameless])
def test_the_base_alone_is_no_event(kind: type[Event]) -> None:
    """An event without a code of the protocol is refused when it is built, with the alternatives."""
    with pytest.raises(ConfigurationError, match="is no event that the pipeline knows: use PageView"):
        kind()


def test_a_subclass_keeps_its_parents_code() -> None:
    """Users may derive their own from an event."""
    event = Page(page_url=PAGE)

    assert ("pv", "shop", None) == (event.event_code, event.site, event.self_describing())
