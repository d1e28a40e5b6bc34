"""Hostile input: `clipped` saves the event, and what it saves is good."""

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import (
    AiotrackerError,
    Event,
    InvalidDataError,
    InvalidEventError,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
)
from aiotracker.entities import SchemaModel
from aiotracker.model import CheckedModel
from aiotracker.protocol.envelope import post_body
from tests.property.strategies import Order, Product, hostile_values
from tests.property.test_payloads import NOW_MS, complaints, record_of, request

pytestmark = pytest.mark.filterwarnings("ignore::aiotracker.PipelineWarning")

PAGE = "https://acme.com/"
REQUIRED: dict[type[CheckedModel], dict[str, Any]] = {
    PageView: {"page_url": PAGE},
    PagePing: {"page_url": PAGE},
    StructuredEvent: {"category": "c", "action": "a"},
    ScreenView: {"name": "Home"},
    SelfDescribing: {"event_json": SelfDescribingJson("iglu:com.acme/x/jsonschema/1-0-0", {})},
    Order: {"order_id": 7},
    Product: {"sku": "s"},
    Subject: {},
}
MISTAKES = {"context", "event_subject"}  # set by the program, never by its users


def hostile(model: type[CheckedModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Return keywords of a model with any values at all, its required ones good."""
    optional = set(model.model_fields) - REQUIRED[model].keys() - MISTAKES
    return st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(optional), hostile_values))


def as_event(built: CheckedModel) -> Event:
    """Return an event that carries what was built."""
    match built:
        case Event():
            return built
        case Subject():
            return PageView(page_url=PAGE, event_subject=built)
        case Product():
            return PageView(page_url=PAGE, context=[built])
        case _:
            raise TypeError(f"{built!r} cannot travel")


def complaints_about(built: CheckedModel) -> list[object]:
    """Return what the pipeline finds wrong; typed data may turn out unfit for JSON."""
    try:
        record = record_of(as_event(built))
    except InvalidDataError:
        assert isinstance(built, SchemaModel)
        return []
    return complaints(request(body=post_body([record.data], NOW_MS)))


@pytest.mark.parametrize("model", REQUIRED, ids=lambda model: model.__name__)
@given(data=st.data())
def test_optional_values_are_never_an_error(model: type[CheckedModel], data: st.DataObject) -> None:
    """Whatever comes from outside, there is an event, and the pipeline takes it."""
    keywords = data.draw(hostile(model))

    built = model.clipped(**REQUIRED[model], **keywords)

    assert [] == complaints_about(built)


@pytest.mark.parametrize("model", [PageView, PagePing, StructuredEvent, Order])
@given(data=st.data())
def test_required_values_are_saved_or_refused(model: type[CheckedModel], data: st.DataObject) -> None:
    """A required value that cannot be saved is an `InvalidEventError`, nothing else."""
    keywords = {name: data.draw(hostile_values) for name in REQUIRED[model]}

    try:
        built = model.clipped(**keywords)
    except InvalidEventError:
        return

    assert [] == complaints_about(built)


@pytest.mark.parametrize("model", [*REQUIRED, Event], ids=lambda model: model.__name__)
@given(data=st.data())
def test_a_constructor_accepts_or_raises_one_of_ours(model: type[CheckedModel], data: st.DataObject) -> None:
    """No value of any type makes it raise anything but an error of the tree, with a message."""
    names = sorted(model.model_fields)
    keywords = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, hostile_values)))
    if model is SelfDescribing:
        keywords.setdefault("event_json", None)  # a missing argument is Python's own business

    try:
        built = model(**keywords)
    except AiotrackerError as error:
        assert len(str(error)) > len(model.__name__)  # noqa: PT017 - either is good
        return

    assert isinstance(built, model)
    assert inspect.isclass(model)
