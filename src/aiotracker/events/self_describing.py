"""Self-describing events: any data, under a schema, generic or as a typed class."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from pydantic import InstanceOf

from aiotracker.entities import RESERVED, SchemaModel, SelfDescribingJson
from aiotracker.errors import ConfigurationError
from aiotracker.events.base import OPTIONS, Event, EventOptions
from aiotracker.normalise import model_data

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SelfDescribing", "SelfDescribingEvent"]


class SelfDescribing(Event):
    """Something happened that a schema describes.

        SelfDescribing(SelfDescribingJson("iglu:com.acme/order/jsonschema/1-0-0", {"id": 7}))

    Attributes:
        event_json: the data with its schema; required, and the one positional argument.
    """

    event_code: ClassVar[str] = "ue"

    event_json: InstanceOf[SelfDescribingJson]

    def __init__(self, event_json: SelfDescribingJson, **options: Unpack[EventOptions]) -> None:
        """Build the event from its self-describing JSON and the options of every event.

        Raises:
            InvalidEventError: an argument breaks its rule or is unknown.
        """
        self._build({"event_json": event_json, **options})

    def self_describing(self) -> SelfDescribingJson:
        """Return the data with its schema."""
        return self.event_json


class SelfDescribingEvent(Event, SchemaModel):
    """A typed self-describing event.

        class LinkClick(
            SelfDescribingEvent, schema="iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
        ):
            target_url: str = Field(serialization_alias="targetUrl")

        LinkClick(target_url="https://acme.com", context=[...])

    The class states its schema once; its fields are the data, under their aliases, and the options of
    every event stand beside them. A property of the schema that is called like one of those options
    gets another attribute name and a `serialization_alias`.
    """

    event_code: ClassVar[str] = "ue"

    _options: ClassVar[frozenset[str]] = OPTIONS
    _reserved: ClassVar[frozenset[str]] = RESERVED | {"event_code", "self_describing"}

    @classmethod
    def __pydantic_init_subclass__(cls, schema: object = None, **kwargs: Any) -> None:
        """Refuse fields that hide the options of every event.

        Raises:
            ConfigurationError: a field is called like an option of every event.
        """
        super().__pydantic_init_subclass__(schema=schema, **kwargs)
        for name in sorted(OPTIONS & set(inspect.get_annotations(cls))):
            raise ConfigurationError(
                name,
                cls.__name__,
                f"every event has this argument: call the field {name}_ and give it "
                f'Field(serialization_alias="{name}")',
            )

    def self_description(self) -> Mapping[str, object]:
        """Return the data that the schema describes, without the options of every event."""
        return model_data(self, skip=OPTIONS)

    def self_describing(self) -> SelfDescribingJson:
        """Return the data with its schema."""
        return SelfDescribingJson(self.schema_key.uri, self.self_description())
