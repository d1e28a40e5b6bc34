"""Screens of apps."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator

from aiotracker.errors import PipelineWarning, warn_caller
from aiotracker.events.self_describing import SelfDescribingEvent
from aiotracker.protocol.rules import is_uuid
from aiotracker.protocol.text import has_lone_surrogate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ScreenView"]

SCHEMA: Final = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"


def _text(value: str | None) -> str | None:
    if value is not None and has_lone_surrogate(value):
        raise ValueError("has half a surrogate pair, which is no character: decode it properly")
    return value or None


def _id(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return _text(value)
    if not isinstance(value, uuid.UUID):
        raise ValueError(f"must be a UUID, as text or as an object, not {type(value).__name__}")
    return str(value)


def _view_id(value: object) -> str:
    return _id(value) or str(uuid.uuid4())


Text = Annotated[str | None, AfterValidator(_text)]
Id = Annotated[str | uuid.UUID | None, PlainValidator(_id, json_schema_input_type=str | uuid.UUID | None)]
ViewId = Annotated[
    str | uuid.UUID | None, PlainValidator(_view_id, json_schema_input_type=str | uuid.UUID | None)
]


class ScreenView(SelfDescribingEvent, schema=SCHEMA):
    """A screen of an app was viewed.

    The published page calls `id_` and `name` optional, while the schema requires both and wants UUIDs
    for the ids. What the page takes is taken; a `PipelineWarning` says where the pipeline will fail
    the event.

    Attributes:
        id_: UUID of this view of the screen; made when not given.
        name: the screen's name.
        type: the kind of screen, `feed`.
        previous_name: the name of the screen before.
        previous_id: the UUID of the screen before.
        previous_type: the kind of the screen before.
        transition_type: how one led to the other.
    Source: Iglu Central, `com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0`.
    """

    id_: Annotated[ViewId, Field(serialization_alias="id", validate_default=True)] = None
    name: Text = None
    type: Text = None
    previous_name: Annotated[Text, Field(serialization_alias="previousName")] = None
    previous_id: Annotated[Id, Field(serialization_alias="previousId")] = None
    previous_type: Annotated[Text, Field(serialization_alias="previousType")] = None
    transition_type: Annotated[Text, Field(serialization_alias="transitionType")] = None

    def model_post_init(self, context: object, /) -> None:  # noqa: ARG002 - pydantic passes it
        """Warn of what the schema does not allow."""
        problems = [] if self.name else ["it needs a name"]
        for name in ("id_", "previous_id"):
            value = getattr(self, name)
            if value is not None and not is_uuid(value):
                problems.append(f"{name} must be a UUID")
        for problem in problems:
            # Without the value: Python remembers each text that it has warned of.
            warn_caller(
                PipelineWarning(f"the pipeline will fail this ScreenView: {problem} (schema {SCHEMA})")
            )

    @classmethod
    def _clipped_data(cls, data: Mapping[str, object]) -> dict[str, object]:
        """Leave out ids that are no UUIDs: this view then gets one of its own."""
        kept = super()._clipped_data(data)
        for name in ("id_", "previous_id"):
            if name in kept and not is_uuid(str(kept[name])):
                del kept[name]
        return kept
