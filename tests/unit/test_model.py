"""The bond with pydantic: our models inside of other models, and what pydantic makes of them."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

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

PAGE = "https://acme.com/"
SCHEMA = "iglu:com.acme/order/jsonschema/1-0-0"


class Order(SelfDescribingEvent, schema=SCHEMA):
    """A typed event."""

    order_id: int


class Product(Entity, schema=SCHEMA):
    """A typed entity."""

    sku: str


class Request(BaseModel):
    """A user's model around ours."""

    event: PageView | Order
    subject: Subject | None = None


EVENTS = [
    PageView(page_url=PAGE, event_subject=Subject(user_id="u-1"), context=[Product(sku="s")]),
    PagePing(page_url=PAGE, max_y=7),
    StructuredEvent(category="c", action="a", value=2),
    ScreenView(name="Home"),
    SelfDescribing(SelfDescribingJson(SCHEMA, {"id": 7})),
    Order(order_id=7, event_id="0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"),
]
MODELS = [*(type(event) for event in EVENTS), Event, Subject, Product, Request]


def name_of(value: object) -> str:
    """Return what a parametrized test is called by."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


def test_our_models_are_fields_of_others() -> None:
    """A body of a request can hold an event; it is validated by the same rules."""
    request = Request.model_validate(
        {"event": {"page_url": PAGE, "page_title": ""}, "subject": {"user_id": "u-1"}}
    )

    assert PageView(page_url=PAGE) == request.event
    assert Subject(user_id="u-1") == request.subject


def test_instances_are_taken_as_they_are() -> None:
    """Nothing is validated twice."""
    event = Order(order_id=7)

    request = Request(event=event)

    assert request.event is event


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        ({"event": {"page_url": "http://"}}, "page_url = 'http://': has no host after //"),
        ({"event": {"order_id": 7, "prize": 1}}, "prize = 1: is no argument of Order"),
        ({"event": {"order_id": 7}, "subject": {"platform": "coffee"}}, "must be one of web, mob"),
    ],
)
def test_a_mistake_inside_of_another_model_is_told_by_pydantic(body: dict[str, Any], phrase: str) -> None:
    """The outer model collects it as one of its own, with our message: FastAPI answers 422."""
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(body)

    assert phrase in str(caught.value)


def test_a_mistake_is_the_same_by_every_entrance() -> None:
    """Constructor, `model_validate`, JSON and adapters refuse alike."""
    with pytest.raises(InvalidEventError, match="is required and must not be empty"):
        PageView(page_url="")
    for enter in (
        lambda: PageView.model_validate({"page_url": ""}),
        lambda: PageView.model_validate_json('{"page_url": ""}'),
        lambda: TypeAdapter(list[PageView]).validate_python([{"page_url": ""}]),
    ):
        with pytest.raises(ValidationError, match="is required and must not be empty"):
            enter()


@pytest.mark.parametrize("model", MODELS, ids=name_of)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_every_model_has_a_json_schema(model: type[BaseModel], mode: Any) -> None:  # noqa: ANN401 - a literal
    """FastAPI draws its documentation from these."""
    schema = model.model_json_schema(mode=mode)

    assert {"properties", "type"} <= schema.keys()
    json.dumps(schema)


def test_a_json_schema_tells_what_is_annotated() -> None:
    """The type of the annotation stands, not the rule that replaces its validation."""
    properties = StructuredEvent.model_json_schema()["properties"]

    assert {"title": "Category", "type": "string"} == properties["category"]
    assert ["category", "action"] == StructuredEvent.model_json_schema()["required"]


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_every_event_can_be_dumped(event: Event) -> None:
    """To Python and to JSON, without a warning; the log of a user may want it."""
    dumped = event.model_dump()

    assert len(type(event).model_fields) == len(dumped)
    assert dumped.keys() == json.loads(event.model_dump_json()).keys()


def test_a_dump_has_the_fields_of_typed_entities() -> None:
    """Not only those of their base."""
    event = PageView(page_url=PAGE, context=[Product(sku="s"), SelfDescribingJson(SCHEMA, {"id": 7})])

    dumped = event.model_dump(mode="json")

    assert [{"sku": "s"}, {"schema": SCHEMA, "data": {"id": 7}}] == dumped["context"]


def test_an_event_can_be_rebuilt_from_its_dump() -> None:
    """What was valid once is valid again."""
    event = StructuredEvent(category="c", action="a", value=2, created_at=1_368_725_287_000)

    again = StructuredEvent(**event.model_dump())

    assert event == again


def test_the_error_keeps_pydantics_own() -> None:
    """Whoever wants every detail finds it as the cause."""
    with pytest.raises(InvalidEventError) as caught:
        PageView()  # type: ignore[call-arg]  # refused

    assert isinstance(caught.value.__cause__, ValidationError)
    assert "PageView" == caught.value.__cause__.title
