"""Self-describing JSON and typed entities."""

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field

from aiotracker import (
    ConfigurationError,
    Entity,
    InvalidEventError,
    InvalidSchemaKeyError,
    SchemaKey,
    SelfDescribingJson,
)

SCHEMA = "iglu:com.acme/product/jsonschema/1-0-0"


class Product(Entity, schema=SCHEMA):
    """A typed entity."""

    sku: str = Field(max_length=8)
    price: Decimal
    list_price: Decimal | None = Field(default=None, alias="listPrice")


def test_data_comes_with_its_schema() -> None:
    """By position or by keyword, with a URI or a key."""
    built = [
        SelfDescribingJson(SCHEMA, {"sku": "s"}),
        SelfDescribingJson(schema=SCHEMA, data={"sku": "s"}),
        SelfDescribingJson(SchemaKey.parse(SCHEMA), {"sku": "s"}),
    ]

    assert [(SCHEMA, {"sku": "s"})] * 3 == [(json.schema, json.data) for json in built]
    assert built[0] == built[1] == built[2]


@pytest.mark.parametrize("schema", ["", "product", "iglu:com.acme/product/1-0-0", None, 7])
def test_a_schema_is_checked_at_once(schema: Any) -> None:  # noqa: ANN401 - whatever users pass
    """Not when it is tracked, far from its source."""
    with pytest.raises(InvalidSchemaKeyError, match="is not an Iglu schema URI"):
        SelfDescribingJson(schema, {})


def test_self_describing_json_is_frozen() -> None:
    """Its parts cannot be exchanged, and it survives pickling and copying."""
    json = SelfDescribingJson(SCHEMA, {"sku": "s"})

    with pytest.raises(AttributeError):
        json.schema = SCHEMA  # type: ignore[misc]  # frozen

    assert [json] * 3 == [pickle.loads(pickle.dumps(json)), copy.copy(json), copy.deepcopy(json)]
    assert f"SelfDescribingJson(schema='{SCHEMA}', data={{'sku': 's'}})" == repr(json)


def test_an_entity_is_its_data() -> None:
    """Under aliases, digits kept, without what is absent."""
    entity = Product(sku="s", price=Decimal("9.90"))

    assert {"sku": "s", "price": Decimal("9.90")} == entity.self_description()
    assert SCHEMA == entity.schema_key.uri


@pytest.mark.parametrize("name", ["list_price", "listPrice"])
def test_a_field_is_given_by_name_or_by_alias(name: str) -> None:
    """What travels has the alias."""
    entity = Product(sku="s", price=1, **{name: 2})  # type: ignore[arg-type]  # the keyword is one of its two

    assert {"sku": "s", "price": 1, "listPrice": 2} == entity.self_description()


def test_an_entity_is_a_value() -> None:
    """Frozen, comparable, hashable, and the same after pickling."""
    entity = Product(sku="s", price=Decimal(1))

    with pytest.raises(InvalidEventError, match="sku = 't': cannot be changed: build a new one"):
        entity.sku = "t"  # type: ignore[misc]  # frozen

    assert {entity} == {entity, Product(sku="s", price=Decimal(1)), pickle.loads(pickle.dumps(entity))}


def test_problems_are_told_in_our_words() -> None:
    """All of them, with the names that the program has."""
    with pytest.raises(InvalidEventError) as caught:
        Product(sku="s" * 9, listPrice="x", prize=1)  # type: ignore[call-arg]  # all wrong

    assert {
        "sku": "String should have at most 8 characters",
        "price": "is required",
        "list_price": "must be a valid decimal",
        "prize": "is no argument of Product: did you mean price?",
    } == {problem.field: problem.rule for problem in caught.value.problems}


def test_a_class_without_a_schema_has_no_instances() -> None:
    """The error shows how a schema is stated."""

    class Schemaless(Entity):
        pass

    for kind in (Schemaless, Entity):
        with pytest.raises(
            ConfigurationError, match=rf"{kind.__name__} has none; .*class Order\(Entity, schema="
        ):
            kind()


@pytest.mark.parametrize("name", ["clipped", "schema_key", "self_description", "wired"])
@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute:UserWarning")
def test_a_field_may_not_hide_what_every_entity_has(name: str) -> None:
    """A field `schema_key` would hide the schema."""
    with pytest.raises(ConfigurationError, match=f"is taken: call the field {name}_"):
        type("Hiding", (Entity,), {"__annotations__": {name: str}, "__module__": __name__}, schema=SCHEMA)


def test_options_of_events_are_free_names_for_entities() -> None:
    """An entity has no options, so that its fields may be called like those."""

    class Shipment(Entity, schema=SCHEMA):
        event_id: str
        context: str
        event_code: int

    entity = Shipment(event_id="e", context="c", event_code=7)

    assert {"event_id": "e", "context": "c", "event_code": 7} == entity.self_description()


def test_clipped_saves_what_can_be_saved() -> None:
    """Entities are built from requests, too."""
    entity = Product.clipped(sku="x" * 100, price="9.90", list_price="free")

    assert Product(sku="x" * 8, price=Decimal("9.90")) == entity
