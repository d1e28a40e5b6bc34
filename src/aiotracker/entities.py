"""Data that says what it is: self-describing JSON, and typed entities that carry their schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import ConfigDict

from aiotracker.errors import ConfigurationError, InvalidEventError
from aiotracker.model import CheckedModel
from aiotracker.normalise import model_data
from aiotracker.protocol.schema_key import SchemaKey
from aiotracker.protocol.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

__all__ = ["RESERVED", "Entity", "SchemaModel", "SelfDescribingJson"]

RESERVED: Final = frozenset({"clipped", "schema_key", "self_description", "wired"})
"""Names that every typed model has for itself; a field called like that would hide them."""


@dataclass(frozen=True, init=False)
class SelfDescribingJson:
    """Data with the schema that describes it.

    Attributes:
        schema: Iglu URI, `iglu:com.acme/order/jsonschema/1-0-0`; a `SchemaKey` is taken too.
        data: anything with a JSON form, mostly a dict; checked and written when it is tracked, so
            what is changed before then travels changed.
    Raises:
        InvalidSchemaKeyError: the schema is not an Iglu URI.
    """

    schema: str
    data: object

    def __init__(self, schema: str | SchemaKey, data: object) -> None:
        """Check the schema and keep it as text."""
        own = self.__dict__  # assignments of a frozen instance being built
        own["schema"] = schema.uri if isinstance(schema, SchemaKey) else SchemaKey.parse(schema).uri
        own["data"] = data


class SchemaModel(CheckedModel):
    """A typed model that states the schema of its data: the common part of entities and events."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, allow_inf_nan=False)  # JSON has neither

    schema_key: ClassVar[SchemaKey]

    _options: ClassVar[frozenset[str]] = frozenset()
    """Fields that are not part of the data."""
    _reserved: ClassVar[frozenset[str]] = RESERVED
    """What no field may be called."""

    def __init_subclass__(cls, schema: str | SchemaKey | None = None, **kwargs: Any) -> None:
        """Keep the schema that the class states; a class that states none inherits its parent's.

        Raises:
            InvalidSchemaKeyError: the schema is not an Iglu URI.
        """
        super().__init_subclass__(**kwargs)
        if schema is not None:
            cls.schema_key = schema if isinstance(schema, SchemaKey) else SchemaKey.parse(schema)

    @classmethod
    def __pydantic_init_subclass__(cls, schema: object = None, **kwargs: Any) -> None:
        """Leave out `schema`, which pydantic hands over a second time, and check the fields' names.

        Raises:
            ConfigurationError: a field hides something that the class needs.
        """
        super().__pydantic_init_subclass__(**kwargs)
        for name in sorted(cls._reserved.intersection(cls.model_fields)):
            raise ConfigurationError(
                name,
                cls.__name__,
                f"is taken: call the field {name}_ and give it "
                f'Field(serialization_alias="{name}"), its name in the schema',
            )

    @classmethod
    def _lack(cls) -> ConfigurationError | None:
        if hasattr(cls, "schema_key"):
            return super()._lack()
        base = cls if cls.__module__.startswith("aiotracker.") else cls.__mro__[1]
        return ConfigurationError(
            "schema",
            None,
            f"{cls.__name__} has none; a class states its schema once: "
            f'class Order({base.__name__}, schema="iglu:com.acme/order/jsonschema/1-0-0")',
        )

    @classmethod
    def clipped(cls, /, **data: Any) -> Self:  # Any: the keywords of the class itself
        """Build the model from data that comes from outside, saving what can be saved.

        Text is cut to the `max_length` of its field, in characters, as JSON Schema counts them; a field
        with a default that cannot be valid is left out. Takes the same keywords as the class.

        Raises:
            InvalidEventError: a required value cannot be valid, or a keyword is unknown.
        """
        kept = cls._clipped_data(data)
        try:
            return cls(**kept)
        except InvalidEventError as error:
            invalid = {problem.field.partition(".")[0] for problem in error.problems}
            own = {name: info for name, info in cls.model_fields.items() if name not in cls._options}
            if any(name not in own or own[name].is_required() for name in invalid):
                raise
            return cls(**{k: v for k, v in kept.items() if not any(k in _keys(n, own[n]) for n in invalid)})

    @classmethod
    def _clipped_data(cls, data: Mapping[str, object]) -> dict[str, object]:
        """Cut text to the `max_length` of its field, too."""
        kept = super()._clipped_data(data)
        for name, info in cls.model_fields.items():
            limits = [limit for mark in info.metadata if (limit := getattr(mark, "max_length", None))]
            for key in _keys(name, info) & kept.keys():
                text = kept[key]
                if isinstance(text, str):
                    kept[key] = cut(text, None)[: min(limits, default=None)]
        return kept

    def self_description(self) -> Mapping[str, object]:
        """Return the data that the schema describes, under its own names."""
        return model_data(self)


class Entity(SchemaModel):
    """A typed entity: what was there when an event happened.

        class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
            sku: str
            price: Decimal
            list_price: Decimal | None = Field(default=None, serialization_alias="listPrice")

    The class states its schema once and is an ordinary frozen pydantic model from there on. What
    travels are its fields under their aliases; one that is None by default and still is, is left out.
    """


def _keys(name: str, info: FieldInfo) -> frozenset[str]:
    """Return the keywords under which a field can be given."""
    return frozenset(key for key in (name, info.alias, info.validation_alias) if isinstance(key, str))
