"""Self-describing events, generic and typed."""

from decimal import Decimal
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, computed_field, field_validator, model_validator

from aiotracker import (
    ConfigurationError,
    InvalidEventError,
    InvalidSchemaKeyError,
    SchemaKey,
    SelfDescribing,
    SelfDescribingEvent,
    SelfDescribingJson,
    Subject,
)

SCHEMA = "iglu:com.acme/order/jsonschema/1-0-0"
ORDER = SelfDescribingJson(SCHEMA, {"id": 7})
T = TypeVar("T")


class Line(BaseModel):
    """A plain model inside of an event."""

    sku: str
    note: str | None = None


class Order(SelfDescribingEvent, schema=SCHEMA):
    """A typed event with everything that users put into one."""

    order_id: int = Field(alias="orderId")
    total: Decimal
    lines: tuple[Line, ...] = ()
    coupon: str | None = Field(default=None, max_length=5)
    note: str | None = None
    context_: str | None = Field(default=None, serialization_alias="context")

    @field_validator("total")
    @classmethod
    def not_negative(cls, value: Decimal) -> Decimal:
        """Refuse what the shop never sends."""
        if value < 0:
            raise ValueError("must not be negative")
        return value

    @computed_field(alias="lineCount")
    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self.lines)


def test_the_data_is_the_one_positional_argument() -> None:
    """As on the published page; by keyword it is `event_json`."""
    event = SelfDescribing(ORDER, event_subject=Subject(user_id="u-1"))

    assert ("ue", ORDER, ORDER) == (event.event_code, event.event_json, event.self_describing())
    assert SelfDescribing(ORDER) == SelfDescribing(event_json=ORDER)


@pytest.mark.parametrize("wrong", [{"schema": SCHEMA, "data": {}}, SCHEMA, None, Line(sku="s")])
def test_only_self_describing_json_is_taken(wrong: object) -> None:
    """A dict of the right shape is not one; the error says what to build."""
    with pytest.raises(InvalidEventError, match=r"event_json = .*: must be a SelfDescribingJson, not"):
        SelfDescribing(wrong)  # type: ignore[arg-type]  # refused


def test_an_unknown_keyword_is_refused() -> None:
    """`contexts` would otherwise lose the entities."""
    with pytest.raises(InvalidEventError, match=r"did you mean context\?"):
        SelfDescribing(ORDER, contexts=[])  # type: ignore[call-arg]  # misspelt


def test_a_typed_event_is_its_data() -> None:
    """Fields under their aliases, computed ones too; options are no part of it, absent values neither."""
    event = Order(order_id=7, total=Decimal("9.90"), lines=(Line(sku="s"),), context_="shop", event_id=None)

    described = event.self_describing()

    assert SCHEMA == described.schema
    assert {
        "orderId": 7,
        "total": Decimal("9.90"),
        "lines": (Line(sku="s"),),
        "context": "shop",
        "lineCount": 1,
    } == described.data


@pytest.mark.parametrize("name", ["order_id", "orderId"])
def test_a_field_is_given_by_name_or_by_alias(name: str) -> None:
    """Both are the same field."""
    event = Order(**{name: 7}, total=1)  # type: ignore[arg-type]  # the keyword is one of its two

    assert 7 == event.order_id


def test_problems_are_told_by_the_name_in_the_program() -> None:
    """Not by the alias, which belongs to the schema; a user's own validator speaks for itself."""
    with pytest.raises(InvalidEventError) as caught:
        Order(order_id="x", total=-1, lines=[{}], orderid=1)  # type: ignore[call-arg, arg-type]  # all wrong

    problems = {problem.field: problem.rule for problem in caught.value.problems}
    assert {"order_id", "total", "lines.0.sku", "orderid"} == problems.keys()
    assert "must be a valid integer, unable to parse string as an integer" == problems["order_id"]
    assert "must not be negative" == problems["total"]
    assert "is required" == problems["lines.0.sku"]
    assert "is no argument of Order: did you mean order_id?" == problems["orderid"]


def test_a_field_that_is_given_twice_is_refused() -> None:
    """By name and by alias at once: one of the two would be lost."""
    with pytest.raises(InvalidEventError, match="is given twice: as order_id and as orderId"):
        Order(order_id=7, orderId=8, total=1)  # type: ignore[call-arg, arg-type]  # twice


