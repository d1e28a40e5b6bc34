"""What every event has, whatever it tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Final, TypedDict
from uuid import UUID

from pydantic import ConfigDict, InstanceOf, PlainValidator, SerializeAsAny

from aiotracker.entities import Entity, SelfDescribingJson
from aiotracker.errors import ConfigurationError
from aiotracker.model import CheckedModel, Wire
from aiotracker.protocol import fields
from aiotracker.subject import Subject

__all__ = ["OPTIONS", "Entities", "Event", "EventOptions", "checked_entities"]


def checked_entities(value: object) -> tuple[SelfDescribingJson | Entity, ...] | None:
    """Return what `context` takes as a tuple.

    Raises:
        ValueError: it is no sequence of entities.
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        if isinstance(value, SelfDescribingJson | Entity):
            raise ValueError("must be a list of entities: put this one in brackets")
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise ValueError("must be a list of SelfDescribingJson and Entity objects")
    for index, item in enumerate(value):
        # Two calls: the exact class is told at once, and pydantic's way to tell an Entity is slow.
        if not isinstance(item, SelfDescribingJson) and not isinstance(item, Entity):
            kind = type(item).__name__
            raise ValueError(
                f"has a value of type {kind} at [{index}]: put in SelfDescribingJson or Entity objects"
            )
    return tuple(value)


Entities = Sequence[InstanceOf[SelfDescribingJson] | SerializeAsAny[InstanceOf[Entity]]]
"""What `context` takes: entities with their schemas, generic or typed, in any sequence."""


class EventOptions(TypedDict, total=False):
    """The keyword arguments that every event takes."""

    event_subject: Subject | None
    context: Entities | None
    true_timestamp: float | datetime | None
    event_id: str | UUID | None
    created_at: float | datetime | None


class Event(CheckedModel):
    """Base of all events; track one of its subclasses.

    Attributes:
        event_subject: who and where, for this event alone; wins over scope and tracker.
        context: entities of this event, added to those of scope and tracker.
        true_timestamp: when it really happened, milliseconds since 1970 or an aware datetime; sent as
            `ttm`, and then the pipeline's derived time.
        event_id: the event's UUID, made at `track()` when not given; a retry keeps it.
        created_at: when the event was made (`dtm`), the moment of `track()` when not given.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    event_code: ClassVar[str]

    event_subject: InstanceOf[Subject] | None = None
    context: Annotated[Entities | None, PlainValidator(checked_entities)] = None
    true_timestamp: Annotated[float | datetime | None, Wire(fields.TRUE_TIMESTAMP)] = None
    event_id: Annotated[str | UUID | None, Wire(fields.EVENT_ID)] = None
    created_at: Annotated[float | datetime | None, Wire(fields.CREATED_AT)] = None

    @classmethod
    def _lack(cls) -> ConfigurationError | None:
        if hasattr(cls, "event_code"):
            return super()._lack()
        return ConfigurationError(
            "event_code",
            None,
            f"{cls.__name__} is no event that the pipeline knows: use PageView, StructuredEvent "
            "or SelfDescribing, or a class of your own made from SelfDescribingEvent",
        )

    def self_describing(self) -> SelfDescribingJson | None:
        """Return the self-describing JSON of the event, None for events that have none."""
        return None


OPTIONS: Final = frozenset(Event.model_fields)
"""What every event takes beside its own fields."""
