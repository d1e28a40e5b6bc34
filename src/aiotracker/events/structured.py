"""Structured events: five columns, any meaning."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from aiotracker.events.base import Event
from aiotracker.model import Wire
from aiotracker.protocol import fields

__all__ = ["StructuredEvent"]


class StructuredEvent(Event):
    """Something happened that five columns can tell.

    Attributes:
        category: the group of things that this belongs to, 1,000 characters; required.
        action: what was done, 1,000 characters; required.
        label: which thing it was done to, 4,096 characters.
        property_: a quality of the thing or the deed, 1,000 characters.
        value: a number that goes with it; finite.
    """

    event_code: ClassVar[str] = "se"

    category: Annotated[str, Wire(fields.CATEGORY)]
    action: Annotated[str, Wire(fields.ACTION)]
    label: Annotated[str | None, Wire(fields.LABEL)] = None
    property_: Annotated[str | None, Wire(fields.PROPERTY)] = None
    value: Annotated[int | float | Decimal | None, Wire(fields.VALUE)] = None
