"""Data that says what it is: self-describing JSON, and typed entities that carry their schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict

from aiotracker.errors import ConfigurationError
from aiotracker.model import CheckedModel
from aiotracker.normalise import model_data
from aiotracker.protocol.schema_key import SchemaKey

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Entity", "SchemaModel", "SelfDescribingJson"]


@dataclass(frozen=True)
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

    def __post_init__(self) -> None:
        """Check the schema and keep it as text."""
        key = self.schema if isinstance(self.schema, SchemaKey) else SchemaKey.parse(self.schema)
        object.__setattr__(self, "schema", key.uri)  # the one assignment of a frozen instance


class SchemaModel(CheckedModel):
    """A typed model that states the schema of its data: the common part of entities and events."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    schema_key: ClassVar[SchemaKey]

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
        """Leave out `schema`, which pydantic hands over a second time."""
        super().__pydantic_init_subclass__(**kwargs)

    def __init__(self, /, **data: Any) -> None:  # Any: pydantic generates the typed signature
        """Build the model from keyword arguments.

        Raises:
            InvalidEventError: fields that break their type or rule.
            ConfigurationError: neither the class nor a parent of it states a schema.
        """
        kind = type(self)
        if not hasattr(kind, "schema_key"):
            base = kind.__mro__[1].__name__
            raise ConfigurationError(
                "schema", None, f'state it once: class {kind.__name__}({base}, schema="iglu:…")'
            )
        super().__init__(**data)

    def self_description(self) -> Mapping[str, object]:
        """Return the data that the schema describes, under its own names."""
        return model_data(self)


class Entity(SchemaModel):
    """A typed entity: what was there when an event happened.

        class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
            sku: str
            price: Decimal
            list_price: Decimal | None = Field(default=None, alias="listPrice")

    The class states its schema once and is an ordinary frozen pydantic model from there on. What
    travels are its fields under their aliases; one that is None by default and still is, is left out.
    """
