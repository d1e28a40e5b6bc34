"""Screens of apps."""

from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field

from aiotracker.entities import SelfDescribingJson
from aiotracker.errors import PipelineWarning
from aiotracker.events.base import Event
from aiotracker.normalise import model_data
from aiotracker.protocol.rules import is_uuid
from aiotracker.protocol.text import has_lone_surrogate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ScreenView"]

SCHEMA: Final = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
OWN_FIELDS: Final = frozenset(Event.model_fields)


def _text(value: str | None) -> str | None:
    if value is not None and has_lone_surrogate(value):
        raise ValueError("has half a surrogate pair, which is no character: decode it properly")
    return value or None


Text = Annotated[str | None, AfterValidator(_text)]


class ScreenView(Event):
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

    event_code: ClassVar[str] = "ue"

    id_: Annotated[Text, Field(serialization_alias="id")] = None
    name: Text = None
    type: Text = None
    previous_name: Annotated[Text, Field(serialization_alias="previousName")] = None
    previous_id: Annotated[Text, Field(serialization_alias="previousId")] = None
    previous_type: Annotated[Text, Field(serialization_alias="previousType")] = None
    transition_type: Annotated[Text, Field(serialization_alias="transitionType")] = None

    def __init__(self, /, **data: Any) -> None:  # Any: pydantic generates the typed signature
        """Build the event, with an id of its own when none is given.

        Raises:
            InvalidEventError: an argument breaks its rule or is unknown.
        """
        if not data.get("id_"):
            data["id_"] = str(uuid.uuid4())
        super().__init__(**data)
        for problem in self._pipeline_problems():
            warnings.warn(
                f"the pipeline will fail this ScreenView: {problem} (schema {SCHEMA})",
                PipelineWarning,
                stacklevel=2,
            )

    def _pipeline_problems(self) -> list[str]:
        problems = [] if self.name else ["it needs a name"]
        for name, value in (("id_", self.id_), ("previous_id", self.previous_id)):
            if value is not None and not is_uuid(value):
                problems.append(f"{name}={value!r} must be a UUID")
        return problems

    def self_describing(self) -> SelfDescribingJson:
        """Return the screen's data with its schema."""
        return SelfDescribingJson(SCHEMA, model_data(self, skip=OWN_FIELDS))

    @classmethod
    def _clipped_data(cls, data: Mapping[str, object]) -> dict[str, Any]:  # Any: keyword arguments
        """Leave out ids that are no UUIDs: this view then gets one of its own."""
        kept = super()._clipped_data(data)
        for name in ("id_", "previous_id"):
            value = kept.get(name)
            if value is not None and not (isinstance(value, str) and is_uuid(value)):
                del kept[name]
        return kept
