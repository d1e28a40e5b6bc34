"""Pydantic models as data: aliases, what is left out, and what users made of them."""

import inspect
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    SerializerFunctionWrapHandler,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from aiotracker import InvalidDataError
from aiotracker.normalise import json_text, model_data

T = TypeVar("T")
Euros = Annotated[Decimal, PlainSerializer(lambda value: f"{value} €")]


class Line(BaseModel):
    """A plain model."""

    sku: str
    note: str | None = None


class Aliased(BaseModel):
    """Every way of giving a field another name."""

    model_config = ConfigDict(populate_by_name=True)

    both: int = Field(alias="bothWays")
    out: int = Field(serialization_alias="onlyOut")
    into: int = Field(validation_alias="onlyIn")
    choice: int = Field(validation_alias=AliasChoices("choice", "c"), serialization_alias="choiceOut")


class Camel(BaseModel):
    """A generator of names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    list_price: Decimal
    old_price: Decimal | None = None


class Absent(BaseModel):
    """Every way of being None."""

    left_out: int | None = None
    required: int | None
    other_default: int | None = 7
    made: int | None = Field(default_factory=lambda: None)


class Computed(BaseModel):
    """A field that is worked out, beside one that is absent and one that is nested."""

    price: Decimal
    note: str | None = None
    line: Line | None = None

    @computed_field(alias="grossPrice")
    def gross(self) -> Decimal:
        """Return the price with tax."""
        return self.price * 2


class WithFieldSerializer(BaseModel):
    """One field has a serializer, the others are as always."""

    seconds: timedelta
    line: Line
    note: str | None = None

    @field_serializer("seconds")
    def as_seconds(self, value: timedelta) -> float:
        """Return seconds."""
        return value.total_seconds()


class WithModelSerializer(BaseModel):
    """The model is written by its user."""

    amount: int
    note: str | None = None

    @model_serializer
    def as_amount(self) -> dict[str, object]:
        """Return something else."""
        return {"cents": self.amount * 100, "kept": None}


class WithWrapSerializer(BaseModel):
    """Pydantic's own form, and something added."""

    a: int
    note: str | None = None

    @model_serializer(mode="wrap")
    def extended(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Return the fields and one more."""
        return {**handler(self), "more": 1}


class Annotations(BaseModel):
    """Serializers hidden in types."""

    price: Euros
    prices: list[Euros]
    maybe: Euros | None = None


class Excluded(BaseModel):
    """A field that is not for others."""

    shown: int
    hidden: int = Field(exclude=True)


class Open(BaseModel):
    """Takes more than it names."""

    model_config = ConfigDict(extra="allow")

    a: int


class Tags(RootModel[list[str]]):
    """A list of its own type."""


class Price(RootModel[Euros]):
    """A root with a serializer."""


class Doubled(RootModel[int]):
    """A root that is written by its user."""

    @model_serializer
    def twice(self) -> int:
        """Return something else."""
        return self.root * 2


class Tree(RootModel["list[Tree]"]):
    """A root of itself."""


class Box(BaseModel, Generic[T]):
    """A generic model."""

    content: T


@pydantic_dataclass
class Checked:
    """A dataclass of pydantic's."""

    a: int
    b: int | None = None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Line(sku="s"), {"sku": "s"}),
        (Line(sku="s", note=""), {"sku": "s", "note": ""}),
        (
            Aliased(both=1, out=2, onlyIn=3, c=4),  # type: ignore[call-arg]  # by its aliases
            {"bothWays": 1, "onlyOut": 2, "into": 3, "choiceOut": 4},
        ),
        (Camel(list_price=Decimal("9.90")), {"listPrice": 9.9}),
        (Absent(required=None, other_default=None), {"required": None, "other_default": None, "made": None}),
        (Computed(price=Decimal(2), line=Line(sku="s")), {"price": 2, "line": {"sku": "s"}, "grossPrice": 4}),
        (
            WithFieldSerializer(seconds=timedelta(0, 90), line=Line(sku="s")),
            {"seconds": 90.0, "line": {"sku": "s"}},
        ),
        (WithModelSerializer(amount=3), {"cents": 300, "kept": None}),
        (WithWrapSerializer(a=1), {"a": 1, "more": 1}),
        (Annotations(price=Decimal(1), prices=[Decimal(2)]), {"price": "1 €", "prices": ["2 €"]}),
        (Excluded(shown=1, hidden=2), {"shown": 1}),
        (Open(a=1, b=[2], c=None), {"a": 1, "b": [2], "c": None}),  # type: ignore[call-arg]  # extra
        (Tags(["a", "b"]), ["a", "b"]),
        (Price(Decimal(1)), "1 €"),
        (Doubled(4), 8),
        (Tree([Tree([]), Tree([Tree([])])]), [[], [[]]]),
        (Box[Line](content=Line(sku="s")), {"content": {"sku": "s"}}),
        (Box(content=Tags(["a"])), {"content": ["a"]}),
        (Checked(1), {"a": 1}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict | list) else "",
)
def test_a_model_is_written_as_its_author_meant(model: object, expected: object) -> None:
    """Under aliases, without what is None by default, serializers and computed fields respected."""
    text = json_text({"model": model, "in a list": [model]})

    assert {"model": expected, "in a list": [expected]} == json.loads(text)