def test_a_validator_of_the_whole_is_told_under_the_name_of_the_class() -> None:
    """There is no field to name."""

    class Transfer(SelfDescribingEvent, schema=SCHEMA):
        giver: str
        taker: str

        @model_validator(mode="after")
        def are_two(self) -> "Transfer":
            if self.giver == self.taker:
                raise ValueError("giver and taker must differ")
            return self

    with pytest.raises(InvalidEventError, match=r"Transfer = .*: giver and taker must differ"):
        Transfer(giver="a", taker="a")


def test_a_class_inherits_its_schema_or_states_its_own() -> None:
    """Fields are inherited either way."""

    class Refund(Order):
        reason: str = ""

    class Return(Order, schema=SchemaKey("com.acme", "return", "jsonschema", 1, 0, 0)):
        pass

    assert SCHEMA == Refund.schema_key.uri
    assert "iglu:com.acme/return/jsonschema/1-0-0" == Return(order_id=1, total=1).self_describing().schema  # type: ignore[arg-type]  # an int is a Decimal to pydantic
    assert "reason" in Refund(order_id=1, total=Decimal(1), reason="x").self_description()


def test_a_class_may_be_generic() -> None:
    """A parameter does not lose the schema."""

    class Changed(SelfDescribingEvent, Generic[T], schema=SCHEMA):
        before: T
        after: T

    event = Changed[int](before=1, after=2)

    assert SelfDescribingJson(SCHEMA, {"before": 1, "after": 2}) == event.self_describing()
    with pytest.raises(InvalidEventError, match="before = 'x': must be a valid integer"):
        Changed[int](before="x", after=2)  # type: ignore[arg-type]  # refused


def test_a_class_without_a_schema_has_no_instances() -> None:
    """The error shows how a schema is stated."""

    class Schemaless(SelfDescribingEvent):
        pass

    for kind in (Schemaless, SelfDescribingEvent):
        with pytest.raises(
            ConfigurationError, match=rf"{kind.__name__} has none; .*\(SelfDescribingEvent, sch"
        ):
            kind()


def test_a_schema_is_checked_when_the_class_is_made() -> None:
    """A typo shows at import, not at the first event."""
    with pytest.raises(InvalidSchemaKeyError, match="must have 4 parts"):

        class Typo(SelfDescribingEvent, schema="iglu:com.acme/order/1-0-0"):
            pass


@pytest.mark.parametrize(
    "name",
    [
        "context",
        "event_id",
        "event_subject",
        "created_at",
        "true_timestamp",
        "event_code",
        "schema_key",
        "self_describing",
        "self_description",
        "clipped",
        "wired",
    ],
)
@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute:UserWarning")
def test_a_field_may_not_hide_what_every_event_has(name: str) -> None:
    """A field `event_code` would change the code of the event on the wire; the error says what to call it."""
    with pytest.raises(ConfigurationError, match=f'call the field {name}_ and give it .*alias="{name}"'):
        type(
            "Hiding",
            (SelfDescribingEvent,),
            {"__annotations__": {name: str}, "__module__": __name__},
            schema=SCHEMA,
        )


def test_clipped_cuts_text_to_the_length_of_its_field() -> None:
    """In characters, as JSON Schema counts; half a pair is replaced everywhere."""
    event = Order.clipped(orderId=7, total=1, coupon="\U0001f600" * 9, note="a\ud83d")

    assert ("\U0001f600" * 5, "a\ufffd") == (event.coupon, event.note)


def test_clipped_leaves_out_what_cannot_be_valid() -> None:
    """Fields with a default fall back to it, whatever was given; by name and by alias."""

    class Visit(SelfDescribingEvent, schema=SCHEMA):
        page: str
        score: int = 0
        load_time: float | None = Field(default=None, alias="loadTime")
        tags: tuple[str, ...] = ()

    event = Visit.clipped(page="p", score="many", loadTime="soon", tags={"a": 1}, event_id="7")

    assert Visit(page="p") == event


def test_clipped_refuses_what_is_required_and_cannot_be_valid() -> None:
    """Then all problems are told, as by the class itself."""
    with pytest.raises(InvalidEventError) as caught:
        Order.clipped(order_id="x", total=1, note=7)

    assert ["order_id", "note"] == [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize("mistake", [{"notes": "x"}, {"context": "x"}, {"event_subject": "x"}])
def test_clipped_does_not_hide_mistakes_of_the_program(mistake: dict[str, Any]) -> None:
    """A typo and a wrong option are errors still."""
    with pytest.raises(InvalidEventError):
        Order.clipped(order_id=1, total=1, **mistake)