def test_the_digits_of_a_field_stay() -> None:
    """A Decimal in a model is a number with its digits, also one that is computed."""
    assert '{"price":1.10,"grossPrice":2.20}' == json_text(Computed(price=Decimal("1.10")))


def test_absence_is_told_per_level() -> None:
    """A model beside a field with a serializer is written like any other model."""
    text = json_text(WithFieldSerializer(seconds=timedelta(0, 1), line=Line(sku="s", note=None)))

    assert '{"seconds":1.0,"line":{"sku":"s"}}' == text


def test_a_bad_value_in_a_model_has_a_path_of_aliases() -> None:
    """The path is the one inside the data that would be sent."""
    model = Box(content=Camel(list_price=Decimal("1e400")))

    with pytest.raises(InvalidDataError) as caught:
        json_text({"box": model})

    assert "data.box.content.listPrice" == caught.value.path


def test_a_secret_is_not_written() -> None:
    """It has no JSON form, and its stars would tell nobody anything."""
    with pytest.raises(InvalidDataError, match="SecretStr objects have no JSON form"):
        json_text(Box(content=SecretStr("secret")))


def test_a_model_that_contains_itself_is_refused() -> None:
    """By its depth, or, where a level costs none, by Python's own limit; never with a RecursionError."""
    box: Box[Any] = Box(content=None)
    box.content = box
    root: RootModel[Any] = RootModel(None)
    root.root = root

    for loop in (box, root):
        with pytest.raises(InvalidDataError, match="or contains itself"):
            json_text(loop)


def test_skipped_fields_are_no_part_of_the_data() -> None:
    """The options of an event are not its data, with a serializer or without."""
    plain = model_data(Line(sku="s", note="n"), skip=frozenset({"note"}))
    whole = model_data(WithWrapSerializer(a=1, note="n"), skip=frozenset({"note"}))

    assert ({"sku": "s"}, {"a": 1, "more": 1}) == (plain, whole)


def test_values_stay_as_they_are() -> None:
    """Only names change in `model_data`; a datetime is still one, a model still a model."""
    moment = datetime(2025, 3, 1)  # noqa: DTZ001 - not sent

    data = model_data(Box(content=[moment, Tags(["a"])]))

    assert {"content": [moment, Tags(["a"])]} == data


@pytest.mark.parametrize("excluded", [True, False])
def test_a_condition_of_a_field_is_respected(*, excluded: bool) -> None:
    """`exclude_if` decides by the value."""
    condition: Callable[[int], bool] = lambda value: value == 0  # noqa: E731 - typed for pydantic
    if "exclude_if" not in inspect.signature(Field).parameters:
        pytest.skip("this pydantic has no exclude_if")

    class Conditional(BaseModel):
        count: int = Field(exclude_if=condition)

    assert ({} if excluded else {"count": 1}) == model_data(Conditional(count=0 if excluded else 1))
